"""Interrupt runs at random and compare every resumed one with an undisturbed one.

    PYTHONPATH=tests .venv/bin/python benchmarks/interruptions/interrupt.py OUT.jsonl [INTERRUPTIONS [CASE ...]]

One line for each interruption, and one for the end of each run. The seed fixes which interruptions come; when exactly a
signal arrives depends on the machine.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

from support import forked
from support.interruptions import Case, interrupt_all, make_claims

SEED = 20
INTERRUPTIONS = 100
DROPOUT = {"rank": 4, "dropout": "0.1"}
BASE = {
    "maxSteps": None,
    "epochs": "10",
    "batchSize": 4,
    "learningRate": "3e-3",
    "checkpoints": {"every": 2, "keep": 2},
}
TWO = {**BASE, "batchSize": 2}
CASES = (
    Case("rows", 1, {"adapter": DROPOUT, "training": BASE}),
    Case("accumulation, validation in between", 1, {
        "adapter": DROPOUT, "training": {**BASE, "batchSize": 3, "gradientAccumulation": 2},
        "evaluation": {"every": 3}}),
    Case("packed", 1, {"adapter": DROPOUT, "training": {**BASE, "packing": True, "batchSize": 1},
                       "dataset": {"limits": {"maxTokens": 128}}}),
    Case("grouped by length", 1, {"adapter": DROPOUT, "training": {**BASE, "groupByLength": True}}),
    Case("early stopping", 1, {"adapter": DROPOUT, "evaluation": {"every": 2},
                               "training": {**BASE, "earlyStopping": {"patience": 30}}}),
    Case("full fine-tuning", 1, {"model": {"quantization": "none"}, "adapter": {"method": "full"}, "training": BASE,
                                 "output": {"adapter": False, "merged": True}}),
    Case("rows", 2, {"adapter": DROPOUT, "training": TWO}),
    Case("accumulation, validation in between", 2, {
        "adapter": DROPOUT, "training": {**TWO, "gradientAccumulation": 2}, "evaluation": {"every": 3}}),
    Case("packed", 2, {"adapter": DROPOUT, "training": {**TWO, "packing": True, "batchSize": 1},
                       "dataset": {"limits": {"maxTokens": 128}}}),
    Case("early stopping", 2, {"adapter": DROPOUT, "evaluation": {"every": 2},
                               "training": {**TWO, "earlyStopping": {"patience": 30}}}),
)  # fmt: skip


def main() -> None:
    out = Path(sys.argv[1])
    forked.load_libraries()
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else INTERRUPTIONS
    cases = [CASES[int(number)] for number in sys.argv[3:]] or CASES
    with tempfile.TemporaryDirectory() as folder, out.open("w", encoding="utf-8") as lines:

        def note(entry: dict[str, object]) -> None:
            lines.write(json.dumps(entry) + "\n")
            lines.flush()

        place = Path(folder)
        claims = place / "claims"
        forked.Forked(lambda: int(make_claims(claims) is None)).wait()
        interrupt_all(cases, wanted, claims, place, forked.start_program, random.Random(SEED), note)


if __name__ == "__main__":
    main()
