"""Stage 3: the processor, and the base model in 4, 8 or 16/32 bits with its vision tower in full precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import nn
from visionft_api.spec import VisionFineTuneSpec

from visionft_trainer.errors import BadConfigError, BadModelError
from visionft_trainer.families import Family
from visionft_trainer.model import fits
from visionft_trainer.settings import Settings
from visionft_trainer.sources.model import CONFIG_FILE
from visionft_trainer.sources.model_files import ModelFiles


def choose_device(spec: VisionFineTuneSpec, settings: Settings) -> torch.device:
    """A GPU exactly when the manifest asks for one, unless the settings name a device. Raises `BadConfigError`."""
    gpus = spec.resources.gpus
    wanted = settings.device if settings.device != "auto" else ("cuda" if gpus else "cpu")
    if wanted == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise BadConfigError(
            f"spec.resources.gpus: {gpus}, but no CUDA GPU can be used here. Check the node's driver and the image; to "
            "train on CPU set spec.resources.gpus to 0 (on a workstation also: --device cpu)."
        )
    return torch.device("cuda", 0)


BFLOAT16_SINCE = (8, 0)
"""CUDA's compute capability from which a GPU computes in bfloat16 (Ampere). torch's own `is_bf16_supported` is true of
older ones, too, which imitate it in software."""


def choose_dtype(device: torch.device) -> torch.dtype:
    """What `device` computes in: see `dtype_of`."""
    return dtype_of(torch.cuda.get_device_capability(device) if device.type == "cuda" else None)


def dtype_of(capability: tuple[int, int] | None) -> torch.dtype:
    """float32 on CPU (None); on a GPU of this compute capability bfloat16 where it has it, else float16."""
    if capability is None:
        return torch.float32
    return torch.bfloat16 if capability >= BFLOAT16_SINCE else torch.float16


def load_processor(files: ModelFiles, spec: VisionFineTuneSpec) -> Any:
    """Image processor, tokenizer and chat template. Raises `BadModelError`."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            files.folder, local_files_only=True, trust_remote_code=files.runs_code
        )
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise BadModelError(f"{files.identity}: the processor cannot be loaded ({_first_line(error)}). "
                       "Copy its files again from where the model came from.") from error  # fmt: skip
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise BadModelError(
            f"{files.identity}: the folder holds a {type(processor).__name__}, which does not process images and text. "
            "Copy processor_config.json or preprocessor_config.json from where the model came from."
        )
    if not tokenizer.is_fast:
        raise BadModelError(f"{files.identity}: the tokenizer is not a fast one. Save it once with tokenizer.json.")
    # Not every processor takes the template that lies in its folder; the tokenizer beside it always does.
    processor.chat_template = processor.chat_template or tokenizer.chat_template or files.family.plain_template
    if not processor.chat_template:
        raise BadModelError(
            f"{files.identity}: there is no chat template. Copy chat_template.jinja from where the model came from; "
            "base models without one cannot be tuned on chat messages."
        )
    files.family.bound_pixels(processor, spec.dataset.image.min_pixels, spec.dataset.image.max_pixels)
    return processor


CPU = torch.device("cpu")


def load_model(
    files: ModelFiles, spec: VisionFineTuneSpec, device: torch.device, place: torch.device | None = None
) -> Any:
    """The base model for computing on `device`, in eval mode, nothing trainable. Raises `BadModelError`.

    It lies on `device`, or on the CPU when that is its `place`: one whose parts go to several GPUs need not fit on one.
    """
    from safetensors import SafetensorError

    dtype = choose_dtype(device)
    try:
        fits.check(files)
        with _quantised_by(device) if spec.model.quantization == "nf4" else nullcontext():
            loaded: Any = files.family.model_class().from_pretrained(
                files.folder,
                dtype=dtype,
                device_map={"": place or device},
                quantization_config=quantization(spec.model.quantization, files.family, dtype),
                local_files_only=True,
                trust_remote_code=files.runs_code,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are told below, by name
            )
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise BadModelError(
            f"{files.identity}: the weights cannot be loaded ({_first_line(error)}). Copy them again from where the "
            "model came from and compare their digests."
        ) from error
    model, loading = loaded
    for name, found, wanted in sorted(loading["mismatched_keys"]):
        raise _misshapen(files, name, tuple(found), tuple(wanted))
    missing = sorted(loading["missing_keys"])
    if missing:
        raise BadModelError(
            f"{files.identity}: the weights lack {len(missing)} tensors ({missing[0]}, ...). Copy all *.safetensors "
            "files and their index."
        )
    if spec.model.quantization != "none":
        _check_shapes(model, files)
        keep_cpu_weights_unpacked(model)
    files.family.prepare_model(model)
    return model.requires_grad_(False).eval()


def quantization(kind: Literal["nf4", "int8", "none"], family: Family, dtype: torch.dtype) -> Any:
    """What transformers needs to know to quantise the language weights; None where they stay as they are.

    nf4: 4-bit NormalFloat (QLoRA, arXiv 2305.14314), one level of scales, products in `dtype`. int8: 8 bits and a scale
    for each row, activations quantised on the way, their outliers kept apart (LLM.int8(), arXiv 2208.07339).
    """
    from transformers import BitsAndBytesConfig

    if kind == "none":
        return None
    bits = (
        {"load_in_8bit": True}
        if kind == "int8"
        else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
    )
    return BitsAndBytesConfig(**bits, llm_int8_skip_modules=list(family.keep_precision))  # type: ignore[no-untyped-call]


@contextmanager
def _quantised_by(device: torch.device) -> Iterator[None]:
    """Let `device` quantise 4-bit weights that are loaded into the CPU's memory, one tensor at a time: a CPU takes
    minutes for what a GPU does in a second."""
    from bitsandbytes.nn.modules import Params4bit

    plain: Any = Params4bit._quantize

    def quantise(parameter: Any, place: torch.device) -> Any:
        found = plain(parameter, device)
        found.data = found.data.to(place)
        found.quant_state.to(place)
        return found

    Params4bit._quantize = quantise  # type: ignore[method-assign]
    try:
        yield
    finally:
        Params4bit._quantize = plain  # type: ignore[method-assign]


def keep_cpu_weights_unpacked(model: nn.Module) -> None:
    """Stop bitsandbytes from re-packing 4-bit weights for AVX512-BF16 when the base model is measured.

    Re-packed weights stay so: training after it fails, or merges wrong numbers. CPUs without AVX512-BF16 never show it.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _check_shapes(model: nn.Module, files: ModelFiles) -> None:
    """Weights that do not fit the configuration: transformers sees them, but not those that it quantises on the way."""
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    for name, module in model.named_modules():
        if isinstance(module, Linear4bit | Linear8bitLt):
            weight: Any = module.weight
            found = tuple(weight.quant_state.shape if isinstance(module, Linear4bit) else weight.shape)
            wanted = (module.out_features, module.in_features)
            if found != wanted:
                raise _misshapen(files, f"{name}.weight", found, wanted)


def _misshapen(files: ModelFiles, name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> BadModelError:
    return BadModelError(
        f"{files.identity}: the weights cannot be loaded ({name} is {found}, {CONFIG_FILE} says {wanted}). Copy "
        "weights and configuration of the same model."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
