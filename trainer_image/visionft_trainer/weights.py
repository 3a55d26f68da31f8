"""The weights that a training changes, in one file: what a checkpoint holds of the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

WEIGHTS_FILE = "trainable.safetensors"


def trainable(model: Any) -> dict[str, torch.Tensor]:
    """The trainable parameters by name, whole. Where they are shared out, all processes must call it together."""
    return {
        name: _whole(parameter.detach()).contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def write(values: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Write weights to `folder`."""
    from safetensors.torch import save_file

    save_file(dict(values), folder / WEIGHTS_FILE)


def read_into(model: Any, folder: Path) -> None:
    """Give the trainable parameters of `model` the values that lie in `folder`."""
    from safetensors import safe_open

    wanted = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    with safe_open(folder / WEIGHTS_FILE, framework="pt") as stored:
        if set(stored.keys()) != set(wanted):
            raise ValueError(f"{folder.name} holds the weights of another training")
        with torch.no_grad():
            for name, parameter in wanted.items():
                _assign(parameter, stored.get_tensor(name))


def _whole(value: torch.Tensor) -> torch.Tensor:
    from torch.distributed.tensor import DTensor

    return value.full_tensor() if isinstance(value, DTensor) else value


def _assign(parameter: torch.Tensor, value: torch.Tensor) -> None:
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(parameter, DTensor):
        parameter.copy_(distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements))
    else:
        parameter.copy_(value)
