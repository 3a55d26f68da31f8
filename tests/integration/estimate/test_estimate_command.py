"""`visionft-trainer estimate`: from the rows where they can be read, else from the limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import visionft_trainer
from support.tiny_data import write_numbers
from support.tiny_models import TINY_MODELS
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, write_manifest


@pytest.fixture
def manifest(tmp_path: Path) -> list[str]:
    """The arguments of the command for a manifest with a tiny model that has no weights."""
    folder = TINY_MODELS["Qwen2-VL"](tmp_path / "models" / "tiny")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    file = write_manifest(tmp_path / "manifest.json", resources={"gpus": 1}, training={"batchSize": "auto"})
    return ["estimate", str(file), "--pvc", f"{MODEL_CLAIM}={tmp_path / 'models'}", "--quiet"]


def test_rows_that_are_there_are_measured(tmp_path: Path, manifest: list[str]) -> None:
    for name in ("train.jsonl", "validation.jsonl"):
        write_numbers(tmp_path / "data", name, 6)
    figures = tmp_path / "figures.json"
    done = visionft_trainer(
        *manifest, "--pvc", f"{DATA_CLAIM}={tmp_path / 'data'}", "--gpu-memory", "24Gi", "--json", figures
    )
    assert done.returncode == 0
    assert "the 6 training rows" in done.stdout
    document = json.loads(figures.read_text(encoding="utf-8"))
    (gpu,) = document["gpus"]
    assert (gpu["fits"], gpu["microBatch"], gpu["accumulation"]) == (True, 16, 1)
    parts = gpu["bytes"]
    assert parts.pop("total") == sum(parts.values())
    assert document["largestRow"]["patches"] == 8 * 4  # 64 x 32 pixels in patches of 8 x 8


def test_without_rows_the_limits_are_taken_and_common_gpus_shown(manifest: list[str]) -> None:
    done = visionft_trainer(*manifest)
    assert done.returncode == 0
    assert "spec.dataset's limits" in done.stdout
    assert "claim 'data' is not mounted here" in done.stdout
    # What is chosen is the same on each of them, and told once.
    assert done.stdout.count("GPU with 16Gi, 24Gi, 48Gi, 80Gi, 141Gi: fits") == done.stdout.count("GPU with ") == 1


def test_figures_on_standard_output_are_there_alone(
    tmp_path: Path, manifest: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = visionft_trainer(*manifest, "--json", "-")
    assert [gpu["fits"] for gpu in json.loads(done.stdout)["gpus"]] == [True] * 5
    assert not Path("-").exists()


def test_a_size_that_is_none_is_refused_with_its_name(manifest: list[str]) -> None:
    done = visionft_trainer(*manifest, "--gpu-memory", "large")
    assert done.returncode == 10
    assert "--gpu-memory" in done.stderr


def test_device_is_refused_where_nothing_is_computed(manifest: list[str]) -> None:
    done = visionft_trainer(*manifest, "--device", "cpu")
    assert done.returncode == 2
    assert "unrecognized arguments: --device" in done.stderr
