"""What weights are of no use without: the processor with its tokenizer and chat template, and how to generate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visionft_trainer.errors import writing_to

FOR_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")


def write(processor: Any, model: Any, folder: Path) -> None:
    """Save the processor, and the generation config of `model`. Raises `StorageFailedError`."""
    # Fast tokenizers keep how they last padded in what they save; the artifact must not depend on that.
    backend = processor.tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    with writing_to(folder):
        processor.save_pretrained(folder)
        if getattr(model, "generation_config", None) is not None:
            keep_generation_sound(model)
            model.generation_config.save_pretrained(folder)


def keep_generation_sound(model: Any) -> None:
    """Leave out what transformers refuses to save: values for sampling in a model that does not sample.

    Published models have such files, LLaVA's among them. They are read with a warning and change no answer.
    """
    config = model.generation_config
    if not config.do_sample:
        for name in FOR_SAMPLING:
            setattr(config, name, None)
