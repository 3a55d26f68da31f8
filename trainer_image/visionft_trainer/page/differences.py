"""Where an answer differs from the right one, character by character: the edits that an error rate counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Levenshtein

# An answer that shares less with the right one is marked as a whole: single letters in common say nothing.
LEAST_SIMILARITY = 0.4
MOST_CHARACTERS = 4000  # of either text; beyond, nothing is marked

Kind = Literal["same", "wrong", "missing"]


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer: right, wrong (it should not be there), or missing (the right answer has it)."""

    kind: Kind
    text: str


def compare(right: str, answer: str) -> list[Piece]:
    """The pieces of `answer` in their order, with what is missing where it belongs."""
    if right == answer or max(len(right), len(answer)) > MOST_CHARACTERS:
        return [Piece("same", answer)] if answer else []
    if Levenshtein.normalized_similarity(right, answer) < LEAST_SIMILARITY:
        return [Piece("wrong", answer)] if answer else []
    return list(_joined(_pieces(right, answer)))


def is_marked(right: str, answer: str) -> bool:
    """Whether `compare` looks at these texts, which it does not where they are very long."""
    return max(len(right), len(answer)) <= MOST_CHARACTERS


def _pieces(right: str, answer: str) -> Iterator[Piece]:
    for edit in Levenshtein.opcodes(right, answer):
        there = answer[edit.dest_start : edit.dest_end]
        wanted = right[edit.src_start : edit.src_end]
        match edit.tag:
            case "equal":
                yield Piece("same", there)
            case "insert":
                yield Piece("wrong", there)
            case "delete":
                yield Piece("missing", wanted)
            case _:
                yield Piece("wrong", there)
                yield Piece("missing", wanted)


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Neighbouring edits as one: what is wrong in a stretch first, then what is missing in it."""
    wrong = missing = ""
    for piece in pieces:
        if piece.kind == "wrong":
            wrong += piece.text
        elif piece.kind == "missing":
            missing += piece.text
        else:
            yield from _edits(wrong, missing)
            wrong = missing = ""
            yield piece
    yield from _edits(wrong, missing)


def _edits(wrong: str, missing: str) -> Iterator[Piece]:
    if wrong:
        yield Piece("wrong", wrong)
    if missing:
        yield Piece("missing", missing)
