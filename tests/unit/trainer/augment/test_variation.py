"""What varies about a row follows from seed, epoch and row alone; boxes follow their pictures; words stay whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from visionft_api.spec.dataset import AugmentationSpec
from visionft_trainer.data.augment.changes import CHANGED_SHARE, SWITCHES, change
from visionft_trainer.data.augment.geometry import corners_after
from visionft_trainer.data.rows import Box, Boxes, Message, Picture, Row, Text, Where
from visionft_trainer.prepare.variation import Variation, vary

ALL = AugmentationSpec(**dict.fromkeys(SWITCHES, True), strength="1")
BOX = Box("square", 0.25, 0.25, 0.5, 0.75)


def picture(size: tuple[int, int] = (80, 60), box: Box = BOX) -> Image.Image:
    """A black rectangle on white."""
    image = Image.new("RGB", size, "white")
    edges = (box.left * size[0], box.top * size[1], box.right * size[0] - 1, box.bottom * size[1] - 1)
    ImageDraw.Draw(image).rectangle(edges, fill="black")
    return image


def only(**settings: object) -> AugmentationSpec:
    return AugmentationSpec(strength="1", **settings)


def talk(*parts: object) -> Row:
    return Row(Where("a.jsonl", 1), (Message("user", parts), Message("assistant", (Text("yes"),))))  # type: ignore[arg-type]


PICTURE = Picture(Path("a.png"))
TWO = talk(PICTURE, Boxes((BOX,)), PICTURE, Boxes((BOX, BOX), picture=1))


def changed_epoch(row: Row = TWO) -> int:
    """An epoch in which row 3 is changed."""
    return next(epoch for epoch in range(100) if Variation(5, ALL).changes_pictures(epoch, 3))


def test_the_same_seed_epoch_and_row_give_the_same_whatever_came_before() -> None:
    images, epoch = [picture(), picture((64, 32))], changed_epoch()
    first_row, first = vary(TWO, images, 5, epoch, 3, ALL)
    torch.manual_seed(99)
    np.random.seed(99)
    vary(TWO, images, 5, epoch, 4, ALL)
    again_row, again = vary(TWO, images, 5, epoch, 3, ALL)
    assert again_row == first_row
    assert [image.tobytes() for image in again] == [image.tobytes() for image in first]
    assert [image.size for image in first] == [image.size for image in images]
    assert [image.tobytes() for image in first] != [image.tobytes() for image in images]


@pytest.mark.parametrize("other", [(6, 0, 3), (5, 1, 3), (5, 0, 4)])
def test_another_seed_epoch_or_row_gives_others(other: tuple[int, int, int]) -> None:
    def changed(seed: int, epoch: int, index: int) -> list[bool]:
        return [Variation(seed, ALL).changes_pictures(epoch + 10 * n, index + 10 * n) for n in range(200)]

    assert changed(5, 0, 3) != changed(*other)


def test_torch_and_numpy_keep_their_random_numbers() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    vary(TWO, [picture(), picture()], 5, changed_epoch(), 3, ALL)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


def test_the_share_of_changed_rows_follows_strength() -> None:
    for strength in ("0.25", "1"):
        variation = Variation(0, only(blur=True).model_copy(update={"strength": strength}))
        share = np.mean([variation.changes_pictures(0, index) for index in range(4000)])
        assert share == pytest.approx(CHANGED_SHARE * float(strength), abs=0.03)


def test_unchanged_rows_keep_their_pictures() -> None:
    epoch = next(epoch for epoch in range(100) if not Variation(5, ALL).changes_pictures(epoch, 3))
    images = [picture()]
    row, same = vary(TWO, images, 5, epoch, 3, ALL)
    assert row == TWO
    assert same[0] is images[0]


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("size", [(80, 60), (400, 32), (32, 400), (1, 1), (3, 2)])
def test_each_change_keeps_the_size(switch: str, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(60, 200, (size[1], size[0], 3), dtype=np.uint8))
    changed, _ = change(image, (), only(**{switch: True}), np.random.default_rng(1))
    assert (changed.size, changed.mode) == (size, "RGB")
    if min(size) > 30:
        assert changed.tobytes() != image.tobytes()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [(200, 160), (400, 64)])
def test_boxes_follow_what_they_frame(seed: int, size: tuple[int, int]) -> None:
    moved, (box,) = change(picture(size), (BOX,), only(rotation=True, perspective=True), np.random.default_rng(seed))
    rows, columns = np.nonzero(np.asarray(moved.convert("L")) < 128)
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    told = (box.left * size[0], box.top * size[1], box.right * size[0], box.bottom * size[1])
    assert told == pytest.approx(seen, abs=1.6)  # pixels
    assert box.label == "square"


def test_nothing_of_a_picture_leaves_its_frame() -> None:
    for seed in range(200):
        random = np.random.default_rng(seed)
        corners = corners_after(300, 40, random, 1.0, rotation=True, perspective=True)
        assert corners.min() >= -1e-9
        assert (corners.max(axis=0) <= np.array([300, 40]) + 1e-9).all()


def test_boxes_of_several_pictures_stay_with_theirs() -> None:
    row, _ = vary(TWO, [picture(), picture((64, 32))], 5, changed_epoch(), 3, ALL)
    first, second = (part for part in row.messages[0].parts if isinstance(part, Boxes))
    assert (len(first.boxes), len(second.boxes)) == (1, 2)
    assert (first.picture, second.picture) == (0, 1)
    assert second.boxes[0] == second.boxes[1] != first.boxes[0] != BOX


def test_every_wording_is_met_about_as_often() -> None:
    row = talk(Text("a", ("b", "c")))
    met = [vary(row, [], 0, epoch, 7, None)[0].messages[0].parts[0] for epoch in range(600)]
    assert {text.text for text in met} == {"a", "b", "c"}
    assert all(not text.others for text in met)
    assert all(150 < sum(text.text == wording for text in met) < 250 for wording in "abc")
