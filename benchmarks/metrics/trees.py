"""Seconds for the tree edit distance of two receipts: this project's, zss's and apted's, which are no dependencies.

uv pip install --no-deps --target /tmp/trees zss==1.2.0 six==1.17.0 apted==1.0.3
PYTHONPATH=/tmp/trees python benchmarks/metrics/trees.py
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apted
import zss
from visionft_trainer.evaluation.metrics import documents, nted_accuracy

ITEMS = (5, 20, 60)


class Costs(apted.Config):  # type: ignore[misc]
    def children(self, node: Any) -> Any:
        return node.children

    def delete(self, node: Any) -> int:
        return int(node.size)

    insert = delete

    def rename(self, one: Any, other: Any) -> int:
        return nted_accuracy.rename(one, other)


def receipt(items: int, factor: int) -> Any:
    menu = [{"name": f"cake{item}", "count": str(item * factor), "price": str(item * 3)} for item in range(items)]
    return nted_accuracy.tree("<root>", documents.normal({"menu": menu, "total": str(11 + factor)}))


def main() -> None:
    costs = Costs()
    ways: dict[str, Callable[[Any, Any], int]] = {
        "visionft": nted_accuracy.distance,
        "apted": lambda one, other: apted.APTED(one, other, costs).compute_edit_distance(),
        "zss": lambda one, other: zss.distance(
            one, other, costs.children, costs.insert, costs.delete, costs.rename, return_operations=False
        ),
    }
    results = []
    nted_accuracy.distance(receipt(1, 1), receipt(1, 2))  # loads what it needs
    for items in ITEMS:
        one, other = receipt(items, 1), receipt(items, 2)
        for name, way in ways.items():
            began = time.perf_counter()
            cost = int(way(one, other))
            results.append({"items": items, "by": name, "cost": cost, "seconds": time.perf_counter() - began})
            print(results[-1])
    (Path(__file__).parent / "results" / "trees.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
