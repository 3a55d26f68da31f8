"""Reads the layers of a model, which may lie on the meta device, into plain numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from visionft_trainer.estimate.layers import (
    ATTENTION_INPUTS,
    FULL,
    Attention,
    Block,
    Linear,
    Mlp,
    Region,
    Tower,
)
from visionft_trainer.families import Family

FUSED_INPUTS = ("qkv", "qkv_proj")
SIGMOID_GELUS = ("QuickGELUActivation",)  # x * sigmoid(1.702 x): two tensors are kept, where others keep one
PEFT_PREFIX = "base_model.model."


def blocks_of(model: Any, family: Family) -> list[Block]:
    """The transformer layers of an adapted model, in its order: the vision encoder's and the language model's.

    Left out are the projector's few layers, and encoders of other things, such as Phi-4's for speech.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    language = re.compile(str(family.lora_pattern(["language"], attention=True, mlp=True)))
    blocks: list[Block] = []
    inside: list[str] = []
    for full_name, module in model.named_modules():
        name = full_name.removeprefix(PEFT_PREFIX)
        if any(name.startswith(f"{outer}.") for outer in inside) or not _is_block(name, module):
            continue
        inside.append(name)
        region: Region = "vision" if _in_encoder(name, family) else "language"
        block = _block(name, module, region, isinstance(module, GradientCheckpointingLayer))
        if region == "vision" or any(language.fullmatch(f"{name}.{linear.name}") for linear in block.linears):
            blocks.append(block)
    return blocks


def tower_of(config: Any) -> Tower:
    """What the vision encoder of a model's configuration holds, by its `model_type`; Qwen's hold nothing."""
    vision = config.vision_config
    match vision.model_type:
        case "pixtral":
            return Tower(mask="joined", states=vision.num_hidden_layers + 1)
        case "clip_vision_model":
            return Tower(states=vision.num_hidden_layers + 1, state_bytes=FULL)
        case "siglip_vision_model":
            return Tower(states=vision.num_hidden_layers + 1)
        case "mllama_vision_model":
            # The chosen outputs are stacked, cut to their true length, and joined to the last one.
            return Tower(
                mask="picture",
                states=vision.num_hidden_layers + vision.num_global_layers,
                stacked=3 * len(vision.intermediate_layers_indices) + 1,
                state_bytes=FULL,
            )
    return Tower()


def _is_block(name: str, module: nn.Module) -> bool:
    return name.rpartition(".")[2].isdigit() and _attention_name(module) is not None


def _in_encoder(name: str, family: Family) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in family.encoder_modules)


def _block(name: str, module: nn.Module, region: Region, checkpointed: bool) -> Block:
    linears = tuple(_linears(module))
    attention = _attention(module, linears)
    mlp = _mlp(module, linears)
    in_attention = {linear.name for linear in linears if linear.name.rpartition(".")[2] in ATTENTION_INPUTS}
    width = next((linear.inputs for linear in linears if linear.name in in_attention), 0)
    return Block(name, region, checkpointed, width, _norms(module), attention, mlp, linears)


def _linears(module: nn.Module) -> Iterator[Linear]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted: list[str] = []
    for name, child in module.named_modules():
        if any(name.startswith(f"{outer}.") for outer in adapted):
            continue
        if isinstance(child, BaseTunerLayer):
            adapted.append(name)
            layer: Any = child
            base = layer.get_base_layer()
            if isinstance(base, nn.Linear):
                yield Linear(
                    name,
                    base.in_features,
                    base.out_features,
                    bits=_bits(base),
                    rank=layer.r["default"],
                    dora=bool(layer.use_dora["default"]),
                    dropout=not isinstance(layer.lora_dropout["default"], nn.Identity),
                )
        elif isinstance(child, nn.Linear):
            yield Linear(
                name, child.in_features, child.out_features, bits=_bits(child), trained=child.weight.requires_grad
            )


def _bits(layer: nn.Linear) -> int:
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    if isinstance(layer, Linear4bit):
        return 4
    return 8 if isinstance(layer, Linear8bitLt) else torch.finfo(layer.weight.dtype).bits


def _attention_name(module: nn.Module) -> str | None:
    return next((name for name, _ in module.named_children() if "att" in name and "norm" not in name), None)


def _norms(module: nn.Module) -> int:
    """Numbers in the norms; those of heads are counted with the attention."""
    inner = f"{_attention_name(module)}."
    return sum(
        child.weight.shape[0]
        for name, child in module.named_modules()
        if "norm" in type(child).__name__.lower()
        and isinstance(getattr(child, "weight", None), torch.Tensor)
        and not name.startswith(inner)
    )


def _attention(module: nn.Module, linears: tuple[Linear, ...]) -> Attention | None:
    inputs = {linear.name.rpartition(".")[2]: linear for linear in linears}
    name = _attention_name(module)
    if name is None:
        return None
    attention: Any = module.get_submodule(name)
    fused = next((inputs[part] for part in FUSED_INPUTS if part in inputs), None)
    output = next(
        (linear for linear in linears if linear.name.startswith(f"{name}.") and linear.name.rpartition(".")[2]
         not in ATTENTION_INPUTS), None)  # fmt: skip
    queries = output.inputs if output else 0
    if fused is not None:
        keys = values = (fused.outputs - queries) // 2
    else:
        keys, values = (inputs[part].outputs if part in inputs else queries for part in ("k_proj", "v_proj"))
    return Attention(
        heads=_heads(attention, queries),
        queries=queries,
        keys=keys,
        values=values,
        fused=fused is not None,
        normed=any("norm" in child for child, _ in attention.named_children()),
        cross="cross" in name,
    )


def _heads(attention: Any, queries: int) -> int:
    for place in (attention, getattr(attention, "config", None)):
        for field_name in ("num_heads", "num_attention_heads", "attention_heads"):
            value = getattr(place, field_name, None)
            if isinstance(value, int):
                return value
    return max(queries // 64, 1)


def _mlp(module: nn.Module, linears: tuple[Linear, ...]) -> Mlp | None:
    inner = f"{_attention_name(module)}."
    mine = [linear for linear in linears if not linear.name.startswith(inner)]
    if not mine:
        return None
    *into, out = mine
    sigmoid = any(type(child).__name__ in SIGMOID_GELUS for child in module.modules())
    return Mlp(out.inputs, gated=sum(linear.outputs for linear in into) >= 2 * out.inputs, sigmoid_gelu=sigmoid)
