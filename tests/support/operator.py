"""The operator as a process of its own, under its own service account, against a sandbox cluster.

operator = OperatorProcess(cluster)
operator.install()          # CRD, namespace, service account, rights
operator.start()            # returns when it works
operator.kill9(); operator.start()
operator.stop()
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from sandbox import leash
from sandbox.cluster import Cluster
from sandbox.ports import free_ports

from support import patience
from support.crd import install_crd

REPOSITORY = Path(__file__).parents[2]
RIGHTS = [REPOSITORY / "operator" / "deploy" / name for name in ("namespace.yaml", "service-account.yaml", "rbac.yaml")]
NAMESPACE = "visionft-system"
ACCOUNT = "visionft-operator"
STOP_SECONDS = 15


class OperatorError(Exception):
    """The operator did not come up; the message ends with its log."""


class OperatorProcess:
    """One operator. It keeps its ports over restarts, as a Service keeps its address."""

    def __init__(self, cluster: Cluster, account: str = ACCOUNT, **settings: str) -> None:
        """`settings` are those of the operator, without their prefix: status_interval_seconds="1"."""
        self._cluster = cluster
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None
        self._report_port, self.metrics_port = free_ports(2)
        self._settings = settings
        self.log_file = cluster.data / f"{account}-{self.metrics_port}.log"

    def install(self) -> None:
        """Apply the CRD and deploy/'s namespace, service account and rights."""
        install_crd(self._cluster)
        for manifest in RIGHTS:
            self._cluster.kubectl("apply", "--server-side", "-f", str(manifest), check=True)

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, return once it works.

        Raises OperatorError when it ends or is not ready in time.
        """
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._cluster.service_account_kubeconfig(NAMESPACE, self._account)),
            "VISIONFT_REPORT_BIND": f"127.0.0.1:{self._report_port}",
            "VISIONFT_REPORT_URL": f"https://127.0.0.1:{self._report_port}",
            "VISIONFT_METRICS_BIND": f"127.0.0.1:{self.metrics_port}",
            **{f"VISIONFT_{name.upper()}": value for name, value in self._settings.items()},
        }
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-IS", leash.__file__, sys.executable, "-m", "visionft_operator"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Return once /readyz says so. Raises OperatorError."""
        end = time.monotonic() + patience.SECONDS
        while self.probe("readyz")[0] != 200:
            if self._process is None or self._process.poll() is not None:
                raise OperatorError(f"the operator ended while starting:\n{self.last_words()}")
            if time.monotonic() > end:
                raise OperatorError(f"the operator was not ready after {patience.SECONDS} s:\n{self.last_words()}")
            time.sleep(0.1)

    def kill9(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as Kubernetes does: SIGTERM, and SIGKILL when that takes too long."""
        self._end(signal.SIGTERM)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def probe(self, path: str) -> tuple[int, str]:
        """HTTP status and body of a path on the metrics port; status 0 when nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def log_lines(self) -> list[dict[str, Any]]:
        """Everything it has logged, over all starts. A line that is not JSON raises ValueError."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def last_words(self, lines: int = 30) -> str:
        """The end of its log."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
