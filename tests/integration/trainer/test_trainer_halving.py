"""Memory that is out in one of two processes that share a model out: both begin again with half the rows at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.interruptions import make_claims
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, write_manifest

SECTIONS = {
    "training": {"maxSteps": 3, "batchSize": 4, "learningRate": "3e-3", "sharding": "fsdp"},
    "dataset": {"validation": None},
    "resources": {"gpus": 2},  # --device cpu brings it here
}


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_claims(tmp_path_factory.mktemp("claims"))


def run(claims: Path, place: Path, program: list[str], processes: int) -> subprocess.CompletedProcess[str]:
    place.mkdir()
    samples = {"batchSize": 8 // processes}
    manifest = write_manifest(place / "manifest.json", **SECTIONS | {"training": SECTIONS["training"] | samples})
    folders = {MODEL_CLAIM: claims / MODEL_CLAIM, DATA_CLAIM: claims / DATA_CLAIM, OUTPUT_CLAIM: place}
    command = [sys.executable, "-m", *program, "run", str(manifest), "--quiet", "--device=cpu"]
    command += [f"--processes={processes}", *(f"--pvc={name}={folder}" for name, folder in folders.items())]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def losses(place: Path) -> list[float]:
    return [point["loss"] for point in result(place)["curve"]]


def result(place: Path) -> dict[str, list[dict[str, float]]]:
    return dict(json.loads((place / "tiny" / "run-1" / "result.json").read_text(encoding="utf-8")))


def test_one_process_short_of_memory_halves_the_passes_of_both(claims: Path, tmp_path: Path) -> None:
    plain = run(claims, tmp_path / "plain", ["visionft_trainer"], 1)
    assert plain.returncode == 0, plain.stderr
    short = run(claims, tmp_path / "short", ["support.short_of_memory", "2"], 2)
    assert short.returncode == 0, short.stderr
    assert losses(tmp_path / "short") == pytest.approx(losses(tmp_path / "plain"), abs=1e-6)
    (note,) = result(tmp_path / "short")["notes"]
    assert "at step 1: from there on 2 samples are computed at a time, 2 times a step, in place of 4, 1 times" in str(
        note
    )
