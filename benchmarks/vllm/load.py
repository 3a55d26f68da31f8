"""vLLM's own loaders, given what write.py has left: `python load.py FOLDER --out FILE`, in an environment with vLLM.

The model is vLLM's class on the meta device: `load_weights` maps every name and holds every shape against its own
parameters, without a byte of weights. The adapter is loaded by vLLM's LoRAModel, with real numbers.
"""

# ruff: noqa: E402 - the platform is set before the modules that look at it while they are imported
from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
import vllm
import vllm.platforms
from vllm.platforms.cpu import CpuPlatform

# A wheel made for GPUs finds no platform where there is none, and then has no attention to build a model with.
vllm.platforms._current_platform = CpuPlatform()

from vllm.config import (
    DeviceConfig,
    LoadConfig,
    ModelConfig,
    ParallelConfig,
    VllmConfig,
    set_current_vllm_config,
)
from vllm.distributed import init_distributed_environment, initialize_model_parallel
from vllm.lora.lora_model import LoRAModel
from vllm.lora.peft_helper import PEFTHelper
from vllm.model_executor.model_loader.utils import initialize_model


def empty_model(folder: Path) -> Any:
    """vLLM's model for this configuration, on the meta device."""
    model_config = ModelConfig(
        model=str(folder), skip_tokenizer_init=True, dtype="bfloat16", max_model_len=4096, enforce_eager=True
    )
    config = VllmConfig(
        model_config=model_config,
        device_config=DeviceConfig(device="cpu"),
        parallel_config=ParallelConfig(),
        load_config=LoadConfig(device="meta"),
    )
    with set_current_vllm_config(config):
        init_distributed_environment(1, 0, "tcp://127.0.0.1:29577", 0, "gloo")
        initialize_model_parallel(1, 1)
        torch.set_default_dtype(torch.bfloat16)
        with torch.device("meta"):
            return initialize_model(config)


def load_merged(model: Any, folder: Path) -> dict[str, Any]:
    """Run `load_weights` over the recorded names and shapes."""
    tensors = json.loads((folder / "tensors.json").read_text())
    stand_ins = [
        (name, torch.empty(entry["shape"], dtype=getattr(torch, entry["dtype"].removeprefix("torch.")), device="meta"))
        for name, entry in tensors.items()
    ]
    loaded = model.load_weights(iter(stand_ins))
    wanted = {name for name, _ in model.named_parameters()}
    return {
        "tensors of the artifact": len(stand_ins),
        "parameters of vLLM's model": len(wanted),
        "parameters that were loaded": len(loaded & wanted),
        "parameters without a tensor": sorted(wanted - loaded),
    }


def refuses(model: Any, folder: Path) -> dict[str, str]:
    """That the loader does notice: a tensor of another shape, and one with another name."""
    tensors = json.loads((folder / "tensors.json").read_text())
    name = next(name for name in tensors if name.endswith("o_proj.weight"))
    found = {}
    for what, stand_in in {
        "another shape": (name, torch.empty(7, 7, device="meta")),
        "another name": (name.replace("o_proj", "p_proj"), torch.empty(tensors[name]["shape"], device="meta")),
    }.items():
        try:
            model.load_weights(iter([stand_in]))
            found[what] = "not noticed"
        except Exception as error:  # whatever it is, it is kept
            found[what] = f"{type(error).__name__}: {str(error)[:160]}"
    return found


def load_adapter(model: Any, folder: Path) -> dict[str, Any]:
    """Load the adapter as vLLM does for a request that names it."""
    packed: dict[str, list[str]] = getattr(model, "packed_modules_mapping", {})
    leaves = {name.rpartition(".")[2] for name, module in model.named_modules() if hasattr(module, "weight")}
    expected = leaves | {part for whole in leaves & packed.keys() for part in packed[whole]}
    helper = PEFTHelper.from_local_dir(str(folder), max_position_embeddings=None)
    lora = LoRAModel.from_local_checkpoint(
        str(folder),
        expected,
        helper,
        lora_model_id=1,
        device="cpu",
        dtype=torch.bfloat16,
        weights_mapper=getattr(model, "hf_to_vllm_mapper", None),
    )
    modules = dict(model.named_modules())
    misfits, fitting = [], 0
    for name, layer in lora.loras.items():
        parent, _, leaf = name.rpartition(".")
        whole = next((whole for whole, parts in packed.items() if leaf in parts), leaf)
        module = modules.get(name) or modules.get(f"{parent}.{whole}")
        if module is None:
            misfits.append(f"{name}: vLLM has no such module")
        elif layer.lora_a.shape[1] != module.input_size or (
            leaf == whole and layer.lora_b.shape[0] != module.output_size
        ):
            misfits.append(f"{name}: {tuple(layer.lora_a.shape)}, {tuple(layer.lora_b.shape)}")
        else:
            fitting += 1
    return {"modules of the adapter": len(lora.loras), "modules that fit": fitting, "misfits": misfits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = empty_model(arguments.folder / "merged")
    found = {
        "vllm": vllm.__version__,
        "torch": torch.__version__,
        "class": type(model).__name__,
        "merged": load_merged(model, arguments.folder / "merged"),
        "refuses": refuses(model, arguments.folder / "merged"),
        "adapter": load_adapter(model, arguments.folder / "adapter"),
    }
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
