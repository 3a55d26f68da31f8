"""What is counted on a model without weights is what the loaded model holds, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_models import TINY_MODELS
from support.tiny_spec import MODEL_CLAIM, tiny_spec
from torch import distributed
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from visionft_trainer.estimate.empty import empty_model
from visionft_trainer.estimate.tensors import Tensors, shareable, shared_out, tensors_of
from visionft_trainer.model import adapt, load
from visionft_trainer.processes import sharding
from visionft_trainer.processes.distributed import Team
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source
from visionft_trainer.training import optimizers

CASES: list[tuple[str, dict[str, dict[str, Any]]]] = [
    *((name, {}) for name in ("Qwen2-VL", "Qwen2.5-VL", "Llama 3.2 Vision", "Pixtral", "DeepSeek-OCR-2")),
    ("Qwen2-VL", {"model": {"quantization": "int8"}}),
    (
        "Qwen2-VL",
        {
            "model": {"quantization": "none"},
            "adapter": {"method": "full"},
            "output": {"adapter": False, "merged": True},
        },
    ),
    ("Qwen2-VL", {"adapter": {"modulesToSave": ["lm_head"], "vision": False}}),
    ("Qwen2-VL", {"adapter": {"rank": 64}, "training": {"optimizer": "adamw8bit"}, "resources": {"gpus": 1}}),
]


@pytest.mark.parametrize(("name", "sections"), CASES, ids=lambda case: case if isinstance(case, str) else str(case))
def test_bytes_are_those_of_the_loaded_model(tmp_path: Path, name: str, sections: dict[str, Any]) -> None:
    TINY_MODELS[name](tmp_path / "models" / "tiny")
    spec = tiny_spec(tmp_path, **sections)
    files = model_source.locate(spec.model, Settings(claims={MODEL_CLAIM: tmp_path / "models"}))
    counted = tensors_of(empty_model(files, spec, torch.float32), spec.training.optimizer)

    cpu = torch.device("cpu")
    model = adapt.adapt(load.load_model(files, spec, cpu), spec, files.family, "tiny")
    assert counted == _real(model, spec)


SHARED: list[tuple[str, dict[str, dict[str, Any]]]] = [
    ("Qwen2-VL", {}),
    ("Llama 3.2 Vision", {"model": {"quantization": "none"}}),
    CASES[6],  # full fine-tuning
]


@pytest.mark.parametrize(("name", "sections"), SHARED, ids=lambda case: case if isinstance(case, str) else str(case))
def test_bytes_are_those_of_a_model_shared_out_over_two_processes(
    tmp_path: Path, name: str, sections: dict[str, Any], first_of_two: Team
) -> None:
    TINY_MODELS[name](tmp_path / "models" / "tiny")
    spec = tiny_spec(tmp_path, **sections)
    files = model_source.locate(spec.model, Settings(claims={MODEL_CLAIM: tmp_path / "models"}))
    empty = empty_model(files, spec, torch.float32)
    whole = tensors_of(empty, spec.training.optimizer)
    counted = shared_out(whole, shareable(empty, files.family), processes=2)

    cpu = torch.device("cpu")
    model = adapt.adapt(load.load_model(files, spec, cpu), spec, files.family, "tiny")
    sharding.shard(model, files.family, first_of_two, cpu)
    assert counted == _real(model, spec)
    assert counted != whole


@pytest.fixture
def first_of_two() -> Iterator[Team]:
    """Process 0 of two; of the other one nothing is heard, since sharing out needs no word from it."""
    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    yield Team(0, 2)
    distributed.destroy_process_group()


def _real(model: Any, spec: Any) -> Tensors:
    """Bytes of everything that the model and a step of its optimizer hold."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    kept: dict[int, torch.Tensor] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        if not tensor.requires_grad:
            kept[id(tensor)] = tensor
            scales = getattr(tensor, "SCB", None)
            if scales is not None:
                kept[id(scales)] = scales
    for module in model.modules():
        state = getattr(module, "quant_state", None)
        if state is not None:
            kept[id(state.absmax)], kept[id(state.code)] = state.absmax, state.code.clone()
    optimizer = optimizers.build(spec.training, optimizers.parameter_groups(model, spec.training, ()))
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    states = {
        _here(value).data_ptr(): _here(value)
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    }
    return Tensors(
        weights=sum(_here(tensor).nbytes for tensor in kept.values()),
        adapter=sum(_here(parameter).nbytes for parameter in trained),
        gradients=sum(_here(parameter.grad).nbytes for parameter in trained),
        optimizer=sum(value.nbytes for value in states.values()),
        paged=False,
    )


def _here(tensor: Any) -> torch.Tensor:
    """What of a tensor lies in this process."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
