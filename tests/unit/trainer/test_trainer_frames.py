"""Boxes in the words of each frame, and back."""

from __future__ import annotations

import pytest
from visionft_trainer.data.rows import Box
from visionft_trainer.families.frames import DEEPSEEK, PIXELS, QWEN_TOKENS, THOUSANDTHS, Frame

SIZE = (640, 480)
CAT = Box("cat", 0.1, 0.25, 0.5, 0.75)
TWO = (CAT, Box('a "dog", left', 0.0, 0.0, 1.0, 1.0))
FRAMES: dict[str, tuple[Frame, str]] = {
    "thousandths": (THOUSANDTHS, '[{"bbox_2d": [100, 250, 500, 750], "label": "cat"}]'),
    "pixels": (PIXELS, '[{"bbox_2d": [64, 120, 320, 360], "label": "cat"}]'),
    "qwen": (QWEN_TOKENS, "<|object_ref_start|>cat<|object_ref_end|><|box_start|>(100,250),(500,750)<|box_end|>"),
    "deepseek": (DEEPSEEK, "<|ref|>cat<|/ref|><|det|>[[100, 250, 500, 749]]<|/det|>"),
}
every_frame = pytest.mark.parametrize("frame", [frame for frame, _ in FRAMES.values()], ids=list(FRAMES))


@pytest.mark.parametrize(("frame", "text"), FRAMES.values(), ids=list(FRAMES))
def test_a_box_is_written_as_the_familys_checkpoints_do(frame: Frame, text: str) -> None:
    assert frame.write([CAT], SIZE) == text


@every_frame
def test_what_is_written_is_read_back(frame: Frame) -> None:
    for boxes in ((CAT,), TWO, (TWO[1], CAT, CAT), (Box("", 0.2, 0.2, 0.4, 0.4),)):
        read = frame.read(frame.write(boxes, SIZE), SIZE)
        assert read is not None
        assert [box.label for box in read] == [box.label for box in boxes]
        for found, box in zip(read, boxes, strict=True):
            for edge in ("left", "top", "right", "bottom"):
                assert getattr(found, edge) == pytest.approx(getattr(box, edge), abs=1 / 480)


@every_frame
@pytest.mark.parametrize(
    "text",
    ["", "no cat here", "[1, 2, 3]", "{", "[[[[", "(1,2)", "<|box_start|>", "<|det|>[[", "[a, b, c, d]", "\ud83d"],
)
def test_no_box_is_told_from_boxes(frame: Frame, text: str) -> None:
    assert frame.read(text, SIZE) is None


@pytest.mark.parametrize("text", ["[]", "```json\n[]\n```"])
def test_a_model_can_say_that_there_is_nothing(text: str) -> None:
    assert THOUSANDTHS.read(text, None) == []


@every_frame
def test_boxes_without_an_area_on_the_picture_are_left_out(frame: Frame) -> None:
    inverted = frame.write([Box("cat", 0.5, 0.5, 0.2, 0.2)], SIZE)
    outside = frame.write([Box("cat", 1.2, 1.2, 1.5, 1.5)], SIZE)
    assert frame.read(inverted, SIZE) == []
    assert frame.read(outside, SIZE) == []
    over = frame.read(frame.write([Box("cat", 0.5, 0.5, 1.5, 1.5)], SIZE), SIZE)
    assert over is not None
    assert (over[0].right, over[0].bottom) == (1.0, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        '```json\n[\n\t{"bbox_2d": [100, 250, 500, 750], "label": "cat"}\n]\n```',
        'There: {"label": "cat", "bbox_2d": [100.0, 250.0, 500.0, 750.0]}.',
        '[{"bbox_2d": [100, 250, 500, 750], "label": "cat"}, {"bbox_2d": [1, 2, ',
    ],
    ids=["fenced", "bare", "cut off"],
)
def test_json_is_read_however_a_model_wraps_it(text: str) -> None:
    assert THOUSANDTHS.read(text, None) == [CAT]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (THOUSANDTHS, "[100, 250, 500, 750]"),
        (QWEN_TOKENS, "(100, 250), (500, 750)"),
        (QWEN_TOKENS, "<|box_start|>(100,250),(500,750)"),
        (DEEPSEEK, "<|det|>[[99.9, 249.75, 499.5, 749.25]]"),
    ],
)
def test_boxes_without_labels_are_read(frame: Frame, text: str) -> None:
    read = frame.read(text, None)
    assert read is not None
    assert len(read) == 1
    assert read[0].left == pytest.approx(CAT.left)
    assert read[0].label == ""


def test_reading_stays_fast_on_what_no_sane_model_writes() -> None:
    for frame, _ in FRAMES.values():
        for text in ("{" * 50_000, "[1," * 50_000, "<|ref|>" * 20_000, "<|object_ref_start|>" * 10_000, "9" * 100_000):
            assert not frame.read(text, SIZE)
