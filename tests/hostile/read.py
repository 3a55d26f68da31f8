"""Reads one data set as a run does, in a process of its own: `python -m hostile.read FOLDER PATH FORMAT`.

Prints what came of each row as JSON: its error, or its answer and the colours of its first picture's quarters. Memory
is bounded by the operating system; past it the process dies, and the test with it.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

from visionft_api.spec import DatasetSpec, DataSource
from visionft_api.spec.dataset import PvcSource
from visionft_trainer.data import dropped, ingest
from visionft_trainer.data.images import open_rgb, read_bytes
from visionft_trainer.errors import RunError
from visionft_trainer.settings import Settings
from visionft_trainer.storage.scratch import Scratch

MEMORY = 768 * 2**20  # bytes of data that the process may hold; Python, numpy and pyarrow take about 250 of it
SECONDS = 240  # of computing


def main(folder: Path, path: str, form: str) -> None:
    """Read `path` in `folder`, rows in the form `form`."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    dropped.NAMED_ROWS = 10**6
    source = DataSource(pvc=PvcSource(claim_name="data", path=path))
    dataset = DatasetSpec(train=source, format=form, bad_rows="Drop")  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            split = ingest.read_split(
                "train", source, dataset, Settings(claims={"data": folder}), Scratch(Path(scratch)), workers=2
            )
        except RunError as error:
            print(json.dumps({"refused": str(error)}))
            return
        rows = []
        for row in split.rows:
            picture = next(row.pictures, None)
            seen = None
            if picture is not None:
                image = open_rgb(read_bytes(picture, split.rules), "picture")
                spots = [(image.width * x // 4, image.height * y // 4) for x, y in ((1, 1), (3, 1), (1, 3), (3, 3))]
                seen = {"size": image.size, "quarters": [image.getpixel(spot) for spot in spots]}
            rows.append({"row": row.where.row, "answer": row.answer, "picture": seen})
        bad = [{"row": row.where.row, "error": row.reason} for row in split.dropped.named]
    print(json.dumps({"rows": rows, "dropped": bad, "peak": peak_memory()}))


def peak_memory() -> int:
    """The most resident memory of this program, in bytes; getrusage would count the process that started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
