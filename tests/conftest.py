"""One sandbox for all tests that need a cluster, and a namespace of its own for each of them."""

import uuid
from collections.abc import Iterator

import pytest
from sandbox.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The sandbox. Tests never use another cluster: a KUBECONFIG in the environment is not looked at."""
    with Cluster.start(log=lambda line: None) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A new namespace, deleted after the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name, check=True)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
