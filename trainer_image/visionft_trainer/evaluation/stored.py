"""Answers on disk: an interrupted run does not ask again what it has been answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

from visionft_trainer.data.rows import Box
from visionft_trainer.errors import writing_to
from visionft_trainer.evaluation.generate import Answer, Answers
from visionft_trainer.storage import atomic
from visionft_trainer.storage.plain_files import read_text


def key_of(**facts: Any) -> str:
    """What answers depend on, in one word. `facts` are what JSON can hold."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def once(file: Path, key: str, answer: Callable[[], Answers]) -> Answers:
    """The answers in `file` where they are those of `key`, else new ones, which are then kept there.

    Raises `StorageFailedError`.
    """
    known = _read(file, key)
    if known is not None:
        return known
    answers = answer()
    with writing_to(file):
        file.parent.mkdir(exist_ok=True)
        atomic.write_text(file, json.dumps(_to_json(key, answers), ensure_ascii=False) + "\n")
    return answers


def number_once(file: Path, key: str, compute: Callable[[], float]) -> float:
    """As `once`, for a number. Raises `StorageFailedError`."""
    try:
        stored = json.loads(read_text(file))
        if stored["key"] == key:
            return float(stored["value"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    value = compute()
    with writing_to(file):
        file.parent.mkdir(exist_ok=True)
        atomic.write_text(file, json.dumps({"key": key, "value": value}) + "\n")
    return value


def _to_json(key: str, answers: Answers) -> dict[str, Any]:
    items = [
        {"text": item.text, "tokens": item.tokens}
        | ({"boxes": [astuple(box) for box in item.boxes]} if item.boxes is not None else {})
        for item in answers.items
    ]
    return {"key": key, "seconds": answers.seconds, "answers": items}


def _read(file: Path, key: str) -> Answers | None:
    try:
        stored = json.loads(read_text(file))
        if stored["key"] != key:
            return None
        items = [
            Answer(item["text"], tuple(Box(*box) for box in item["boxes"]) if "boxes" in item else None, item["tokens"])
            for item in stored["answers"]
        ]
        return Answers(tuple(items), float(stored["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
