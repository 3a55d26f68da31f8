"""Our resource in a cluster of the sandbox."""

import time

from sandbox.cluster import Cluster
from visionft_api import SHORT_NAME
from visionft_api.__main__ import CRD_FILE

SECONDS = 60.0


def install_crd(cluster: Cluster) -> None:
    """Apply the CRD as it is committed, and return once it is served and known by its short name.

    Both come a moment after it is established; `kubectl wait` also gives up on a CRD that has no conditions yet.
    """
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE), check=True)
    end = time.monotonic() + SECONDS
    while cluster.kubectl("get", SHORT_NAME, "--all-namespaces", check=time.monotonic() > end).returncode != 0:
        time.sleep(0.1)
