"""From any error to an exit code and a sentence for a person."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from visionft_api.exit_codes import EXIT_CODES, ExitCode
from visionft_api.parse import ManifestError

from visionft_trainer.errors import Interrupted, RunError, is_storage_error

# What torch, the C++ runtime and CUDA's libraries say when memory is out; only torch has a type for it.
OUT_OF_MEMORY_PHRASES = ("out of memory", "can't allocate memory", "cannot allocate memory", "std::bad_alloc")
OUT_OF_MEMORY_TYPE = "OutOfMemoryError"  # of torch, named so that torch need not be imported to fail
MODELS_CODE = "transformers_modules"  # the package in which transformers runs the code that comes with a model


@dataclass(frozen=True)
class Failure:
    """How a run failed."""

    exit_code: int
    message: str
    detail: str | None = None
    """The traceback of an error that nobody expected."""


def classify(error: BaseException) -> Failure:
    """What `error` is to the user."""
    if isinstance(error, Interrupted):
        return Failure(error.exit_code, f"The run was {error}. Start it again: it goes on where it stopped.")
    if isinstance(error, RunError):
        return Failure(error.exit_code, str(error))
    if isinstance(error, ManifestError):
        return Failure(ExitCode.BAD_CONFIG, str(error))
    if _is_out_of_memory(error):
        mend = EXIT_CODES[ExitCode.OUT_OF_MEMORY].mend
        first_line = (str(error).splitlines() or [""])[0]
        return Failure(ExitCode.OUT_OF_MEMORY, f"Memory is out ({first_line}): {mend}.")
    if is_storage_error(error):
        mend = EXIT_CODES[ExitCode.STORAGE_FAILED].mend
        return Failure(ExitCode.STORAGE_FAILED, f"A file could not be read or written ({error}): {mend}.")
    place = _place_in_models_code(error)
    if place is not None:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        return Failure(
            ExitCode.BAD_MODEL,
            f"The code that comes with the model failed at {place} ({type(error).__name__}: {reason}). Mend it there "
            "and pin it anew in spec.model.revision, or use a family that needs no code of its own.",
        )
    trace = "".join(traceback.format_exception(error))
    return Failure(
        ExitCode.TRAINER_ERROR,
        f"The trainer stopped on an error that it did not expect: {type(error).__name__}: {error}. The log has the "
        "traceback; please report it.",
        trace,
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == OUT_OF_MEMORY_TYPE:
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in OUT_OF_MEMORY_PHRASES)


def _place_in_models_code(error: BaseException) -> str | None:
    """File and line of the innermost part of `error` that is a model's own code."""
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == MODELS_CODE:
            place = f"{Path(frame.f_code.co_filename).name}, line {line}"
    return place
