"""A cluster with two teams, and a report server that watches it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from integration.ingest.live_server import NAME, Server, Team
from integration.ingest.world import World
from sandbox.cluster import Cluster
from support.crd import install_crd
from visionft_operator.names import child_labels


@pytest.fixture(scope="session")
def world(cluster: Cluster) -> World:
    """The cluster with the CRD and an account that may create TokenReviews, and one that may nothing."""
    install_crd(cluster)
    for account in ("reviewer", "nobody"):
        cluster.kubectl("create", "serviceaccount", account, check=True)
    cluster.kubectl("create", "clusterrole", "reviewer", "--verb=create", "--resource=tokenreviews", check=True)
    cluster.kubectl(
        "create",
        "clusterrolebinding",
        "reviewer",
        "--clusterrole=reviewer",
        "--serviceaccount=default:reviewer",
        check=True,
    )
    return World(cluster)


def _team(world: World) -> Iterator[Team]:
    namespace = f"reports-{uuid.uuid4().hex[:8]}"
    world.cluster.kubectl("create", "namespace", namespace, check=True)
    world.tune(namespace, NAME, run=2)
    world.tune(namespace, "other", run=2)
    yield Team(
        namespace,
        pod=world.job(namespace, NAME, run=2),
        old_pod=world.job(namespace, NAME, run=1),
        other_pod=world.job(namespace, "other", run=2),
        stray_pod=world.pod(namespace, "stray", child_labels(NAME, 2)),
    )
    world.cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def team(world: World) -> Iterator[Team]:
    """The team whose `ocr` is reported for."""
    yield from _team(world)


@pytest.fixture(scope="module")
def stranger(world: World) -> Iterator[Team]:
    """Another team, with the same names in its own namespace."""
    yield from _team(world)


@pytest.fixture
async def server(cluster: Cluster, team: Team) -> AsyncIterator[Server]:
    """A server that has no report yet."""
    async with Server(cluster, team) as running:
        yield running
