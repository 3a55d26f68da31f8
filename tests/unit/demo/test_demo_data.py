"""The demo's data is what it says: held-out scans, lines that no processor resizes, rows in the message form."""

import json
import random
from pathlib import Path

import pytest
from lines import LINE_HEIGHT, PROMPT, WIDTH_STEP
from make_data import LIVELY, Scan, draw_line, load_scans, make_data, split_scans
from PIL import Image


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return load_scans()


def test_no_scan_is_in_both_sets(scans: list[Scan]) -> None:
    train, validation = split_scans(scans, random.Random(0))
    assert len(train) + len(validation) == len(scans) == 1797
    assert {id(scan) for scan in train}.isdisjoint(id(scan) for scan in validation)
    assert {scan.digit for scan in validation} == set("0123456789")


def test_lines_are_of_a_form_that_the_processor_leaves_alone(scans: list[Scan]) -> None:
    rng = random.Random(1)
    for line in (draw_line(scans, LIVELY, rng) for _ in range(100)):
        assert line.image.height == LINE_HEIGHT
        assert line.image.width % WIDTH_STEP == 0
        assert line.text.isdigit()


def test_ink_is_darker_than_paper_and_all_of_it_is_on_the_picture(scans: list[Scan]) -> None:
    rng = random.Random(2)
    for line in (draw_line(scans, LIVELY, rng) for _ in range(50)):
        paper = line.image.getpixel((0, 0))
        darkest, brightest = line.image.getextrema()
        assert darkest < paper - 60
        assert brightest <= paper + 1  # Pillow rounds where the mask is empty
        right_edge = line.image.crop((line.image.width - 1, 0, line.image.width, LINE_HEIGHT))
        assert min(right_edge.getextrema()) >= paper - 1


def test_rows_name_their_pictures_and_hold_the_answers(tmp_path: Path) -> None:
    make_data(tmp_path, train_lines=5, validation_lines=3)
    for name, count in (("train", 5), ("validation", 3)):
        rows = [json.loads(row) for row in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert len(rows) == count
        for row in rows:
            question, answer = row["messages"]
            picture, text = question["content"]
            assert Image.open(tmp_path / picture["image_url"]["url"]).height == LINE_HEIGHT
            assert text == {"type": "text", "text": PROMPT}
            assert answer["content"].isdigit()


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    def contents(seed: int, name: str) -> dict[Path, bytes]:
        make_data(tmp_path / name, seed=seed, train_lines=4, validation_lines=4)
        return {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}

    first = contents(7, "a")
    assert first == contents(7, "b")
    assert first != contents(8, "c")


def test_held_out_lines_do_not_depend_on_how_many_are_learnt_from(tmp_path: Path) -> None:
    for name, count in (("a", 1), ("b", 9)):
        make_data(tmp_path / name, train_lines=count, validation_lines=4)
    assert (tmp_path / "a/validation.jsonl").read_bytes() == (tmp_path / "b/validation.jsonl").read_bytes()
