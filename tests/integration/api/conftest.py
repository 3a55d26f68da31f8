"""The sandbox's API server, with the CRD as it is committed."""

import pytest
from integration.api.client import ApiServer
from sandbox.cluster import Cluster
from support.crd import install_crd


@pytest.fixture(scope="session")
def api_server(cluster: Cluster) -> ApiServer:
    """An API server that serves our resource."""
    install_crd(cluster)
    return ApiServer(cluster.api_client)
