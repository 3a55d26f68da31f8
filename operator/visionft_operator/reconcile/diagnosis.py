"""What a pod's state means for the user: why it waits, what became of it, and the mend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from visionft_api.conditions import Reason
from visionft_api.exit_codes import ExitCode, explain
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.termination import decode

from visionft_operator.build_job import FAIL_AT_ONCE
from visionft_operator.build_secrets import NamedSecret, named_secrets
from visionft_operator.reconcile.views import PodView, Warned

IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
CREATE_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CreatePodSandboxError"}
)
STUCK_REASONS = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady"}
)
"""Warning events that tell why a pod stays in ContainerCreating."""

NODE_GONE_REASONS = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
"""DisruptionTarget reasons that mean: the node, not somebody's wish."""

VOLUMES_MEND = (
    "Check that the claims named in the spec are bound and may be mounted on that node, and that its ConfigMaps exist; "
    "the run's own is put back by itself."
)

RESUMES = "resumes from its last checkpoint"
BEGINS_ANEW = "begins anew, because without spec.output.pvc its checkpoints end with the pod"

EVICTED = "Evicted"
"""Reason of a failure that no condition ends with: the pod is replaced."""

OVER_LIMIT = "exceeds the limit"
"""In what a kubelet says of a pod whose emptyDir has outgrown its sizeLimit."""


@dataclass(frozen=True)
class Waiting:
    """A pod that does not run yet. `reason` is one of condition Queued."""

    reason: str
    message: str


@dataclass(frozen=True)
class Lost:
    """A pod whose node does not answer."""

    message: str


@dataclass(frozen=True)
class Failure:
    """A pod that ended badly. `reason` is one of condition Succeeded, or Evicted or NodeLost.

    `disrupted`: the cluster took the pod away; it is replaced and no backoff is spent.
    """

    pod_name: str
    reason: str
    message: str
    exit_code: int | None
    time: datetime | None
    disrupted: bool = False

    @property
    def hopeless(self) -> bool:
        """Whether the Job fails at once for it, because trying again cannot mend it."""
        return not self.disrupted and self.exit_code in FAIL_AT_ONCE


def what_follows(spec: VisionFineTuneSpec) -> str:
    """What the pod does that replaces one of this run."""
    return BEGINS_ANEW if spec.output.pvc is None else RESUMES


def diagnose_waiting(pod: PodView, warnings: Sequence[Warned], spec: VisionFineTuneSpec) -> Waiting:
    """Why a pending pod does not run."""
    if not pod.scheduled:
        scheduled = pod.conditions.get("PodScheduled")
        if scheduled is not None and scheduled.status == "False":
            said = scheduled.message.rstrip(". ") or "no message"
            return Waiting(
                Reason.UNSCHEDULABLE,
                f"No node can take pod {pod.name}: {said}. It starts by itself once one can: free or add capacity, or "
                "ask for less in spec.resources; if a selector or taint is named, see spec.podTemplate.nodeSelector "
                "and tolerations.",
            )
        return Waiting(Reason.WAITING_FOR_POD, f"Pod {pod.name} waits for the scheduler.")
    said = pod.waiting_message or pod.waiting_reason
    if pod.waiting_reason in IMAGE_REASONS:
        return Waiting(
            Reason.IMAGE_PULL_FAILED,
            f"The image of pod {pod.name} cannot be pulled: {said}. Check the name in spec.podTemplate.image (or the "
            "operator's trainer image) and, for a private registry, spec.podTemplate.imagePullSecrets; the node keeps "
            "trying.",
        )
    if pod.waiting_reason in CREATE_REASONS:
        return Waiting(
            Reason.CONTAINER_CREATE_FAILED,
            f"The container of pod {pod.name} cannot be created: {said}. "
            f"{secret_mend(spec, said) or 'Check spec.podTemplate: what its env refers to must exist.'} "
            "The node keeps trying.",
        )
    stuck = next((w for w in reversed(warnings) if w.object_uid == pod.uid and w.reason in STUCK_REASONS), None)
    if stuck is not None:
        return Waiting(
            Reason.CONTAINER_CREATE_FAILED,
            f"The volumes of pod {pod.name} cannot be set up on node {pod.node}: {stuck.reason}: {stuck.message}. "
            f"{secret_mend(spec, stuck.message) or VOLUMES_MEND} The node keeps trying.",
        )
    return Waiting(Reason.WAITING_FOR_POD, f"Pod {pod.name} is being started on node {pod.node}.")


def secret_mend(spec: VisionFineTuneSpec, said: str) -> str:
    """What to do about the Secret that a node names in what it says; empty when it names none of the spec's."""
    wanted = [
        f"{secret.field} names Secret {secret.secret}, which must be in this namespace with {_keys_told(secret)}"
        for secret in named_secrets(spec)
        if _is_named(secret, said)
    ]
    return f"{'; '.join(wanted)}. Make it so, or name another one." if wanted else ""


def _is_named(secret: NamedSecret, said: str) -> bool:
    by_name = rf'secret "?([a-z0-9.-]+/)?{re.escape(secret.secret)}(?![a-z0-9.-])'
    return f'"{secret.volume}"' in said or re.search(by_name, said, re.IGNORECASE) is not None


def _keys_told(secret: NamedSecret) -> str:
    if secret.any_of:
        return f"one or more of {', '.join(secret.any_of)}"
    return f"the key{'s' if len(secret.keys) > 1 else ''} {' and '.join(secret.keys)}"


def diagnose_lost(pod: PodView, follows: str) -> Lost | None:
    """Whether a pod that should run is on a node that does not answer. `follows` is what its replacement does.

    Nothing in the trainer's pod can make a running container unready, so unready means that the node controller has
    said so; and a pod that the taint controller removes stays until its node confirms.
    """
    if pod.over or not pod.scheduled:
        return None
    target = pod.conditions.get("DisruptionTarget")
    removed = target is not None and target.status == "True" and target.reason in NODE_GONE_REASONS
    ready = pod.conditions.get("Ready")
    unready = ready is not None and ready.status != "True" and pod.running_since is not None and not pod.deleting
    if not removed and not unready:
        return None
    return Lost(
        f"Node {pod.node} does not answer, so it is not known whether pod {pod.name} still trains. If the node comes "
        "back, the run goes on by itself. If it is gone for good, remove it (kubectl delete node "
        f"{pod.node}): the pod is then replaced without spending backoffLimit, and the new one {follows}."
    )


def diagnose_failure(pod: PodView, follows: str) -> Failure | None:
    """What became of a pod that failed; None when it has not, or only ended as it was told.

    `follows` is what its replacement does, see `what_follows`.
    """
    if pod.phase != "Failed":
        return None
    ended = pod.terminated
    code = None if ended is None else ended.exit_code
    time = None if ended is None else ended.finished_at
    target = pod.conditions.get("DisruptionTarget")
    if target is not None and target.status == "True":
        gone = target.reason in NODE_GONE_REASONS
        what = target.message.rstrip(". ") or target.reason
        return Failure(
            pod.name,
            Reason.NODE_LOST if gone else EVICTED,
            f"Pod {pod.name} was taken away by the cluster: {what}. It is replaced without spending backoffLimit, and "
            f"the new one {follows}; nothing to do.",
            code,
            time or target.since,
            disrupted=True,
        )
    if pod.reason == EVICTED and OVER_LIMIT in pod.message:
        return Failure(
            pod.name,
            Reason.STORAGE_FAILED,
            f"Pod {pod.name} was evicted because its scratch grew too large: {pod.message.rstrip('. ')}. Raise "
            "spec.podTemplate.workspaceSizeLimit, or set spec.output.pvc so that the run works on a claim.",
            code,
            time,
        )
    if ended is None:
        said = (pod.message or pod.reason or "the node gave no reason").rstrip(". ")
        return Failure(
            pod.name,
            Reason.TRAINER_ERROR,
            f"Pod {pod.name} failed before its container ran: {said}. See kubectl describe pod {pod.name}.",
            code,
            time,
        )
    if pod.deleting and ended.exit_code == ExitCode.TERMINATED:
        return None  # asked to end, by a suspension, a deadline or by hand, and it did
    if ended.reason == "OOMKilled":
        return Failure(
            pod.name,
            Reason.OUT_OF_MEMORY,
            f"Pod {pod.name} was killed because it used more memory than it may (OOMKilled, exit code {code}). Raise "
            "spec.resources.memory, or use less: smaller training.batchSize or evaluation.batchSize.",
            code,
            time,
        )
    if code == ExitCode.KILLED:
        return Failure(
            pod.name,
            Reason.KILLED,
            f"Pod {pod.name} was killed (SIGKILL, exit code 137) by something other than its memory limit: the node "
            "ran short of memory, or somebody stopped the process. Set spec.resources.memory so that the scheduler "
            f"keeps room for it, and see kubectl describe node {pod.node or 'NODE'}.",
            code,
            time,
        )
    known = explain(ended.exit_code)
    return Failure(pod.name, known.reason, _told(pod, ended.exit_code, ended.message), code, time)


def _told(pod: PodView, code: int, text: str) -> str:
    """The trainer's own sentence when it left one, else what the exit code means."""
    known = explain(code)
    message = decode(text) if text else None
    if message is not None and message.message:
        return message.message if message.message.endswith((".", "!", "?")) else f"{message.message}."
    end = f": {_last_line(text)}" if text.strip() else ""
    return f"Pod {pod.name} ended with exit code {code} ({known.name}): {known.meaning}{end}. What to do: {known.mend}."


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:500].rstrip(". ")
