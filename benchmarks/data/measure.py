"""How fast rows are checked, prepared and handed to training, and whether memory grows with them.

    PYTHONPATH=tests python benchmarks/data/measure.py --data DIR --out benchmarks/data/results/NAME.json

DIR is what make_rows.py wrote. A first process checks and prepares all rows and collates some batches; its memory is
noted as the rows go by. A second one is the pod after an interruption: it reads everything again and goes on in the
middle; its batches must be those that the first one made. The usual way is measured on the first rows, in a third.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

BATCH = 8
BATCHES = 250  # collated in each process
RESUMED_AFTER = 100  # of these batches
SAMPLE_SECONDS = 0.05
MARKS = (1_000, 5_000, 20_000, 50_000, 100_000, 150_000, 200_000)  # rows after which memory is noted
MODEL, DATA = "models", "data"


class Watch:
    """Times phases and keeps the highest resident memory of each."""

    def __init__(self) -> None:
        self.phases: dict[str, dict[str, float]] = {}
        self.memory: dict[str, dict[int, float]] = {}
        self._process = psutil.Process()
        self._peak = 0
        self._phase = ""
        threading.Thread(target=self._follow, daemon=True).start()

    @contextmanager
    def phase(self, name: str, rows: int) -> Iterator[None]:
        """Measure a block that works on `rows` rows."""
        self._peak = self._process.memory_info().rss
        started, cpu = time.perf_counter(), time.process_time()
        self._phase = name
        yield
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
        self.phases[name] = {
            "rows": rows,
            "seconds": round(seconds, 2),
            "rowsPerSecond": round(rows / seconds, 1),
            "cpuMillisecondsPerRow": round(1000 * cpu_seconds / rows, 3),
            "peakRssMiB": round(max(self._peak, self._process.memory_info().rss) / 2**20, 1),
        }

    def tick(self, done: int, total: int | None = None) -> None:
        """Note the memory at the first call from each mark on."""
        seen = self.memory.setdefault(self._phase, {})
        for mark in MARKS:
            if mark <= done and mark not in seen:
                seen[mark] = round(self._process.memory_info().rss / 2**20, 1)

    def _follow(self) -> None:
        while True:
            self._peak = max(self._peak, self._process.memory_info().rss)
            time.sleep(SAMPLE_SECONDS)


class Follower:
    """Tells a watch how far the rows are."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def show(self, snapshot: Any) -> None:
        """Called with each change."""
        self._watch.tick(snapshot.done)

    def close(self) -> None:
        """Nothing is open."""


def ours(data: Path, model: Path, first_batch: int) -> dict[str, Any]:
    """Check, prepare and collate as a run does, going on from batch `first_batch`."""
    from support.tiny_spec import tiny_spec
    from visionft_trainer import libraries
    from visionft_trainer.data import ingest
    from visionft_trainer.model import load
    from visionft_trainer.prepare import stage as data_stage
    from visionft_trainer.prepare.collate import Collator
    from visionft_trainer.reporting.progress import Progress
    from visionft_trainer.settings import Settings
    from visionft_trainer.sources import model as source
    from visionft_trainer.storage.scratch import scratch_folder
    from visionft_trainer.training.feed import units_of
    from visionft_trainer.training.order import Order

    libraries.quiet()
    watch = Watch()
    rows = _count(data / "train.jsonl")
    with scratch_folder() as scratch:
        spec = tiny_spec(scratch.folder, dataset={"badRows": "Drop"})
        settings = Settings(claims={DATA: data, MODEL: model.parent})
        files = source.locate(spec.model, settings)
        processor = load.load_processor(files, spec)
        before = psutil.Process().memory_info().rss
        with watch.phase("ingest", rows):
            found = ingest.ingest(spec, settings, scratch, watch.tick)
        with watch.phase("report", rows):
            report = data_stage.inspect(found, spec, Progress())
        with watch.phase("preprocess", rows):
            progress = Progress([Follower(watch)])
            prepared = data_stage.prepare(found, report, spec, processor, files.family, scratch, progress)
        units = units_of(prepared.train)
        order = Order(len(units), BATCH, seed=1)
        collate = Collator(prepared.train, processor, files.family)
        numbers = order.epoch(0)
        digests = []
        with watch.phase("collate", (BATCHES - first_batch) * BATCH):
            for batch in range(first_batch, BATCHES):
                tensors = collate([units.unit(0, int(n)) for n in numbers[batch * BATCH : (batch + 1) * BATCH]])
                digests.append(hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors.values())).hexdigest())
        whole = prepared.report
        return {
            "rssBeforeMiB": round(before / 2**20, 1),
            "phases": watch.phases,
            "rssMiBAfterRows": watch.memory,
            "scratchMiB": round(
                sum(file.stat().st_size for file in scratch.folder.rglob("*") if file.is_file()) / 2**20
            ),
            "digest": whole.digest,
            "found": {
                "rows": whole.train.rows,
                "dropped": whole.train.dropped,
                "duplicates": whole.train.duplicates.rows,
                "nearDuplicates": whole.train.near_duplicates.rows,
                "leakage": whole.leakage.exact.rows if whole.leakage else 0,
            },
            "batches": digests,
        }


def plain(data: Path, model: Path, rows: int) -> dict[str, Any]:
    """The usual way: `datasets` over the JSONL file and the model's processor, in a map and while iterating."""
    from datasets import disable_progress_bars, load_dataset
    from PIL import Image
    from transformers import AutoProcessor

    disable_progress_bars()
    processor = AutoProcessor.from_pretrained(model)
    watch = Watch()

    def prepared(row: dict[str, Any]) -> dict[str, Any]:
        path = next(part["image_url"]["url"] for part in row["messages"][0]["content"] if part["type"] == "image_url")
        messages = [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Read the number."}]},
            {"role": "assistant", "content": [{"type": "text", "text": row["messages"][1]["content"]}]},
        ]
        text = processor.apply_chat_template(messages, tokenize=False)
        return dict(processor(images=[Image.open(data / path).convert("RGB")], text=[text], return_tensors="np"))

    with tempfile.TemporaryDirectory() as cache:
        sound = Path(cache) / "sound.jsonl"
        with (data / "train.jsonl").open() as lines:
            kept = (
                line for number, line in enumerate(lines) if number % 100 != 71
            )  # it knows no way to leave out rows
            # Its reader wants one type in each column: both contents become lists.
            sound.write_text("".join(_as_lists(line) for line in islice(kept, rows)))
        dataset = load_dataset("json", data_files=str(sound), split="train", cache_dir=cache)

        def mapped(row: dict[str, Any]) -> dict[str, Any]:
            return prepared(json.loads(row["row"]))

        with watch.phase("map", rows):
            dataset.map(mapped, remove_columns=dataset.column_names)
        with watch.phase("iterate", rows):
            for row in dataset:
                mapped(row)
    return {"phases": watch.phases}


def _as_lists(line: str) -> str:
    return json.dumps({"row": line}) + "\n"


def _in_a_process(arguments: argparse.Namespace, *words: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--data", str(arguments.data), "--model", str(arguments.model), *words]
    started = os.getloadavg()
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {"loadBefore": started, "loadAfter": os.getloadavg(), **json.loads(output.splitlines()[-1])}


def main() -> None:
    """Measure everything, or, in a process of its own, one thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="a folder called tiny; absent: a tiny Qwen2-VL is made")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plain-rows", type=int, default=5_000)
    parser.add_argument("--one", choices=("ours", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--first-batch", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one == "ours":
        print(json.dumps(ours(arguments.data, arguments.model, arguments.first_batch)))
        return
    if arguments.one == "plain":
        print(json.dumps(plain(arguments.data, arguments.model, arguments.plain_rows)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.model is None:
            from support.tiny_models import tiny_qwen2_vl

            arguments.model = tiny_qwen2_vl(Path(folder) / "tiny")
        results: dict[str, Any] = {"python": platform.python_version(), "cpus": os.cpu_count()}
        results["plain"] = _in_a_process(arguments, "--one", "plain", "--plain-rows", str(arguments.plain_rows))
        first = _in_a_process(arguments, "--one", "ours")
        results["ours"] = {**first, "batches": len(first["batches"])}
        _write(arguments.out, results)
        again = _in_a_process(arguments, "--one", "ours", "--first-batch", str(RESUMED_AFTER))
        again["sameData"] = again["digest"] == first["digest"]
        again["sameBatches"] = again.pop("batches") == first["batches"][RESUMED_AFTER:]
        results["resumed"] = again
        _write(arguments.out, results)


def _count(file: Path) -> int:
    with file.open() as lines:
        return sum(1 for _ in lines)


def _write(out: Path, results: dict[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
