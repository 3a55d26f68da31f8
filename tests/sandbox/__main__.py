"""Run a cluster until Ctrl-C: `python -m sandbox [--kubeconfig-out PATH]`, or `make sandbox`."""

import argparse
import shlex
import signal
import sys
import threading
import time
from pathlib import Path

from sandbox.build import BuildError, ensure_built
from sandbox.cluster import Cluster, ClusterError, copy_kubeconfig

WATCH_SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--kubeconfig-out", type=Path, metavar="PATH", help="write the kubeconfig there too")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        ensure_built()
        began = time.monotonic()
        with Cluster.start() as cluster:
            kubeconfig = cluster.kubeconfig
            if options.kubeconfig_out is not None:
                copy_kubeconfig(cluster, options.kubeconfig_out)
                kubeconfig = options.kubeconfig_out.resolve()
            print(_instructions(cluster, kubeconfig, time.monotonic() - began), flush=True)
            while not stop.wait(WATCH_SECONDS):
                cluster.check()
            print("\nStopping ...", flush=True)
    except (BuildError, ClusterError) as error:
        sys.exit(f"sandbox: {error}")
    finally:
        if options.kubeconfig_out is not None:
            options.kubeconfig_out.unlink(missing_ok=True)


def _instructions(cluster: Cluster, kubeconfig: Path, seconds: float) -> str:
    return (
        f"The sandbox is up ({seconds:.1f} s). In another terminal:\n\n"
        f"    export KUBECONFIG={shlex.quote(str(kubeconfig))}\n"
        f"    export PATH={shlex.quote(str(cluster.kubectl_path.parent))}:$PATH   # its kubectl\n\n"
        f"Logs are in {cluster.logs}. Ctrl-C ends it and leaves nothing behind."
    )


if __name__ == "__main__":
    main()
