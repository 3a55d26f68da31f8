"""From a body to a report: ours or Kubeflow's form, checked by the API's models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from visionft_api.parse import validate
from visionft_api.problems import ManifestError, Problem
from visionft_api.report import KubeflowEnvelope, Report, ReportEnvelope
from visionft_api.shown import shorten

from visionft_operator.ingest.kubeflow import translate
from visionft_operator.ingest.refusal import Cause, invalid

KUBEFLOW_ROOT = "trainerStatus"

MAX_CAUSES = 16
"""Most wrong fields told in one answer."""

MAX_CAUSE_CHARACTERS = 300
"""Longest text about one wrong field; a wrong value could be as long as the body."""

_MOMENT: TypeAdapter[datetime] = TypeAdapter(datetime)


def read_report(document: dict[str, Any], received: datetime) -> Report:
    """Return the report in the body `document`, its progress stamped with `received`.

    The stamp is ours, so that ages are right whatever the trainer's clock says. Raises RefusedError (422) that names
    each wrong field, its value and the mend.
    """
    try:
        report = _read(document, received)
    except ManifestError as error:
        raise invalid(_cause(problem) for problem in error.problems[:MAX_CAUSES]) from error
    stage = report.progress.stage or report.stage
    progress = report.progress.model_copy(update={"last_updated": received, "stage": stage})
    return report.model_copy(update={"progress": progress})


def _read(document: dict[str, Any], received: datetime) -> Report:
    if KUBEFLOW_ROOT not in document:
        return validate(ReportEnvelope, document, "report").report
    status = validate(KubeflowEnvelope, document, "report").trainer_status
    if status.last_updated_time is None:
        return translate(status, received)
    # The model keeps whole seconds; two reports may come within one.
    return translate(status, _MOMENT.validate_python(document[KUBEFLOW_ROOT]["lastUpdatedTime"]))


def _cause(problem: Problem) -> Cause:
    whole = str(problem).removeprefix(f"{problem.field}: ")
    return Cause(shorten(problem.field, MAX_CAUSE_CHARACTERS), shorten(whole, MAX_CAUSE_CHARACTERS))
