"""Rows that are read as another part of the manifest says are told by that part's fields."""

from __future__ import annotations

from pathlib import Path

import pytest
from visionft_api.spec import DatasetSpec
from visionft_trainer.data.rows import BadRowError, Where
from visionft_trainer.data.shapes import SHAPES, Context

GENERAL = "spec.evaluation.general"
TRAIN = {"pvc": {"claimName": "data", "path": "train.jsonl"}}


@pytest.mark.parametrize(
    ("form", "row", "columns", "mend"),
    [
        ("vqa", {"messages": [{"role": "user", "content": "a"}]}, None, f"set {GENERAL}.format: messages"),
        ("messages", {"caption": "a"}, None, f"set {GENERAL}.format: captions"),
        ("conversations", {"caption": "a"}, None, f"set {GENERAL}.format: captions"),
        ("columns", {"odd": "a"}, None, f"in {GENERAL}.columns.answer"),
        ("columns", {"text": "a"}, {"answer": "spec.dataset.columns"}, f"mend {GENERAL}.columns.answer"),
    ],
)
def test_a_row_is_told_by_the_field_that_says_how_it_is_read(form, row, columns, mend) -> None:
    """Also one whose own names look like fields of the manifest: these are shown as they are."""
    dataset = DatasetSpec.model_validate({"train": TRAIN, "format": form, "columns": columns})
    with pytest.raises(BadRowError) as refused:
        SHAPES[form](row, Context(Where("general.jsonl", 1), Path(), dataset, GENERAL))
    assert mend in str(refused.value)
    if columns:
        assert str(refused.value).startswith("spec.dataset.columns: is no column")
