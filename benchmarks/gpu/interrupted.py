"""Runs on two GPUs that are interrupted and go on: are their losses those of an undisturbed run?

    python interrupted.py DIGITS --out FILE [--device cpu]

DIGITS is a folder with the demo's model and rows (see run.sh). For each way to train: two undisturbed runs, of which
the second tells how far two runs differ by themselves; one that got SIGTERM; one whose processes were all killed; one
in float16; and, with layers shared out, one in which process 1 is out of memory at first, beside one that was cut in
halves from the start. All are started as a user starts them; those
of one way run beside those of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

STEPS, EVERY = 60, 10
Json = dict[str, Any]
NONE: Json = {"model": {"quantization": "none"}}
FULL: Json = {"adapter": {"method": "full"}, "output": {"merged": True, "adapter": False}}
FSDP: Json = {"training": {"sharding": "fsdp"}}
WAYS: dict[str, list[Json]] = {
    "ddp, nf4": [{"training": {"sharding": "ddp"}}],
    "ddp, 16-bit": [{"training": {"sharding": "ddp"}}, NONE],
    "fsdp, nf4": [FSDP],
    "fsdp, 16-bit": [FSDP, NONE],
    "fsdp, 16-bit, full": [FSDP, NONE, FULL],
}


def manifest(changes: Sequence[Json], out: str) -> Json:
    """The demo's training, shorter, with `changes` in the sections of the spec."""
    spec: Json = {
        "model": {"uri": "pvc://digits/model", "quantization": "nf4"},
        "dataset": {"train": {"pvc": {"claimName": "digits", "path": "train.jsonl"}}},
        "adapter": {},
        "training": {"maxSteps": STEPS, "batchSize": 8, "learningRate": "5e-4", "visionLearningRate": "5e-4"}
        | {"checkpoints": {"every": EVERY}},
        "output": {"pvc": {"claimName": "out", "path": out}, "merged": False},
        "resources": {"gpus": 2},
    }
    for change in changes:
        for section, values in change.items():
            spec[section] |= values
    return {"apiVersion": "visionft.dev/v1alpha1", "kind": "VisionFineTune", "metadata": {"name": "v"}, "spec": spec}


class Run:
    """One run in its own folder."""

    def __init__(self, changes: Sequence[Json], digits: Path, place: Path, device: str) -> None:
        place.mkdir(parents=True)
        self.place, self.log = place, place / "log"
        file = place / "manifest.json"
        file.write_text(json.dumps(manifest(changes, "out")), encoding="utf-8")
        self.folder = place / "out" / "run-1"
        self.arguments = ["run", str(file), f"--pvc=digits={digits}", f"--pvc=out={place}", "--quiet"]
        self.arguments += [f"--device={device}", "--processes=2"]

    def start(self, program: Sequence[str] = ("visionft_trainer",)) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", *program, *self.arguments], stdout=log, stderr=log)

    def finish(self, program: Sequence[str] = ("visionft_trainer",)) -> list[float]:
        """Run to the end; the losses of all steps."""
        if self.start(program).wait():
            raise RuntimeError(self.log.read_text(errors="replace")[-3000:])
        return [point["loss"] for point in self.result()["curve"]]

    def result(self) -> Json:
        return dict(json.loads((self.folder / "result.json").read_text(encoding="utf-8")))

    def steps(self) -> list[int]:
        """Steps that have a checkpoint."""
        return sorted(int(path.name.rpartition("-")[2]) for path in (self.folder / "checkpoints").glob("checkpoint-*"))

    def interrupt(self, kind: str, seed: int) -> Json:
        """Start it, and interrupt it somewhere after its first checkpoint."""
        process = self.start()
        while process.poll() is None and not self.steps():
            time.sleep(0.01)
        time.sleep(random.Random(seed).uniform(0, 1))
        if kind == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                os.kill(each.pid, signal.SIGKILL)
        return {"exit_code": process.wait(), "checkpoint": max(self.steps())}


def way(name: str, digits: Path, place: Path, device: str) -> list[Json]:
    """The records of one way to train."""

    def new(kind: str, *changes: Json) -> Run:
        return Run([*WAYS[name], *changes], digits, place / kind.replace(" ", "-"), device)

    def record(kind: str, found: list[float], expected: list[float], **more: Any) -> Json:
        differences = [abs(a - b) for a, b in zip(found, expected, strict=True)]
        entry = {"way": name, "kind": kind, "largest_difference": max(differences), **more, "losses": found}
        print({key: value for key, value in entry.items() if key != "losses"}, flush=True)
        return entry

    expected = new("undisturbed").finish()
    records = [record("undisturbed", expected, expected)]
    records.append(record("undisturbed again", new("again").finish(), expected))
    for seed, kind in enumerate(("SIGTERM", "SIGKILL")):
        run = new(kind)
        how = run.interrupt(kind, seed)
        records.append(record(kind, run.finish(), expected, **how))
    if "fsdp" in name:
        run = new("out of memory")
        found = run.finish(("support.short_of_memory", "4"))
        halves = new("halves", {"training": {"batchSize": 4, "gradientAccumulation": 2}}).finish()
        records.append(record("out of memory", found, halves, notes=run.result()["notes"]))
    if device != "cpu":
        records.append(record("float16", new("float16").finish(("older_gpu",)), expected))
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("digits", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the runs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("ways", nargs="*", help=f"of {', '.join(WAYS)}; absent: all")
    options = parser.parse_args()
    records: list[Json] = []
    with ThreadPoolExecutor() as pool:
        work = options.work
        names = options.ways or list(WAYS)
        tasks = [
            pool.submit(way, name, options.digits, work / str(at), options.device) for at, name in enumerate(names)
        ]
        for name, task in zip(names, tasks, strict=True):
            try:
                records += task.result()
            except Exception as error:
                records.append({"way": name, "error": str(error)})
                print(name, error, flush=True)
            options.out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
