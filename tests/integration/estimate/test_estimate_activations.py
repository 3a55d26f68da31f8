"""The formulas for what a layer keeps, against what autograd saves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_models import TINY_MODELS
from support.tiny_spec import MODEL_CLAIM, tiny_spec
from visionft_trainer.estimate.activations import Batch, kept_by
from visionft_trainer.estimate.reading import PEFT_PREFIX, blocks_of
from visionft_trainer.model import adapt, load
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source

TOKENS = 60


@pytest.mark.parametrize(
    ("name", "tolerance"),
    # Gemma's norms multiply in 32 bits, which keeps a little more.
    [("Qwen2-VL", 0.03), ("Qwen3-VL", 0.03), ("LLaVA 1.5", 0.03), ("Pixtral", 0.03), ("Gemma 3", 0.1)],
)
def test_language_layers_keep_what_the_formula_says(tmp_path: Path, name: str, tolerance: float) -> None:
    TINY_MODELS[name](tmp_path / "models" / "tiny")
    spec = tiny_spec(tmp_path, model={"quantization": "none"})
    files = model_source.locate(spec.model, Settings(claims={MODEL_CLAIM: tmp_path / "models"}))
    model = load.load_model(files, spec, torch.device("cpu")).to(torch.bfloat16)
    model = adapt.adapt(model, spec, files.family, "tiny")
    model.enable_input_require_grads()
    saved = _saved(model.train(), torch.randint(10, 90, (1, TOKENS)))
    batch = Batch(rows=1, length=TOKENS, padded=False, answers=0, patches=0, images=0, pictures=0)
    blocks = [block for block in blocks_of(model, files.family) if block.region == "language"]
    assert blocks
    for block in blocks:
        measured = sum(size for module, size in saved.items() if module.startswith(f"{block.name}."))
        assert kept_by(block, batch) == pytest.approx(measured, rel=tolerance)


def _saved(model: Any, input_ids: torch.Tensor) -> Counter[str]:
    """Bytes that autograd saves in each module of a forward pass in 16-bit autocast, weights left out."""
    inside = ["top"]
    for full_name, module in model.named_modules():
        name = full_name.removeprefix(PEFT_PREFIX)
        module.register_forward_pre_hook(lambda *_, name=name: inside.append(name))
        module.register_forward_hook(lambda *_: inside.pop() and None)
    known = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    alive: list[torch.Tensor] = []
    sizes: Counter[str] = Counter()

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            known.add(storage.data_ptr())
            alive.append(tensor)  # so that no other tensor gets its place
            sizes[inside[-1]] += storage.nbytes()
        return tensor

    with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids), use_cache=False)
    return sizes
