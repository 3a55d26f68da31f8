"""`<image>` in the words of a question: where a picture goes, as LLaVA and the forms made after it write it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from visionft_trainer.data.rows import BadRowError, Message, Part, Picture, Text

TOKEN = "<image>"  # noqa: S105 - no password


def has_tokens(messages: Sequence[Message]) -> bool:
    """Whether a user's words say where pictures go."""
    return any(TOKEN in message.text for message in messages if message.role == "user")


def filled(messages: Sequence[Message], images: Sequence[Picture], field: str) -> list[Message]:
    """`messages` with `images` where the tokens stand, in their order. Raises `BadRowError` where counts differ."""
    tokens = sum(message.text.count(TOKEN) for message in messages if message.role == "user")
    if tokens != len(images):
        raise BadRowError(
            field, f"{tokens} {TOKEN} tokens for {len(images)} pictures; write one where each picture of the row goes"
        )
    waiting = iter(images)
    return [
        replace(message, parts=tuple(_parts(message, waiting))) if message.role == "user" else message
        for message in messages
    ]


def _parts(message: Message, waiting: Iterator[Picture]) -> Iterator[Part]:
    for part in message.parts:
        if isinstance(part, Text):
            yield from (next(waiting) if piece is None else Text(piece) for piece in _pieces(part.text))
        else:
            yield part


def _pieces(text: str) -> list[str | None]:
    """`text` cut at its tokens, each of which is a None. The line break that LLaVA puts beside a token goes with it."""
    before, *after = text.split(TOKEN)
    pieces: list[str | None] = [before.removesuffix("\n") if after else before]
    for index, piece in enumerate(after):
        piece = piece.removeprefix("\n")
        pieces += [None, piece if index == len(after) - 1 else piece.removesuffix("\n")]
    kept = [piece for piece in pieces if piece != ""]
    return kept or [""]
