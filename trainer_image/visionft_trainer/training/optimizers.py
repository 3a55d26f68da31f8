"""Optimizers by name, over parameters grouped by learning rate and weight decay, and learning-rate schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from visionft_api.spec import TrainingSpec

from visionft_trainer.errors import BadConfigError

EIGHT_BIT = ("adamw8bit", "pagedAdamw8bit")
PAGED = ("pagedAdamw", "pagedAdamw8bit")

RESTARTS = 4
"""Cosine waves of cosineWithRestarts."""
POLYNOMIAL_POWER = 2.0
"""1 would be linear."""
DECAY_SHARE = 0.2
"""Share of the steps in which warmupStableDecay falls (arXiv 2404.06395 uses 0.1 to 0.2)."""


@dataclass(frozen=True)
class Schedule:
    """transformers' name of a learning-rate schedule, and what it needs to know."""

    name: str
    settings: dict[str, Any]


def schedule(training: TrainingSpec, steps: int) -> Schedule:
    """How the learning rate falls over `steps` optimiser steps after the warm-up."""
    match training.scheduler:
        case "linear" | "cosine":
            return Schedule(training.scheduler, {})
        case "constant":
            return Schedule("constant_with_warmup", {})
        case "cosineWithRestarts":
            return Schedule("cosine_with_restarts", {"num_cycles": RESTARTS})
        case "polynomial":
            return Schedule("polynomial", {"power": POLYNOMIAL_POWER, "lr_end": 0.0})
        case "inverseSquareRoot":
            return Schedule("inverse_sqrt", {})
        case "warmupStableDecay":
            return Schedule("warmup_stable_decay", {"num_decay_steps": max(1, round(steps * DECAY_SHARE))})


def parameter_groups(model: Any, training: TrainingSpec, encoder_prefixes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Trainable parameters by learning rate (vision encoder or not), weight decay (matrices or not) and place (whole or
    shared out, which one fused update cannot mix); groups without parameters are left out."""
    groups = []
    for in_encoder, rate in (
        (False, float(training.learning_rate)),
        (True, float(training.effective_vision_learning_rate)),
    ):
        for decayed, decay in ((True, float(training.weight_decay)), (False, 0.0)):
            chosen = [
                parameter
                for name, parameter in model.named_parameters()
                if parameter.requires_grad
                and name.startswith(encoder_prefixes) == in_encoder
                and (parameter.ndim >= 2) == decayed
            ]
            for place in (False, True):
                here = [parameter for parameter in chosen if isinstance(parameter, DTensor) == place]
                groups.append({"params": here, "lr": rate, "weight_decay": decay})
    return [group for group in groups if group["params"]]


def check(training: TrainingSpec, device: torch.device) -> None:
    """Raises `BadConfigError` when the optimizer cannot run on `device`."""
    if training.optimizer in PAGED and device.type != "cuda":
        raise BadConfigError(
            f"spec.training.optimizer: {training.optimizer} pages between a GPU and the CPU, and this run has no GPU. "
            "Use adamw or adamw8bit, or set spec.resources.gpus to 1."
        )


def build(training: TrainingSpec, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """AdamW (arXiv 1711.05101) in the chosen form: its state in 32 bits or in blocks of 8 bits (arXiv 2110.02861), on
    the GPU or in pages that move to the CPU's memory when the GPU's is short."""
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, fused=True)
    from bitsandbytes.optim.adamw import AdamW

    optimizer: torch.optim.Optimizer = AdamW(  # type: ignore[no-untyped-call]
        groups,
        optim_bits=8 if training.optimizer in EIGHT_BIT else 32,
        is_paged=training.optimizer in PAGED,
    )
    return optimizer
