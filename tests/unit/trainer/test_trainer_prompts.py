"""Prompt templates: filled from a row's columns, or refused with the template, the placeholder and the columns."""

from typing import Any

import pytest
from visionft_trainer.data.prompts import question, read_template
from visionft_trainer.data.rows import BadRowError, Picture
from visionft_trainer.errors import BadConfigError

FIELD = "spec.dataset.promptTemplate"
ROW: dict[str, Any] = {
    "name": "Ada",
    "n": 3,
    "share": 0.5,
    "yes": True,
    "meta": {"lang": "fr", "deep": {"x": "y"}},
    "a.b": "dotted",
    "list": ["b", 1],
    "none": None,
    "blank": " ",
    "image": Picture(b""),
    "nan": float("nan"),
    "with space": "s",
    "half": "\ud83d",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{name}", "Ada"),
        ("{ name }!", "Ada!"),
        ("a{n}b{share}c{yes}", "a3b0.5ctrue"),
        ("{meta.lang}/{meta.deep.x}", "fr/y"),
        ("{a.b}", "dotted"),
        ("{list} {meta.deep}", '["b",1] {"x":"y"}'),
        ("{{name}} {{}} {name}", "{name} {} Ada"),
        ('{{"a": {n}}}', '{"a": 3}'),
        ("{with space}", "s"),
        ("line\nbreak {n}", "line\nbreak 3"),
    ],
)
def test_template_is_filled(template: str, text: str) -> None:
    assert read_template(template, FIELD).fill(ROW) == text


def test_value_is_no_template() -> None:
    assert read_template("{x}", FIELD).fill({"x": "{name} {{", "name": "Ada"}) == "{name} {{"


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        (
            "{age}?",
            f"{FIELD}: '{{age}}?' asks for {{age}}, which the row does not have; its columns are name, n, share",
        ),
        ("{meta.age}", "asks for {meta.age}, which the row does not have"),
        ("{name.first}", "asks for {name.first}, which the row does not have"),
        ("{none}", "asks for {none}, which has no value in this row; write one, or leave it out"),
        ("{blank}", "' {blank}'".replace(" ", "", 1) + " gives an empty question; give its columns a value"),
        ("{image}", "image: is a picture; write a text"),
        ("{nan}", "nan: nan holds NaN or Infinity; use a number"),
        ("{half}", "half: holds \\ud83d at character 1"),
    ],
)
def test_row_that_does_not_fill_it(template: str, complaint: str) -> None:
    with pytest.raises(BadRowError) as error:
        read_template(template, FIELD).fill(ROW)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("a {", "has a single { at character 3; write {{ for the brace itself"),
        ("a } b", "has a single } at character 3; write }} for the brace itself"),
        ("{a{b}}", "has a single { at character 1"),
        ("{}", "has braces without a name at character 1; write the name of a column"),
        ("x{ }", "has braces without a name at character 2"),
    ],
)
def test_braces_that_do_not_fit(template: str, complaint: str) -> None:
    with pytest.raises(BadConfigError) as error:
        read_template(template, FIELD)
    assert str(error.value).startswith(f"{FIELD}: {template!r}")
    assert complaint in str(error.value)


def test_several_wordings() -> None:
    text = question(ROW, [read_template(template, FIELD) for template in ("{n}", "{name}", "x")])
    assert (text.text, text.others) == ("3", ("Ada", "x"))
