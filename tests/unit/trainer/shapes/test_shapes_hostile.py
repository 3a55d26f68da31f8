"""Any value in any place of a row: a row comes out, or a `BadRowError` of one readable line."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.shape_rows import parse
from visionft_trainer.data.rows import BadRowError, Picture, Row
from visionft_trainer.data.shapes import SHAPES

ROWS: dict[str, dict[str, Any]] = {
    "messages": {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "q"}]},
            {"role": "assistant", "content": "a"},
        ],
        "images": ["1.png"],
    },
    "conversations": {
        "conversations": [{"from": "human", "value": "<image>\nq"}, {"from": "gpt", "value": "a"}],
        "image": "1.png",
    },
    "prompts": {
        "prompt": [{"role": "user", "content": "q"}],
        "completion": [{"role": "assistant", "content": "a"}],
        "images": ["1.png"],
    },
    "captions": {"image": "1.png", "captions": ["a", "b"]},
    "vqa": {"image": ["1.png"], "question": "q", "answers": [{"answer": "a"}, "b"]},
    "keyValues": {"image": "1.png", "ground_truth": {"gt_parse": {"a": [{"b": 1}]}}},
    "grounding": {
        "image": "1.png",
        "question": "q",
        "boxes": [{"label": "x", "box": [0.1, 0.1, 0.5, 0.5]}],
        "box_units": "shares",
    },
    "columns": {"image": "1.png", "question": "q", "answer": "a", "meta": {"x": 1}},
}
VALUES = [
    *(None, True, 0, -1, 10**400, 1e308, float("nan"), float("inf")),
    *("", " ", "x", "\0", "\ud800", "../x", "/x", "~", "data:", "data:image/png;base64,%", "file:///etc/passwd"),
    *("<image>", "{", "}", "[" * 3000, "{" * 3000, "NaN", '{"gt_parse": NaN}', "x" * 100_000),
    *([], [None], [[]], [{}], {}, {"": ""}, {"path": None}, {"url": {}}, {"type": "image"}, Picture(b"")),
    *([0.5] * 4, [[0, 0, 1, 1]], {"bbox": [], "label": []}, {"boxes": None}, [1, 2, "3", None]),
]


def changed(value: Any, random: Random) -> Any:
    """`value` with something else in one place, a place missing, or a place twice."""
    if isinstance(value, (dict, list)) and value and random.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = random.choice(keys)
        copy = value.copy()
        match random.randrange(8):
            case 0:
                del copy[key]
            case 1 if isinstance(copy, list):
                copy.insert(key, copy[key])
            case _:
                copy[key] = changed(value[key], random)
        return copy
    return random.choice(VALUES)


def outcome(form: str, value: Any, folder: Path) -> Row | BadRowError:
    template = {"promptTemplate": "{question} {meta.x}"} if form == "columns" else {}
    try:
        return parse(form, value, folder, **template)
    except BadRowError as error:
        return error


@pytest.mark.parametrize("form", SHAPES)
def test_hostile_rows(form: str, tmp_path: Path) -> None:
    random = Random(form)
    read, refused = 0, []
    for _ in range(1500):
        value = ROWS[form]
        for _ in range(random.randint(1, 3)):
            value = changed(value, random)
        result = outcome(form, value, tmp_path)
        if isinstance(result, Row):
            read += 1
        else:
            refused.append(str(result))
    assert min(read, len(refused)) > 20
    assert [words for words in refused if ";" not in words or len(words) > 1000 or not words.isprintable()] == []
