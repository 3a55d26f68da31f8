"""From a row to the text that the model sees, and which characters of it are answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from visionft_trainer.errors import BadModelError
from visionft_trainer.rows import Message, Row, Text


@dataclass(frozen=True)
class Rendered:
    """A conversation through the model's own chat template; each picture is still one placeholder."""

    text: str
    answers: tuple[tuple[int, int], ...]
    """Character ranges `[start, end)` of the assistant's words, each with its end-of-turn token."""
    prompt: str
    """What the model is given when it is to write the last answer itself."""


def render(processor: Any, row: Row) -> Rendered:
    """Apply the chat template; answers are found as what each assistant turn adds to the text before it.

    Raises:
        BadModelError: the template rewrites earlier turns, so that answers cannot be told from prompts.
    """
    messages = [_template_form(message) for message in row.messages]
    text = _apply(processor, messages, prompt=False)
    answers = []
    before = ""
    for index, message in enumerate(row.messages):
        if message.role != "assistant":
            continue
        before = _apply(processor, messages[:index], prompt=True)
        after = _apply(processor, messages[: index + 1], prompt=False)
        if not (after.startswith(before) and text.startswith(after)):
            raise BadModelError(
                "spec.model: the model's chat template rewrites earlier turns, so answers cannot be told from prompts. "
                "Use a checkpoint whose template only appends, or rows with a single answer."
            )
        answers.append((len(before), len(before) + _answer_length(after[len(before) :], processor.tokenizer)))
    return Rendered(text, tuple(answers), before)


def _answer_length(text: str, tokenizer: Any) -> int:
    """Up to and with the end-of-turn token, which the model must learn; the template's line break after it is not."""
    end = text.rfind(tokenizer.eos_token) if tokenizer.eos_token else -1
    return end + len(tokenizer.eos_token) if end >= 0 else len(text.rstrip())


def _apply(processor: Any, messages: list[dict[str, Any]], *, prompt: bool) -> str:
    return str(processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt))


def _template_form(message: Message) -> dict[str, Any]:
    if all(isinstance(part, Text) for part in message.parts):
        return {"role": message.role, "content": message.text}
    content = [
        {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"} for part in message.parts
    ]
    return {"role": message.role, "content": content}
