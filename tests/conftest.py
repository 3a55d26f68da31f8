"""One sandbox for all tests that need a cluster, and a namespace of its own for each of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sandbox.cluster import Cluster


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the sandbox needs before the first test: its minutes are shown, and count for no test's time."""
    if session.config.option.collectonly or not any("cluster" in item.fixturenames for item in session.items):
        return
    from sandbox.build import BuildError, ensure_built

    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            ensure_built()
        except BuildError as error:
            pytest.exit(f"the sandbox cannot be built: {error}", returncode=1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The sandbox. Tests never use another cluster: a KUBECONFIG in the environment is not looked at."""
    # Here, so that unit tests do not wait for the import of the Kubernetes client.
    from sandbox.cluster import Cluster

    with Cluster.start(log=lambda line: None) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A new namespace, deleted after the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name, check=True)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
