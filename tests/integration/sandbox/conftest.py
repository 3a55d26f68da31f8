"""A client of the sandbox's API server for tests of the node."""

from collections.abc import AsyncIterator

import pytest
from sandbox.cluster import Cluster
from sandbox.node.api import Api
from support.pods import PodClient


@pytest.fixture
async def pods(cluster: Cluster, namespace: str) -> AsyncIterator[PodClient]:
    """Pods in a namespace of the test's own."""
    async with Api(cluster.kubeconfig) as api:
        yield PodClient(api, namespace)
