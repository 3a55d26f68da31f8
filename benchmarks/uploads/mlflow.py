"""Break deliveries to a real MLflow server off at random points, and look what the server says: see README.md."""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
sys.path.remove(str(Path(__file__).parent))  # this file must not stand for the library of its name

from mlflow_server.server import running
from support.broken_tracking import STEPS, Deliveries
from support.cutting_proxy import CuttingProxy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    noise = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder, running() as url, CuttingProxy(_port(url)).running() as proxy:
        deliveries = Deliveries(proxy, url, Path(folder))
        deliveries.undisturbed()
        begun = time.monotonic()
        broken = [deliveries.broken(number, noise) for number in range(arguments.times)]
        seconds = round(time.monotonic() - begun, 1)
    found = {
        "python": platform.python_version(),
        "seed": arguments.seed,
        "steps": STEPS,
        "broken off": len(broken),
        "finished": sum(each.finished for each in broken),
        "finished and whole": sum(each.right for each in broken),
        "points that are there twice": sum(each.doubled for each in broken),
        "seconds": seconds,
        "each": [asdict(each) for each in broken],
    }
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print({name: value for name, value in found.items() if name != "each"})


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


if __name__ == "__main__":
    main()
