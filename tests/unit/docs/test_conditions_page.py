"""docs/conditions.md has every condition type and every reason of the API, and nothing else."""

import re
from pathlib import Path

from visionft_api.conditions import ConditionType, Reason
from visionft_trainer.evaluation import warn

PAGE = (Path(__file__).parents[3] / "docs" / "conditions.md").read_text(encoding="utf-8")
TYPES, REASONS = PAGE.split("## Reasons", 1)


def first_cells(text: str) -> list[str]:
    """What stands as code in the first column of the tables."""
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def test_every_type_is_in_the_first_table_once() -> None:
    assert first_cells(TYPES) == [kind.value for kind in ConditionType]


def test_every_reason_has_one_row_and_there_is_no_other() -> None:
    listed = first_cells(REASONS)
    assert len(listed) == len(set(listed))
    assert set(listed) == {reason.value for reason in Reason}


def test_reasons_stand_below_the_type_that_they_belong_to() -> None:
    """The sections are the types that a run can have; DriftDetected has no reasons yet."""
    assert re.findall(r"^### (\w+)$", REASONS, re.MULTILINE) == [
        kind.value for kind in ConditionType if kind is not ConditionType.DRIFT_DETECTED
    ]


def test_no_row_is_without_a_meaning_and_a_mend() -> None:
    for line in REASONS.splitlines():
        if re.match(r"\| `\w+` \|", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 3
            assert all(cells)


def test_every_warning_of_judging_is_explained() -> None:
    source = Path(warn.__file__).read_text(encoding="utf-8")
    section = PAGE[PAGE.index("## Warnings") :]
    assert set(re.findall(r'reason="(\w+)"', source)) == set(re.findall(r"^\| ([A-Z]\w+) \|", section, re.MULTILINE))
