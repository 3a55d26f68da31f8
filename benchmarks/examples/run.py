"""Train every example with drawn pictures, as a reader of examples/README.md would, and keep what came out.

python benchmarks/examples/run.py --out benchmarks/examples/results.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "examples" / "pictures"
EXAMPLES = ("receipts", "captions", "two-pictures", "boxes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="*", default=EXAMPLES)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copytree(PICTURES / "model", place / "model")
        for example in arguments.examples:
            subprocess.run([sys.executable, PICTURES / "make_data.py", "--out", place, example], check=True)
            results.append(train(example, place))
            arguments.out.write_text(json.dumps(results, indent=2) + "\n")


def train(example: str, place: Path) -> dict[str, object]:
    """One example's metrics before and after, and how long it took in all."""
    load = os.getloadavg()[0]
    started = time.monotonic()
    manifest = ROOT / "examples" / f"{example}.yaml"
    command = [sys.executable, "-m", "visionft_trainer", "run", manifest, "--pvc", f"pictures={place}", "--quiet"]
    subprocess.run(command, check=True)
    seconds = round(time.monotonic() - started)
    result = json.loads((place / "tuned" / example / "run-1" / "result.json").read_text())
    return {
        "example": example,
        "steps": result["steps"],
        "evaluation": result["evaluation"],
        "seconds": seconds,
        "cpus": os.cpu_count(),
        "loadBefore": round(load, 1),
    }


if __name__ == "__main__":
    main()
