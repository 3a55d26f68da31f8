"""The estimate against what an H200 showed: benchmarks/gpu/results."""

import sys
from collections import Counter
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks" / "gpu"
sys.path.insert(0, str(BENCHMARKS))

import compare  # noqa: E402

ALLOWED = 0.15


def test_estimates_are_within_fifteen_percent_for_every_recorded_training() -> None:
    cases = compare.comparisons(compare.RESULTS)
    assert {f"{case.name} {case.setting}": case.error for case in cases if abs(case.error) > ALLOWED} == {}
    of_each = Counter(case.name for case in cases)
    assert len(of_each) >= 3
    assert min(of_each.values()) >= 4
