"""One cluster with one operator for all tests of this folder; each test has a namespace of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from sandbox.cluster import Cluster
from support.operator import OperatorProcess
from support.team import Team, add_scripted_image

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def operator_cluster() -> Iterator[Cluster]:
    """A cluster that knows the scripted trainer."""
    with Cluster.start() as cluster:
        add_scripted_image(cluster)
        yield cluster


@pytest.fixture(scope="session")
def operator(operator_cluster: Cluster) -> Iterator[OperatorProcess]:
    """The operator, with short intervals so that tests need not wait for them."""
    process = OperatorProcess(operator_cluster, status_interval_seconds="1", resync_interval_seconds="3")
    process.install()
    process.start()
    yield process
    process.stop()


@pytest.fixture
def new_team(operator_cluster: Cluster, operator: OperatorProcess) -> Callable[..., Team]:
    """Makes namespaces."""
    return lambda claims=("data", "out"): Team.create(operator_cluster, f"team-{next(_numbers)}", claims)


@pytest.fixture
def team(new_team: Callable[..., Team]) -> Team:
    """A namespace with the claims `data` and `out`."""
    return new_team()
