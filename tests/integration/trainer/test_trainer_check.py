"""`visionft-trainer check`: what is in the data, told to a person and to a program, without a model's weights."""

import json
import shutil
from pathlib import Path

import pytest
from support.command import Done, visionft_trainer
from support.tiny_data import draw_number, row, write_rows
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, write_manifest
from visionft_api.exit_codes import ExitCode


@pytest.fixture
def claims(place: Path, tmp_path: Path) -> list[str]:
    """Flags for a model without weights and a data set of the test's own, one validation picture of which leaks."""
    model = tmp_path / "models" / "tiny"
    shutil.copytree(place / MODEL_CLAIM / "tiny", model, ignore=shutil.ignore_patterns("*.safetensors"))
    data, output = tmp_path / "data", tmp_path / "results"
    data.mkdir()
    output.mkdir()
    rows = []
    for number in range(30):
        draw_number(str(number)).save(data / f"{number}.png")
        rows.append(row(f"{number}.png", str(number)))
    write_rows(data, "train.jsonl", [*rows[:20], row("gone.png", "9"), rows[3]])
    write_rows(data, "validation.jsonl", [*rows[20:], rows[5]])
    places = {MODEL_CLAIM: model.parent, DATA_CLAIM: data, OUTPUT_CLAIM: output}
    return [word for claim, folder in places.items() for word in ("--pvc", f"{claim}={folder}")]


def check(tmp_path: Path, claims: list[str], *words: str, **dataset: object) -> Done:
    manifest = write_manifest(tmp_path / "tiny.json", dataset=dataset)
    return visionft_trainer("check", manifest, *claims, *words)


def test_what_is_found_is_told_and_written(tmp_path: Path, claims: list[str]) -> None:
    file = tmp_path / "report.json"
    done = check(tmp_path, claims, "--json", str(file), badRows="Drop")
    assert done.returncode == 0, done.stderr
    cells = {
        cells[0]: cells[1:]
        for line in done.stdout.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("│").split("│")]) == 3
    }
    assert cells["rows that are used"] == ["21", "11"]
    assert cells["duplicates: the same / look the same"] == ["1 / 0", "0 / 0"]
    assert "train: 1 row left out: missing image" in done.stdout
    for words in (
        "DataLeakage: 1 of 11 validation rows",
        "DuplicateRows: 1 of 21 training rows",
        "RowsDropped: 1 of 22",
    ):
        assert words in done.stdout
    report = json.loads(file.read_text())
    assert report["kind"] == "DataReport"
    assert report["train"]["dropped"] == {"missing image": 1}
    assert report["train"]["droppedRows"][0]["row"] == 21
    assert report["train"]["duplicates"]["named"] == [
        {"row": {"file": "train.jsonl", "row": 22}, "other": {"file": "train.jsonl", "row": 4}}
    ]
    assert report["leakage"]["exact"]["rows"] == 1
    assert report["train"]["lengths"]["tokens"]["most"] > 0
    assert list((tmp_path / "results").iterdir()) == []


def test_metrics_that_do_not_suit_the_rows_are_told(tmp_path: Path, claims: list[str]) -> None:
    general = {"pvc": {"claimName": DATA_CLAIM, "path": "validation.jsonl"}}  # measured by the task's metrics
    evaluation = {"metrics": ["cer", "fieldF1"], "gates": [], "general": general}
    manifest = write_manifest(tmp_path / "tiny.json", dataset={"badRows": "Drop"}, evaluation=evaluation)
    done = visionft_trainer("check", manifest, *claims)
    assert done.returncode == 0, done.stderr
    said = done.stdout.replace("\n", " ")
    assert "UnsuitableMetric: spec.evaluation.metrics: fieldF1 compares fields of JSON" in said
    assert "UnsuitableMetric: spec.evaluation.general.metrics: fieldF1 compares fields of JSON" in said
    assert said.count("UnsuitableMetric") == 2


def test_general_rows_that_cannot_be_used_are_told(tmp_path: Path, claims: list[str]) -> None:
    general = {"pvc": {"claimName": DATA_CLAIM, "path": "validation.jsonl"}, "format": "vqa"}
    manifest = write_manifest(
        tmp_path / "tiny.json", dataset={"train": {"pvc": {"claimName": DATA_CLAIM, "path": "validation.jsonl"}}},
        evaluation={"general": general},
    )  # fmt: skip
    done = visionft_trainer("check", manifest, *claims)
    assert done.returncode == ExitCode.BAD_DATASET
    assert "general data validation.jsonl: 11 rows of 11 cannot be used: row 1: " in done.stderr
    assert "set spec.evaluation.general.format: messages" in done.stderr
    assert "spec.dataset" not in done.stderr


def test_leakage_that_is_refused_has_the_exit_code_of_bad_data(tmp_path: Path, claims: list[str]) -> None:
    done = check(tmp_path, claims, badRows="Drop", leakage="Refuse")
    assert done.returncode == ExitCode.BAD_DATASET
    assert "1 of 11 rows are in the training data train.jsonl too: validation.jsonl row 11" in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_rows_are_refused_unless_they_are_dropped(tmp_path: Path, claims: list[str]) -> None:
    done = check(tmp_path, claims)
    assert done.returncode == ExitCode.BAD_DATASET
    assert "1 row of 22 cannot be used: row 21: image 'gone.png' does not exist" in done.stderr


def test_what_reading_and_what_preparing_find_wrong_is_told_at_once(tmp_path: Path, claims: list[str]) -> None:
    """A row with the picture's own token in its text reads well; only the model's tokenizer knows it."""
    data = tmp_path / "data"
    token = row("3.png", "3")
    token["messages"][0]["content"][1]["text"] += "<|image_pad|>"
    for name in ("train.jsonl", "validation.jsonl"):
        write_rows(data, name, [*(data / name).read_bytes().splitlines(), token])
    done = check(tmp_path, claims)
    assert done.returncode == ExitCode.BAD_DATASET
    said = done.stderr[done.stderr.index("visionft-trainer: ") :].splitlines()
    assert [line.rpartition("visionft-trainer: ")[2].partition(" cannot")[0] for line in said] == [
        "train data train.jsonl: 1 row of 23",
        "train data train.jsonl: 1 row of 22",
        "validation data validation.jsonl: 1 row of 12",
    ]
    assert "picture tokens for 1 images" in said[1]


def test_report_on_standard_output_is_there_alone(
    tmp_path: Path, claims: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = check(tmp_path, claims, "--json", "-", badRows="Drop")
    assert json.loads(done.stdout)["kind"] == "DataReport"
    assert not Path("-").exists()
