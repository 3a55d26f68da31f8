"""What a family's own code makes of a row: the model's processor and plain transformers, nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.family_data import Message

UNLEARNT = -100


def processor_inputs(processor: Any, messages: Sequence[Message], images: Path, *, prompt: bool) -> dict[str, Any]:
    """All tensors of the family's processor for a conversation; `images` is the folder that its URLs start from."""
    with_images = [message | {"content": _content(message["content"], images)} for message in messages]
    return dict(
        processor.apply_chat_template(
            with_images, tokenize=True, add_generation_prompt=prompt, return_dict=True, return_tensors="pt"
        )
    )


def answer_labels(processor: Any, messages: Sequence[Message], images: Path) -> Any:
    """Labels `[1, T]`: the tokens that each answer adds to its prompt, up to the end of the turn."""
    import torch

    labels = torch.full_like(processor_inputs(processor, messages, images, prompt=False)["input_ids"], UNLEARNT)
    for turn, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        start = processor_inputs(processor, messages[:turn], images, prompt=True)["input_ids"].shape[1]
        ids = processor_inputs(processor, messages[: turn + 1], images, prompt=False)["input_ids"][0]
        ends = (ids == processor.tokenizer.eos_token_id).nonzero().flatten()
        end = int(ends[-1]) + 1 if len(ends) and ends[-1] >= start else len(ids)
        labels[0, start:end] = ids[start:end]
    return labels


def _content(content: Any, images: Path) -> Any:
    from PIL import Image

    if isinstance(content, str):
        return content
    return [
        {"type": "image", "image": Image.open(images / part["image_url"]["url"])} if "image_url" in part else part
        for part in content
    ]
