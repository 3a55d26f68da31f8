"""The model that a run would train, without its weights: on torch's meta device, which has shapes and no memory.

Quantisation and adapters are put on by the very code that a run uses, so that what is counted is what will be there.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from visionft_api.spec import VisionFineTuneSpec

from visionft_trainer.errors import BadModelError
from visionft_trainer.families import Family
from visionft_trainer.model import adapt, fits, load
from visionft_trainer.sources.model_files import ModelFiles


def empty_model(files: ModelFiles, spec: VisionFineTuneSpec, dtype: torch.dtype) -> Any:
    """The adapted model of config.json, every tensor on the meta device. The weights need not be there.

    Raises:
        BadModelError: the configuration does not describe a model of the family.
        BadConfigError: the switches of `spec.adapter` reach no layer.
    """
    model = _model_of(files, dtype)
    _quantise(model, spec, files.family, dtype)
    model.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that are not there
        return adapt.adapt(model, spec, files.family, files.identity)


def _model_of(files: ModelFiles, dtype: torch.dtype) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    fits.check(files)
    try:
        config = AutoConfig.from_pretrained(files.folder, local_files_only=True, trust_remote_code=files.runs_code)
        model_class = files.family.model_class()
        with torch.device("meta"):
            if hasattr(model_class, "from_config"):
                return model_class.from_config(config, dtype=dtype, trust_remote_code=files.runs_code)
            return model_class._from_config(config, dtype=dtype)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StrictDataclassError) as error:
        raise BadModelError(
            f"{files.identity}: config.json does not describe a model that transformers can build ({error}). Copy it "
            "again from where the model came from."
        ) from error


def _quantise(model: Any, spec: VisionFineTuneSpec, family: Family, dtype: torch.dtype) -> None:
    """Put bitsandbytes' layers in the places where loading would put them."""
    settings = load.quantization(spec.model.quantization, family, dtype)
    if settings is None:
        return
    from transformers.quantizers.auto import AutoHfQuantizer

    quantizer: Any = AutoHfQuantizer.from_config(settings)
    quantizer.preprocess_model(model, device_map={"": "cpu"})
    # As from_pretrained says it; PEFT looks here.
    model.is_loaded_in_4bit = spec.model.quantization == "nf4"
    model.is_loaded_in_8bit = spec.model.quantization == "int8"
