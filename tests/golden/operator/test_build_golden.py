"""What becomes of a resource: the Job and the ConfigMap of its run, as YAML beside it.

After an intended change: UPDATE_GOLDEN=1 python -m pytest tests/golden/operator, then read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from visionft_api.hashing import spec_hash
from visionft_api.parse import parse_manifest
from visionft_api.run_file import load_run_file
from visionft_operator.build_configmap import build_configmap
from visionft_operator.build_job import JobSettings, build_check_job, build_job

FOLDER = Path(__file__).parent
CASES = sorted(path.parent.name for path in FOLDER.glob("*/resource.yaml"))
CHILDREN = sorted((path.parent.name, path.name) for path in FOLDER.glob("*/*.yaml") if path.stem != "resource")
SETTINGS = JobSettings("visionft/trainer:0.1.0", "https://visionft-operator.visionft-system.svc:8443")
CA = "-----BEGIN CERTIFICATE-----\nnot a real one\n-----END CERTIFICATE-----\n"
RUN = 3


class Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a diff can be read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, _text)


def _built(case: str) -> dict[str, dict[str, Any]]:
    resource = parse_manifest((FOLDER / case / "resource.yaml").read_text())
    return {
        "job.yaml": build_job(resource, RUN, spec_hash(resource.spec), SETTINGS),
        "configmap.yaml": build_configmap(resource, RUN, CA),
        "check-job.yaml": build_check_job(resource, RUN, spec_hash(resource.spec), SETTINGS),
    }


@pytest.mark.parametrize(("case", "name"), CHILDREN)
def test_children_are_as_kept(case: str, name: str) -> None:
    built = _built(case)[name]
    golden = FOLDER / case / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.dump(built, Dumper=Dumper, sort_keys=False, width=120))
    assert built == yaml.safe_load(golden.read_text())


@pytest.mark.parametrize("case", CASES)
def test_the_trainer_can_read_the_run_file(case: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(_built(case)["configmap.yaml"]["data"]["run.json"])
    run_file = load_run_file(path)
    resource = parse_manifest((FOLDER / case / "resource.yaml").read_text())
    assert (run_file.run, run_file.spec, run_file.metadata.uid) == (RUN, resource.spec, resource.metadata.uid)
    assert run_file.spec_hash == spec_hash(resource.spec)
