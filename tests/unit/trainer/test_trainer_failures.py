"""Every error becomes an exit code and a sentence."""

import errno
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from visionft_api.parse import ManifestError
from visionft_api.problems import Problem
from visionft_trainer.errors import BadDatasetError, Interrupted, StorageFailedError, writing_to
from visionft_trainer.failures import classify


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (BadDatasetError("train data x.jsonl: ..."), 11, "train data x.jsonl"),
        (ManifestError([Problem("spec.adapter.rank", 0, "too small")], "m.yaml"), 10, "m.yaml: spec.adapter.rank"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"), 13, "lower spec.training.batchSize"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            13,
            "Memory is out",
        ),
        (MemoryError(), 13, "Memory is out"),
        (OSError(errno.ENOSPC, "No space left on device"), 14, "No space left on device"),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), 14, "claims"),
        (Interrupted("stopped by SIGTERM", 143), 143, "it goes on where it stopped"),
        (Interrupted("stopped by SIGINT", 130), 130, "stopped by SIGINT"),
        (KeyError("surprise"), 1, "did not expect: KeyError: 'surprise'"),
        (RuntimeError("shape mismatch"), 1, "please report it"),
    ],
)
def test_exit_code_and_words(error: BaseException, code: int, words: str) -> None:
    failure = classify(error)
    assert failure.exit_code == code
    assert words in failure.message
    assert "\n" not in failure.message


def test_only_the_unexpected_has_a_traceback() -> None:
    try:
        raise KeyError("surprise")
    except KeyError as error:
        detail = classify(error).detail
    assert detail is not None
    assert "test_only_the_unexpected_has_a_traceback" in detail
    assert classify(BadDatasetError("x")).detail is None


def test_a_failure_in_the_models_own_code_names_file_and_line() -> None:
    scope: dict[str, Any] = {"__name__": "transformers_modules.ported.modeling_x"}
    source = "def forward(values):\n    return len(values.shape)\n"
    exec(compile(source, "/cache/ported/modeling_x.py", "exec"), scope)
    try:
        scope["forward"](3)
    except AttributeError as error:
        failure = classify(error)
    assert failure.exit_code == 12
    assert "failed at modeling_x.py, line 2 (AttributeError: 'int' object has no attribute 'shape')" in failure.message
    assert failure.detail is None


@pytest.mark.parametrize(
    "error", [OSError(errno.EROFS, "Read-only file system"), RuntimeError("PytorchStreamWriter failed writing file")]
)
def test_a_place_that_cannot_be_written_is_named(error: Exception) -> None:
    with pytest.raises(StorageFailedError, match=r"^/results/run-1 cannot be written .*Free space"):
        _write(error)


def _write(error: Exception) -> None:
    with writing_to(Path("/results/run-1")):
        raise error


def test_other_errors_while_writing_keep_their_name() -> None:
    with pytest.raises(KeyError):
        _write(KeyError("mine"))
