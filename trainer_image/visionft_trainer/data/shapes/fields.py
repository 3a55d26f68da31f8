"""The columns of a row: by the name that the manifest gives, else by the usual names in their order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from visionft_trainer.data.prompts import question, templates_of
from visionft_trainer.data.rows import BadRowError, Picture, Text
from visionft_trainer.data.shapes.base import Context, picture_part, text_part
from visionft_trainer.data.shapes.recognise import hint
from visionft_trainer.data.values import NO_COLUMN, check_characters, kind_of, look_up, names_of, show, text_of

ColumnKind = Literal["image", "prompt", "answer", "boxes"]
"""The fields of `spec.dataset.columns`."""

IMAGE_COLUMNS = (
    *("image", "images", "picture", "pictures", "img", "image_path", "image_file"),
    *("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"),  # members of a WebDataset sample
)
PROMPT_COLUMNS = ("question", "prompt", "instruction", "query", "problem")
PLURAL_COLUMNS = ("answers", "captions", "texts", "sentences")
"""Names of columns that hold several answers: there a text may be a list, as cells of tables have it."""
SQUAD_KEYS = {"text", "answer_start"}
PYTHON_LISTS = ("['", '["')  # how pandas writes a list into a cell


@dataclass(frozen=True)
class Column:
    """A column that was found."""

    name: str
    value: Any


def object_of(value: Any, context: Context) -> Mapping[str, Any]:
    """The row as an object with columns. Raises `BadRowError`."""
    if isinstance(value, Mapping):
        return value
    raise BadRowError("", f"the row is {kind_of(value)}; write an object with the columns of {context.dataset.format}")


def find(row: Mapping[str, Any], kind: ColumnKind, usual: Sequence[str], context: Context) -> Column | None:
    """The column that the manifest names for `kind`, else the first of `usual` with a value; None without any.

    Raises `BadRowError` when the column that the manifest names is not there.
    """
    named = getattr(context.dataset.columns, kind) if context.dataset.columns else None
    if named is None:
        return next((Column(name, row[name]) for name in usual if row.get(name) is not None), None)
    value = look_up(row, named)
    if value is NO_COLUMN:
        raise BadRowError(
            named,
            f"is no column of the row, which has {names_of(row)}; mend {context.field}.columns.{kind} or the row",
        )
    return None if value is None else Column(named, value)


def need(row: Mapping[str, Any], kind: ColumnKind, usual: Sequence[str], what: str, context: Context) -> Column:
    """As `find`, for a column that must have a value: `what` it holds. Raises `BadRowError`."""
    found = find(row, kind, usual, context)
    if found is not None:
        return found
    named = getattr(context.dataset.columns, kind) if context.dataset.columns else None
    empty = named or next((name for name in usual if name in row), None)
    if empty is not None:
        raise BadRowError(
            empty, f"is null, and a row of format {context.dataset.format} needs {what}; write it, or leave the row out"
        )
    mend = hint(row, context) or (
        f"the row has {names_of(row)}: name the one with {what} in {context.field}.columns.{kind}"
    )
    raise BadRowError(usual[0], f"is missing; {mend}")


def pictures(row: Mapping[str, Any], context: Context, usual: Sequence[str] = IMAGE_COLUMNS) -> tuple[Picture, ...]:
    """The pictures of the row, one or a list of them; empty for a row without. Raises `BadRowError`."""
    found = find(row, "image", usual, context)
    return () if found is None else _pictures(found, context)


def some_pictures(row: Mapping[str, Any], context: Context) -> tuple[Picture, ...]:
    """As `pictures`, at least one. Raises `BadRowError`."""
    found = need(row, "image", IMAGE_COLUMNS, "the picture", context)
    parts = _pictures(found, context)
    if not parts:
        raise BadRowError(found.name, "is an empty list; name at least one picture, or leave the row out")
    return parts


def _pictures(column: Column, context: Context) -> tuple[Picture, ...]:
    if not isinstance(column.value, list):
        return (picture_part(column.value, column.name, context.folder),)
    return tuple(
        picture_part(item, f"{column.name}[{index}]", context.folder) for index, item in enumerate(column.value)
    )


def prompt(row: Mapping[str, Any], context: Context, default: str | None = None) -> Text:
    """The question: by the manifest's templates, else the prompt column, else `default`. Raises `BadRowError`."""
    templates = templates_of(context.dataset)
    if templates:
        return question(row, templates)
    if default is None:
        column: Column | None = need(row, "prompt", PROMPT_COLUMNS, "the question", context)
    else:
        column = find(row, "prompt", PROMPT_COLUMNS, context)
    if column is None:
        return Text(str(default))
    if isinstance(column.value, list):
        raise BadRowError(column.name, "is a list; write one question a row")
    return text_part(text_of(column.value, column.name), column.name)


def answer(column: Column) -> Text:
    """The column as an answer; of a list, the others are other wordings. Raises `BadRowError`."""
    first, *others = (one_answer(value, field) for field, value in answers(column))
    return Text(first, tuple(others))


def answers(column: Column) -> list[tuple[str, Any]]:
    """Each answer in the column with how errors call it, at least one. Raises `BadRowError`.

    A list holds several, and so does SQuAD's `{"text": [...], "answer_start": [...]}`, or a list of such objects.
    """
    value, field = column.value, column.name
    if field.rpartition(".")[2] in PLURAL_COLUMNS:
        value = _cell(value, field)
        if _is_of_texts(value):
            value, field = value["text"], f"{field}.text"
    if not isinstance(value, list):
        return [(field, value)]
    if not value:
        raise BadRowError(field, "is an empty list; write the text that the model is to learn")
    items = [(f"{field}[{index}]", item) for index, item in enumerate(value)]
    return [
        (f"{name}.text", item["text"]) if isinstance(item, Mapping) and item.keys() >= SQUAD_KEYS else (name, item)
        for name, item in items
    ]


def _cell(value: Any, field: str) -> Any:
    """A list, or SQuAD's object, that a cell of a table holds as JSON; any other value as it is.

    Raises `BadRowError`.
    """
    if not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        if value.startswith(PYTHON_LISTS) and value.endswith("]"):
            raise BadRowError(
                field, f'{show(value)} is Python\'s form of a list; write it as JSON: ["...", "..."]'
            ) from None
        return value
    return read if isinstance(read, list) or _is_of_texts(read) else value


def _is_of_texts(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("text"), list)


def one_answer(value: Any, field: str) -> str:
    """A value as the text that the model is to learn. Raises `BadRowError`."""
    text = text_of(value, field)
    check_characters(text, field)
    if not text.strip():
        raise BadRowError(field, "the answer is empty; write the text that the model is to learn")
    return text
