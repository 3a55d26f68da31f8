"""One sandbox for all tests that need a cluster, and a namespace of its own for each of them."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sandbox.cluster import Cluster


# Before torch is imported, and for the processes that tests start. With a thread for each core, the threads of two
# processes wait for each other by spinning: the families' tests then take three times the processor's time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# With several processes (`make test`) a process takes whole files, or all tests that share something dear: a cluster,
# or the families' models.
GROUPS = {
    "cluster": (
        "tests/integration/api/",
        "tests/integration/ingest/",
        "tests/integration/operator/",
        "tests/integration/sandbox/",
    ),
    "families": ("tests/integration/families/",),
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Say which tests stay together in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((name for name, folders in GROUPS.items() if file.startswith(folders)), file)

    return Rooms(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Give the signals back that a test's program took over: a process started later would inherit an ignored one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return (yield)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=60s", check=True)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
