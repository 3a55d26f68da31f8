"""From the files of a run's folder to `RunReport`. What is not there is left out: not every run comes to its end."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Artifact, Resolved

from visionft_trainer.data.report.model import DataReport
from visionft_trainer.errors import BadConfigError
from visionft_trainer.evaluation.judgement import Judgement
from visionft_trainer.page import samples
from visionft_trainer.page.cost import read_cost
from visionft_trainer.page.model import GateLine, MetricInfo, Provenance, RunReport, Samples
from visionft_trainer.reporting.report import CurvePoint, Result, curve_of
from visionft_trainer.storage.folder import OWNER_FILE, RunFolder, read_owner
from visionft_trainer.storage.plain_files import read_bytes, read_text

TRAINER_STATE = "trainer_state.json"  # of a checkpoint; transformers' name for it
PYPI = "pkg:pypi/"  # how provenance names a library: pkg:pypi/torch@2.15.0

log = logging.getLogger(__name__)
Model = TypeVar("Model", bound=BaseModel)


def open_folder(path: Path) -> RunFolder:
    """The folder of a run that is there already.

    Raises:
        BadConfigError: it is not the folder of a run.
    """
    owner = read_owner(path / OWNER_FILE)
    if owner is None:
        runs = sorted(entry.parent.name for entry in path.glob(f"*/{OWNER_FILE}"))
        such = f", such as {path / runs[-1]}" if runs else ""
        what = "is not the folder of a run: it has no owner.json" if path.is_dir() else "is no folder"
        raise BadConfigError(f"{path} {what}. Give the folder that `run` has written{such}.")
    return RunFolder(path, owner, "", "")


def read_run(place: RunFolder, result: Result | None = None) -> RunReport:
    """What the folder says of its run; `result` where it is not written yet.

    Raises:
        BadConfigError: the folder does not say which manifest it was made from.
    """
    run_file = _load(RunFile, place.run_file)
    if run_file is None:
        raise BadConfigError(
            f"{place.run_file}: there is no such file, or it cannot be read. The run was made by a version of visionft "
            "that kept too little for a report: run the manifest again."
        )
    spec = run_file.spec
    result = result or _load(Result, place.result)
    judgement = _whole(_load(Judgement, place.judgement))
    data = _load(DataReport, place.data_report)
    read = {place.result: result, place.judgement: judgement, place.data_report: data}
    damaged = [_lacking(file) for file, content in read.items() if content is None and file.exists()]
    for sentence in damaged:
        log.warning("%s", sentence)
    names = list(judgement.metrics) if judgement else list(spec.evaluation.metrics)
    general = judgement.general_tuned.figures if judgement and judgement.general_tuned else {}
    metrics = {name: _info(name) for name in (*names, *general)}
    shown = _samples(place, metrics, spec.evaluation.report_samples)
    if not shown.kept:
        log.warning("%s", samples.NOT_KEPT)
    return RunReport(
        name=place.owner.name,
        namespace=place.owner.namespace,
        run=place.owner.run,
        complete=result is not None,
        start_time=result.start_time if result else None,
        completion_time=result.completion_time if result else None,
        trained_in=result.trained_in if result else None,
        metrics=metrics,
        gates=_gates(spec, judgement),
        judgement=judgement,
        steps=result.steps if result else None,
        shipped_step=result.shipped_step if result else None,
        notes=[*(result.notes if result else []), *damaged],
        curve=result.curve if result else _curve_so_far(place.checkpoints),
        data=data,
        samples=shown,
        cost=read_cost(place.cost),
        provenance=_provenance(place, spec, result, run_file.spec_hash),
        manifest=spec.to_json(),
    )


def _load(kind: type[Model], file: Path) -> Model | None:
    try:
        return kind.model_validate_json(read_bytes(file))
    except (OSError, ValidationError):
        return None


def _whole(judgement: Judgement | None) -> Judgement | None:
    """`judgement`, unless it lacks figures or has metrics of another version."""
    if judgement is None:
        return None
    from visionft_trainer.evaluation.metrics import METRICS

    ways = (judgement.baseline, judgement.tuned, judgement.general_baseline, judgement.general_tuned)
    names = {*judgement.metrics, *(name for measured in ways if measured for name in measured.figures)}
    models = (judgement.baseline, judgement.tuned)
    figured = all(name in measured.figures for measured in models if measured for name in judgement.metrics)
    return judgement if names <= METRICS.keys() and figured else None


def _lacking(file: Path) -> str:
    return f"{file.name} cannot be read, so the page lacks what it says. Copy the run's folder again."


def _info(name: str) -> MetricInfo:
    from visionft_trainer.evaluation.metrics import METRICS

    metric = METRICS[name]
    return MetricInfo(title=metric.title, lower_is_better=metric.lower_is_better, highest=metric.highest)


def _gates(spec: VisionFineTuneSpec, judgement: Judgement | None) -> list[GateLine]:
    """A clause of a gate that does not hold ends in the gate's own text."""
    missed = judgement.failed_gates if judgement else []
    lines = []
    for gate in map(str, spec.evaluation.parsed_gates):
        detail = next((clause for clause in missed if clause.endswith(f" {gate}")), "")
        measured = judgement is not None and judgement.tuned is not None
        lines.append(GateLine(gate=gate, holds=not detail if measured else None, detail=detail))
    return lines


def _samples(place: RunFolder, metrics: dict[str, MetricInfo], count: int) -> Samples:
    metric = next(iter(metrics), None)
    lower = metrics[metric].lower_is_better if metric else False
    return samples.read_samples(place.samples, place.answers, metric, lower_is_better=lower, count=count)


def _curve_so_far(checkpoints: Path) -> list[CurvePoint]:
    """What the newest checkpoint of a run that is not complete has logged."""
    states = sorted(checkpoints.glob(f"*/{TRAINER_STATE}"), key=lambda file: file.stat().st_mtime)
    for file in reversed(states):
        try:
            return curve_of(json.loads(read_text(file))["log_history"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return []


def _provenance(place: RunFolder, spec: VisionFineTuneSpec, result: Result | None, spec_hash: str) -> Provenance:
    resolved = result.resolved if result else _load(Resolved, place.resolved) or Resolved(spec_hash=spec_hash)
    artifacts: Sequence[Artifact] = result.artifacts if result else []
    return Provenance(
        model=spec.model.name or spec.model.uri or "",
        resolved=resolved,
        packages=_packages(place.provenance),
        artifacts=[artifact for artifact in artifacts if artifact.kind != "report"],  # which holds no digest of itself
    )


def _packages(file: Path) -> dict[str, str]:
    """The libraries among the dependencies of an in-toto statement (SLSA provenance v1)."""
    try:
        statement: Any = json.loads(read_text(file))
        uris = [str(entry["uri"]) for entry in statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    named = [uri.removeprefix(PYPI).partition("@") for uri in uris if uri.startswith(PYPI)]
    return {name: version for name, _, version in sorted(named)}
