"""Whether config.json and the weights are of one model, before anything of that size is built.

What config.json does not say transformers fills in by defaults, which are those of models of many billion parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from visionft_api.shown import shorten

from visionft_trainer.errors import BadModelError
from visionft_trainer.sources.model import CONFIG_FILE, WEIGHTS, read_config
from visionft_trainer.sources.model_files import ModelFiles

SECTION, PICTURES = "text_config", "vision_config"
MEND = f"Copy {CONFIG_FILE} and the weights of the same model again."
OF_PICTURES = re.compile(r"vision|visual|encoder|image|img|audio|projector|qwen2_model")
EMBEDDING, MLP = "embed_tokens.weight", "layers.0.mlp.up_proj.weight"
LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")
PACKED = ("U8", "I8")  # types of weights that are stored quantised, in shapes of their own


def check(files: ModelFiles) -> None:
    """Hold the language model's sizes against the weights' headers.

    Raises:
        BadModelError: config.json lacks them, or says others than the weights have.
    """
    if files.runs_code:  # whose configuration and names are its own
        return
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    raw = read_config(files.folder, files.identity)
    if SECTION not in raw and "hidden_size" not in raw and not any(_is_of_language(*item) for item in raw.items()):
        raise BadModelError(
            f"{files.identity}: {CONFIG_FILE} has no {SECTION}, so that the size of the language model is not known. "
            f"{MEND}"
        )
    if SECTION in raw and PICTURES not in raw:
        raise BadModelError(
            f"{files.identity}: {CONFIG_FILE} has no {PICTURES}, so that the vision tower is not known. {MEND}"
        )
    try:
        text: Any = AutoConfig.from_pretrained(files.folder, local_files_only=True).get_text_config()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StrictDataclassError) as error:
        raise BadModelError(
            f"{files.identity}: {CONFIG_FILE} does not describe a model that transformers can build "
            f"({shorten(' '.join(str(error).split()) or type(error).__name__)}). {MEND}"
        ) from error
    layers = 0
    for name, shape, kind in _headers(files):
        if OF_PICTURES.search(name):
            continue
        if found := LAYER.search(name):
            layers = max(layers, int(found[1]) + 1)
        if name.endswith(EMBEDDING):
            # Some models have more rows than there are tokens.
            sizes = {"vocab_size": max(text.vocab_size, shape[0])}
            _compare(files, raw, name, shape, sizes | {"hidden_size": text.hidden_size})
        elif name.endswith(MLP) and kind not in PACKED and getattr(text, "intermediate_size", None):
            sizes = {"intermediate_size": text.intermediate_size, "hidden_size": text.hidden_size}
            _compare(files, raw, name, shape, sizes)
    # Fewer than config.json says itself are weights that did not all come, which loading them tells.
    if layers > text.num_hidden_layers or (
        layers and _lacks(raw, "num_hidden_layers") and layers != text.num_hidden_layers
    ):
        raise BadModelError(
            f"{files.identity}: the weights have {layers} layers, and {_said(raw, 'num_hidden_layers')} "
            f"{text.num_hidden_layers}. {MEND}"
        )


def _is_of_language(key: str, value: Any) -> bool:
    return isinstance(value, Mapping) and not OF_PICTURES.search(key) and "num_hidden_layers" in value


def _headers(files: ModelFiles) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Name, shape and type of each tensor. Raises `BadModelError`."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(files.folder.glob(WEIGHTS)):
        try:
            with safe_open(file, framework="np") as stored:
                headers = [(name, stored.get_slice(name)) for name in stored.keys()]  # noqa: SIM118 - it is no mapping
                yield from ((name, tuple(header.get_shape()), header.get_dtype()) for name, header in headers)
        except (SafetensorError, OSError) as error:
            raise BadModelError(
                f"{files.identity}: the weights cannot be loaded ({file.name}: {error}). Copy them again from where "
                "the model came from and compare their digests."
            ) from error


def _compare(
    files: ModelFiles, raw: Mapping[str, Any], name: str, shape: tuple[int, ...], sizes: Mapping[str, int]
) -> None:
    wanted = tuple(sizes.values())
    if shape != wanted:
        odd = next(key for key, size, found in zip(sizes, wanted, (*shape, 0, 0), strict=False) if size != found)
        raise BadModelError(
            f"{files.identity}: the weights' {name} is {shape}, and by {CONFIG_FILE} {wanted}: {_said(raw, odd)} "
            f"{sizes[odd]}. {MEND}"
        )


def _lacks(raw: Mapping[str, Any], key: str) -> bool:
    """Whether a size of the language model is one of transformers' defaults."""
    sections = [value for name, value in raw.items() if isinstance(value, Mapping) and not OF_PICTURES.search(name)]
    return not any(key in section for section in (raw, *sections))


def _said(raw: Mapping[str, Any], key: str) -> str:
    """Where a size comes from, for an error."""
    return f"{CONFIG_FILE} lacks {SECTION}.{key}, which by default is" if _lacks(raw, key) else f"its {key} is"
