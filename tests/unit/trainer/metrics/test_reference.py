"""Every metric against its reference implementation, on 500 shared rows (tests/golden/metrics says which that is)."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from visionft_api.metrics import LOWER_IS_BETTER
from visionft_api.metrics import METRICS as NAMES
from visionft_trainer.data.rows import Box
from visionft_trainer.evaluation.metrics import METRICS, Case, Floats

GOLDEN = Path(__file__).parents[3] / "golden" / "metrics"
REFERENCE = json.loads((GOLDEN / "reference.json").read_text())


def _cases() -> list[Case]:
    def boxes(edges: list[list[float | str]]) -> tuple[Box, ...]:
        return tuple(Box(*box) for box in edges)  # type: ignore[arg-type]

    return [
        Case(
            tuple(case["references"]),
            case["answer"],
            boxes(case.get("boxes", [])),
            None if case.get("answer_boxes") is None else boxes(case["answer_boxes"]),
        )
        for case in json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))
    ]


CASES = _cases()


def test_all_metrics_are_held_against_a_reference() -> None:
    assert METRICS.keys() == REFERENCE.keys()
    assert len(CASES) == 500


@cache
def _statistics(name: str) -> Floats:
    return METRICS[name].statistics(CASES)


@pytest.mark.parametrize("name", METRICS)
def test_the_corpus_figure_is_the_references(name: str) -> None:
    measured = METRICS[name].value(_statistics(name).sum(axis=0))
    assert measured == pytest.approx(REFERENCE[name]["corpus"], abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_the_figure_of_each_row_is_the_references(name: str) -> None:
    wrong = abs(METRICS[name].row_scores(_statistics(name)) - REFERENCE[name]["rows"]) > 1e-9
    assert np.flatnonzero(wrong).tolist() == []


def test_bleu_is_also_that_of_the_coco_caption_evaluation() -> None:
    assert METRICS["bleu"].value(_statistics("bleu").sum(axis=0)) == pytest.approx(REFERENCE["bleu"]["coco"], abs=1e-9)


def test_the_api_knows_the_metrics_and_which_of_them_fall() -> None:
    assert tuple(METRICS) == NAMES
    assert {name for name, metric in METRICS.items() if metric.lower_is_better} == LOWER_IS_BETTER
