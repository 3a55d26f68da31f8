"""Interrupt runs at random and compare every resumed one with an undisturbed one.

    PYTHONPATH=tests .venv/bin/python benchmarks/interruptions/interrupt.py OUT.jsonl [INTERRUPTIONS [CASE ...]]

One line for each interruption, and one for the end of each run. The seed fixes which interruptions come; when exactly a
signal arrives depends on the machine.
"""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import forked
from support.interruptions import KINDS, Case, Outcome, Runs, largest_difference, make_claims

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
    chance = random.Random(SEED)
    done = 0
    with tempfile.TemporaryDirectory() as folder, out.open("w", encoding="utf-8") as lines:

        def note(entry: dict[str, object]) -> None:
            lines.write(json.dumps(entry) + "\n")
            lines.flush()

        place = Path(folder)
        claims = place / "claims"
        forked.Forked(lambda: int(make_claims(claims) is None)).wait()
        for number, case in enumerate(cases):
            whole = Runs(case, claims, place / f"{number}-whole", forked.start_program).finish()
            runs = Runs(case, claims, place / f"{number}-broken", forked.start_program)
            share = (wanted - done) // (len(cases) - number)
            for _ in range(share):
                kind = chance.choice(KINDS)
                code = runs.interrupt(kind, chance)
                sound = [step for step in runs.steps() if runs_history_is_readable(runs, step)]
                step = max(sound, default=0)
                difference = largest_difference(runs.history(step) if step else [], whole)
                note(dataclasses.asdict(Outcome(case.name, case.processes, kind, code, step, difference, runs.said())))
                done += 1
                if (runs.folder / "result.json").exists():  # it came to its end: begin another one
                    compare(runs, case, whole, note)
                    runs = Runs(case, claims, place / f"{number}-broken-{done}", forked.start_program)
            compare(runs, case, whole, note)


def runs_history_is_readable(runs: Runs, step: int) -> bool:
    """Whether a checkpoint still tells its history: a torn one may not."""
    try:
        runs.history(step)
    except (OSError, ValueError, KeyError):
        return False
    return True


def compare(runs: Runs, case: Case, whole: list[tuple[int, float]], note: Callable[[dict[str, object]], None]) -> None:
    """Let an interrupted run come to its end and hold it against the undisturbed one."""
    found = runs.finish()
    note({
        "case": case.name, "processes": case.processes, "end": True, "steps": len(found), "expected": len(whole),
        "largest_difference": largest_difference(found, whole) if len(found) == len(whole) else None,
    })  # fmt: skip


if __name__ == "__main__":
    main()
