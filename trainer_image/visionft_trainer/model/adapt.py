"""Stage 4: what is trained, an adapter or the chosen layers themselves; frozen vision encoders run without a graph."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import nn
from visionft_api.spec import AdapterSpec, VisionFineTuneSpec
from visionft_api.spec.adapter import LayerKind

from visionft_trainer.errors import BadConfigError
from visionft_trainer.families import Family
from visionft_trainer.families.base import PARTS, Part

KINDS: tuple[LayerKind, ...] = get_args(LayerKind)


def adapt(model: Any, spec: VisionFineTuneSpec, family: Family, identity: str) -> Any:
    """Make `model` trainable as `spec.adapter` says; what is trained is float32, whatever the rest is held in.

    lora: a PEFT model whose adapter is trained, and the modules to save beside it. full: the model itself, see `whole`.

    Raises:
        BadConfigError: the switches reach no layer of this family, or weights that cannot be trained.
    """
    chosen = kinds_of(spec.adapter)
    torch.manual_seed(spec.training.seed)
    if spec.adapter.method == "full":
        tuned = whole(model, spec.adapter, family)
    else:
        from peft import get_peft_model

        config = lora_config(spec.adapter, family)
        config.exclude_modules = family.idle_modules(model.config)
        check_modules_to_save(model, spec.adapter.modules_to_save)
        tuned = get_peft_model(model, config)
        tuned.peft_config["default"].base_model_name_or_path = identity
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if not chosen["vision"]:
        run_without_graph(model, family.encoder(model))
    return tuned


def kinds_of(adapter: AdapterSpec) -> dict[Part, list[LayerKind]]:
    """The kinds of layers that are trained in each part of the model."""
    if adapter.layers is not None:
        return {part: list(getattr(adapter.layers, part)) for part in PARTS}
    kinds: list[LayerKind] = [kind for kind in KINDS if getattr(adapter, kind)]
    return {part: kinds if getattr(adapter, part) else [] for part in PARTS}


def target_pattern(adapter: AdapterSpec, family: Family) -> str:
    """A regular expression over the full names of the linear layers that are trained. Raises `BadConfigError`."""
    patterns = []
    chosen = kinds_of(adapter)
    for part, kinds in chosen.items():
        pattern = family.lora_pattern([part], attention="attention" in kinds, mlp="mlp" in kinds)
        if pattern is not None:
            patterns.append(pattern)
        elif kinds and adapter.layers is not None:
            raise BadConfigError(
                f"spec.adapter.layers.{part}: the {part} of {family.name} has no {' and '.join(kinds)} layers. "
                "Remove it."
            )
    if not patterns:
        parts = [part for part, kinds in chosen.items() if kinds]
        raise BadConfigError(
            f"spec.adapter: {' and '.join(parts)} of {family.name} has no {' and '.join(chosen[parts[0]])} layers. Set "
            "another of vision, projector, language or of attention, mlp to true."
        )
    return "|".join(patterns)


def lora_config(adapter: AdapterSpec, family: Family) -> Any:
    """PEFT's form of `spec.adapter`. Raises `BadConfigError` when a chosen part has no layer of the chosen kinds."""
    from peft import LoraConfig

    return LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=float(adapter.dropout),
        use_rslora=adapter.rs_lora,
        use_dora=adapter.dora,
        target_modules=target_pattern(adapter, family),
        modules_to_save=list(adapter.modules_to_save) or None,
        task_type="CAUSAL_LM",
    )


def check_modules_to_save(model: Any, names: Sequence[str]) -> None:
    """Raises `BadConfigError` for a name that no module has, for quantised weights, and for weights used twice."""
    modules = dict(model.named_modules())
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    tied = head is not None and head.weight is embedding.weight
    for name in names:
        found = [module for full, module in modules.items() if full == name or full.endswith(f".{name}")]
        field = f"spec.adapter.modulesToSave: {name}"
        if not found:
            raise BadConfigError(f"{field}: the model has no module whose name ends so. Correct it, or remove it.")
        for module in found:
            if tied and any(part is head or part is embedding for part in module.modules()):
                raise BadConfigError(
                    f"{field}: this model's head and token embeddings are one tensor, which cannot be trained as a "
                    "copy beside the model. Remove it."
                )
            if not all(parameter.is_floating_point() for parameter in module.parameters()):
                raise BadConfigError(
                    f"{field} is quantised, and what stands for its weights cannot be trained. Remove it, or set "
                    "spec.model.quantization to none."
                )


def whole(model: Any, adapter: AdapterSpec, family: Family) -> Any:
    """Make the chosen layers' own weights trainable.

    With one kind chosen: weight and bias of the linear layers of that kind. With both: everything in their layers,
    norms included. Embeddings, the last norm and the head stay as they are.
    """
    pattern = re.compile(target_pattern(adapter, family))
    idle = family.idle_modules(model.config)
    names = [
        name
        for name, module in model.named_modules()
        if pattern.fullmatch(name) and not (idle and re.fullmatch(idle, name))
    ]
    if all(len(kinds) != 1 for kinds in kinds_of(adapter).values()):
        names = sorted({_layer_of(name) for name in names})
    for name in names:
        model.get_submodule(name).requires_grad_(True)
    return model


def _layer_of(name: str) -> str:
    """`a.layers.3` of `a.layers.3.mlp.up_proj`: up to the first number that something comes after; else the name."""
    match = re.match(r"(.+?\.\d+)\.", name)
    return match[1] if match else name


def run_without_graph(model: nn.Module, names: Sequence[str]) -> None:
    """Run frozen modules under `no_grad`.

    With gradient checkpointing, PEFT makes the patch embedding's output require gradients, so that a frozen encoder
    would otherwise run forward twice and backward once, for nothing.
    """
    for name in names:
        module = model.get_submodule(name)
        for part in module if isinstance(module, nn.ModuleList) else [module]:
            part.forward = torch.no_grad()(part.forward)
