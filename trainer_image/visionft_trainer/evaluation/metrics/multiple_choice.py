"""Share of multiple-choice questions whose chosen option is the right one.

What counts as a choice, in this order: an answer that is the reference, or the reference's option text; a letter at
the start of the answer ("B", "(B)", "B. text"); letters that the answer calls its answer ("The answer is B"). Letters
that contradict each other are no choice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, best, mean_of, share

_OPTION = re.compile(r"[(\[{*]*(?P<letter>[A-Za-z])(?:[)\]}*]+[.:,]?|[.:,)]|$)\s*(?P<text>.*)", re.DOTALL)
_SAID = re.compile(
    r"(?:answer|option|choice|choose|select|pick)\b(?:\s+(?:is|was|would\s+be|should\s+be|option|choice))*\s*[:=]?\s*"
    r"(?P<marked>[(\[{*\"']*)(?P<letter>[A-Za-z])(?![\w'])(?P<rest>\s*[.,;:!)\]}*\"']|\s*$|(?=\s))",
    re.IGNORECASE,
)
_ANOTHER = re.compile(r"[)\]}*\"'.:]*\s*(?:,|/|&|or\b|and\b)\s*[(\[{*]*(?P<letter>[A-Z]\b|[a-z](?=[)\]}*.]*\s*$))")


def _count(cases: Sequence[Case]) -> Floats:
    return mean_of([best(case, _is_right) for case in cases])


def _is_right(reference: str, answer: str) -> bool:
    expected, given = _plain(reference), _plain(answer)
    letter, text = _option(expected)
    if _same(given, expected):
        return True
    chosen = chosen_letter(given)
    if chosen is None or letter is None:
        return bool(text) and _same(_option(given)[1], text)
    return chosen == letter


def names_letter(reference: str) -> bool:
    """Whether a reference is an option's letter, alone or before the option's text."""
    return _option(_plain(reference))[0] is not None


def chosen_letter(answer: str) -> str | None:
    """The one letter, upper case, that an answer chooses; None: no letter, or several."""
    found = [match for match in _SAID.finditer(answer) if not _is_article(match, answer)]
    if first := _OPTION.match(answer):
        found.append(first)
    letters = {match["letter"].upper() for match in found}
    letters |= {more["letter"].upper() for match in found if (more := _ANOTHER.match(answer, match.end("letter")))}
    return letters.pop() if len(letters) == 1 else None


def _is_article(match: re.Match[str], answer: str) -> bool:
    """Whether "the answer is a" goes on with a word."""
    return match["letter"].islower() and not (match["marked"] or match["rest"].strip() or match.end() >= len(answer))


def _option(text: str) -> tuple[str | None, str]:
    """The letter of "B", "(B)" or "B. text" in upper case, and the text; without a letter all is text."""
    match = _OPTION.match(text)
    return (match["letter"].upper(), match["text"]) if match else (None, text)


def _same(one: str, other: str) -> bool:
    return one.rstrip(".").casefold() == other.rstrip(".").casefold()


def _plain(text: str) -> str:
    """Full-width letters and brackets as plain ones."""
    return unicodedata.normalize("NFKC", text).strip()


MULTIPLE_CHOICE = Metric(
    "multipleChoice", "Multiple choice", lower_is_better=False, highest=1.0, count=_count, value=share
)
