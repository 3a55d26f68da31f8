"""Bytes that stay on the GPU through a training: weights, adapters, gradients, the optimizer's state. Exact."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from visionft_trainer.families import Family
from visionft_trainer.processes import sharding

NF4_BLOCK = 64  # weights that share a scale, bitsandbytes' default
NF4_CODE_BYTES = 16 * 4  # the 16 values of NormalFloat, kept with each layer
OPTIMIZER_BLOCK = 256  # numbers of an 8-bit state that share a scale
OPTIMIZER_8BIT_MINIMUM = 4096  # bitsandbytes keeps the state of smaller tensors in 32 bits
OPTIMIZER_CODE_BYTES = 2 * 256 * 4  # the two tables of 256 values, shared by all tensors
STATES = 2  # of Adam: the means of the gradient and of its square


@dataclass(frozen=True)
class Tensors:
    """Bytes by what they are for."""

    weights: int
    """Frozen."""
    adapter: int
    """Trained: the adapter, modules trained in full, or the whole model's chosen parts."""
    gradients: int
    """Of what is trained; they live from the backward pass to the end of the step."""
    optimizer: int
    paged: bool
    """The optimizer's state can leave for the CPU's memory."""


@dataclass(frozen=True)
class Shareable:
    """Bytes of what `processes.sharding` shares out: the language layers, without adapters and scales."""

    weights: int = 0
    """Frozen."""
    trained: int = 0
    optimizer: int = 0
    """AdamW's, of what is trained of them, without the counts of steps that each process keeps."""
    largest: int = 0
    """One layer."""
    largest_trained: int = 0
    """What is trained of one layer."""


def shareable(model: Any, family: Family) -> Shareable:
    """Count what could be shared out of the adapted `model`."""
    adapted = hasattr(model, "peft_config")
    base = model.get_base_model() if adapted else model
    found = Shareable()
    for name in sharding.language_layers(base, family):
        frozen, trained = _layer_bytes(base.get_submodule(name), adapted)
        found = Shareable(
            found.weights + frozen,
            found.trained + sum(trained),
            found.optimizer + STATES * sum(trained),
            max(found.largest, frozen + sum(trained)),
            max(found.largest_trained, sum(trained)),
        )
    return found


def _layer_bytes(layer: nn.Module, adapted: bool) -> tuple[int, list[int]]:
    """Bytes of the frozen parameters of a layer, and of each trained one that is no adapter."""
    from bitsandbytes.nn.modules import Linear4bit

    frozen, trained = 0, list[int]()
    for module in layer.modules():
        for parameter in module.parameters(recurse=False):
            if not parameter.requires_grad:
                if isinstance(module, Linear4bit) and parameter is module.weight:
                    frozen += -(-module.in_features * module.out_features // 2)
                else:
                    frozen += _plain(parameter)
            elif not adapted:
                trained.append(_plain(parameter))
    return frozen, trained


def tensors_of(model: Any, optimizer: str) -> Tensors:
    """Count `model`, which may lie on the meta device. `optimizer` is `spec.training.optimizer`."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return Tensors(
        weights=frozen_bytes(model),
        adapter=sum(_plain(parameter) for parameter in trained),
        gradients=sum(_plain(parameter) for parameter in trained),
        optimizer=optimizer_bytes((math.prod(parameter.shape) for parameter in trained), optimizer),
        paged=optimizer.startswith("paged"),
    )


def shared_out(tensors: Tensors, part: Shareable, processes: int) -> Tensors:
    """What stays on each of `processes` GPUs of `tensors` when `part` of them is shared out."""

    def away(size: int) -> int:
        return size - -(-size // processes)

    return replace(
        tensors,
        weights=tensors.weights - away(part.weights),
        adapter=tensors.adapter - away(part.trained),
        gradients=tensors.gradients - away(part.trained),
        optimizer=tensors.optimizer - away(part.optimizer),
    )


def frozen_bytes(model: nn.Module, plain: torch.dtype | None = None) -> int:
    """Weights and buffers that are not trained, each counted once however many modules share it.

    With `plain`, of the model once its quantised weights are brought back to that type.
    """
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    total = 0
    seen: set[int] = set()
    for module in model.modules():
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if id(tensor) in seen or (isinstance(tensor, nn.Parameter) and tensor.requires_grad):
                continue
            seen.add(id(tensor))
            if name == "weight" and isinstance(module, Linear4bit | Linear8bitLt) and plain is not None:
                total += module.in_features * module.out_features * plain.itemsize
            elif name == "weight" and isinstance(module, Linear4bit):
                total += nf4_bytes(module.in_features * module.out_features)
            elif name == "weight" and isinstance(module, Linear8bitLt):
                total += int8_bytes(module.in_features, module.out_features)
            else:
                total += _plain(tensor)
    return total


def nf4_bytes(numbers: int) -> int:
    """A 4-bit weight: two numbers a byte, a 32-bit scale for every `NF4_BLOCK` of them, the table of values."""
    return -(-numbers // 2) + 4 * -(-numbers // NF4_BLOCK) + NF4_CODE_BYTES


def int8_bytes(inputs: int, outputs: int) -> int:
    """An 8-bit weight: a byte a number, a 32-bit scale a row."""
    return inputs * outputs + 4 * outputs


def optimizer_bytes(sizes: Iterable[int], optimizer: str) -> int:
    """State of AdamW for tensors of these many numbers.

    torch keeps two 32-bit states and a 32-bit count of steps a tensor; bitsandbytes' 8-bit form keeps two bytes a
    number and two 32-bit scales for every `OPTIMIZER_BLOCK` numbers.
    """
    eight_bit = optimizer.endswith("8bit")
    paged = optimizer.startswith("paged")
    total = OPTIMIZER_CODE_BYTES if eight_bit else 0
    for size in sizes:
        if eight_bit and size >= OPTIMIZER_8BIT_MINIMUM:
            total += STATES * (size + 4 * -(-size // OPTIMIZER_BLOCK))
        else:
            total += STATES * 4 * size + (0 if eight_bit or paged else 4)
    return total


def _plain(tensor: torch.Tensor) -> int:
    return math.prod(tensor.shape) * tensor.element_size()
