"""What is found in a data set: each finding with its rows, and none where there is nothing to find."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from support.tiny_data import row, write_rows
from support.tiny_spec import DATA_CLAIM
from visionft_trainer.data.report.model import DataReport, Pairs
from visionft_trainer.errors import BadDatasetError

Look = Callable[..., DataReport]


def word(text: str) -> Image.Image:
    image = Image.new("RGB", (96, 32), "white")
    ImageDraw.Draw(image).text((4, 4), text, fill="black", font=ImageFont.load_default(20))
    return image


def fill(folder: Path, name: str, words: list[str]) -> list[dict]:
    """A row and a picture for each word."""
    for text in words:
        word(text).save(folder / f"{text}.png")
    rows = [row(f"{text}.png", text) for text in words]
    write_rows(folder, name, rows)
    return rows


def named(pairs: Pairs) -> list[tuple[int, int]]:
    assert pairs.rows == len(pairs.named)
    return [(pair.row.row, pair.other.row) for pair in pairs.named]


def reasons(report: DataReport) -> set[str]:
    return {warning.reason for warning in report.warnings} - {"FewValidationRows"}


TRAIN = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]
VALIDATION = ["golf", "hotel", "india"]


@pytest.fixture
def sound(folder: Path) -> list[dict]:
    fill(folder, "validation.jsonl", VALIDATION)
    return fill(folder, "train.jsonl", TRAIN)


def test_nothing_is_found_where_nothing_is(sound: list[dict], look: Look) -> None:
    report = look()
    assert reasons(report) == set()
    assert (report.train.rows, report.train.images, report.train.distinct_images) == (6, 6, 6)
    assert report.train.answers.distinct == 6
    assert report.train.answers.entropy == pytest.approx(2.585, abs=1e-3)
    assert report.train.lengths.answer_characters.most == len("charlie")
    assert report.train.looks.width.median == 96


def test_boxes_are_shown_before_a_family_has_written_them(folder: Path, look: Look) -> None:
    word("alpha").save(folder / "a.png")
    boxes = [{"label": "word", "bbox": [0, 8, 48, 32]}, {"label": "end", "bbox": [48, 0, 96, 32]}]
    for name in ("train.jsonl", "validation.jsonl"):
        write_rows(folder, name, [{"image": "a.png", "question": "Where?", "boxes": boxes}])
    train = look(format="grounding").train
    assert train.answers.top[0].answer == "word (0 25 50 100), end (50 0 100 100)"
    assert train.lengths.answer_characters is None


def test_duplicates_by_content_and_by_look(folder: Path, sound: list[dict], look: Look) -> None:
    (folder / "copy.png").write_bytes((folder / "bravo.png").read_bytes())
    word("alpha").resize((144, 48), Image.Resampling.BICUBIC).save(folder / "larger.jpg", quality=90)
    rows = [*sound, row("copy.png", "bravo"), row("larger.jpg", "alpha"), row("larger.jpg", "other words")]
    write_rows(folder, "train.jsonl", rows)
    report = look()
    assert named(report.train.duplicates) == [(7, 2)]
    assert named(report.train.near_duplicates) == [(8, 1)]
    assert reasons(report) == {"DuplicateRows", "NearDuplicateRows", "ConflictingAnswers"}
    assert named(report.train.conflicts) == [(9, 8)]


def test_one_picture_with_many_questions_is_no_duplicate(folder: Path, sound: list[dict], look: Look) -> None:
    write_rows(folder, "train.jsonl", [*sound, *(row("alpha.png", "yes", f"Is it {n}?") for n in range(4))])
    report = look()
    assert (report.train.duplicates.rows, report.train.near_duplicates.rows, report.train.conflicts.rows) == (0, 0, 0)


def test_blank_pages_are_counted_and_never_alike(folder: Path, sound: list[dict], look: Look) -> None:
    for number in range(30):
        Image.new("RGB", (40 + number, 30), "white").save(folder / f"blank{number}.png")
    blanks = [row(f"blank{number}.png", "nothing") for number in range(30)]
    write_rows(folder, "train.jsonl", [*sound, *blanks])
    write_rows(folder, "validation.jsonl", [row("golf.png", "golf"), row("blank0.png", "empty")])
    report = look()
    assert report.train.looks.blank == 30
    assert report.train.near_duplicates.rows == 0
    assert (report.leakage.exact.rows, report.leakage.near.rows) == (0, 0)
    assert "BlankImages" in reasons(report)


def test_leakage_names_both_sides(folder: Path, sound: list[dict], look: Look) -> None:
    word("bravo").resize((192, 64), Image.Resampling.BICUBIC).save(folder / "larger.png")
    plain = {"messages": [{"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": "4"}]}
    write_rows(folder, "train.jsonl", [*sound, plain])
    leaks = [row("alpha.png", "another answer"), row("golf.png", "golf"), row("larger.png", "bravo"), plain]
    write_rows(folder, "validation.jsonl", leaks)
    report = look()
    assert named(report.leakage.exact) == [(1, 1), (4, 7)]
    assert named(report.leakage.near) == [(3, 2)]
    assert reasons(report) == {"DataLeakage"}
    with pytest.raises(BadDatasetError) as error:
        look(leakage="Refuse")
    assert str(error.value) == (
        "validation data validation.jsonl: 3 of 4 rows are in the training data train.jsonl too: "
        "validation.jsonl row 1 (the same as train.jsonl row 1), "
        "validation.jsonl row 4 (the same as train.jsonl row 7), "
        "validation.jsonl row 3 (looks like train.jsonl row 2). "
        "Take them out of one of the two, or set spec.dataset.leakage to Warn."
    )


def test_dropped_rows_are_counted_by_reason_and_named(folder: Path, sound: list[dict], look: Look) -> None:
    (folder / "cut.png").write_bytes((folder / "alpha.png").read_bytes()[:80])
    bad = [row("gone.png", "1"), row("cut.png", "2"), "{", row("gone.png", "3"), {"messages": []}]
    write_rows(folder, "train.jsonl", [*bad, *sound])
    with pytest.raises(BadDatasetError, match=r"5 rows of 11 cannot be used: row 1: "):
        look()
    report = look(badRows="Drop")
    assert report.train.rows == 6
    assert report.train.dropped == {
        "missing image": 2,
        "broken image": 1,
        "unreadable row": 1,
        "wrong messages": 1,
    }
    assert [bad.row for bad in report.train.dropped_rows] == [1, 2, 3, 4, 5]
    assert "image 'gone.png' does not exist" in report.train.dropped_rows[0].reason
    assert reasons(report) == {"RowsDropped"}


def test_a_data_set_of_bad_rows_alone_is_refused(folder: Path, sound: list[dict], look: Look) -> None:
    write_rows(folder, "train.jsonl", ["{", "["])
    with pytest.raises(BadDatasetError, match=r"2 rows of 2 cannot be used"):
        look(badRows="Drop")


def test_one_answer_for_nearly_all(folder: Path, sound: list[dict], look: Look) -> None:
    plain = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "no"}]} for n in range(30)
    ]
    write_rows(folder, "train.jsonl", [*sound, *plain])
    report = look()
    assert report.train.answers.top[0].model_dump() == {
        "answer": "no",
        "rows": 30,
        "share": pytest.approx(30 / 36, abs=1e-4),
    }
    assert "ImbalancedAnswers" in reasons(report)


def test_dark_pictures(folder: Path, sound: list[dict], look: Look) -> None:
    for name in TRAIN:
        Image.eval(Image.open(folder / f"{name}.png"), lambda value: value // 20).save(folder / f"{name}.png")
    assert "DarkImages" in reasons(look())


def test_the_digest_does_not_see_the_container(folder: Path, sound: list[dict], look: Look) -> None:
    files = look()

    def inside(entry: dict) -> dict:
        part = entry["messages"][0]["content"][0]["image_url"]
        encoded = base64.b64encode((folder / part["url"]).read_bytes()).decode()
        return json.loads(json.dumps(entry).replace(part["url"], f"data:image/png;base64,{encoded}"))

    write_rows(folder, "train.jsonl", [inside(entry) for entry in sound])
    inline = look()
    assert inline.train.digest == files.train.digest
    assert inline.digest == files.digest
    write_rows(folder, "train.jsonl", sound[::-1])
    assert look().digest != files.digest


def test_rows_of_several_files_are_named_by_file(folder: Path, sound: list[dict], look: Look) -> None:
    write_rows(folder, "part-00000-of-00002.jsonl", sound[:3])
    write_rows(folder, "part-00001-of-00002.jsonl", [*sound[3:], "{", sound[1]])
    train = {"pvc": {"claimName": DATA_CLAIM, "path": "part"}}
    with pytest.raises(
        BadDatasetError, match=r"1 row of 8 cannot be used: part-00001-of-00002\.jsonl row 4: is not JSON"
    ):
        look(train=train)
    report = look(train=train, badRows="Drop")
    (pair,) = report.train.duplicates.named
    assert (pair.row.file, pair.row.row) == ("part-00001-of-00002.jsonl", 5)
    assert (pair.other.file, pair.other.row) == ("part-00000-of-00002.jsonl", 2)


def test_what_is_named_of_many_dropped_rows_is_bounded(folder: Path, sound: list[dict], look: Look) -> None:
    write_rows(folder, "train.jsonl", [*sound, *[row("gone.png", "1")] * 500])
    report = look(badRows="Drop")
    assert report.train.dropped == {"missing image": 500}
    assert len(report.train.dropped_rows) == 100
