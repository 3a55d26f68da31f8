"""How often the usual bootstrap intervals hold, on rows for which the chosen one was sought.

    PYTHONPATH=tests OMP_NUM_THREADS=1 python benchmarks/metrics/others.py   # results/others.json

All these metrics are a sum over a sum, so that the studentised interval needs no second level of draws.
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import norm
from support.simulated_metrics import Floats, Kind, kinds
from visionft_trainer.evaluation import bootstrap

ROWS = (
    ("exactMatch 0.02", 50),
    ("exactMatch 0.95", 50),
    ("anls, 0.95 of the rows right", 50),
    ("cer, 0.05 of the rows wrong", 100),
    ("cer, 0.3 of the rows wrong", 50),
)
SETS = 1000
DRAWS = 2000
Bounds = tuple[float, float]


def main() -> None:
    named = {kind.name: kind for kind in kinds()}
    results = {}
    for name, size in ROWS:
        results[f"{name}, {size} rows"] = found = covered(named[name], size)
        print(name, size, found, flush=True)
    (Path(__file__).parent / "results" / "others.json").write_text(json.dumps(results, indent=1) + "\n")


def covered(kind: Kind, size: int) -> dict[str, float]:
    assert kind.rows is not None
    draw = np.random.default_rng([size, *kind.name.encode()])
    counts = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), DRAWS).astype(float)
    held = dict.fromkeys(("percentile", "BCa", "studentised", "chosen"), 0)
    for _ in range(SETS):
        rows = kind.rows(draw, size)
        chosen = bootstrap.interval(kind.metric, rows)
        for name, (low, high) in {**usual(rows, counts), "chosen": (chosen.low, chosen.high)}.items():
            held[name] += low <= kind.truth <= high
    return {name: count / SETS for name, count in held.items()}


def usual(rows: Floats, counts: Floats) -> dict[str, Bounds]:
    """Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 12 to 14."""
    figure, drawn = ratio(rows.sum(axis=0)), ratio(counts @ rows)
    jackknife = ratio(rows.sum(axis=0) - rows)
    return {
        "percentile": bounds(drawn, np.array([0.025, 0.975])),
        "BCa": bias_corrected(figure, drawn, jackknife),
        "studentised": studentised(figure, drawn, rows, counts),
    }


def ratio(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def bounds(drawn: Floats, quantiles: Floats) -> Bounds:
    low, high = np.quantile(drawn, quantiles)
    return float(low), float(high)


def bias_corrected(figure: Floats, drawn: Floats, jackknife: Floats) -> Bounds:
    off = jackknife.mean() - jackknife
    squares = (off**2).sum()
    acceleration = (off**3).sum() / (6 * squares**1.5) if squares else 0.0
    bias = norm.ppf(np.clip((drawn < figure).mean() + (drawn == figure).mean() / 2, 1e-3, 1 - 1e-3))
    normal = bias + norm.ppf([0.025, 0.975])
    return bounds(drawn, norm.cdf(bias + normal / (1 - acceleration * normal)))


def studentised(figure: Floats, drawn: Floats, rows: Floats, counts: Floats) -> Bounds:
    errors = deviation(drawn, counts, rows)
    own = float(deviation(figure[None], np.ones((1, len(rows))), rows)[0])
    known = errors > 0
    if not known.any():
        return float(figure), float(figure)
    low, high = np.quantile((drawn[known] - figure) / errors[known], [0.025, 0.975])
    return float(figure - high * own), float(figure - low * own)


def deviation(figures: Floats, counts: Floats, rows: Floats) -> Floats:
    """`[draws]`: the standard error of each draw's figure, by linearisation."""
    products = counts @ np.column_stack([rows[:, 0] ** 2, rows[:, 0] * rows[:, 1], rows[:, 1] ** 2])
    variance = products[:, 0] - 2 * figures * products[:, 1] + figures**2 * products[:, 2]
    return np.asarray(np.sqrt(np.maximum(variance, 0)) / (counts @ rows[:, 1]))


if __name__ == "__main__":
    main()
