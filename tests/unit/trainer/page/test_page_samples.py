"""Rows that a run keeps for its page: their pictures made small, and boxes read from both answers."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from visionft_trainer.data.rows import Box, Boxes, Message, Picture, Row, Text, Where
from visionft_trainer.families.frames import THOUSANDTHS
from visionft_trainer.page import samples


class Family:
    name = "stub"
    frame = THOUSANDTHS

    def seen_size(self, *_: Any) -> tuple[int, int]:
        return 100, 100


class Tokenizer:
    def get_vocab(self) -> dict[str, int]:
        return {}


def row(number: int, *, boxes: bool = False, pictures: int = 1) -> Row:
    shown = tuple(Picture(b"") for _ in range(pictures))
    answer = Boxes((Box("cat", 0.1, 0.2, 0.3, 0.4),), picture=1) if boxes else Text("right")
    return Row(Where("v.jsonl", number), (Message("user", (*shown, Text("?"))), Message("assistant", (answer,))))


def line(index: int, baseline: str, tuned: str) -> str:
    return json.dumps(
        {
            "index": index,
            "file": "v.jsonl",
            "row": index + 1,
            "prompt": "?",
            "reference": "right",
            "references": ["right"],
            "baseline": baseline,
            "tuned": tuned,
            "scores": {"baseline": {"cer": 1.0}, "tuned": {"cer": 0.5 + index}},
        }
    )


def keep(folder: Path, rows: list[Row], lines: list[str], size: tuple[int, int] = (1200, 300), count: int = 24) -> Any:
    answers = folder / "answers.jsonl"
    answers.write_text("\n".join(lines), encoding="utf-8")
    prepared = SimpleNamespace(
        examples=[SimpleNamespace(row=each) for each in rows],
        pictures=SimpleNamespace(open=lambda each: [Image.new("RGB", size, "red") for _ in each.pictures]),
        images=lambda example: {},
    )
    processor = SimpleNamespace(tokenizer=Tokenizer())
    samples.keep(
        folder / "samples",
        answers,
        "cer",
        lower_is_better=True,
        count=count,
        rows=prepared,  # type: ignore[arg-type]
        processor=processor,
        family=Family(),  # type: ignore[arg-type]
    )
    return samples.read_samples(folder / "samples", answers, "cer", lower_is_better=True, count=count)


def test_boxes_of_both_answers_are_read_in_shares_of_the_picture(tmp_path: Path) -> None:
    tuned = '[{"bbox_2d": [110, 220, 330, 440], "label": "cat"}]'
    found = keep(tmp_path, [row(1, boxes=True, pictures=2)], [line(0, "I see none", tuned)])
    (sample,) = found.chosen
    assert sample.boxes is not None
    assert sample.boxes.picture == 1
    assert sample.boxes.baseline is None
    for boxes, edges in (
        (sample.boxes.reference, (0.1, 0.2, 0.3, 0.4)),
        (sample.boxes.tuned, (0.11, 0.22, 0.33, 0.44)),
    ):
        (box,) = boxes
        assert (box.left, box.top, box.right, box.bottom) == pytest.approx(edges)
        assert box.label == "cat"


def test_pictures_are_kept_small_and_not_all_of_many(tmp_path: Path) -> None:
    found = keep(tmp_path, [row(1, pictures=11)], [line(0, "a", "b")])
    (sample,) = found.chosen
    assert (len(sample.pictures), sample.more_pictures) == (8, 3)
    first = sample.pictures[0]
    assert (first.width, first.height, first.original_width, first.original_height) == (640, 160, 1200, 300)
    assert Image.open(tmp_path / "samples" / first.file).size == (640, 160)
    assert sorted(samples.read_pictures(tmp_path / "samples", found)) == [picture.file for picture in sample.pictures]


def test_the_rows_kept_are_those_that_were_chosen_not_the_first_ones(tmp_path: Path) -> None:
    lines = [line(index, "a", "b") for index in range(6)]  # each gets worse than the one before
    found = keep(tmp_path, [row(number) for number in range(1, 7)], lines, count=3)
    assert [sample.row for sample in found.chosen] == [1, 4, 6]
    assert (found.of, found.improved, found.worsened) == (6, 1, 5)


def test_a_second_pod_replaces_what_the_first_has_kept(tmp_path: Path) -> None:
    keep(tmp_path, [row(1, pictures=3)], [line(0, "a", "b")])
    assert keep(tmp_path, [row(1)], [line(0, "a", "b")]).kept
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["000-0.jpg", "samples.json"]


def test_without_what_was_kept_the_answers_are_shown_without_pictures(tmp_path: Path) -> None:
    keep(tmp_path, [row(1)], [line(0, "a", "b")])
    (tmp_path / "samples" / "samples.json").write_text("{")
    found = samples.read_samples(
        tmp_path / "samples", tmp_path / "answers.jsonl", "cer", lower_is_better=True, count=24
    )
    assert [(sample.tuned, sample.pictures) for sample in found.chosen] == [("b", [])]
    assert not found.kept


def test_a_name_of_a_picture_leads_nowhere_else(tmp_path: Path) -> None:
    found = keep(tmp_path, [row(1)], [line(0, "a", "b")])
    (tmp_path / "secret").write_text("secret")
    outside = found.chosen[0].pictures[0].model_copy(update={"file": "../secret"})
    moved = found.model_copy(update={"chosen": [found.chosen[0].model_copy(update={"pictures": [outside]})]})
    assert samples.read_pictures(tmp_path / "samples", moved) == {}
