"""Whole trainings whose right verdict is known beforehand, on the examples' model that reads papers."""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.tiny_data import write_rows
from visionft_api.parse import parse_manifest
from visionft_api.run_file import RunFile
from visionft_trainer import libraries, pipeline
from visionft_trainer.evaluation.conclude import decide
from visionft_trainer.evaluation.files import read_judgement
from visionft_trainer.evaluation.judgement import Judgement
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.reporting.report import Result
from visionft_trainer.reporting.summary import print_summary
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop

EXAMPLES = Path(__file__).parents[3] / "examples"
sys.path.insert(0, str(EXAMPLES / "pictures"))

libraries.quiet()
TRAIN, HELD_OUT = 48, 32
KNOWN = "Read the text."
"""What the model was pre-trained to answer; it reads numbers nearly without a mistake when asked so."""
OTHER = "Number?"
"""What it has never been asked."""


@pytest.fixture(scope="module")
def claim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples' model, and pictures of numbers: the first are for training."""
    from papers import draw_lines

    place = tmp_path_factory.mktemp("pictures")
    shutil.copytree(EXAMPLES / "pictures" / "model", place / "model")
    (place / "images").mkdir()
    rng = random.Random(5)
    for number in numbers():
        draw_lines(rng, [(number, "")]).save(place / "images" / f"{number}.png")
    return place


def numbers() -> list[str]:
    """Different ones, always the same."""
    return [str(number) for number in random.Random(7).sample(range(1_000, 1_000_000), TRAIN + HELD_OUT)]


def rows(question: str, answers: Sequence[str], pictures: Sequence[str]) -> list[dict[str, Any]]:
    """Chat rows, each with the picture of a number."""
    return [
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"images/{picture}.png"}},
                                             {"type": "text", "text": question}]},
                {"role": "assistant", "content": answer},
            ]
        }
        for answer, picture in zip(answers, pictures, strict=True)
    ]  # fmt: skip


Judged = tuple[Result, Judgement]


def manifest(name: str, **evaluation: Any) -> dict[str, Any]:
    """Trains on `NAME-train.jsonl` for some steps and measures on `NAME-validation.jsonl`."""
    sources = {split: {"pvc": {"claimName": "pictures", "path": f"{name}-{split}.jsonl"}}
               for split in ("train", "validation")}  # fmt: skip
    return {
        "apiVersion": "visionft.dev/v1alpha1",
        "kind": "VisionFineTune",
        "metadata": {"name": name, "namespace": "team"},
        "spec": {
            "model": {"uri": "pvc://pictures/model", "quantization": "none"},
            "dataset": sources,
            "adapter": {"rank": 16},
            "training": {"maxSteps": 16, "batchSize": 8, "learningRate": "4e-3"},
            "evaluation": {"maxNewTokens": 12, "batchSize": 32, **evaluation},
            "output": {"pvc": {"claimName": "pictures", "path": f"tuned/{name}"}},
            "resources": {"gpus": 0},
        },
    }


def run_folder(claim: Path, name: str) -> Path:
    return claim / "tuned" / name / "run-1"


def run(written: dict[str, Any], claim: Path) -> Judged:
    run_file = RunFile.from_resource(parse_manifest(json.dumps(written)), run=1)
    result = pipeline.run(run_file, Settings(claims={"pictures": claim}), Progress(), Stop())
    judgement = read_judgement(run_folder(claim, written["metadata"]["name"]) / "judgement.json")
    assert judgement is not None
    return result, judgement


ALL = numbers()
LEARNT, HELD = ALL[:TRAIN], ALL[TRAIN:]


def reasons(judgement: Judgement) -> list[str]:
    return [warning.reason for warning in judgement.warnings]


def test_one_tuned_on_shuffled_answers_is_called_worse(claim: Path) -> None:
    shuffled = random.Random(0).sample(LEARNT, len(LEARNT))
    write_rows(claim, "shuffled-train.jsonl", rows(KNOWN, shuffled, LEARNT))
    write_rows(claim, "shuffled-validation.jsonl", rows(KNOWN, HELD, HELD))
    result, judgement = run(manifest("shuffled", gates=["cer < baseline"]), claim)
    assert judgement.conclusion == "Worse"
    assert judgement.summary.startswith("The model got worse: tuning raised the character error rate from 0.0")
    assert judgement.verdict == "Failed"
    assert result.failed_gates == judgement.failed_gates
    assert "VisionReliance" in reasons(judgement)  # nothing on the pictures helped to guess the answers


@pytest.fixture(scope="module")
def asked_otherwise(claim: Path) -> Judged:
    """A run on rows whose question the base model does not know, which is also asked the one that it knows."""
    write_rows(claim, "otherwise-train.jsonl", rows(OTHER, LEARNT, LEARNT))
    write_rows(claim, "otherwise-validation.jsonl", rows(OTHER, HELD, HELD))
    evaluation = {"prompts": ["What is it? {prompt}", KNOWN], "fewShot": 2, "gates": ["cer < baseline", "cer <= 0"]}
    return run(manifest("otherwise", **evaluation), claim)


def test_one_that_learns_ends_better(asked_otherwise: Judged) -> None:
    result, judgement = asked_otherwise
    better = decide(judgement.model_copy(update={"alternatives": []}), [])
    assert better.conclusion == "Better"
    assert better.summary.startswith("Tuning lowered the character error rate from 0.")
    assert judgement.delta["cer"].high < -0.3
    assert judgement.verdict == "Failed"  # not every number is right
    assert [clause.split()[0] for clause in result.failed_gates] == ["cer"]
    assert reasons(judgement) == []  # and it looks at its pictures


def test_one_where_a_prompt_alone_does_as_well_is_told_so(
    asked_otherwise: Judged, claim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result, judgement = asked_otherwise
    assert judgement.conclusion == "PromptSuffices"
    assert f'but prompt 2 ("{KNOWN}") does as well without training' in judgement.summary
    assert [way.name for way in judgement.alternatives] == ["prompt 1", "prompt 2", "2 examples"]
    assert result.evaluation is not None
    assert (result.evaluation.conclusion, result.evaluation.summary) == ("PromptSuffices", judgement.summary)
    lines = [json.loads(line) for line in (run_folder(claim, "otherwise") / "answers.jsonl").read_text().splitlines()]
    assert [line["reference"] for line in lines] == HELD
    assert lines[0].keys() == {
        "index", "file", "row", "prompt", "reference", "references", "scores", "baseline", "tuned"
    }  # fmt: skip
    right = sum(line["tuned"] == line["reference"] for line in lines)
    assert right > len(lines) / 2
    assert sum(line["scores"]["tuned"]["cer"] == 0 for line in lines) == right

    print_summary(result, sys.stdout)
    printed = capsys.readouterr().out
    assert judgement.summary in printed.replace("\n", " ")
    assert "2 examples" in printed
    assert "grey pictures" in printed


def test_other_gates_judge_a_complete_run_anew(
    asked_otherwise: Judged, claim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, before = asked_otherwise
    monkeypatch.setattr(pipeline, "_train", None)  # nothing is trained or measured
    evaluation = {"prompts": ["What is it? {prompt}", KNOWN], "fewShot": 2, "gates": ["cer < baseline"]}
    again, after = run(manifest("otherwise", **evaluation), claim)
    assert (before.verdict, after.verdict, after.failed_gates) == ("Failed", "Passed", [])
    assert again.evaluation is not None
    assert first.evaluation is not None
    assert again.evaluation.verdict == "Passed"
    assert again.evaluation.summary == after.summary != first.evaluation.summary
    assert again.evaluation.intervals == first.evaluation.intervals


def test_one_trained_to_ignore_its_pictures_is_warned_of(claim: Path) -> None:
    always = ["ok"] * TRAIN
    write_rows(claim, "blind-train.jsonl", rows(KNOWN, always, LEARNT))
    write_rows(claim, "blind-validation.jsonl", rows(KNOWN, always[:HELD_OUT], HELD))
    result, judgement = run(manifest("blind"), claim)
    assert judgement.conclusion == "Better"  # and still:
    assert reasons(judgement) == ["VisionReliance"]
    assert judgement.vision_tuned is not None
    assert judgement.vision_tuned.reliance["cer"].value == 0
    assert result.evaluation is not None
    assert [warning.reason for warning in result.evaluation.warnings or []] == ["VisionReliance"]
