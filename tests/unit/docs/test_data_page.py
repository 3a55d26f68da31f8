"""docs/data.md: its tables name what the code reads, in its order."""

import re
from pathlib import Path

import pytest
from visionft_trainer.data.containers.files import KINDS
from visionft_trainer.data.shapes import SHAPES, boxes, captions, columns, fields, grounding, key_values, vqa

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = {found[1]: found[2] for found in re.finditer(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)}


def named(text: str) -> list[str]:
    return re.findall(r"`([\w.<>]+)`", text)


def test_every_format_and_source_has_a_line() -> None:
    assert set(ROWS) >= {*SHAPES, "pvc", "hub", "s3", "http", "configMap"}


def test_every_ending_is_named() -> None:
    assert set(KINDS) <= set(named(PAGE))


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("captions", captions.CAPTION_COLUMNS),
        ("vqa", (*fields.PROMPT_COLUMNS, *vqa.ANSWER_COLUMNS)),
        ("keyValues", key_values.FIELD_COLUMNS),
        ("grounding", grounding.BOXES_COLUMNS),
        ("columns", columns.ANSWER_COLUMNS),
    ],
)
def test_columns_are_those_of_the_code_in_their_order(form: str, names: tuple[str, ...]) -> None:
    told = named(ROWS[form].split(" | ")[0])
    assert [name for name in told if name not in ("image", "vqa")] == list(names)


def test_default_questions() -> None:
    assert f"“{captions.DEFAULT_PROMPT}”" in ROWS["captions"]
    assert f"“{key_values.DEFAULT_PROMPT}”" in ROWS["keyValues"]


def test_words_of_boxes() -> None:
    section = PAGE[PAGE.index("### Boxes") : PAGE.index("## Limits")]
    assert {*grounding.LABEL_KEYS, *grounding.BOX_KEYS, *boxes.UNITS, *boxes.FORMS} <= set(named(section))
    assert {boxes.UNITS_COLUMN, boxes.FORM_COLUMN} <= set(named(section))
    for keys, _ in boxes.EDGE_KEYS[:4]:
        assert f"`{', '.join(keys)}`" in section
