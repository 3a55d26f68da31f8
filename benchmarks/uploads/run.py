"""Break uploads off at random points, fifty to each real server, and look what is left: see README.md."""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import registry.server
from objectstore.server import ACCESS_KEY, SECRET_KEY
from objectstore.server import running as running_store
from support.broken_uploads import How, OciTarget, S3Target, Target, as_json, break_off, measure
from support.cutting_proxy import CuttingProxy
from support.downloads import BUCKET
from support.small_artifacts import write_artifact

SIZES = (400_000, 250_000, 90_000)
HOWS: tuple[How, ...] = ("connection cut", "server gone", "killed", "server gone", "killed")


@contextmanager
def s3() -> Iterator[tuple[Target, CuttingProxy]]:
    """Versity's S3 gateway."""
    with running_store() as store, CuttingProxy(store.port).running() as proxy:
        (store.folder / BUCKET).mkdir()
        bucket = store.client(BUCKET)
        secrets = {"OUTPUT_S3_AWS_ACCESS_KEY_ID": ACCESS_KEY, "OUTPUT_S3_AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        yield S3Target(proxy.port, secrets, bucket), proxy


@contextmanager
def oci() -> Iterator[tuple[Target, CuttingProxy]]:
    """The CNCF's distribution registry."""
    with registry.server.running() as server, CuttingProxy(server.port).running() as proxy:
        yield OciTarget(proxy.port, server.host), proxy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found: dict[str, object] = {"python": platform.python_version(), "bytes": sum(SIZES), "seed": arguments.seed}
    for name, server in (("s3", s3), ("oci", oci)):
        noise = random.Random(arguments.seed)
        with tempfile.TemporaryDirectory() as folder, server() as (target, proxy):
            place = Path(folder)
            total = measure(target, proxy, write_artifact(place, sizes=SIZES), 0)
            outcomes = []
            begun = time.monotonic()
            for number in range(1, arguments.times + 1):
                artifact = write_artifact(place / str(number), seed=number, sizes=SIZES)
                how = HOWS[number % len(HOWS)]
                outcome = break_off(target, proxy, artifact, number, how, noise, place, total)
                outcomes.append(outcome)
                print(name, number, outcome, flush=True)
        found[name] = {
            "broken off": len(outcomes),
            "looked whole and were": sum(outcome.looked_whole and outcome.was_whole for outcome in outcomes),
            "looked whole and were not": sum(outcome.looked_whole and not outcome.was_whole for outcome in outcomes),
            "whole at last": sum(outcome.whole_at_last for outcome in outcomes),
            "seconds": round(time.monotonic() - begun, 1),
            "each": [as_json(outcome) for outcome in outcomes],
        }
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
