"""The weights that a training changes, in one file: what a checkpoint holds of the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

WEIGHTS_FILE = "trainable.safetensors"


def trainable(model: Any, *, keep: bool = True) -> dict[str, torch.Tensor]:
    """The trainable parameters by name, whole. Where they are shared out, all processes must call it together; those
    without `keep` take part, and get nothing."""
    wanted = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    values = {name: _whole(parameter.detach(), keep) for name, parameter in wanted}
    return {name: value.contiguous() for name, value in values.items() if value is not None}


def write(values: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Write weights to `folder`."""
    from safetensors.torch import save_file

    save_file(dict(values), folder / WEIGHTS_FILE)


def read_into(model: Any, folder: Path) -> None:
    """Give the trainable parameters of `model` the values that lie in `folder`."""
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS_FILE, framework="pt") as stored:
        assign(model, {name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118 - no mapping


def assign(model: Any, values: Mapping[str, torch.Tensor]) -> None:
    """Give the trainable parameters of `model` these values. Raises `ValueError` when they are of another training."""
    wanted = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if set(values) != set(wanted):
        raise ValueError("these are the weights of another training")
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(_like(values[name].to(parameter.device), parameter))


def gathered(state: Any, *, keep: bool = True) -> Any:
    """An optimizer's state with every tensor whole; all processes call it, and those without `keep` get nothing."""
    if isinstance(state, dict):
        return {key: gathered(value, keep=keep) for key, value in state.items()}
    if isinstance(state, list):
        return [gathered(value, keep=keep) for value in state]
    return _whole(state, keep)


def scattered(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The reverse of `gathered`: each tensor shared out as the parameter is that it belongs to."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    shared = {
        index: {
            key: _like(value, parameters[index])
            if isinstance(value, torch.Tensor) and value.shape == parameters[index].shape
            else value
            for key, value in entries.items()
        }
        for index, entries in state["state"].items()
    }
    return {**state, "state": shared}


def _whole(value: Any, keep: bool) -> Any:
    """`value` in one piece: one that was shared out in the CPU's memory, since a GPU may not hold all of them."""
    from torch.distributed.tensor import DTensor

    if isinstance(value, DTensor):
        whole = value.full_tensor()
        return whole.cpu() if keep else None
    return value if keep else None


def _like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """`value` shared out among the processes as `parameter` is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(parameter, DTensor):
        return value
    return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
