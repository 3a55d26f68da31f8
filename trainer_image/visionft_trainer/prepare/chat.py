"""From a row to the text that the model sees, and which characters of it are answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError

from visionft_trainer.data.rows import BadRowError, Boxes, Message, Role, Row, Text
from visionft_trainer.families import Family

PROBE = "visionft"  # a word that no template writes by itself
PROBED: dict[Role, tuple[Role, ...]] = {
    "user": ("user",),
    "assistant": ("user", "assistant"),
    "system": ("system", "user"),
}
"""Conversations that hold a message of the role and that no template refuses."""


class RewrittenTurnsError(BadRowError):
    """The chat template writes a turn otherwise when more come after it, so that answers cannot be told from prompts.

    Llama 3.2 Vision does it where the first picture comes after an answered turn.
    """

    def __init__(self) -> None:
        super().__init__(
            "messages",
            "the model's chat template rewrites earlier turns, so answers cannot be told from prompts; put the picture "
            "into the first question, or make each answer a row of its own",
            reason="rewritten by chat template",
        )


@dataclass(frozen=True)
class Rendered:
    """A conversation through the model's own chat template; each picture is still one placeholder."""

    text: str
    answers: tuple[tuple[int, int], ...]
    """Character ranges `[start, end)` of the assistant's words, each with its end-of-turn token."""
    prompt: str
    """What the model is given when it is to write the last answer itself; `text` starts with it."""


def render(processor: Any, row: Row, family: Family) -> Rendered:
    """Apply the chat template; answers are found as what each assistant turn adds to the text before it.

    Some templates would spoil training unseen. One writes another header above a given answer than above one that is
    asked for (LLaVA-OneVision), one writes the system prompt only above the question that is asked (Pixtral): there the
    text is the prompt with the answer behind it, as the model will meet it. Some end no turn (LLaVA 1.5): there the end
    token is added behind the last answer, or the model would never learn to stop.

    Raises:
        RewrittenTurnsError: the template rewrites earlier turns, so that answers cannot be told from prompts.
        BadRowError: the template refuses the conversation.
    """
    chat = _Chat(processor, family)
    messages = [chat.form(message) for message in row.messages]
    prompt = chat.apply(messages[:-1], prompt=True)
    text = chat.apply(messages, prompt=False)
    start, end, ended = chat.answer(prompt, text, messages[-1])
    text, last = prompt + text[start:], (len(prompt), len(prompt) + end - start)
    if not ended and processor.tokenizer.eos_token:
        text = text[: last[1]] + processor.tokenizer.eos_token
        last = (len(prompt), len(text))
    answers = []
    for index, message in enumerate(row.messages[:-1]):
        if message.role == "assistant":
            after = chat.apply(messages[: index + 1], prompt=False)
            start, end, _ = chat.answer(chat.apply(messages[:index], prompt=True), after, messages[index])
            if not text.startswith(after[:end]):  # what is behind it may end the whole conversation (Phi-4)
                raise RewrittenTurnsError
            answers.append((start, end))
    return Rendered(text, (*answers, last), prompt)


class _Chat:
    """A processor's chat template, with what the family has to say about it."""

    def __init__(self, processor: Any, family: Family) -> None:
        self._processor = processor
        self._family = family

    def form(self, message: Message) -> dict[str, Any]:
        """`message` as the template wants it: plain words where it takes them, else a list of parts."""
        words_only = all(isinstance(part, Text | Boxes) for part in message.parts)
        if words_only and _takes_words(self._processor, self._processor.chat_template, message.role):
            return {"role": message.role, "content": message.text}
        content = [
            {"type": "text", "text": part.text} if isinstance(part, Text | Boxes) else {"type": "image"}
            for part in message.parts
        ]
        return {"role": message.role, "content": content}

    def apply(self, messages: list[dict[str, Any]], *, prompt: bool) -> str:
        """The text of `messages`. Raises `BadRowError` when the template refuses them."""
        template = self._processor.chat_template
        variables = {name: value for name, value in self._family.template_variables.items() if name in template}
        try:
            text = self._processor.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=prompt, **variables
            )
        except TemplateError as error:
            raise BadRowError(
                "messages", f"the model's chat template refuses them: {error}", reason="refused by chat template"
            ) from None
        return self._family.spaced(self._processor, str(text))

    def answer(self, before: str, after: str, message: dict[str, Any]) -> tuple[int, int, bool]:
        """Where in `after` the assistant's `message` starts and ends, and whether an end-of-turn token closes it.

        `before` is the prompt for it. Raises `RewrittenTurnsError` when `after` does not hold its words.
        """
        ends = _special_tokens(self._processor.tokenizer)
        words = _words(message).strip()
        start = len(before)
        if not after.startswith(before):
            body = _without_ends(after, ends)
            if not body.endswith(words):
                raise RewrittenTurnsError
            start = len(body) - len(words)
        found = after.find(words, start)
        behind = found + len(words) if found >= 0 else start
        closing = ends.search(after, behind)
        if closing:
            return start, closing.end(), True
        return start, behind if found >= 0 else len(after.rstrip()), False


@lru_cache(maxsize=32)
def _takes_words(processor: Any, template: str, role: Role) -> bool:
    """Whether the template writes a message whose content is plain words; some print nothing, or fail."""
    messages: list[dict[str, Any]] = []
    for speaker in PROBED[role]:
        words = speaker == role or _takes_words(processor, template, speaker)
        messages.append({"role": speaker, "content": PROBE if words else [{"type": "text", "text": "?"}]})
    try:
        shown: str = processor.apply_chat_template(messages, tokenize=False)
    except (TemplateError, TypeError):
        return False
    return shown.count(PROBE) == sum(isinstance(message["content"], str) for message in messages)


@lru_cache(maxsize=4)
def _special_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Matches any of the tokens that are no text."""
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return re.compile("|".join(map(re.escape, sorted(special | set(tokenizer.all_special_tokens)))) or r"(?!)")


def _without_ends(text: str, special: re.Pattern[str]) -> str:
    """`text` without the special tokens and the white space at its end."""
    matches = list(special.finditer(text))
    text = text.rstrip()
    while matches and matches[-1].end() == len(text):
        text = text[: matches.pop().start()].rstrip()
    return text


def _words(message: dict[str, Any]) -> str:
    """All text of a message in the template's form."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
