"""Reading single rows in a shape, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visionft_api.spec import DatasetSpec
from visionft_trainer.data.rows import Boxes, Picture, Row, Text, Where
from visionft_trainer.data.shapes import SHAPES, Context

FOLDER = Path("/data")


def parse(form: str, value: Any, folder: Path = FOLDER, **fields: Any) -> Row:
    """`value` read as `spec.dataset.format: form`; `fields` are other fields of `spec.dataset`."""
    train = {"pvc": {"claimName": "data", "path": "train.jsonl"}}
    # Built without the rules of the whole spec: what a shape does is not for the API's rules to hide.
    dataset = DatasetSpec.model_validate({"train": train, "format": form, **fields})
    return SHAPES[form](value, Context(Where("train.jsonl", 1), folder, dataset))


def plain(row: Row) -> list[tuple[str, list[Any]]]:
    """A row in few characters: pictures by their file's name or bytes, texts as they are or as their wordings."""
    return [(message.role, [_plain(part) for part in message.parts]) for message in row.messages]


def _plain(part: Any) -> Any:
    match part:
        case Text(text, ()):
            return text
        case Text(text, others):
            return [text, *others]
        case Picture(Path() as path):
            return f"<{path.relative_to(FOLDER) if path.is_relative_to(FOLDER) else path.name}>"
        case Picture(source):
            return source
        case Boxes(boxes):
            return [
                (box.label, *(round(edge, 4) for edge in (box.left, box.top, box.right, box.bottom))) for box in boxes
            ]
