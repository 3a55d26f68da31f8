"""How a finished run is told: what it gained, what the gates say, what it left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from screen import BOLD, DIM, GREEN, Screen
from visionft_api.resource import VisionFineTune
from visionft_api.status import Evaluation

METRIC_NAMES = {"cer": "character error rate", "wer": "word error rate", "exactMatch": "lines read right"}
SAMPLES = 4
DIGEST_CHARACTERS = 19
"""Of a digest on the screen: "sha256:" and twelve digits; the whole of it is in the resource."""


def print_summary(
    screen: Screen, resource: VisionFineTune, answers: list[dict[str, Any]], page: str, seconds: float
) -> None:
    """What the status of a succeeded resource says, for people; `page` is where they can open the report."""
    status = resource.status
    assert status is not None
    if status.evaluation is not None:
        print_figures(screen, status.evaluation)
    print_answers(screen, answers)
    if status.evaluation is not None and status.evaluation.summary:
        screen.line()
        screen.paragraph(status.evaluation.summary, GREEN)
    screen.line()
    for artifact in status.artifacts or []:
        screen.line(f"{artifact.kind:<9}{artifact.uri}  {size(artifact.size or 0)}")
        screen.line(screen.style(f"{'':<9}{artifact.digest}", DIM))
    screen.line(f"\nDone in {duration(seconds)}. All of it on a page: {screen.style(page, BOLD)}")


def print_figures(screen: Screen, evaluation: Evaluation) -> None:
    """Each metric before and after, with the interval of the latter; below the first, the same with wrong pictures."""
    screen.line(f"\n{evaluation.samples} held-out lines       before    after   95 % interval")
    tuned, before = evaluation.tuned or {}, evaluation.baseline or {}
    intervals = (evaluation.intervals and evaluation.intervals.tuned) or {}
    vision = evaluation.vision
    for number, (metric, after) in enumerate(tuned.items()):
        interval = intervals.get(metric)
        span = f"   {share(interval.low)} to {share(interval.high)}" if interval else ""
        print_row(screen, METRIC_NAMES[metric], before.get(metric, ""), after, span)
        if number == 0 and vision is not None:
            asked = [(model and model.shuffled) or {} for model in (vision.baseline, vision.tuned)]
            print_row(screen, "  with wrong pictures", *(figures.get(metric, "") for figures in asked))


def print_row(screen: Screen, name: str, before: str, after: str, span: str = "") -> None:
    """One line of the figures."""
    screen.line(f"  {name:<22}{share(before):>8} {screen.style(f'{share(after):>8}', BOLD)}{screen.style(span, DIM)}")


def print_answers(screen: Screen, answers: list[dict[str, Any]]) -> None:
    """Some lines that the base model got wrong, with both readings."""
    shown = [answer for answer in answers if answer.get("baseline") != answer["reference"]][:SAMPLES]
    if not shown:
        return
    screen.line(f"\n{'on the picture':<24}{'before':>8} {'after':>8}")
    for answer in shown:
        screen.line(f"  {answer['reference']:<22}{answer['baseline']:>8} {answer['tuned']:>8}")


def read_answers(file: Path) -> list[dict[str, Any]]:
    """The answers that a run left; none when the file is not there."""
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def share(value: str) -> str:
    """ "0.0312" as "3.1 %"."""
    return f"{float(value) * 100:.1f} %" if value else ""


def size(count: int) -> str:
    """Bytes in the unit that leaves a short number."""
    for unit in ("B", "kB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} MB"


def duration(seconds: float) -> str:
    """Seconds as "2 min 41 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
