"""Measure steps of several processes that share the language layers out (FSDP), and hold them against the estimate.

    python sharded.py NAME --settings "SIDE,BATCH,vision|frozen,checkpointing|kept,nf4|none[,lora|full]" ... --out FILE

As memory.py, with a GPU for each of two processes, which start anew for each setting (--tiny: on CPU, over gloo). The
rows of a record are those of both; the memory is that of the process that took more. `loading_peak_bytes` is the
highest of a GPU until layers are shared out, `whole_bytes` what the whole model takes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import memory as one
import shapes
import torch
from visionft_api.spec import ResourcesSpec
from visionft_trainer import libraries
from visionft_trainer.estimate import memory, sizes
from visionft_trainer.model import adapt, load
from visionft_trainer.processes import distributed, launch, sharding
from visionft_trainer.settings import Settings
from visionft_trainer.storage.scratch import scratch_folder
from visionft_trainer.training.step_trainer import StepTrainer

PROCESSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=shapes.SHAPES)
    parser.add_argument("--settings", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--work", type=Path, help="of a process that this script starts")
    options = parser.parse_args()
    member = launch.Member.from_environment(os.environ)
    if member is not None:
        (setting,) = map(one.Setting.parse, options.settings)
        take_part(member, options.work, setting, options.out, options.tiny)
        return
    work = Path(tempfile.mkdtemp(prefix="visionft-bench-"))
    try:
        shapes.write(options.name, work / "model", tiny=options.tiny)
        one.free()
        results = []
        for text in options.settings:
            one.pages(work / f"pages-{one.Setting.parse(text).side}", one.Setting.parse(text).side, options.tiny)
            record = measure(options.name, text, work, options.tiny)
            results.append(record)
            options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            print(text, {key: value for key, value in record.items() if key not in ("rows", "setting")}, flush=True)
    finally:
        shutil.rmtree(work)


def measure(name: str, setting: str, work: Path, tiny: bool) -> dict[str, Any]:
    """One record, from two processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, name, "--settings", setting, "--work", str(work), "--out", folder]
        workers = []
        for rank in range(PROCESSES):
            names = {launch.RANK: str(rank), launch.LOCAL_RANK: str(rank), launch.SIZE: str(PROCESSES)}
            # The libraries that are imported above look for GPUs, so that `prepare` would come too late.
            env = os.environ | names | {launch.TEAM_FOLDER: folder, "CUDA_VISIBLE_DEVICES": str(rank)}
            env |= {"GLOO_SOCKET_IFNAME": "lo"}
            workers.append(subprocess.Popen([*command, *(["--tiny"] if tiny else [])], env=env))
        while None in (codes := [worker.poll() for worker in workers]) and not any(codes):
            time.sleep(0.1)
        for worker in workers:
            worker.kill()
        if any(codes):
            return {"model": name, "setting": setting, "error": f"exit codes {codes}"}
        found = [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(PROCESSES)]
    largest = max(found, key=lambda record: record.get("peak_allocated_bytes", 0))
    peaks = [record.get("peak_allocated_bytes", 0) for record in found]
    return {"model": name, "processes": PROCESSES, "sharding": "fsdp", "peaks": peaks} | largest


def take_part(member: launch.Member, work: Path, setting: one.Setting, out: Path, tiny: bool) -> None:
    """One process: its record."""
    member.prepare()
    on_gpu = torch.cuda.is_available()
    libraries.prepare(ResourcesSpec(gpus=int(on_gpu)), "auto")
    moments = one.Moments() if on_gpu else None
    team = distributed.join(member, on_gpu=on_gpu)
    # The last checkpoint would be written for nothing: 80 GB in full fine-tuning.
    StepTrainer._save_checkpoint = lambda *args: None  # type: ignore[method-assign]
    watch = one.Stopwatch()
    result: dict[str, Any] = {"setting": dataclasses.asdict(setting)}
    begun = time.perf_counter()
    model = one.load_once(work, setting, load.CPU)
    with scratch_folder() as scratch:
        made = one.ready(work, setting, scratch, tiny)
        tuned = adapt.adapt(model, made.spec, made.files.family, "bench")
        found = [sizes.row_size(made.rows, index, model.config) for index in range(len(made.rows.examples))]
        result["rows"] = [dataclasses.asdict(row) for row in found]
        tensors = memory.describe(tuned, made.files.family, made.spec.training.optimizer).tensors
        result["whole_bytes"] = tensors.weights + tensors.adapter
        sharding.shard(tuned, made.files.family, team, load.choose_device(made.spec, Settings()))
        one.free()
        result["loading_seconds"] = time.perf_counter() - begun
        result["host_peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if moments is not None:
            result["loading_peak_bytes"] = torch.cuda.max_memory_allocated()
            result["static_bytes"] = torch.cuda.memory_allocated()
            moments.begin()
        one.run_steps(tuned, made, work, setting, watch, team)
    if moments is not None:
        result |= {
            "gpu": torch.cuda.get_device_name(),
            "torch": torch.__version__,
            "peak_allocated_bytes": moments.end(),
            "moments": dict(moments.last),
            "peak_reserved_bytes": torch.cuda.max_memory_reserved(),
            "driver_used_bytes": one.driver_used(),
        }
    gaps = [later - earlier for earlier, later in pairwise(watch.times)]
    result["seconds_per_step"] = statistics.median(gaps) if gaps else None
    result["losses"] = watch.losses
    (out / f"{member.rank}.json").write_text(json.dumps(result), encoding="utf-8")
    team.wait()
    distributed.leave()


if __name__ == "__main__":
    main()
