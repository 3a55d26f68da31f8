"""Two thousand samples that somebody else's data may hold: each is read rightly or refused with a reason."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostile.data_sets import CONTAINERS, Write
from hostile.pictures import Outcome, samples
from hostile.rows import GOOD, Line, box_lines, chat, json_lines, path_lines, write_places

PICTURES = 200  # in each of eight containers
PATHS, LINES, BOXES = 160, 140, 100
PEAK = 250 * 2**20  # bytes; Python, numpy and, for Parquet, pyarrow take 50 to 120 MiB of it
TIMEOUT = 280


def read(folder: Path, path: str, form: str) -> dict[str, Any]:
    """What `hostile.read` says; a crash, a signal or too much memory fails the test."""
    command = [sys.executable, "-m", "hostile.read", str(folder), path, form]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT, cwd=Path(__file__).parents[1], check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def by_row(outcome: dict[str, Any]) -> dict[int, dict[str, Any]]:
    assert outcome["peak"] < PEAK
    return {entry["row"]: entry for entry in (*outcome["rows"], *outcome["dropped"])}


def fits(got: dict[str, Any], wanted: Outcome) -> bool:
    if wanted.error:
        return wanted.error in got.get("error", "")
    picture = got.get("picture")
    return (
        picture is not None
        and tuple(picture["size"]) == wanted.size
        and all(
            abs(a - b) <= wanted.tolerance
            for seen, colour in zip(picture["quarters"], wanted.quarters, strict=True)
            for a, b in zip(seen, colour, strict=True)
        )
    )


@pytest.mark.parametrize("write", CONTAINERS.values(), ids=CONTAINERS)
def test_pictures_in_every_container(tmp_path: Path, write: Write) -> None:
    made = list(samples(PICTURES, seed=list(CONTAINERS).index(write.__name__)))
    got = by_row(read(tmp_path, write(tmp_path, made), "captions"))
    first = min(got)  # the header of a CSV file is a line
    assert sorted(got) == list(range(first, first + PICTURES))
    wrong = [
        (sample.kind, sample.outcome, got[number])
        for number, sample in enumerate(made, start=first)
        if not fits(got[number], sample.outcome)
    ]
    assert not wrong, wrong[:5]
    for number, sample in enumerate(made, start=first):
        assert sample.outcome.error or got[number]["answer"] == str(number - first)


def check_lines(folder: Path, lines: list[Line], form: str, *, start: bytes = b"", end: bytes = b"\n") -> None:
    (folder / "rows.jsonl").write_bytes(start + b"".join(line.data + end for line in lines))
    got = by_row(read(folder, "rows.jsonl", form))
    assert sorted(got) == list(range(1, len(lines) + 1))
    for number, line in enumerate(lines, start=1):
        entry = got[number]
        if line.error:
            assert "error" in entry, (line.kind, entry)
            assert line.error == "*" or line.error in entry["error"], (line.kind, entry)
        else:
            assert entry.get("answer") == line.answer, (line.kind, entry)


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder with every sort of thing in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_places(folder)
    return folder


def test_paths_that_lead_astray(places: Path) -> None:
    check_lines(places, path_lines(PATHS, seed=1), "messages")


def test_lines_that_are_no_rows(places: Path) -> None:
    check_lines(places, json_lines(LINES, seed=2), "messages")


def test_boxes_that_are_none(places: Path) -> None:
    check_lines(places, box_lines(BOXES, seed=3), "grounding")


def test_a_byte_order_mark_and_carriage_returns(places: Path) -> None:
    sound = [Line("sound", json.dumps(chat()).encode())] * 3
    check_lines(places, sound, "messages", start=b"\xef\xbb\xbf", end=b"\r\n")


def test_of_two_values_for_a_key_the_last_counts(places: Path) -> None:
    twice = (
        json.dumps(chat(GOOD, "no")).encode()[:-1] + b', "messages": ' + json.dumps(chat()["messages"]).encode() + b"}"
    )
    check_lines(places, [Line("twice", twice)], "messages")


@pytest.mark.parametrize(
    ("name", "opening"), [("rows.jsonl", b'{"a": "'), ("rows.json", b'[{"a": "'), ("rows.csv", b'image,text\n"')]
)
def test_gigantic_rows_are_refused(tmp_path: Path, name: str, opening: bytes) -> None:
    with (tmp_path / name).open("wb") as file:
        file.write(opening)
        for _ in range(200):
            file.write(b"x" * 2**20)
    outcome = read(tmp_path, name, "captions")
    assert "refused" in outcome
    assert "train data" in outcome["refused"] or name in outcome["refused"]
