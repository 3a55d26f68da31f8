"""`visionft-trainer evaluate`: what a run has measured of a model is measured again from what it has left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny_data import write_rows
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, tiny_run, write_manifest
from visionft_api.exit_codes import ExitCode
from visionft_trainer import cli, libraries, pipeline
from visionft_trainer.artifacts import export_command
from visionft_trainer.errors import BadConfigError, BadModelError
from visionft_trainer.evaluation.command import Which, evaluate
from visionft_trainer.evaluation.files import read_judgement
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop

LOOKS = {"visionReliance": True}
SECTIONS: dict[str, Any] = {
    "training": {"checkpoints": {"every": 3}},
    "output": {"merged": True},
    "evaluation": LOOKS,
}


@pytest.fixture(scope="module")
def finished(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run with merged model."""
    tmp_path = tmp_path_factory.mktemp("finished")
    claims = {MODEL_CLAIM: place / MODEL_CLAIM, DATA_CLAIM: place / DATA_CLAIM, OUTPUT_CLAIM: tmp_path}
    pipeline.run(tiny_run(tmp_path, **SECTIONS), Settings(claims=claims), Progress(), Stop())
    return tmp_path / "tiny"


@pytest.fixture
def call(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Calls the program with a manifest for the claims of `settings`; sections go into the manifest."""

    def run(*words: str | Path, **sections: Any) -> int:
        manifest = write_manifest(tmp_path / "tiny.json", **{**SECTIONS, **sections})
        claims = [f"--pvc={name}={folder}" for name, folder in settings.claims.items()]
        return cli.main(["evaluate", str(manifest), "--quiet", *claims, *map(str, words)])

    return run


def test_every_way_to_name_a_run_gives_its_own_figures(
    finished: Path, settings: Settings, call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = settings.claims[OUTPUT_CLAIM]
    shutil.copytree(finished, output / "tiny")
    run = output / "tiny" / "run-1"
    before = sorted(run.rglob("*"))
    expected = read_judgement(run / "judgement.json")
    assert expected is not None
    assert expected.tuned is not None
    for words in ([], ["--from", "run-1/checkpoint-6"], ["--model", run / "merged"]):
        assert call(*words, "--json", tmp_path / "found.json") == 0
        found = read_judgement(tmp_path / "found.json")
        assert found is not None
        assert found.tuned is not None
        assert found.tuned.figures == expected.tuned.figures
        assert (found.delta, found.conclusion, found.vision_tuned) == (
            expected.delta, expected.conclusion, expected.vision_tuned
        )  # fmt: skip
    printed = capsys.readouterr().out
    assert expected.summary in printed.replace("\n", " ")
    assert "other rows' pictures" in printed
    assert call("--model", run / "adapter", evaluation={"baseline": False}) == 0
    printed = capsys.readouterr().out
    assert "base model" not in printed.partition("measured on")[0]
    assert "the base model was not measured" in printed.replace("\n", " ")
    assert sorted(run.rglob("*")) == before, "it leaves nothing in the run's folder"


def test_the_base_model_is_asked_in_every_way(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    general = {"pvc": {"claimName": DATA_CLAIM, "path": "train.jsonl"}, "metrics": ["exactMatch"]}
    asked = {**LOOKS, "prompts": ["Look. {prompt}", "Number?"], "fewShot": 2, "general": general, "maxSamples": 4}
    assert call("--base", "--json", "-", evaluation=asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert [way["name"] for way in found["alternatives"]] == ["prompt 1", "prompt 2", "2 examples"]
    assert all(way["measured"]["samples"] == found["samples"] == 4 for way in found["alternatives"])
    assert set(found["generalBaseline"]["figures"]) == {"exactMatch"}
    assert "tuned" not in found
    assert found["visionBaseline"]["effectiveRank"] > 1
    assert not any(settings.claims[OUTPUT_CLAIM].iterdir())


def test_examples_that_do_not_fit_are_left_out_and_that_is_told(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"limits": {"maxTokens": 150}}
    assert call("--base", evaluation={"fewShot": 3, "maxSamples": 3}, dataset=limits) == 0
    assert "3 of 3 rows were shown fewer than 3 examples" in caplog.text
    assert "maxTokens 150" in caplog.text


def test_what_could_not_be_measured_is_told(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """No example fits beside a row; with one row there are no other rows' pictures."""
    asked = {
        **LOOKS,
        "fewShot": 2,
        "maxSamples": 1,
        "metrics": ["cer", "ciderD"],
        "gates": [],
        "prompts": ["{question}"],
    }
    assert call("--base", "--json", "-", evaluation=asked, dataset={"limits": {"maxImages": 1}}) == 0
    found = json.loads(capsys.readouterr().out)
    assert [way["name"] for way in found["alternatives"]] == ["prompt 1"]
    assert "visionBaseline" not in found
    assert "spec.evaluation.fewShot: no example fits beside any row" in caplog.text
    assert "spec.evaluation.visionReliance: not measured" in caplog.text
    assert "spec.evaluation.prompts: {question} of '{question}' is asked as it stands" in caplog.text
    assert "UnsuitableMetric: spec.evaluation.metrics: ciderD counts words" in caplog.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no run has begun in"),
        (["--model", "nowhere"], "--model nowhere: there is no such folder"),
        (["--model", "."], "there is neither adapter_config.json nor config.json in it"),
        (["--from", "nowhere"], "--from nowhere: there is no such folder"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_loaded(
    words: list[str], said: str, call: Callable[..., int], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert call(*words) == 10
    assert said in capsys.readouterr().err


def test_a_damaged_copy_is_told_before_anything_is_measured(
    finished: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("visionft_trainer.model.load.load_model", None)
    for file, damage in (
        ("adapter_model.safetensors", b"{}"),
        ("adapter_model.safetensors", None),
        ("adapter_config.json", b"{"),
        ("adapter_config.json", b"[1]"),
        ("adapter_config.json", b'{"peft_type": "NONE"}'),
    ):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(finished / "run-1" / "adapter", copy)
        (copy / file).unlink() if damage is None else (copy / file).write_bytes(damage)
        assert call("--model", copy) == 12
        assert f"{copy / file} cannot be read" in capsys.readouterr().err
    shutil.copytree(finished / "run-1" / "merged", tmp_path / "merged")
    config = json.loads((tmp_path / "merged" / "config.json").read_text())
    (tmp_path / "merged" / "config.json").write_text(json.dumps({**config, "model_type": "gemma3"}))
    assert call("--model", tmp_path / "merged") == 12
    assert "merged is a Gemma 3 model, and spec.model" in capsys.readouterr().err
    del config["text_config"]
    (tmp_path / "merged" / "config.json").write_text(json.dumps(config))
    assert call("--model", tmp_path / "merged") == 12
    assert "merged: config.json has no text_config, so that the size of the language" in capsys.readouterr().err


def test_an_artifact_that_was_changed_is_measured_and_that_is_told(
    finished: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    copy = tmp_path / "copy"
    shutil.copytree(finished / "run-1" / "adapter", copy)
    few = {"baseline": False, "maxSamples": 2, "visionReliance": False}
    assert call("--model", copy, "--json", "-", evaluation=few) == 0
    assert "ArtifactChanged" not in capsys.readouterr().out + caplog.text
    config = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 2 * config["lora_alpha"]}))
    assert call("--model", copy, "--json", "-", evaluation=few) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning["reason"] == "ArtifactChanged"
    assert warning["message"].startswith(f"{copy} is not as it left the trainer: adapter_config.json was changed.")
    assert caplog.text.count(warning["message"]) == 1
    (copy / "SHA256SUMS").unlink()
    caplog.clear()
    assert call("--model", copy, evaluation=few) == 0
    assert "ArtifactChanged" not in capsys.readouterr().out + caplog.text


def test_libraries_are_prepared_before_an_adapter_is_read(
    finished: Path, call: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it imports torch, which takes its threads from the environment as it is then."""
    done: list[str] = []

    def read(folder: Path, files: object) -> None:
        done.append("read")
        raise BadModelError("enough is seen")

    monkeypatch.setattr(libraries, "prepare", lambda *_: done.append("prepared"))
    monkeypatch.setattr(export_command, "check_base", read)
    assert call("--model", finished / "run-1" / "adapter") == ExitCode.BAD_MODEL
    assert done == ["prepared", "read"]


def test_a_model_of_another_base_is_told_by_its_tokens(
    finished: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("visionft_trainer.model.load.load_model", None)
    other = tmp_path / "other"
    shutil.copytree(finished / "run-1" / "merged", other)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    words[f"{next(iter(words))}x"] = words.pop(next(iter(words)))
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert call("--model", other) == 12
    assert "has other tokens than spec.model" in capsys.readouterr().err
    (other / "tokenizer.json").write_text("{")
    assert call("--model", other) == 12
    assert "tokenizer.json cannot be read" in capsys.readouterr().err


def test_a_run_folder_is_not_a_model(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text("{}")
    with pytest.raises(BadConfigError, match=f"Name it by --from {tmp_path}"):
        evaluate(tiny_run(tmp_path), settings, Progress(), Which(folder=tmp_path))


def test_rows_to_measure_on_are_needed(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadConfigError, match=r"spec\.dataset\.validation: is not set"):
        evaluate(tiny_run(tmp_path, dataset={"validation": None}), settings, Progress(), Which(base=True))


def test_boxes_are_read_in_the_frame_of_the_family(workbench: Callable[..., Any], place: Path) -> None:
    """The right answers of grounding rows, as tokens, are boxes at the right places."""
    import torch
    from visionft_trainer.evaluation.generate import Limits, generate
    from visionft_trainer.evaluation.judge import statistics_of

    boxes = [{"label": "number", "bbox": [4, 4, 20, 28]}]
    asked = [{"image": f"images/{index}.png", "question": "Where?", "boxes": boxes} for index in (10, 11, 12)]
    write_rows(place / DATA_CLAIM, "boxes.jsonl", asked)
    rows = {"pvc": {"claimName": DATA_CLAIM, "path": "boxes.jsonl"}}
    bench = workbench(
        dataset={"format": "grounding", "train": rows, "validation": rows}, model={"quantization": "none"}
    )
    model = bench.base_model()
    answers = [example.input_ids[len(example.prompt_ids) :] for example in bench.validation.examples]

    def written(input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.cat([input_ids, torch.stack(answers)], dim=1)

    model.generate = written
    given = generate(model, bench.validation.examples, bench.validation, Limits(64, 3), bench.processor, bench.family)
    (box,) = given.items[0].boxes
    width, height = bench.family.seen_size(bench.processor, bench.validation.images(bench.validation.examples[0]), 0)
    assert (box.left, box.bottom) == pytest.approx((4 / width, 28 / height), abs=0.01)
    counts = statistics_of(["groundedAccuracy"], [example.row for example in bench.validation.examples], given.items)
    assert counts["groundedAccuracy"].sum(axis=0).tolist() == [3, 3]
