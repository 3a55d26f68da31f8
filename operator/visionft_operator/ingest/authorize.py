"""Who may report for which resource and run: a pure decision over an identity and the directory's knowledge."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from visionft_operator.ingest.ports import Directory, Identity, ResourceKey
from visionft_operator.ingest.refusal import RefusedError


@dataclass(frozen=True)
class Reporter:
    """Who reports: the pod `pod_uid`, for run `run` of the resource `uid`."""

    uid: str
    run: int
    pod_uid: str


def authorize(identity: Identity, key: ResourceKey, run: int, directory: Directory) -> Reporter:
    """Return what `identity` may report for.

    Raises RefusedError unless the token's namespace is the resource's, the resource exists, `run` is its current run,
    and the token is bound to a pod that exists under that name and uid and is controlled by that run's Job. The
    namespace is compared first, so that nobody learns which resources exist elsewhere.
    """
    if identity.namespace != key.namespace:
        raise _forbidden(
            f"a token of namespace {identity.namespace} may not report for {key}: "
            f"report with the token of the training pod in namespace {key.namespace}"
        )
    current = directory.current_run(key.namespace, key.name)
    if current is None:
        raise RefusedError(
            HTTPStatus.NOT_FOUND,
            f"there is no VisionFineTune {key} with a run: post to the VISIONFT_REPORT_URL of the training pod",
        )
    if identity.pod_name is None or identity.pod_uid is None:
        raise _forbidden(
            f"the token of {identity.username} is not bound to a pod: use the projected token that the operator mounts "
            "(VISIONFT_REPORT_TOKEN_FILE), not one made by hand"
        )
    job_uid = directory.pod_job_uid(key.namespace, identity.pod_name, identity.pod_uid)
    if job_uid is None:
        raise _forbidden(
            f"pod {identity.pod_name} (uid {identity.pod_uid}) is gone, unknown yet or not a Job's: only a running "
            "training pod may report; one that has just started should try again with its next report"
        )
    if job_uid != current.job_uid:
        raise _forbidden(
            f"pod {identity.pod_name} does not belong to the Job of run {current.run} of {key}: only that run's pods "
            "may report, pods of older runs and of other resources may not"
        )
    if run != current.run:
        raise _forbidden(
            f"run {run} is not the current run of {key}, which is {current.run}: "
            "post to the VISIONFT_REPORT_URL of the training pod"
        )
    return Reporter(current.uid, current.run, identity.pod_uid)


def _forbidden(message: str) -> RefusedError:
    return RefusedError(HTTPStatus.FORBIDDEN, message)
