"""The demo trained in bfloat16, float16 and float32 on one GPU: `python precision.py DIGITS --out FILE`.

DIGITS is a folder with the demo's model and rows (see run.sh). A GPU that has bfloat16 computes in float16 when it is
taken for an older one. Recorded for each: the losses of all steps, the scale of the losses at the end, and how many
steps were left out because a gradient was no number, while the scale was found.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import torch
import variants
from torch.amp.grad_scaler import GradScaler
from visionft_trainer import cli
from visionft_trainer.model import load

DTYPES = ("bfloat16", "float16", "float32")
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "16-bit": {"model": {"quantization": "none"}},
    "nf4": {},
    "16-bit, full": variants.VARIANTS["none, full"],
}
RATE = {"learningRate": "5e-4", "visionLearningRate": "5e-4"}
"""Lower than the demo's, so that rounding does not grow over the steps."""


def run(name: str, dtype: str, digits: Path) -> dict[str, Any]:
    """One training."""
    out = digits / "variant"
    shutil.rmtree(out, ignore_errors=True)
    file = digits / "precision.json"
    changes = {**CASES[name], "training": CASES[name].get("training", {}) | RATE}
    file.write_text(json.dumps(variants.manifest(changes)), encoding="utf-8")
    found: list[GradScaler] = []
    left_out: list[int] = []
    update, choose = GradScaler.update, load.dtype_of

    def count(scaler: GradScaler, *args: Any) -> None:
        before = scaler.get_scale()
        update(scaler, *args)
        found[:] = [scaler]
        if scaler.get_scale() < before:
            left_out.append(1)

    load.dtype_of = lambda capability: getattr(torch, dtype)
    GradScaler.update = count  # type: ignore[method-assign,assignment]
    try:
        code = cli.main(["run", str(file), "--pvc", f"digits={digits}", "--quiet"])
    finally:
        load.dtype_of, GradScaler.update = choose, update  # type: ignore[method-assign]
    result = out / "run-1" / "result.json"
    losses = [point["loss"] for point in json.loads(result.read_text(encoding="utf-8"))["curve"]] if not code else []
    record = {
        "case": name,
        "dtype": dtype,
        "exit_code": code,
        "first_five": statistics.mean(losses[:5]) if losses else None,
        "last_five": statistics.mean(losses[-5:]) if losses else None,
        "left_out": len(left_out),
        "scale": found[0].get_scale() if found else None,
        "losses": losses,
    }
    print({key: value for key, value in record.items() if key != "losses"}, flush=True)
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("digits", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    records = []
    for name in CASES:
        for dtype in DTYPES:
            records.append(run(name, dtype, options.digits))
            options.out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
