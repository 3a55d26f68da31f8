"""Rows that cannot be used: each is refused with its place, what is wrong and what to do."""

import base64
import codecs
import json
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from PIL import Image
from support.tiny_data import draw_number, row, write_numbers, write_rows
from support.tiny_spec import DATA_CLAIM, tiny_spec
from visionft_api.exit_codes import ExitCode
from visionft_api.spec import VisionFineTuneSpec
from visionft_trainer.data import ingest as stage
from visionft_trainer.errors import BadConfigError, BadDatasetError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import data
from visionft_trainer.storage.scratch import Scratch

SCRATCH = tempfile.TemporaryDirectory(prefix="visionft-test-")


def ingested(spec: VisionFineTuneSpec, settings: Settings) -> stage.Dataset:
    folder = tempfile.mkdtemp(dir=SCRATCH.name)
    return stage.ingest(spec, settings, Scratch(Path(folder)))


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


ANSWER = {"role": "assistant", "content": "12"}
URI = "data:image/png;base64,"


def image(url: object) -> dict[str, object]:
    return {"messages": [user([{"type": "image_url", "image_url": {"url": url}}]), ANSWER]}


HALF = "\ud83d"  # json.dumps spells it \\ud83d
NO_HALF = r"holds \ud83d at character 2, half of a surrogate pair; write both halves, or the character itself"

BAD_ROWS = [
    pytest.param('{"id": ' + "9" * 4301 + "}", "row 2: holds an integer of more than 4,300 digits", id="digits"),
    pytest.param(
        {"messages": [{"role": "system", "content": "a" + HALF}, user("q"), ANSWER]},
        f"row 2: messages[0].content: {NO_HALF}",
        id="half-in-system",
    ),
    pytest.param({"messages": [user("a" + HALF), ANSWER]}, f"messages[0].content: {NO_HALF}", id="half-in-user"),
    pytest.param(
        {"messages": [user([{"type": "text", "text": f"a{HALF}"}]), ANSWER]},
        f"messages[0].content[0].text: {NO_HALF}",
        id="half-in-part",
    ),
    pytest.param(
        {"messages": [user("q"), {"role": "assistant", "content": f"1{HALF}"}]},
        f"messages[1].content: {NO_HALF}",
        id="half-in-answer",
    ),
    pytest.param(image(f"a{HALF}.png"), f"image_url.url: {NO_HALF}", id="half-in-path"),
    pytest.param(image("a\0.png"), "image_url.url: is 'a\\x00.png', with a NUL character in it; write", id="nul"),
    pytest.param(image("a" * 300), "cannot be read ([Errno 36] File name too long", id="long-name"),
    pytest.param(image("http://[a.png"), "images are not fetched: put the file beside", id="broken-address"),
    pytest.param(image("pipe"), "image 'pipe' is not a file; name an image file", id="pipe"),
    pytest.param(image("socket"), "image 'socket' is not a file; name an image file", id="socket"),
    pytest.param(image("flat.gif"), "image 'flat.gif' is not an image of a known format", id="no-pixels"),
    pytest.param("{not json", "row 2: is not JSON (Expecting property name", id="not-json"),
    pytest.param(b'{"messages": "\xff"}', "row 2: is not UTF-8 (byte 15); save the file as UTF-8", id="not-utf8"),
    pytest.param('{"messages": NaN}', "row 2: holds NaN, which is not JSON", id="nan"),
    pytest.param("[" * 5000, "row 2: is nested too deeply", id="nesting"),
    pytest.param([1, 2], "row 2: the row is a list; write an object", id="list"),
    pytest.param(
        {"text": "x"},
        "row 2: messages: is missing; the row has text: write the conversation as a list",
        id="no-messages",
    ),
    pytest.param({"messages": []}, "row 2: messages: is an empty list; write a list with at least", id="empty"),
    pytest.param({"messages": ["hi"]}, "row 2: messages[0]: is the string 'hi'; write an object", id="message-string"),
    pytest.param(
        {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role: is 'tool'; use one of", id="role"
    ),
    pytest.param({"messages": [user(None), ANSWER]}, "messages[0].content: is missing; write a string", id="content"),
    pytest.param({"messages": [user([]), ANSWER]}, "messages[0].content: is an empty list", id="content-empty"),
    pytest.param({"messages": [user("q")]}, "messages: the last message is the user's; add the", id="no-answer"),
    pytest.param({"messages": [ANSWER]}, "messages: the conversation starts with a user message", id="no-question"),
    pytest.param({"messages": [user("a"), user("b"), ANSWER]}, "[1].role: two user messages in a row", id="two"),
    pytest.param(
        {"messages": [user("q"), {"role": "system", "content": "s"}, ANSWER]},
        "messages[1].role: a system message can only be the first one",
        id="late-system",
    ),
    pytest.param(
        {"messages": [user("q"), {"role": "assistant", "content": " "}]},
        "messages[1].content: the answer is empty; write the text",
        id="empty-answer",
    ),
    pytest.param(
        {"messages": [user("q"), {"role": "assistant", "content": image("1.png")["messages"][0]["content"]}]},
        "messages[1].content: the assistant message holds an image; put it into a user message",
        id="image-in-answer",
    ),
    pytest.param(
        {"messages": [user([{"type": "video"}]), ANSWER]},
        "messages[0].content[0].type: is 'video'; use text, image or image_url",
        id="part-type",
    ),
    pytest.param(
        {"messages": [user([{"type": "text", "text": 3}]), ANSWER]},
        "content[0].text: is a number (3); write a string",
        id="text-number",
    ),
    pytest.param(
        {"messages": [user([{"type": "image_url", "image_url": "none.png"}]), ANSWER]},
        "image 'none.png' does not exist; put the file there",
        id="image-url-string",
    ),
    pytest.param(image("https://example.org/a.png"), "images are not fetched: put the file beside", id="http"),
    pytest.param(image("/etc/passwd"), "an absolute path; give it relative to the data file's folder", id="absolute"),
    pytest.param(image("../secret.png"), "leaves the data file's folder; keep images below it", id="dots"),
    pytest.param(image("link.png"), "is a link out of the data file's folder; copy the image", id="link-out"),
    pytest.param(image("loop.png"), "image 'loop.png' cannot be read", id="link-loop"),
    pytest.param(image("none.png"), "image 'none.png' does not exist; put the file there", id="missing"),
    pytest.param(image("images"), "image 'images' is a folder; name an image file", id="folder"),
    pytest.param(image("empty.png"), "image 'empty.png' is empty; write the image again", id="zero-bytes"),
    pytest.param(image("cut.png"), "image 'cut.png' is truncated or broken", id="truncated"),
    pytest.param(image("cut.jpg"), "image 'cut.jpg' is truncated or broken", id="truncated-jpeg"),
    pytest.param(image("text.png"), "image 'text.png' is not an image of a known format; use one", id="no-image"),
    pytest.param(image("bomb.png"), "image 'bomb.png' has 20000 x 6000 pixels; the most is 100,000,000", id="bomb"),
    pytest.param(image("huge.png"), "image 'huge.png' has too many pixels; the most is 100,000,000", id="huge-bomb"),
    pytest.param(image("moving.gif"), "image 'moving.gif' has several frames; save the one frame", id="animated"),
    pytest.param(image("big.png"), "has 200,000 bytes; spec.dataset's image.maxBytes allows 102,400", id="too-large"),
    pytest.param(image("data:text/plain,hi"), "write a data URI as data:image/png;base64,...", id="uri-type"),
    pytest.param(image(URI + "%%%"), "the data URI's base64 is broken; encode the image file again", id="uri-base64"),
    pytest.param(image(URI + "aGVsbG8="), "the image in the data URI is not an image of a known", id="uri-no-image"),
]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one good row's image and every kind of bad file."""
    folder = tmp_path_factory.mktemp("bad") / "data"
    write_numbers(folder, "validation.jsonl", 1)
    picture = draw_number("12")
    picture.save(folder / "good.png")
    whole = (folder / "good.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    picture.save(folder / "good.jpg")
    (folder / "cut.jpg").write_bytes((folder / "good.jpg").read_bytes()[:-200])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not an image")
    (folder / "big.png").write_bytes(whole + bytes(200_000 - len(whole)))
    Image.new("1", (20_000, 6_000)).save(folder / "bomb.png")
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")
    frames = [draw_number(str(number)) for number in range(2)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    picture.save(folder.parent / "outside.png")
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "flat.gif").write_bytes(b"GIF89a" + bytes(7) + b"," + bytes(9) + b"\x02\x02\x4c\x01\x00;")
    return folder


@pytest.fixture
def folder(bad_files: Path, tmp_path: Path) -> Path:
    """A copy of `bad_files` to write rows into."""
    folder = Path(shutil.copytree(bad_files, tmp_path / "data", symlinks=True))
    os.mkfifo(folder / "pipe")
    os.mknod(folder / "socket", stat.S_IFSOCK | 0o600)
    return folder


@pytest.mark.parametrize(("bad", "complaint"), BAD_ROWS)
def test_bad_row_is_refused(folder: Path, tmp_path: Path, bad: object, complaint: str) -> None:
    write_rows(folder, "train.jsonl", [row("good.png", "12"), bad])
    spec = tiny_spec(tmp_path, dataset={"image": {"maxBytes": "100Ki"}})
    with pytest.raises(BadDatasetError) as error:
        ingested(spec, Settings(claims={DATA_CLAIM: folder}))
    assert str(error.value).startswith("train data train.jsonl: 1 row of 2 cannot be used: row 2: ")
    assert complaint in str(error.value)
    assert error.value.exit_code == ExitCode.BAD_DATASET


def test_all_bad_rows_are_counted_and_the_first_are_named(folder: Path, tmp_path: Path) -> None:
    write_rows(folder, "train.jsonl", [{"messages": []}] * 9 + [row("good.png", "12")])
    with pytest.raises(BadDatasetError, match=r"9 rows of 10 .*row 1: .*row 5: .*; and 4 more\.$") as error:
        ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder}))
    assert "row 6" not in str(error.value)


def test_validation_rows_are_checked_too(folder: Path, tmp_path: Path) -> None:
    write_rows(folder, "train.jsonl", [row("good.png", "12")])
    write_rows(folder, "validation.jsonl", [{}])
    with pytest.raises(BadDatasetError, match=r"^validation data validation\.jsonl: 1 row of 1"):
        ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder}))


def test_good_rows_of_every_form_are_read(folder: Path, tmp_path: Path) -> None:
    uri = URI + base64.b64encode((folder / "good.png").read_bytes()).decode()
    talk = [{"role": "system", "content": "Be short."}, user("q"), ANSWER, user("again?"), ANSWER]
    rows = [row("good.png", "12"), image(uri), {"messages": talk}, "   ", {"messages": [user("q"), ANSWER], "id": 7}]
    write_rows(folder, "train.jsonl", rows)
    split = ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder})).train
    assert [row.where.row for row in split.rows] == [1, 2, 3, 5]
    assert [len(list(row.pictures)) for row in split.rows] == [1, 1, 0, 0]
    assert [message.role for message in split.rows[2].messages][:2] == ["system", "user"]
    assert split.rows[0].answer == "12"


def test_digest_names_the_content(folder: Path, tmp_path: Path) -> None:
    settings = Settings(claims={DATA_CLAIM: folder})
    spec = tiny_spec(tmp_path)
    write_rows(folder, "train.jsonl", [row("good.png", "12")])
    first = ingested(spec, settings).digest
    assert ingested(spec, settings).digest == first
    draw_number("13").save(folder / "good.png")
    assert ingested(spec, settings).digest != first


def test_byte_order_mark_begins_a_file(folder: Path, tmp_path: Path) -> None:
    lines = [codecs.BOM_UTF8 + json.dumps(row("good.png", "12")).encode(), row("good.png", "13")]
    write_rows(folder, "train.jsonl", lines)
    split = ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder})).train
    assert [row.answer for row in split.rows] == ["12", "13"]


@pytest.mark.parametrize("start", ["DATA:image/png;base64,", "Data:Image/PNG;Base64,"])
def test_scheme_of_a_data_uri_in_capitals(folder: Path, tmp_path: Path, start: str) -> None:
    uri = start + base64.b64encode((folder / "good.png").read_bytes()).decode()
    write_rows(folder, "train.jsonl", [image(uri)])
    assert len(ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder})).train.rows) == 1


def test_data_file_is_a_pipe(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "train.jsonl")
    with pytest.raises(BadDatasetError, match=r"name a data file, a folder of data files or pictures"):
        ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder}))


def test_data_file_becomes_a_pipe(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "fetch", lambda *_: data.LocalData(folder / "pipe", folder))
    with pytest.raises(BadDatasetError, match=r"pipe cannot be read .*not a plain file.* Check the file"):
        ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder}))


def test_data_file_is_a_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "train.jsonl" / "empty").mkdir(parents=True)
    with pytest.raises(
        BadDatasetError, match=r"train\.jsonl holds no data: no file that ends in \.jsonl, .*, and no picture"
    ):
        ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder}))


def test_data_file_whose_name_is_too_long(folder: Path, tmp_path: Path) -> None:
    train = {"pvc": {"claimName": DATA_CLAIM, "path": "a" * 300}}
    with pytest.raises(BadDatasetError, match=r"cannot be read .*File name too long.* Check the file"):
        ingested(tiny_spec(tmp_path, dataset={"train": train}), Settings(claims={DATA_CLAIM: folder}))


def test_data_file_is_a_loop_of_links(folder: Path, tmp_path: Path) -> None:
    (folder / "train.jsonl").symlink_to(folder / "train.jsonl")
    with pytest.raises(BadConfigError, match=r"'train\.jsonl' cannot be followed .*loop.* Mend the link"):
        ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder}))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "train data train.jsonl has no rows"),
        ("\n\n", "train data train.jsonl has no rows"),
        ("\ufeff\n", "train data train.jsonl has no rows"),
    ],
)
def test_empty_file(folder: Path, tmp_path: Path, text: str, complaint: str) -> None:
    (folder / "train.jsonl").write_text(text)
    with pytest.raises(BadDatasetError, match=complaint):
        ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder}))


def test_missing_file_and_folder_form(folder: Path, tmp_path: Path) -> None:
    settings = Settings(claims={DATA_CLAIM: folder})
    train = {"pvc": {"claimName": DATA_CLAIM, "path": "lines"}}
    with pytest.raises(BadDatasetError, match=r"name a data file, a folder of data files or pictures"):
        ingested(tiny_spec(tmp_path, dataset={"train": train}), settings)
    write_numbers(folder / "lines", "data.jsonl", 2)
    assert len(ingested(tiny_spec(tmp_path, dataset={"train": train}), settings).train.rows) == 2


def test_data_file_may_not_leave_the_claim(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.jsonl").write_text(json.dumps(row("good.png", "1")))
    (folder / "train.jsonl").symlink_to(tmp_path / "outside.jsonl")
    with pytest.raises(BadConfigError, match=r"'train\.jsonl' leads out of the claim 'data'"):
        ingested(tiny_spec(tmp_path), Settings(claims={DATA_CLAIM: folder}))


def test_claim_that_is_not_mounted(tmp_path: Path) -> None:
    with pytest.raises(BadConfigError, match=r"claim 'data' is not mounted here .*--pvc data=DIR"):
        ingested(tiny_spec(tmp_path), Settings(pvc_root=tmp_path))
