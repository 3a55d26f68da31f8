"""The run file that goes from operator to trainer, and the manifest in its place on a workstation."""

from pathlib import Path

import pytest
from manifests.cases import FOLDER
from visionft_api.hashing import spec_hash
from visionft_api.parse import ManifestError, parse_manifest, parse_resource
from visionft_api.run_file import RunFile, load_run_file

FULL = FOLDER / "valid" / "full.yaml"
RESOURCE = parse_resource(
    {
        **parse_manifest(FULL.read_text(encoding="utf-8")).to_json(),
        "metadata": {"name": "full", "namespace": "team", "uid": "8f0c", "managedFields": [{"manager": "kubectl"}]},
    }
)


def test_a_run_file_comes_back_as_it_was(tmp_path: Path) -> None:
    run = RunFile.from_resource(RESOURCE, run=3)
    path = tmp_path / "run.json"
    path.write_text(run.to_text(), encoding="utf-8")
    again = load_run_file(path)
    assert again == run
    assert (again.metadata.namespace, again.metadata.name, again.metadata.uid) == ("team", "full", "8f0c")
    assert (again.run, again.spec_hash, again.spec) == (3, spec_hash(RESOURCE.spec), RESOURCE.spec)


def test_the_text_is_the_same_for_the_same_run() -> None:
    """It is applied on each reconcile: another text would be another write."""
    assert RunFile.from_resource(RESOURCE, 1).to_text() == RunFile.from_resource(RESOURCE, 1).to_text()


def test_the_text_is_golden() -> None:
    golden = Path(__file__).parents[2] / "golden" / "api" / "minimal-run-1.json"
    assert load_run_file(FOLDER / "valid" / "minimal.yaml").to_text() == golden.read_text(encoding="utf-8")


def test_a_manifest_is_run_one_of_a_workstation() -> None:
    run = load_run_file(FULL)
    assert (run.run, run.metadata.uid, run.metadata.namespace) == (1, "", "default")


def test_a_wrong_run_file_is_refused_like_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    text = RunFile.from_resource(RESOURCE, 1).to_text()
    path.write_text(text.replace('"rank": 64', '"rank": 0').replace('"run": 1,', '"run": 0,'), encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        load_run_file(path)
    assert [problem.field for problem in caught.value.problems] == ["run", "spec.adapter.rank"]
    path.write_text(text.replace('"mlp": false', '"mlp": false, "attention": false', 1), encoding="utf-8")
    with pytest.raises(ManifestError, match='key "attention" is already set'):
        load_run_file(path)


def test_rules_hold_for_run_files_too(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    text = RunFile.from_resource(RESOURCE, 1).to_text().replace('"attention": true', '"attention": false')
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError, match=r"spec\.adapter: attention and mlp are both false"):
        load_run_file(path)


def test_defaults_that_no_field_can_hold() -> None:
    minimal = load_run_file(FOLDER / "valid" / "minimal.yaml").spec.training
    assert minimal.planned_epochs == 1
    assert str(minimal.effective_vision_learning_rate) == "0.00002"
    steps = load_run_file(FOLDER / "valid" / "cpu-steps.yaml").spec
    assert steps.training.planned_epochs is None
    assert steps.model.pvc is not None
    assert steps.model.pvc.claim_name == "models"
    full = load_run_file(FULL).spec
    assert full.model.pvc is None
    assert str(full.training.effective_vision_learning_rate) == "0.00001"
