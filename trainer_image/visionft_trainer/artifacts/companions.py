"""What weights are of no use without: the processor with its tokenizer and chat template, and how to generate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visionft_trainer.errors import writing_to


def write(processor: Any, model: Any, folder: Path) -> None:
    """Save the processor, and the generation config of `model`. Raises `StorageFailedError`."""
    # Fast tokenizers keep how they last padded in what they save; the artifact must not depend on that.
    backend = processor.tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    with writing_to(folder):
        processor.save_pretrained(folder)
        generation = getattr(model, "generation_config", None)
        if generation is not None:
            generation.save_pretrained(folder)
