"""What a family's own code makes of a row: the model's processor and plain transformers, nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.family_bench import FamilyBench, randomise_adapter
from support.family_data import ROWS, Message

UNLEARNT = -100


@dataclass(frozen=True)
class Turn:
    """How an answer must stand in the text, for processors whose template leaves that open."""

    header: str
    """Above or before an answer; the last answer stands behind the prompt in any case."""
    words: str = "{}"
    end: str = ""
    """Behind an answer, where the template writes a token; learnt."""
    last_end: str = ""
    """Behind the last answer: what makes the model stop."""
    rest: str = ""
    """What the template writes behind that; not learnt."""


TURNS = {
    "LlavaProcessor": Turn("ASSISTANT:", " {}", "", "</s>"),
    "LlavaNextProcessor": Turn("[/INST]", " {}", "", "</s>"),
    "LlavaOnevisionProcessor": Turn("assistant \n", "{}", "<|im_end|>", "<|im_end|>"),
    "Gemma3Processor": Turn("<start_of_turn>model\n", "{}", "<end_of_turn>", "<end_of_turn>", "\n"),
}


def processor_inputs(processor: Any, messages: Sequence[Message], images: Path, *, prompt: bool) -> dict[str, Any]:
    """All tensors of the family's processor for a conversation; `images` is the folder that its URLs start from."""
    with_images = [message | {"content": _content(message["content"], images)} for message in messages]
    turn = TURNS.get(type(processor).__name__)
    if turn and not prompt:
        return _inputs_of_text(processor, with_images, turn)
    dated = {"date_string": "26 Jul 2024"} if "date_string" in processor.chat_template else {}
    return dict(
        processor.apply_chat_template(
            with_images, tokenize=True, add_generation_prompt=prompt, return_dict=True, return_tensors="pt", **dated
        )
    )


def answer_labels(processor: Any, messages: Sequence[Message], images: Path) -> Any:
    """Labels `[1, T]`: the tokens that each answer adds to its prompt, up to the end of the turn."""
    import torch

    all_ids = processor_inputs(processor, messages, images, prompt=False)["input_ids"]
    labels = torch.full_like(all_ids, UNLEARNT)
    turn = TURNS.get(type(processor).__name__)
    if turn:
        for start, end in _spans(processor, messages, images, all_ids[0].tolist(), turn):
            labels[0, start:end] = all_ids[0, start:end]
        return labels
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        start = processor_inputs(processor, messages[:index], images, prompt=True)["input_ids"].shape[1]
        ids = processor_inputs(processor, messages[: index + 1], images, prompt=False)["input_ids"][0]
        special = [token for token, added in processor.tokenizer.added_tokens_decoder.items() if added.special]
        ends = torch.isin(ids[start:], torch.tensor(special)).nonzero().flatten()
        end = start + int(ends[0]) + 1 if len(ends) else len(ids)
        labels[0, start:end] = ids[start:end]
    return labels


def _inputs_of_text(processor: Any, messages: list[Message], turn: Turn) -> dict[str, Any]:
    """As the processor's chat method makes them, for the last prompt with the answer behind it."""
    text = processor.apply_chat_template(messages[:-1], add_generation_prompt=True)
    text += turn.words.format(_words(messages[-1])) + turn.last_end + turn.rest
    pictures = [
        part["image"] for message in messages for part in message["content"] if part["type"] == "image"
    ]  # fmt: skip
    begins = processor.tokenizer.bos_token is not None and text.startswith(processor.tokenizer.bos_token)
    return dict(
        processor(
            text=[text],
            images=[pictures] if pictures else None,
            add_special_tokens=not begins,
            return_tensors="pt",
        )
    )


def _spans(
    processor: Any, messages: Sequence[Message], images: Path, ids: list[int], turn: Turn
) -> list[tuple[int, int]]:
    """Where the answers stand among `ids`: the last behind its prompt, the others behind their headers."""

    def tokens(text: str) -> list[int]:
        return list(processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    spans = []
    position = 0
    for message in messages[:-1]:
        if message["role"] == "assistant":
            header = tokens(turn.header)
            wanted = tokens(turn.words.format(message["content"]) + turn.end)
            whole = header + wanted
            position = next(at for at in range(position, len(ids)) if ids[at : at + len(whole)] == whole) + len(header)
            spans.append((position, position + len(wanted)))
    prompt = processor_inputs(processor, messages[:-1], images, prompt=True)["input_ids"].shape[1]
    return [*spans, (prompt, len(ids) - len(tokens(turn.rest)))]


def _words(message: Message) -> str:
    return "".join(part.get("text", "") for part in message["content"])


Step = tuple[Any, dict[str, Any]]
"""A loss and the gradient of every trained weight by name."""
_STEPS: dict[str, Step] = {}


def plain_step(bench: FamilyBench, modules: Sequence[str], images: Path) -> Step:
    """One step over all rows with LoRA on the linears of these full names. Computed once for each `spec.adapter`."""
    key = f"{bench.family.name} {bench.spec.adapter.model_dump_json()}"
    if key not in _STEPS:
        model = plain_peft(bench, modules)
        loss = plain_loss(model, bench.processor, ROWS, images)
        loss.backward()
        _STEPS[key] = loss.detach(), gradients(model)
    return _STEPS[key]


def plain_peft(bench: FamilyBench, modules: Sequence[str]) -> Any:
    """The base model by plain transformers, with PEFT's LoRA on the linears of these full names."""
    from peft import LoraConfig, get_peft_model

    adapter = bench.spec.adapter
    config = LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, use_dora=adapter.dora, target_modules=list(modules))
    return randomise_adapter(get_peft_model(bench.plain_model(), config)).train()


def plain_loss(model: Any, processor: Any, rows: Sequence[Sequence[Message]], images: Path) -> Any:
    """Mean over the answers' tokens of all rows together, each row run alone and without padding."""
    import torch

    total, tokens = torch.zeros(()), 0
    for messages in rows:
        labels = answer_labels(processor, messages, images)[0, 1:]
        logits = model(**processor_inputs(processor, messages, images, prompt=False)).logits[0, :-1]
        total = total + torch.nn.functional.cross_entropy(logits, labels, ignore_index=UNLEARNT, reduction="sum")
        tokens += int((labels != UNLEARNT).sum())
    return total / tokens


def gradients(model: Any) -> dict[str, Any]:
    """The gradient of every trainable weight, by name."""
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}


def _content(content: Any, images: Path) -> Any:
    """A list of parts, which every template takes."""
    from PIL import Image

    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [
        {"type": "image", "image": Image.open(images / part["image_url"]["url"])} if "image_url" in part else part
        for part in content
    ]
