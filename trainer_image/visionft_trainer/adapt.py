"""Stage 4: LoRA on the parts that the manifest names; frozen vision encoders run without a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from visionft_api.spec import AdapterSpec, VisionFineTuneSpec

from visionft_trainer.errors import BadConfigError
from visionft_trainer.families import Family
from visionft_trainer.families.base import PARTS, Part


def adapt(model: Any, spec: VisionFineTuneSpec, family: Family, identity: str) -> Any:
    """Wrap `model` into a PEFT model whose LoRA weights (float32) are its only trainable ones.

    Raises:
        BadConfigError: the switches of `spec.adapter` reach no layer of this family.
    """
    from peft import get_peft_model

    torch.manual_seed(spec.training.seed)
    config = lora_config(spec.adapter, family)
    config.exclude_modules = family.idle_modules(model.config)
    tuned = get_peft_model(model, config)
    tuned.peft_config["default"].base_model_name_or_path = identity
    if not spec.adapter.vision:
        run_without_graph(tuned.get_base_model(), family.encoder_modules)
    return tuned


def parts_of(adapter: AdapterSpec) -> list[Part]:
    """The parts of the model that are adapted."""
    return [part for part in PARTS if getattr(adapter, part)]


def lora_config(adapter: AdapterSpec, family: Family) -> Any:
    """PEFT's form of `spec.adapter`. Raises `BadConfigError` when a chosen part has no layer of the chosen kinds."""
    from peft import LoraConfig

    parts = parts_of(adapter)
    pattern = family.lora_pattern(parts, attention=adapter.attention, mlp=adapter.mlp)
    if pattern is None:
        kinds = " and ".join(kind for kind in ("attention", "mlp") if getattr(adapter, kind))
        raise BadConfigError(
            f"spec.adapter: {' and '.join(parts)} of {family.name} has no {kinds} layers. Set another of vision, "
            "projector, language or of attention, mlp to true."
        )
    return LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=float(adapter.dropout),
        use_rslora=adapter.rs_lora,
        use_dora=adapter.dora,
        target_modules=pattern,
        task_type="CAUSAL_LM",
    )


def run_without_graph(model: nn.Module, names: Sequence[str]) -> None:
    """Run frozen modules under `no_grad`.

    With gradient checkpointing, PEFT makes the patch embedding's output require gradients, so that a frozen encoder
    would otherwise run forward twice and backward once, for nothing.
    """
    for name in names:
        module = model.get_submodule(name)
        for part in module if isinstance(module, nn.ModuleList) else [module]:
            part.forward = torch.no_grad()(part.forward)
