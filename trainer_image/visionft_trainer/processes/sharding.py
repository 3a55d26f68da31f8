"""A model whose language layers lie in parts on several processes, for what does not fit on one GPU (FSDP2, arXiv
2304.11277).

The model is loaded into the CPU's memory, and a GPU gets its shares layer by layer: at no time it holds the whole. A
layer's weights are gathered for the time that it runs. Only layers that every row runs through are shared out: at one
that rows without pictures skip, processes would wait for each other. An adapter is small and stays whole everywhere. In
full fine-tuning the layers' gradients and their optimizer state are shared out, too.
"""

from __future__ import annotations

import gc
import re
from itertools import chain
from typing import Any

import torch
from torch import nn
from visionft_api.spec import VisionFineTuneSpec

from visionft_trainer.errors import BadConfigError
from visionft_trainer.families import Family
from visionft_trainer.model import load
from visionft_trainer.processes.distributed import Team

SKIPPED = "cross_attn"  # in the name of what layers that look at pictures only are made of (Mllama)


def check(spec: VisionFineTuneSpec) -> None:
    """Raises `BadConfigError` for what cannot lie in parts."""
    problem = obstacle(spec)
    if spec.training.sharding == "fsdp" and problem is not None:
        raise BadConfigError(f"spec.training.sharding: fsdp; {problem}, or sharding to ddp.")


def obstacle(spec: VisionFineTuneSpec) -> str | None:
    """Why the run's weights cannot lie in parts, and what to set in their place; None where they can."""
    if spec.model.quantization == "int8":
        return "int8 weights carry scales that cannot be shared out. Set spec.model.quantization to nf4 or none"
    if spec.adapter.method == "full" and spec.training.optimizer != "adamw":
        return (
            f"the state of {spec.training.optimizer} cannot be shared out with the weights of adapter.method full. Set "
            "spec.training.optimizer to adamw"
        )
    return None


def shard(model: Any, family: Family, team: Team, device: torch.device) -> None:
    """Share the language layers of `model` out among the processes of `team`, in place, and bring it to `device`.

    It may lie in the CPU's memory: a layer is on `device` whole only until it is shared out, one after the other.

    Raises:
        BadConfigError: full fine-tuning on GPUs without bfloat16, whose scaled losses torch cannot share out.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    base: nn.Module = model.get_base_model() if hasattr(model, "peft_config") else model
    if base is model and load.choose_dtype(device) is torch.float16:
        raise BadConfigError(
            "spec.adapter.method: full; with sharding fsdp it needs GPUs that have bfloat16, and these compute in "
            "float16. Set spec.adapter.method to lora, or spec.training.sharding to ddp."
        )
    mesh = init_device_mesh(device.type, (team.size,))
    adapter = {parameter for parameter in model.parameters() if parameter.requires_grad and base is not model}
    names = language_layers(base, family)
    for name in names:
        layer: Any = fully_shard(base.get_submodule(name), mesh=mesh, ignored_params=adapter)
        # Gradients are of shares of one mean: they are added up, by a sum that gloo knows as well.
        layer.set_gradient_divide_factor(1.0)
        layer.set_force_sum_reduction_for_comms(True)
    root = base.get_submodule(names[0].rpartition(".layers.")[0])
    fully_shard(root, mesh=mesh, ignored_params=set(root.parameters()))
    _bring_the_rest(model, device)
    vars(base)["hf_device_map"] = {"": device}  # accelerate trains no quantised model that was loaded elsewhere


def _bring_the_rest(model: nn.Module, device: torch.device) -> None:
    """Move what stays whole in each process: vision tower, embeddings, head, adapters, buffers."""
    with torch.no_grad():
        for tensor in chain(model.parameters(), model.buffers()):
            if tensor.device != device:
                tensor.data = tensor.to(device)


def to_cpu(model: Any) -> None:
    """Bring a whole model into the CPU's memory, and give the GPU's back."""
    model.to("cpu")
    free()


def free() -> None:
    """Give back what was held by what nothing refers to any more, on the GPU too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def language_layers(base: nn.Module, family: Family) -> list[str]:
    """Full names of the layers of the language model that every row runs through."""
    pattern = re.compile(str(family.lora_pattern(["language"], attention=True, mlp=True)))
    # LoRA puts the layer that it wraps one deeper, as `base_layer`.
    linears = [name for name, _ in base.named_modules() if pattern.fullmatch(name)]
    layers = {re.sub(r"(\.layers\.\d+)\..*", r"\1", name) for name in linears}
    looking = {
        layer for layer in layers if any(SKIPPED in name for name, _ in base.get_submodule(layer).named_modules())
    }
    return sorted(layers - looking)


def is_sharded(model: nn.Module) -> bool:
    """Whether a part of the model lies elsewhere."""
    from torch.distributed.tensor import DTensor

    return any(isinstance(parameter, DTensor) for parameter in model.parameters())
