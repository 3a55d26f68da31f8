"""The sandbox's API server, with the CRD as it is committed."""

import pytest
from integration.api.client import ApiServer
from sandbox.cluster import Cluster
from visionft_api.__main__ import CRD_FILE


@pytest.fixture(scope="session")
def api_server(cluster: Cluster) -> ApiServer:
    """An API server that serves our resource."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE), check=True)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{CRD_FILE.stem}", check=True)
    return ApiServer(cluster.api_client)
