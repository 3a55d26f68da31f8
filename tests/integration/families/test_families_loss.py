"""Loss and gradients of the whole path against plain transformers and PEFT, row by row and without padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.family_bench import FamilyBench, randomise_adapter
from support.family_data import ROWS
from support.family_reference import UNLEARNT, answer_labels, processor_inputs

TOLERANCE = 1e-6


@pytest.mark.capability("loss")
@pytest.mark.parametrize("vision", [True, False], ids=["tuned-tower", "frozen-tower"])
def test_loss_and_gradients_equal_plain_transformers_and_peft(
    bench: FamilyBench, images: Path, tmp_path: Path, vision: bool
) -> None:
    bench = bench.having(adapter={"vision": vision, "projector": vision})
    tuned = bench.tuned_model()
    plain = _plain_peft(bench, [name.partition(".lora_A")[0] for name in _gradients(tuned) if ".lora_A" in name])
    loss = _plain_loss(plain, bench, images)
    loss.backward()
    expected = _gradients(plain)

    trainer = bench.trainer(tuned, tmp_path)
    inputs, items = trainer.get_batch_samples(iter([bench.batch()]), 1, torch.device("cpu"))
    trainer.current_gradient_accumulation_steps = 1
    found_loss = trainer.training_step(tuned, inputs[0], items)
    found = _gradients(tuned)

    torch.testing.assert_close(found_loss, loss.detach(), atol=TOLERANCE, rtol=0)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient is not None, name
        assert float(gradient.abs().max()) > 0, f"{name} has no gradient"
        torch.testing.assert_close(
            gradient, expected[name], atol=TOLERANCE, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )


def _plain_peft(bench: FamilyBench, modules: list[str]) -> Any:
    """The base model by plain transformers, with PEFT's LoRA on the linears of these full names."""
    from peft import LoraConfig, get_peft_model

    base = bench.family.model_class().from_pretrained(bench.files.folder, dtype=torch.float32)
    names = [name.removeprefix("base_model.model.") for name in modules]
    config = LoraConfig(r=bench.spec.adapter.rank, lora_alpha=bench.spec.adapter.alpha, target_modules=names)
    return randomise_adapter(get_peft_model(base, config)).train()


def _plain_loss(model: Any, bench: FamilyBench, images: Path) -> torch.Tensor:
    """Mean over the answers' tokens of the four rows together, each of them run alone."""
    total, tokens = torch.zeros(()), 0
    for messages in ROWS:
        labels = answer_labels(bench.processor, messages, images)[0, 1:]
        logits = model(**processor_inputs(bench.processor, messages, images, prompt=False)).logits[0, :-1]
        total = total + torch.nn.functional.cross_entropy(logits, labels, ignore_index=UNLEARNT, reduction="sum")
        tokens += int((labels != UNLEARNT).sum())
    return total / tokens


def _gradients(model: Any) -> dict[str, Any]:
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
