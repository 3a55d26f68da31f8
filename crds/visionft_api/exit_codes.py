"""Exit codes of the trainer: what each means, what to do, and whether the pod is tried again."""

from dataclasses import dataclass
from enum import IntEnum

from visionft_api.conditions import Reason


class ExitCode(IntEnum):
    """How the trainer ended."""

    SUCCESS = 0
    TRAINER_ERROR = 1
    USAGE = 2
    BAD_CONFIG = 10
    BAD_DATASET = 11
    BAD_MODEL = 12
    OUT_OF_MEMORY = 13
    STORAGE_FAILED = 14
    KILLED = 137
    TERMINATED = 143


@dataclass(frozen=True)
class ExitCodeInfo:
    """What a person should know about an exit code."""

    code: ExitCode
    name: str
    meaning: str
    mend: str
    retried: bool
    reason: Reason


EXIT_CODES: dict[int, ExitCodeInfo] = {
    info.code: info
    for info in (
        ExitCodeInfo(
            ExitCode.SUCCESS,
            "Success",
            "the run is done; its verdict may still be Failed, and its artifacts are kept",
            "nothing to do",
            False,
            Reason.COMPLETED,
        ),
        ExitCodeInfo(
            ExitCode.TRAINER_ERROR,
            "TrainerError",
            "the trainer stopped on an error that it did not expect",
            "read the pod's log; if the manifest is right, report it with that log",
            True,
            Reason.TRAINER_ERROR,
        ),
        ExitCodeInfo(
            ExitCode.USAGE,
            "Usage",
            "the trainer was started with wrong arguments",
            "see visionft-trainer --help; in a cluster, use the image that belongs to the operator's version",
            True,
            Reason.TRAINER_ERROR,
        ),
        ExitCodeInfo(
            ExitCode.BAD_CONFIG,
            "BadConfig",
            "the spec asks for something that does not fit the model, the data or the output folder",
            "change the field that the message names",
            False,
            Reason.BAD_CONFIG,
        ),
        ExitCodeInfo(
            ExitCode.BAD_DATASET,
            "BadDataset",
            "the dataset is missing, or a row cannot be used",
            "mend the file and row that the message names, then set spec.runPolicy.rerun to a new text",
            False,
            Reason.BAD_DATASET,
        ),
        ExitCodeInfo(
            ExitCode.BAD_MODEL,
            "BadModel",
            "the model is missing, cannot be read, or is of a family that is not supported",
            "check spec.model, and spec.model.secretRef for a gated model",
            False,
            Reason.BAD_MODEL,
        ),
        ExitCodeInfo(
            ExitCode.OUT_OF_MEMORY,
            "OutOfMemory",
            "the accelerator's memory was not enough",
            "lower spec.training.batchSize (and raise gradientAccumulation), spec.dataset.limits.maxTokens or "
            "spec.dataset.image.maxPixels",
            False,
            Reason.OUT_OF_MEMORY,
        ),
        ExitCodeInfo(
            ExitCode.STORAGE_FAILED,
            "StorageFailed",
            "a file, or an artifact at one of its destinations, could not be written or read",
            "check that the claims have room and can be written by the pod's user, and that a destination's Secret may "
            "write there",
            True,
            Reason.STORAGE_FAILED,
        ),
        ExitCodeInfo(
            ExitCode.KILLED,
            "Killed",
            "the process was killed from outside, most often because the node's memory was not enough",
            "raise spec.resources.memory",
            True,
            Reason.KILLED,
        ),
        ExitCodeInfo(
            ExitCode.TERMINATED,
            "Terminated",
            "the process was asked to stop and saved a checkpoint",
            "nothing to do: the next pod resumes from the checkpoint",
            True,
            Reason.KILLED,
        ),
    )
}
"""By code. A code that is not here is unknown to the trainer: treat it as TRAINER_ERROR."""


def explain(code: int) -> ExitCodeInfo:
    """What is known about an exit code."""
    return EXIT_CODES.get(code, EXIT_CODES[ExitCode.TRAINER_ERROR])
