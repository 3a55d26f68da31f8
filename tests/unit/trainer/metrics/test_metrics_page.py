"""docs/metrics.md explains every metric, under the title that the report gives it."""

import re
from pathlib import Path

from visionft_trainer.evaluation.metrics import METRICS

PAGE = (Path(__file__).parents[4] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_metric_has_a_section() -> None:
    assert re.findall(r"^## (.+) \(`(\w+)`\)$", PAGE, re.MULTILINE) == [
        (metric.title, name) for name, metric in METRICS.items()
    ]


def test_every_metric_says_what_it_is_held_against() -> None:
    table = PAGE.partition("## Held against")[2]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))) == set(METRICS)
