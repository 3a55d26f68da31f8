"""A cluster with an operator and the demo's data, on which the real trainer trains."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.cluster import Cluster
from support.operator import OperatorProcess
from support.team import Team

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"


@pytest.fixture(scope="module")
def e2e_cluster() -> Iterator[Cluster]:
    with Cluster.start(log=lambda line: None) as running:
        yield running


@pytest.fixture(scope="module")
def e2e_operator(e2e_cluster: Cluster) -> Iterator[OperatorProcess]:
    process = OperatorProcess(e2e_cluster, status_interval_seconds="1")
    process.install()
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model and a small part of its data."""
    folder = tmp_path_factory.mktemp("digits")
    make_data = [
        sys.executable,
        str(DEMO / "make_data.py"),
        "--out",
        str(folder),
        "--train",
        "400",
        "--validation",
        "40",
    ]
    subprocess.run(make_data, check=True, capture_output=True)
    shutil.copytree(DEMO / "model", folder / "model")
    return folder


@pytest.fixture
def lab(e2e_cluster: Cluster, e2e_operator: OperatorProcess, digits: Path, request: pytest.FixtureRequest) -> Team:
    """A namespace whose claim `data` holds the model and the rows."""
    team = Team.create(e2e_cluster, request.node.name.replace("_", "-")[:60].strip("-"))
    shutil.copytree(digits, e2e_cluster.pvc_dir(team.namespace, "data"), dirs_exist_ok=True)
    return team
