"""`visionft-trainer estimate`: from the rows where they can be read, else from the limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.tiny_data import write_numbers
from support.tiny_models import TINY_MODELS
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, write_manifest
from visionft_trainer import cli


@pytest.fixture
def manifest(tmp_path: Path) -> list[str]:
    """The arguments of the command for a manifest with a tiny model that has no weights."""
    folder = TINY_MODELS["Qwen2-VL"](tmp_path / "models" / "tiny")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    file = write_manifest(tmp_path / "manifest.json", resources={"gpus": 1}, training={"batchSize": "auto"})
    return ["estimate", str(file), "--pvc", f"{MODEL_CLAIM}={tmp_path / 'models'}", "--quiet"]


def test_rows_that_are_there_are_measured(
    tmp_path: Path, manifest: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train.jsonl", "validation.jsonl"):
        write_numbers(tmp_path / "data", name, 6)
    figures = tmp_path / "figures.json"
    code = cli.main(
        [*manifest, "--pvc", f"{DATA_CLAIM}={tmp_path / 'data'}", "--gpu-memory", "24Gi", "--json", str(figures)]
    )
    assert code == 0
    assert "the 6 training rows" in capsys.readouterr().out
    document = json.loads(figures.read_text(encoding="utf-8"))
    (gpu,) = document["gpus"]
    assert (gpu["fits"], gpu["microBatch"], gpu["accumulation"]) == (True, 16, 1)
    parts = gpu["bytes"]
    assert parts.pop("total") == sum(parts.values())
    assert document["largestRow"]["patches"] == 8 * 4  # 64 x 32 pixels in patches of 8 x 8


def test_without_rows_the_limits_are_taken_and_common_gpus_shown(
    manifest: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(manifest) == 0
    shown = capsys.readouterr().out
    assert "spec.dataset's limits" in shown
    assert "claim 'data' is not mounted here" in shown
    assert shown.count("GPU with ") == 5


def test_a_size_that_is_none_is_refused_with_its_name(manifest: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*manifest, "--gpu-memory", "large"]) == 10
    assert "--gpu-memory" in capsys.readouterr().err
