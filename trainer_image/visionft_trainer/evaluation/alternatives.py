"""Other ways of asking the base model: another wording, and answered rows before the question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from visionft_trainer.data.rows import Boxes, Message, Part, Picture, Row, Text

PLACEHOLDER = "{prompt}"
STREAM = 0x5348_4F54  # tells these random numbers from others that the seed gives


def question_of(row: Row) -> str:
    """The words of the last question."""
    return "".join(part.text for part in row.messages[-2].parts if isinstance(part, Text))


def reworded(row: Row, prompt: str) -> Row:
    """`row` with another last question; its pictures stay where they are, the words stand where its first ones did.

    `{prompt}` in `prompt` stands for the row's own question.
    """
    asked = row.messages[-2]
    words = Text(prompt.replace(PLACEHOLDER, question_of(row)))
    places = [index for index, part in enumerate(asked.parts) if isinstance(part, Text)]
    first = places[0] if places else len(asked.parts)
    rest: list[Part] = [part for part in asked.parts if not isinstance(part, Text)]
    before = sum(1 for part in asked.parts[:first] if not isinstance(part, Text))
    parts = (*rest[:before], words, *rest[before:])
    return replace(row, messages=(*row.messages[:-2], replace(asked, parts=parts), row.messages[-1]))


def draw_shots(rows: int, count: int, seed: int) -> list[int]:
    """Which of the training rows are shown: `count` different ones, or all where there are fewer."""
    random = np.random.default_rng((seed, STREAM))
    return [int(index) for index in random.permutation(rows)[:count]]


def shots_that_fit(
    tokens: int, pictures: int, shots: Sequence[tuple[int, int]], max_tokens: int, max_pictures: int
) -> int:
    """How many of `shots` (tokens and pictures of each) leave room for a row of `tokens` and `pictures`."""
    sums = accumulate(shots, lambda before, shot: (before[0] + shot[0], before[1] + shot[1]), initial=(0, 0))
    fits = [tokens + more <= max_tokens and pictures + seen <= max_pictures for more, seen in sums]
    return fits.index(False) - 1 if False in fits else len(shots)


def with_examples(row: Row, shots: Iterable[Row]) -> Row:
    """`row` after the turns of `shots`, whose system messages give way to its own."""
    system = [message for message in row.messages[:1] if message.role == "system"]
    turns: list[Message] = []
    pictures = 0
    for one in (*shots, row):
        turns += [_moved(message, pictures) for message in one.messages if message.role != "system"]
        pictures += sum(1 for _ in one.pictures)
    return replace(row, messages=(*system, *turns))


def _moved(message: Message, pictures: int) -> Message:
    """`message` after so many pictures: its boxes count them."""
    if not any(isinstance(part, Boxes) for part in message.parts):
        return message
    return replace(
        message,
        parts=tuple(
            replace(part, picture=part.picture + pictures) if isinstance(part, Boxes) else part
            for part in message.parts
        ),
    )


def carrying(row: Row, pictures: Sequence[bytes]) -> Row:
    """`row` with its encoded pictures in it, so that it can be shown beside rows of another data set."""
    remaining = iter(pictures)
    return replace(
        row,
        messages=tuple(
            replace(
                message,
                parts=tuple(
                    replace(part, source=next(remaining)) if isinstance(part, Picture) else part
                    for part in message.parts
                ),
            )
            for message in row.messages
        ),
    )
