"""The other examples of examples/pictures: their data is drawn, read as the manifest says, and learnt from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from visionft_api.parse import parse_manifest
from visionft_api.run_file import RunFile
from visionft_trainer import pipeline
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop

EXAMPLES = Path(__file__).parents[3] / "examples"
TASKS = ("captions", "two-pictures", "boxes")
STEPS = 8
ROWS, HELD_OUT = 48, 4


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples' claim, with a few rows of each task."""
    place = tmp_path_factory.mktemp("pictures")
    script = EXAMPLES / "pictures" / "make_data.py"
    command = [sys.executable, script, "--out", place, "--train", str(ROWS), "--validation", str(HELD_OUT), *TASKS]
    subprocess.run(command, check=True)
    shutil.copytree(EXAMPLES / "pictures" / "model", place / "model")
    return place


@pytest.mark.parametrize("task", TASKS)
def test_an_example_learns(task: str, pictures: Path) -> None:
    manifest = yaml.safe_load((EXAMPLES / f"{task}.yaml").read_text(encoding="utf-8"))
    manifest["spec"]["training"] |= {"maxSteps": STEPS, "batchSize": 8}
    manifest["spec"]["evaluation"] = {"maxNewTokens": 4, "baseline": False}
    run_file = RunFile.from_resource(parse_manifest(json.dumps(manifest)), run=1)
    (claim,) = {manifest["spec"]["output"]["pvc"]["claimName"]}
    result = pipeline.run(run_file, Settings(claims={claim: pictures.resolve()}), Progress(), Stop())
    assert result.rows["train"].used == ROWS
    assert result.rows["validation"].used == HELD_OUT
    losses = [point.loss for point in result.curve if point.loss is not None]
    assert len(losses) == STEPS
    assert sum(losses[-2:]) < 0.8 * sum(losses[:2])
