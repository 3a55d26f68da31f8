"""Every manifest in examples/ is one that the API takes, honours wholly, and finds its claims."""

from pathlib import Path

import pytest
import yaml
from visionft_api.parse import parse_manifest
from visionft_api.resource import VisionFineTune
from visionft_api.support import unsupported

EXAMPLES = Path(__file__).parents[3] / "examples"
CLAIMS = sorted(EXAMPLES.glob("*-claims.yaml"))
MANIFESTS = sorted(path for path in EXAMPLES.glob("*.yaml") if path not in CLAIMS)


def read(path: Path) -> VisionFineTune:
    return parse_manifest(path.read_text(encoding="utf-8"), path.name)


def claims() -> set[tuple[str, str]]:
    documents = (document for path in CLAIMS for document in yaml.safe_load_all(path.read_text(encoding="utf-8")))
    return {
        (document["metadata"]["namespace"], document["metadata"]["name"])
        for document in documents
        if document["kind"] == "PersistentVolumeClaim"
    }


def test_there_are_examples() -> None:
    tasks = {"boxes.yaml", "captions.yaml", "receipts.yaml", "two-pictures.yaml"}
    assert {"digits.yaml", "minimal.yaml"} | tasks <= {path.name for path in MANIFESTS}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_an_example_is_taken_and_honoured(path: Path) -> None:
    assert unsupported(read(path).spec) == []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_the_claims_of_an_example_come_with_it(path: Path) -> None:
    manifest = read(path)
    spec = manifest.spec
    sources = [source.pvc for source in (spec.dataset.train, spec.dataset.validation) if source is not None]
    named = [spec.output.pvc, spec.model.pvc, *sources]
    assert None not in named
    wanted = {(manifest.metadata.namespace, place.claim_name) for place in named if place is not None}
    assert wanted <= claims()


def test_the_demo_fits_on_a_cluster_without_gpus() -> None:
    for path in MANIFESTS:
        assert read(path).spec.resources.gpus == 0
