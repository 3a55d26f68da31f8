"""Hold the estimate of memory against recorded runs, on any machine: `python compare.py [RESULTS.json ...]`.

The estimate is computed anew from the models' configurations and the recorded sizes of the rows.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import shapes
import torch
from visionft_api.run_file import load_run_file
from visionft_trainer.estimate import empty, memory, sizes
from visionft_trainer.families import find_family
from visionft_trainer.sources.model_files import ModelFiles

RESULTS = sorted((Path(__file__).parent / "results" / "h200-memory").glob("*.json"))
GIB = 2**30


@dataclass(frozen=True)
class Comparison:
    """One recorded training."""

    name: str
    setting: dict[str, Any]
    seconds: float
    measured: int
    """torch's peak of allocated bytes."""
    shown: int | None
    """What nvidia-smi showed; None where other processes used the GPU, too."""
    needs: memory.Needs
    how: str
    """What is not as in most records."""

    @property
    def error(self) -> float:
        """Of the estimate, as a share of what torch allocated."""
        return self.needs.allocated / self.measured - 1

    @property
    def error_shown(self) -> float | None:
        """Of the estimate with the driver's part, as a share of what nvidia-smi showed."""
        return None if self.shown is None else self.needs.total / self.shown - 1


def comparisons(results: list[Path]) -> list[Comparison]:
    """The estimate for each record of these files."""
    return [compare(record) for file in results for record in json.loads(file.read_text(encoding="utf-8"))]


def compare(record: dict[str, Any]) -> Comparison:
    setting = record["setting"]
    described = describe(record["model"], setting["vision"], setting["quantization"], setting.get("method", "lora"))
    rows = [sizes.RowSize(**row) for row in record["rows"]]
    batch = sizes.worst_batch(rows, setting["batch"])
    return Comparison(
        record["model"],
        setting,
        record["seconds_per_step"],
        record["peak_allocated_bytes"],
        record["driver_used_bytes"],
        memory.needs(
            described,
            batch,
            checkpointing=setting["checkpointing"],
            processes=record.get("processes", 1),
            sharded=record.get("sharding") == "fsdp",
        ),
        _how(record),
    )


def _how(record: dict[str, Any]) -> str:
    setting = record["setting"]
    quantization = "" if setting["quantization"] == "nf4" else ", 16-bit"
    method = ", full" if setting.get("method") == "full" else ""
    return quantization + method + (f", fsdp over {record['processes']}" if record.get("processes") else "")


@cache
def describe(name: str, vision: bool, quantization: str, method: str) -> memory.Model:
    """The adapted model of one shape, read from its configuration."""
    with tempfile.TemporaryDirectory() as folder:
        shapes.write(name, Path(folder), weights=False)
        document = manifest(vision, quantization, method, Path(folder) / "manifest.json")
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        family = find_family(config)
        assert family is not None
        files = ModelFiles(Path(folder), family, name, None)
        model = empty.empty_model(files, document, torch.bfloat16)
    return memory.describe(model, family, document.training.optimizer)


def manifest(vision: bool, quantization: str, method: str, file: Path) -> Any:
    """What decides about memory in the manifests of `memory.py`."""
    claim = {"pvc": {"claimName": "bench", "path": "out"}}
    spec: dict[str, Any] = {
        "model": {"uri": "pvc://bench/model", "quantization": quantization},
        "dataset": {"train": {"pvc": {"claimName": "bench", "path": "train.jsonl"}}},
        "adapter": {"vision": vision, "projector": vision},
        "output": claim,
    }
    if method == "full":
        spec["adapter"] |= {"method": method}
        spec["output"] |= {"adapter": False, "merged": True}
    document = {"apiVersion": "visionft.dev/v1alpha1", "kind": "VisionFineTune", "metadata": {"name": "bench"}}
    file.write_text(json.dumps(document | {"spec": spec}), encoding="utf-8")
    return load_run_file(file).spec


def main() -> None:
    columns = ["model", "pixels", "batch", "vision", "checkpointing", "s a step", "torch GiB", "shown GiB"]
    columns += ["estimate GiB", "error, torch", "error, shown"]
    print(f"| {' | '.join(columns)} |")
    print("| --- " * len(columns) + "|")
    for case in comparisons([Path(name) for name in sys.argv[1:]] or RESULTS):
        setting = case.setting
        shown = "" if case.shown is None else f"{case.shown / GIB:.2f}"
        error_shown = "" if case.error_shown is None else f"{case.error_shown:+.1%}"
        print(
            f"| {case.name}{case.how} | {setting['side']} | {setting['batch']} "
            f"| {'tuned' if setting['vision'] else 'frozen'} | {'yes' if setting['checkpointing'] else 'no'} "
            f"| {case.seconds:.2f} | {case.measured / GIB:.2f} | {shown} "
            f"| {case.needs.allocated / GIB:.2f} | {case.error:+.1%} | {error_shown} |"
        )


if __name__ == "__main__":
    main()
