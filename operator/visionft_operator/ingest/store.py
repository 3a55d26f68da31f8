"""The latest report of each run, in memory.

Reports are pushed, so they may come twice, late or not at all. What is kept is right whatever comes: an old report
changes nothing, one that says less than those before takes nothing back, and after a restart of the operator the next
report fills the empty store.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime

from visionft_api.report import Report
from visionft_api.status import Artifact, DataSummary, Estimate, Evaluation, Progress, Resolved

from visionft_operator.ingest.limits import TRACKED_RESOURCES
from visionft_operator.merging import deeply_over, over

FORMER_PODS = 16
"""How many replaced pods of a run are remembered, so that a late report of theirs is not taken for a new pod's."""


@dataclass(frozen=True)
class LatestReport:
    """What the pods of a run have told so far, merged.

    `pod_uid` is the pod that reports now, `sequence` the number of its last report, `received` when that came.
    """

    run: int
    pod_uid: str
    sequence: int
    received: datetime
    stage: str | None = None
    progress: Progress | None = None
    evaluation: Evaluation | None = None
    artifacts: tuple[Artifact, ...] = ()
    resolved: Resolved | None = None
    data: DataSummary | None = None
    estimate: Estimate | None = None
    notes: tuple[str, ...] = ()
    former_pods: tuple[str, ...] = ()


class ReportStore:
    """Holds one run a resource, the newest that reported, for at most `size` resources."""

    def __init__(self, size: int = TRACKED_RESOURCES) -> None:
        self._size = size
        self._latest: OrderedDict[str, LatestReport] = OrderedDict()

    def __len__(self) -> int:
        return len(self._latest)

    def put(self, uid: str, run: int, report: Report, pod_uid: str, received: datetime) -> bool:
        """Merge a report of run `run` of the resource `uid`; return whether it was news.

        A report is old, and ignored, when its run is older than the one held, when its pod has been replaced, and when
        the pod has already sent one with this sequence number or a higher one. A new pod may begin at any number.
        """
        held = self._latest.get(uid)
        if held is not None and held.run == run:
            if pod_uid in held.former_pods or (pod_uid == held.pod_uid and report.sequence <= held.sequence):
                return False
        elif held is not None and held.run > run:
            return False
        else:
            held = None
        self._latest[uid] = _merged(held, run, report, pod_uid, received)
        self._latest.move_to_end(uid)
        if len(self._latest) > self._size:
            self._latest.popitem(last=False)
        return True

    def latest(self, uid: str, run: int) -> LatestReport | None:
        """Return what run `run` of the resource `uid` has reported, None when nothing is known."""
        held = self._latest.get(uid)
        return held if held is not None and held.run == run else None

    def forget(self, uid: str) -> None:
        """Drop what is held for a resource that was deleted."""
        self._latest.pop(uid, None)


def _merged(held: LatestReport | None, run: int, report: Report, pod_uid: str, received: datetime) -> LatestReport:
    if held is None:
        held = LatestReport(run, pod_uid, report.sequence, received)
    replaced = pod_uid != held.pod_uid
    # A new pod resumes from a checkpoint: its step may be lower, and its predecessor's speed says nothing. What was
    # measured and written before is still true.
    progress = None if replaced else held.progress
    former = (*held.former_pods, held.pod_uid)[-FORMER_PODS:] if replaced else held.former_pods
    return replace(
        held,
        pod_uid=pod_uid,
        sequence=report.sequence,
        received=received,
        stage=report.stage or held.stage,
        progress=over(progress, report.progress),
        evaluation=deeply_over(held.evaluation, report.evaluation),
        artifacts=tuple(report.artifacts) if report.artifacts else held.artifacts,
        resolved=over(held.resolved, report.resolved),
        data=over(held.data, report.data),
        estimate=over(held.estimate, report.estimate),
        notes=tuple(report.notes or ()),
        former_pods=former,
    )
