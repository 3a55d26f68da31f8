"""Boxes of a row on their way to the model and back, for each family."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from support.tiny_models import TINY_MODELS
from support.tiny_spec import MODEL_CLAIM, tiny_spec
from visionft_trainer import libraries
from visionft_trainer.data.rows import Box, Boxes, Message, Picture, Row, Text, Where
from visionft_trainer.families import FAMILIES, Family
from visionft_trainer.families.frames import THOUSANDTHS
from visionft_trainer.model.load import load_processor
from visionft_trainer.prepare import boxes as boxes_module
from visionft_trainer.prepare.boxes import decode, read_boxes
from visionft_trainer.prepare.preprocess import IGNORED, prepare_row
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source

libraries.quiet()
WIDTH, HEIGHT = 96, 48
ANSWER = (Box("cat", 0.25, 0.25, 0.5, 0.75), Box("dog", 0.5, 0.0, 1.0, 1.0))
ROW = Row(
    Where("train.jsonl", 1),
    (
        Message("user", (Picture(b""), Text("Find them. One is here: "), Boxes(ANSWER[:1]))),
        Message("assistant", (Boxes(ANSWER),)),
    ),
)
BY_NAME = {family.name: family for family in FAMILIES}


@pytest.fixture(scope="module", params=sorted(TINY_MODELS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Family]:
    """A family with its processor, whose tokenizer has all tokens of the family's frame."""
    place = tmp_path_factory.mktemp("boxes")
    return _processor(request.param, place, with_tokens=True)


def _processor(name: str, place: Path, *, with_tokens: bool) -> tuple[Any, Family]:
    TINY_MODELS[name](place / MODEL_CLAIM / "tiny")
    spec = tiny_spec(place)
    files = model_source.locate(spec.model, Settings(claims={MODEL_CLAIM: place / MODEL_CLAIM}))
    processor = load_processor(files, spec)
    if with_tokens:
        processor.tokenizer.add_tokens(list(BY_NAME[name].frame.tokens), special_tokens=True)
    return processor, files.family


def _prepared(processor: Any, family: Family, place: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    images = family.process_images(processor, [Image.new("RGB", (WIDTH, HEIGHT), "white")])
    spec = tiny_spec(place, dataset={"limits": {"maxTokens": 8192}})
    return prepare_row(ROW, images, spec.dataset, processor, family), images


def test_boxes_are_learnt_in_the_familys_words_and_read_back(model: tuple[Any, Family], tmp_path: Path) -> None:
    processor, family = model
    example, images = _prepared(processor, family, tmp_path)
    written = example.row.answer
    assert written == family.frame.write(ANSWER, family.seen_size(processor, images, 0))
    learnt = example.labels[example.labels != IGNORED]
    assert decode(learnt[None], processor, family)[0].strip() == written
    prompt = decode(example.prompt_ids[None], processor, family)[0]
    assert family.frame.write(ANSWER[:1], family.seen_size(processor, images, 0)) in prompt
    read = read_boxes(written, images, processor, family)
    assert read is not None
    assert [box.label for box in read] == ["cat", "dog"]
    assert read[0].left == pytest.approx(0.25, abs=0.02)
    assert read[1].bottom == pytest.approx(1.0, abs=0.02)
    assert [part for message in example.row.messages for part in message.parts if isinstance(part, Boxes)]


def test_pixels_are_those_of_the_picture_after_scaling(tmp_path: Path) -> None:
    """Qwen2.5-VL: 96 x 48 is made larger when the processor wants more pixels, and the boxes with it."""
    processor, family = _processor("Qwen2.5-VL", tmp_path, with_tokens=True)
    family.bound_pixels(processor, 4 * WIDTH * HEIGHT, None)
    example, images = _prepared(processor, family, tmp_path)
    size = family.seen_size(processor, images, 0)
    assert size is not None
    assert size[0] >= 2 * WIDTH
    assert f"[{round(0.25 * size[0])}, {round(0.25 * size[1])}," in example.row.answer


def test_runs_without_boxes_hear_nothing_of_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    processor, family = _processor("Qwen2-VL", tmp_path, with_tokens=False)
    boxes_module.frame_of.cache_clear()
    with caplog.at_level(logging.WARNING):
        boxes_module.decode(torch.tensor([[1, 2, 3]]), processor, family)
    assert not caplog.records


def test_without_its_tokens_the_plain_frame_is_used_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    processor, family = _processor("Qwen2-VL", tmp_path, with_tokens=False)
    boxes_module.frame_of.cache_clear()
    with caplog.at_level(logging.WARNING):
        example, _ = _prepared(processor, family, tmp_path)
    assert example.row.answer == THOUSANDTHS.write(ANSWER, None)
    assert [record.getMessage() for record in caplog.records] == [
        "the tokenizer has no <|box_end|>, in which Qwen2-VL writes boxes; they are written as JSON in thousandths"
    ]
