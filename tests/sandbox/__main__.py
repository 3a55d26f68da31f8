"""Run a cluster until Ctrl-C: `python -m sandbox [--kubeconfig-out PATH]`, or `make sandbox`."""

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path

from sandbox.build import BuildError, ensure_built
from sandbox.cluster import Cluster, ClusterError
from sandbox.kubeconfig import Export, NotOursError

WATCH_SECONDS = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument(
        "--kubeconfig-out",
        type=lambda text: Path(text).expanduser(),
        metavar="PATH",
        help="write the kubeconfig there too",
    )
    options = parser.parse_args()
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        run(Export(options.kubeconfig_out) if options.kubeconfig_out is not None else None)
    except (BuildError, ClusterError, NotOursError) as error:
        sys.exit(f"sandbox: {error}")
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.")


def run(export: Export | None) -> None:
    """Keep a cluster up until a signal comes or one of its parts ends."""
    ensure_built()
    began = time.monotonic()
    with Cluster.start() as cluster:
        try:
            if export is not None:
                export.write(cluster.kubeconfig)
            kubeconfig = cluster.kubeconfig if export is None else export.path
            print(_instructions(cluster, kubeconfig, time.monotonic() - began), flush=True)
            while True:
                cluster.check()
                time.sleep(WATCH_SECONDS)
        finally:
            if export is not None:
                export.remove()


def _stop(*_: object) -> None:
    # A second Ctrl-C must not cut the cleaning up short.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _instructions(cluster: Cluster, kubeconfig: Path, seconds: float) -> str:
    return (
        f"The sandbox is up ({seconds:.1f} s). In another terminal:\n\n"
        f"    export KUBECONFIG={shlex.quote(str(kubeconfig))}\n"
        f"    export PATH={shlex.quote(str(cluster.kubectl_path.parent))}:$PATH   # its kubectl\n\n"
        f"Logs are in {cluster.logs}. Ctrl-C ends it and leaves nothing behind."
    )


if __name__ == "__main__":
    main()
