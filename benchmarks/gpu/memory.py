"""Measure training steps of one model's shape and hold their memory against the estimate.

    python memory.py NAME --settings "SIDE,BATCH,vision|frozen,checkpointing|kept[,nf4|none]" ... --out FILE [--tiny]

The model is written once with random weights (`shapes.py`), loaded as a run loads it, and trained for a few steps by
the trainer itself for each setting. Recorded for each: seconds a step (median after the first), the highest that
torch's allocator gave out and held, and what the driver shows as used, all since the model was loaded; beside them the
estimate.
`--settings` of one quantisation stand together: the model is loaded anew where it changes.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import shapes
import torch
from trl.trainer.sft_trainer import SFTTrainer
from visionft_api.run_file import load_run_file
from visionft_api.spec import ResourcesSpec
from visionft_trainer import libraries
from visionft_trainer.data import ingest
from visionft_trainer.estimate import memory, sizes
from visionft_trainer.estimate.reading import blocks_of
from visionft_trainer.model import adapt, load
from visionft_trainer.prepare import preprocess
from visionft_trainer.processes.distributed import Team
from visionft_trainer.reporting.progress import Progress, Snapshot
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source
from visionft_trainer.storage.scratch import scratch_folder
from visionft_trainer.training import train
from visionft_trainer.training.batching import Batching

ROWS = 16
ALONE = Team()


class Stopwatch:
    """A listener that notes when each step was told, and its loss."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.losses: list[float] = []
        self.notes: list[str] = []

    def show(self, snapshot: Snapshot) -> None:
        self.notes = list(snapshot.notes)
        if snapshot.step is not None and snapshot.step > len(self.times):
            self.times.append(time.perf_counter())
            self.losses.append(snapshot.loss or 0.0)

    def close(self) -> None:
        pass


class Moments:
    """The highest allocation of a training, and of its last whole step by part: what the estimate is made of."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self._peak = 0
        plain = SFTTrainer.compute_loss

        def compute_loss(trainer: Any, *args: Any, **kwargs: Any) -> Any:
            self._note("backward")
            loss = plain(trainer, *args, **kwargs)
            self._note("forward")
            self.last["kept"] = torch.cuda.memory_allocated()
            return loss

        SFTTrainer.compute_loss = compute_loss  # type: ignore[method-assign]

    def begin(self) -> None:
        self._peak = 0
        torch.cuda.reset_peak_memory_stats()

    def end(self) -> int:
        return max(self._peak, torch.cuda.max_memory_allocated())

    def _note(self, part: str) -> None:
        self.last[part] = torch.cuda.max_memory_allocated()
        self._peak = max(self._peak, self.last[part])
        torch.cuda.reset_peak_memory_stats()


@dataclasses.dataclass(frozen=True)
class Setting:
    """One measured training."""

    side: int
    batch: int
    vision: bool
    checkpointing: bool
    quantization: str = "nf4"
    method: str = "lora"
    steps: ClassVar[int] = 4

    @classmethod
    def parse(cls, text: str) -> Setting:
        side, batch, vision, kept, *rest = text.split(",")
        return cls(int(side), int(batch), vision == "vision", kept == "checkpointing", *rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=shapes.SHAPES)
    parser.add_argument("--settings", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tower", metavar="SETTING", help="also profile a step of this setting, to tower.json")
    parser.add_argument("--halved", metavar="SETTING", help="also train this one short of memory, to halved.json")
    parser.add_argument("--steps", type=int, default=4, help="of each setting; more for a steadier time")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    Setting.steps = options.steps
    libraries.prepare(ResourcesSpec(gpus=int(torch.cuda.is_available())), "auto")
    moments = Moments() if torch.cuda.is_available() else None
    work = Path(tempfile.mkdtemp(prefix="visionft-bench-"))
    try:
        begun = time.perf_counter()
        shapes.write(options.name, work / "model", tiny=options.tiny)
        free()
        print(f"{options.name}: written in {time.perf_counter() - begun:.0f} s", flush=True)
        results = []
        model, quantization = None, ""
        for setting in map(Setting.parse, options.settings):
            if setting.quantization != quantization:
                model = None
                free()
                begun = time.perf_counter()
                model, quantization = load_once(work, setting), setting.quantization
                print(f"  loaded as {quantization} in {time.perf_counter() - begun:.0f} s", flush=True)
            results.append(measure(work, model, setting, moments, options.tiny) | {"model": options.name})
            options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        if options.tower:
            profiles = tower(work, model, Setting.parse(options.tower), options.tiny)
            text = json.dumps([profile | {"model": options.name} for profile in profiles], indent=1)
            options.out.with_name("tower.json").write_text(text + "\n", encoding="utf-8")
        if options.halved:
            record = halved(work, model, Setting.parse(options.halved), moments, options.tiny)
            text = json.dumps(record | {"model": options.name}, indent=1)
            options.out.with_name("halved.json").write_text(text + "\n", encoding="utf-8")
    finally:
        shutil.rmtree(work)


def manifest(work: Path, setting: Setting) -> Any:
    """The manifest of one setting, as a user would write it."""
    spec = {
        "model": {"uri": "pvc://bench/model", "quantization": setting.quantization},
        "dataset": {
            "train": {"pvc": {"claimName": "bench", "path": f"pages-{setting.side}/train.jsonl"}},
            "limits": {"maxTokens": 16384},
        },
        "adapter": {"method": setting.method, "vision": setting.vision, "projector": setting.vision}
        | ({"rank": 16} if setting.method == "lora" else {}),
        "training": {"maxSteps": setting.steps, "batchSize": setting.batch, "checkpoints": {"every": 100_000}},
        "output": {"pvc": {"claimName": "bench", "path": "out"}}
        | ({"merged": False} if setting.method == "lora" else {"merged": True, "adapter": False}),
        "resources": {"gpus": int(torch.cuda.is_available())},
    }
    file = work / f"manifest-{os.getpid()}.json"
    document = {"apiVersion": "visionft.dev/v1alpha1", "kind": "VisionFineTune", "metadata": {"name": "bench"}}
    file.write_text(json.dumps(document | {"spec": spec}), encoding="utf-8")
    return load_run_file(file).spec


def load_once(work: Path, setting: Setting, place: torch.device | None = None) -> Any:
    spec = manifest(work, setting)
    settings = Settings(claims={"bench": work})
    return load.load_model(model_source.locate(spec.model, settings), spec, load.choose_device(spec, settings), place)


@dataclasses.dataclass(frozen=True)
class Ready:
    """Everything that a training takes beside its model."""

    spec: Any
    files: Any
    processor: Any
    rows: Any


def ready(work: Path, setting: Setting, scratch: Any, tiny: bool) -> Ready:
    """The rows of `setting`, prepared as a run prepares them."""
    pages(work / f"pages-{setting.side}", setting.side, tiny)
    spec = manifest(work, setting)
    settings = Settings(claims={"bench": work})
    files = model_source.locate(spec.model, settings)
    processor = load.load_processor(files, spec)
    data = ingest.ingest(spec, settings, scratch)
    rows = preprocess.preprocess(data.train, spec.dataset, processor, files.family, scratch)
    return Ready(spec, files, processor, rows)


def run_steps(tuned: Any, made: Ready, work: Path, setting: Setting, watch: Stopwatch, team: Team = ALONE) -> None:
    """Train `Setting.steps` steps of one micro-batch each."""
    batching = Batching(setting.batch, 1, setting.checkpointing)
    family = made.files.family
    progress = Progress([watch])
    try:
        train.train(
            tuned, made.spec, made.rows, None, made.processor, family, work / "out", progress, batching, team=team
        )
    finally:
        shutil.rmtree(work / "out", ignore_errors=True)


def measure(work: Path, model: Any, setting: Setting, moments: Moments | None, tiny: bool) -> dict[str, Any]:
    """One record: sizes of the rows, the estimate, what was measured."""
    watch = Stopwatch()
    result: dict[str, Any] = {"setting": dataclasses.asdict(setting)}
    with scratch_folder() as scratch:
        made = ready(work, setting, scratch, tiny)
        free()
        tuned = adapt.adapt(model, made.spec, made.files.family, "bench")
        described = memory.describe(tuned, made.files.family, made.spec.training.optimizer)
        found = [sizes.row_size(made.rows, index, model.config) for index in range(len(made.rows.examples))]
        needs = memory.needs(
            described, sizes.worst_batch(found, setting.batch), checkpointing=setting.checkpointing
        )  # fmt: skip
        result["rows"] = [dataclasses.asdict(row) for row in found]
        result["estimate"] = dataclasses.asdict(needs) | {"allocated": needs.allocated, "total": needs.total}
        if moments is not None:
            result["static_bytes"] = torch.cuda.memory_allocated()
            moments.begin()
        try:
            run_steps(tuned, made, work, setting, watch)
        except torch.OutOfMemoryError as error:
            result["error"] = str(error).splitlines()[0]
    if moments is not None:
        result |= {
            "gpu": torch.cuda.get_device_name(),
            "torch": torch.__version__,
            "peak_allocated_bytes": moments.end(),
            "moments": dict(moments.last),
            "peak_reserved_bytes": torch.cuda.max_memory_reserved(),
            "driver_used_bytes": driver_used(),
        }
    gaps = [later - earlier for earlier, later in pairwise(watch.times)]
    result["seconds_per_step"] = statistics.median(gaps) if gaps else None
    result["losses"], result["notes"] = watch.losses, watch.notes
    take_off(tuned)
    show(result, setting)
    return result


def halved(work: Path, model: Any, setting: Setting, moments: Moments | None, tiny: bool) -> dict[str, Any]:
    """The same setting with too little memory for its micro-batch, enough for half of it."""
    if not torch.cuda.is_available():
        return measure(work, model, setting, moments, tiny)
    half = dataclasses.replace(setting, batch=setting.batch // 2)
    needed = measure(work, model, half, moments, tiny)["peak_reserved_bytes"]
    free()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(1.1 * needed / whole)
    try:
        return measure(work, model, setting, moments, tiny) | {"allowed_bytes": round(1.1 * needed)}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def tower(work: Path, model: Any, setting: Setting, tiny: bool) -> list[dict[str, Any]]:
    """One step under torch's profiler with the frozen tower as it is trained, and once more with a graph through it."""
    from torch.profiler import ProfilerActivity, profile

    found = []
    for graph in (False, True):
        with scratch_folder() as scratch:
            made = ready(work, setting, scratch, tiny)
            free()
            tuned = adapt.adapt(model, made.spec, made.files.family, "bench")
            regions = {block.name: block.region for block in blocks_of(tuned, made.files.family)}
            base = tuned.get_base_model()
            for name, region in regions.items():
                block = base.get_submodule(name)
                if graph:
                    block.__dict__.pop("forward", None)
                # Inside what is checkpointed, so that computing again is counted.
                attention = next(child for part, child in block.named_children() if "attn" in part)
                attention.forward = labelled(attention.forward, f"{region} attention")
            if graph:
                for name in made.files.family.encoder_modules:
                    base.get_submodule(name).__dict__.pop("forward", None)
            activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
            with profile(activities=activities) as prof:
                run_steps(tuned, made, work, setting, Stopwatch())
            take_off(tuned)
        events = {event.key: event for event in prof.key_averages()}
        layers = list(regions.values())
        backward = [key for key in events if "dot_product" in key and key.endswith("_backward") and "aten" in key]
        found.append(
            {
                "tower": "with a graph" if graph else "as trained",
                "steps": setting.steps,
                "vision_layers": layers.count("vision"),
                "language_layers": layers.count("language"),
                "vision_attention_calls": events["vision attention"].count,
                "language_attention_calls": events["language attention"].count,
                "attention_backward_calls": sum(events[key].count for key in backward),
            }
        )
        print("  profile", json.dumps(found[-1]), flush=True)
    return found


def labelled(forward: Any, label: str) -> Any:
    """`forward` under a name that the profiler shows."""
    from torch.profiler import record_function

    def told(*args: Any, **kwargs: Any) -> Any:
        with record_function(label):
            return forward(*args, **kwargs)

    return told


def take_off(tuned: Any) -> None:
    """Bring the base model back to how it was loaded: no adapter, no patched forward, no checkpointing."""
    tuned.gradient_checkpointing_disable()
    tuned.get_base_model().disable_input_require_grads()
    base = tuned.unload()
    for module in base.modules():
        module.__dict__.pop("forward", None)
    for name in ("peft_config", "_hf_peft_config_loaded"):
        base.__dict__.pop(name, None)
    base.requires_grad_(False).eval()


def show(result: dict[str, Any], setting: Setting) -> None:
    gib = 2**30
    peak, shown = result.get("peak_allocated_bytes", 0), result.get("driver_used_bytes", 0)
    estimate = result["estimate"]
    print(
        f"  {setting.side:5d} px  batch {setting.batch:2d}  {'vision' if setting.vision else 'frozen'}  "
        f"{'checkpointing' if setting.checkpointing else 'kept         '}  {setting.quantization}  "
        f"{result['seconds_per_step'] or 0:6.2f} s  static {result.get('static_bytes', 0) / gib:6.2f}  "
        f"allocated {peak / gib:6.2f}  reserved {result.get('peak_reserved_bytes', 0) / gib:6.2f}  "
        f"driver {shown / gib:6.2f}  estimate {estimate['allocated'] / gib:6.2f} GiB  "
        f"{estimate['allocated'] / peak - 1 if peak else 0:+.1%} {estimate['total'] / shown - 1 if shown else 0:+.1%}  "
        f"loss {result['losses'][0] if result['losses'] else 0:.4f}  {result.get('error', '')} {result['notes'] or ''}",
        flush=True,
    )


def driver_used() -> int:
    """What nvidia-smi shows for this GPU: all processes, and the driver's own."""
    free, whole = torch.cuda.mem_get_info()
    return whole - free


def pages(folder: Path, side: int, tiny: bool) -> None:
    """Pages of random words with their text as the answer."""
    if folder.exists():
        return
    script = Path(__file__).with_name("make_pages.py")
    rows = 4 if tiny else ROWS
    command = [sys.executable, str(script), str(folder), "--rows", str(rows), "--side", str(side)]
    subprocess.run(command, check=True)


def free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
