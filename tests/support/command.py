"""The command line inside the test's own process: importing torch anew takes ten times as long as what is tested."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from visionft_trainer import cli


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str
    """Its log is part of it."""


def visionft_trainer(*words: object) -> Done:
    """`visionft-trainer WORDS`. What it changes of the process is put back."""
    out, err = io.StringIO(), io.StringIO()
    with _put_back(), redirect_stdout(out), redirect_stderr(err):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


@contextmanager
def _put_back() -> Iterator[None]:
    """Environment and logging as they were."""
    environment = dict(os.environ)
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []  # so that the command sets up its own log
    try:
        yield
    finally:
        root.handlers = handlers
        os.environ.clear()
        os.environ.update(environment)
