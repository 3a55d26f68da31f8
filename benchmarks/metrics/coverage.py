"""How often an interval holds the figure that endless rows would have: 1,000 simulated sets of each kind.

PYTHONPATH=tests OMP_NUM_THREADS=1 python benchmarks/metrics/coverage.py          # results/coverage.json
PYTHONPATH=tests OMP_NUM_THREADS=1 python benchmarks/metrics/coverage.py --each   # results/coverage-by-size.json
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from support.simulated_metrics import Kind, kinds
from visionft_trainer.evaluation import bootstrap

HERE = Path(__file__).parent
SIZES = (50, 100, 150, 200, 250, 300, 350, 400, 450, 500)
SETS = 1000
"""Of each kind, as many of one size as of another."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sets", type=int, default=SETS, help="simulated sets of each kind")
    arguments.add_argument("--each", action="store_true", help="all the sets of each of four sizes")
    given = arguments.parse_args()
    began, results = time.monotonic(), {}
    pooled: dict[str, dict[str, int]] = {}
    sizes = (50, 100, 200, 500) if given.each else SIZES
    for kind in kinds():
        of_sizes = {size: covered(kind, size, given.sets // (1 if given.each else len(sizes))) for size in sizes}
        total = {side: sum(found[side] for found in of_sizes.values()) for side in ("sets", "below", "above")}
        results[kind.name] = {**total, "coverage": share(total), "sizes": of_sizes}
        together = pooled.setdefault(
            f"{kind.metric.name}{', differences' if kind.pairs else ''}", dict.fromkeys(total, 0)
        )
        for side, count in total.items():
            together[side] += count
        shown = {size: round(100 * share(found), 1) for size, found in of_sizes.items()} if given.each else ""
        print(f"{kind.name:40} {100 * share(total):5.1f} % {shown}", flush=True)
    for name, total in pooled.items():
        print(f"all of {name:33} {100 * share(total):5.1f} %")
    name = "coverage-by-size.json" if given.each else "coverage.json"
    (HERE / "results" / name).write_text(json.dumps(results, indent=1) + "\n")
    print(f"{time.monotonic() - began:.0f} s")


def covered(kind: Kind, size: int, sets: int) -> dict[str, Any]:
    """Of how many sets the whole interval lies below the truth, or above it."""
    draw = np.random.default_rng([size, *kind.name.encode()])
    truth = kind.truth
    found: dict[str, Any] = {"sets": sets, "below": 0, "above": 0, "width": 0.0}
    for _ in range(sets):
        if kind.rows is not None:
            bounds = bootstrap.interval(kind.metric, kind.rows(draw, size))
        else:
            assert kind.pairs is not None
            bounds = bootstrap.difference(kind.metric, *kind.pairs(draw, size))
        found["below"] += bounds.high < truth
        found["above"] += truth < bounds.low
        found["width"] += (bounds.high - bounds.low) / sets
    return found


def share(found: dict[str, Any]) -> float:
    return 1 - (found["below"] + found["above"]) / found["sets"]


if __name__ == "__main__":
    main()
