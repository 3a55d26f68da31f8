"""Boxes as data sets write them become shares of the picture, or are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.shape_rows import parse, plain
from visionft_trainer.data.rows import BadRowError

HALF = ("cat", 0.25, 0.5, 0.5, 1.0)
NAN = float("nan")


def row(*boxes: Any, **columns: Any) -> dict[str, Any]:
    return {"image": "1.png", "question": "Where?", "boxes": list(boxes), **columns}


def cat(box: Any, key: str = "box") -> dict[str, Any]:
    return {"label": "cat", key: box}


GOOD = [
    pytest.param(row(cat([10, 10, 20, 20])), id="pixels"),
    pytest.param(row(cat([10.0, 10.0, 20.0, 20.0])), id="pixels-with-fractions"),
    pytest.param(row(cat([0.25, 0.5, 0.5, 1])), id="shares"),
    pytest.param(row(cat([0.25, 0.5, 0.5, 1]), box_units="shares"), id="shares-said"),
    pytest.param(row(cat([250, 500, 500, 1000]), box_units="thousandths"), id="thousandths"),
    pytest.param(row(cat([10, 10, 10, 10]), box_form="xywh"), id="width-and-height-said"),
    pytest.param(row(cat([10, 10, 10, 10], "xywh")), id="width-and-height-by-name"),
    pytest.param(row(cat([250, 500, 250, 500]), box_form="xywh", box_units="thousandths"), id="both-said"),
    pytest.param(row(cat([100, 50, 200, 100]), width=400, height=100), id="other-size"),
    pytest.param(row(cat({"left": 10, "top": 10, "right": 20, "bottom": 20})), id="edges"),
    pytest.param(row(cat({"xmin": 10, "ymin": 10, "xmax": 20, "ymax": 20})), id="voc"),
    pytest.param(row(cat({"x": 10, "y": 10, "width": 10, "height": 10})), id="edges-with-size"),
    pytest.param(row(cat([10, 10, 20, 20], "bbox_2d")), id="bbox_2d"),
    pytest.param(row({"category": "cat", "bbox": [10, 10, 20, 20]}), id="bbox"),
    pytest.param(row() | {"boxes": json.dumps([cat([10, 10, 20, 20])])}, id="as-text"),
    pytest.param(row() | {"boxes": {"category": ["cat"], "bbox": [[10, 10, 20, 20]]}}, id="object-of-lists"),
    pytest.param(
        row() | {"boxes": {"category": ["cat"], "bbox": [[10, 10, 10, 10]], "box_form": "xywh"}},
        id="said-in-the-column",
    ),
    pytest.param(row() | {"boxes": {"boxes": [cat([250, 500, 500, 1000])], "box_units": "thousandths"}}, id="wrapped"),
    pytest.param(row(cat([10, 10, 20.01, 20.01])), id="rounded-outwards"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 40 x 20 pixels, and one that is 20 x 40 until its EXIF turns it."""
    folder = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (40, 20)).save(folder / "1.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (20, 40)).save(folder / "turned.jpg", exif=turned)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.mark.parametrize("value", GOOD)
def test_boxes_are_shares_of_the_picture(folder: Path, value: dict[str, Any]) -> None:
    roles = plain(parse("grounding", value, folder))
    assert roles[0] == ("user", ["<1.png>", "Where?"])
    ((label, left, top, right, bottom),) = roles[1][1][0]
    assert label == "cat"
    assert (left, top, right) == pytest.approx(HALF[1:4], abs=1e-3)
    assert bottom == pytest.approx(1.0, abs=1e-3)
    assert bottom <= 1


def test_pixels_are_those_of_the_upright_picture(folder: Path) -> None:
    value = row(cat([10, 10, 20, 20])) | {"image": "turned.jpg"}
    assert plain(parse("grounding", value, folder))[1][1] == [[HALF]]


def test_several_boxes_keep_their_order(folder: Path) -> None:
    value = row(cat([1, 1, 2, 2]), {"label": "dog", "box": [2, 2, 4, 4]}, cat([10, 10, 20, 20]))
    assert [box[0] for box in plain(parse("grounding", value, folder))[1][1][0]] == ["cat", "dog", "cat"]


BAD = [
    (row(), "boxes: is an empty list; leave out rows without boxes"),
    (row() | {"boxes": 7}, "boxes: is a number (7); write a list of objects, each with a label and a box"),
    (row("x"), "boxes[0]: is the string 'x'; write an object with a label and a box"),
    (row({"box": [1, 1, 2, 2]}), "boxes[0].label: is missing; write what the box is around"),
    (row({"label": 3, "box": [1, 1, 2, 2]}), "boxes[0].label: is a number (3); write what the box is around"),
    (row({"label": "cat"}), "boxes[0].box: is missing; write four numbers: left, top, right, bottom"),
    (row(cat([1, 2, 3])), "boxes[0].box: is [1, 2, 3]; write four numbers"),
    (row(cat([1, 2, 3, "4"])), "boxes[0].box: is [1, 2, 3, '4']; write four numbers"),
    (row(cat([1, 2, 3, True])), "boxes[0].box: is [1, 2, 3, True]; write four numbers"),
    (row(cat([1, 2, 3, 10**400])), "boxes[0].box: is [1, 2, 3, 1000"),
    (row(cat([NAN, 2, 3, 4])), "boxes[0].box: [nan, 2, 3, 4] holds nan; use finite numbers"),
    (row(cat([0, 0, float("inf"), 4])), "holds inf; use finite numbers"),
    (
        row(cat([20, 10, 10, 20])),
        "boxes[0].box: [20, 10, 10, 20] is empty or inverted, read as left, top, right, bottom",
    ),
    (row(cat([10, 10, 10, 20])), "is empty or inverted"),
    (
        row(cat([10, 10, -5, 5], "xywh")),
        "boxes[0].xywh: [10, 10, -5, 5] is empty or inverted, read as left, top, width",
    ),
    (
        row(cat([10, 10, 41, 20])),
        "boxes[0].box: [10, 10, 41, 20] reaches out of the picture of 40 x 20; mend it, or write",
    ),
    (row(cat([-1, 10, 30, 20])), "reaches out of the picture"),
    (row(cat([0, 0, 1.5, 1]), box_units="shares"), "reaches out of the picture of 1 x 1"),
    (row(cat([0, 0, 500, 1001.5]), box_units="thousandths"), "reaches out of the picture of 1000 x 1000"),
    (row(cat([1, 1, 2, 2]), box_units="inches"), "box_units: is 'inches'; use one of pixels, shares, thousandths"),
    (row(cat([1, 1, 2, 2]), box_form="yxyx"), "box_form: is 'yxyx'; use one of xyxy, xywh"),
    (row(cat([1, 1, 2, 2]), box_form=["xyxy"]), "box_form: is ['xyxy']; use one of"),
    (row(cat([1, 1, 2, 2]), width=0, height=10), "width: 0 x 10 is no size of a picture"),
    (row(cat([1, 1, 2, 2])) | {"image": ["1.png", "1.png"]}, "boxes: lie on one of 2 pictures; write a row for each"),
    (row(cat([1, 1, 2, 2])) | {"image": "none.png"}, "image 'none.png' does not exist"),
    (row(cat([1, 1, 2, 2])) | {"image": "broken.png"}, "image 'broken.png' is not an image of a known format"),
    (row() | {"boxes": {"category": ["cat"], "bbox": []}}, "boxes: category and bbox are not two lists of one length"),
    (row() | {"boxes": {"category": ["cat"]}}, "boxes: category and box are not two lists of one length"),
    (row() | {"boxes": "[NaN"}, "boxes: '[NaN' is not JSON"),
    ({"image": "1.png", "boxes": [cat([1, 1, 2, 2])]}, "question: is missing"),
    ({"image": "1.png", "question": "q", "answer": "a"}, "boxes: is missing; the row looks like the form vqa"),
]


@pytest.mark.parametrize(("value", "complaint"), BAD)
def test_wrong_boxes_are_refused(folder: Path, value: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRowError) as error:
        parse("grounding", value, folder)
    assert complaint in str(error.value)
