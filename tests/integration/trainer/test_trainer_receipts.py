"""examples/receipts.yaml as a reader runs it: its whole data, its base model, every step, up to the verdict."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command import Done, visionft_trainer
from support.markup import read_html

EXAMPLES = Path(__file__).parents[3] / "examples"
MANIFEST = EXAMPLES / "receipts.yaml"
ROWS = 150


def run(manifest: Path, claim: Path) -> Done:
    return visionft_trainer("run", manifest, "--pvc", f"pictures={claim}", "--quiet")


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's, on a claim with what examples/README.md puts there."""
    place = tmp_path_factory.mktemp("pictures")
    subprocess.run([sys.executable, EXAMPLES / "pictures" / "make_data.py", "--out", place, "receipts"], check=True)
    shutil.copytree(EXAMPLES / "pictures" / "model", place / "model")
    done = run(MANIFEST, place)
    assert done.returncode == 0, done.stderr
    assert "Tuning lowered the character error rate" in done.stdout
    return place / "tuned" / "receipts" / "run-1"


def test_the_receipts_are_learnt(folder: Path) -> None:
    judged = read(folder / "judgement.json")
    assert (judged["verdict"], judged["conclusion"], judged["failedGates"]) == ("Passed", "Better", [])
    assert judged["summary"].startswith("Tuning lowered the character error rate from 0.75 to 0.0")
    assert judged["summary"].endswith(f"on {ROWS} rows; every gate holds.")
    assert judged["warnings"] == []
    before, after = judged["baseline"]["figures"], judged["tuned"]["figures"]
    assert after["exactMatch"]["low"] > 0.5, "the gate holds with room to spare"
    assert after["exactMatch"]["low"] > before["exactMatch"]["high"]
    assert after["cer"]["high"] < before["cer"]["low"]
    assert judged["delta"]["exactMatch"]["low"] > 0.4
    assert judged["visionTuned"]["reliance"]["exactMatch"]["low"] > 0.3, "nothing of it can be told from the question"


def test_the_result_says_what_the_judgement_says(folder: Path) -> None:
    result, judged = read(folder / "result.json"), read(folder / "judgement.json")
    told = result["evaluation"]
    assert result["failedGates"] == []
    assert (
        result["steps"]
        == result["shippedStep"]
        == yaml.safe_load(MANIFEST.read_bytes())["spec"]["training"]["maxSteps"]
    )
    assert {key: told[key] for key in ("verdict", "conclusion", "summary", "samples")} == {
        key: judged[key] for key in ("verdict", "conclusion", "summary", "samples")
    }
    for way in ("baseline", "tuned"):
        figures = judged[way]["figures"]
        assert told[way] == {name: f"{figure['value']:.4f}" for name, figure in figures.items()}
    losses = [point["loss"] for point in result["curve"]]
    assert losses[-1] < 0.1 < 5 < losses[0], "an answer that is right costs next to nothing"


def test_the_page_shows_what_a_reader_must_know(folder: Path) -> None:
    page = read_html((folder / "report" / "report.html").read_text(encoding="utf-8"))
    verdict = page.section("verdict")
    assert "Better" in verdict.find("h2")[0].text
    assert read(folder / "judgement.json")["summary"] in verdict.text
    (gate,) = verdict.find("li")
    assert gate.text.endswith("exactMatch >= 0.5 holds")
    assert verdict.terms()["Trained on"].startswith("960 rows")
    assert "those of 32 rows" in page.section("vision").text
    cards = page.section("samples").find("article")
    assert len(cards) == 24
    assert all(len(card.find("img")) == 1 and '"company":"' in card.text for card in cards)
    assert len({line["prompt"] for line in map(json.loads, (folder / "answers.jsonl").open())}) == 1


def test_its_artifacts_are_as_they_left(folder: Path) -> None:
    (adapter, report) = read(folder / "result.json")["artifacts"]
    assert (adapter["kind"], report["kind"]) == ("adapter", "report")
    done = visionft_trainer("verify", folder / "adapter", "--digest", adapter["digest"], "--quiet")
    assert done.returncode == 0, done.stderr


def test_a_gate_that_it_does_not_meet_is_told_without_training_again(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "pictures"  # with neither model nor rows
    shutil.copytree(folder, place / "tuned" / "receipts" / folder.name)
    harsher = tmp_path / "receipts.yaml"
    text = MANIFEST.read_text(encoding="utf-8")
    harsher.write_text(text.replace('"exactMatch >= 0.5"', '"exactMatch >= 0.5", "cer < 0.0001"'), encoding="utf-8")
    done = run(harsher, place)
    assert done.returncode == 0, done.stderr
    result = read(place / "tuned" / "receipts" / folder.name / "result.json")
    assert (result["evaluation"]["verdict"], result["evaluation"]["conclusion"]) == ("Failed", "Better")
    (clause,) = result["failedGates"]
    assert clause.startswith("cer is 0.0")
    assert clause.endswith("the gate is cer < 0.0001")
    assert clause in done.stdout.replace("\n", " ")
