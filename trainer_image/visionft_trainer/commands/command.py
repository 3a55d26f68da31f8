"""What a command is, and what it is given."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from visionft_api.run_file import RunFile

from visionft_trainer.processes.launch import Member
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop


@dataclass(frozen=True)
class Call:
    """One call of a command."""

    arguments: argparse.Namespace
    words: Sequence[str]
    """The arguments as they were typed."""
    run_file: RunFile
    settings: Settings
    stop: Stop
    member: Member | None
    """Where this process is one of several that train together."""


@dataclass(frozen=True)
class Tool:
    """A command that takes no manifest, and neither claims nor a device: it has all its options itself."""

    name: str
    summary: str
    description: str
    example: str
    add_options: Callable[[argparse.ArgumentParser], None]
    execute: Callable[[argparse.Namespace], int]
    """Gives the exit code. Raises `RunError` where it fails."""


@dataclass(frozen=True)
class Command:
    """A line of `visionft-trainer --help`, and a page of its own."""

    name: str
    summary: str
    description: str
    """What it does and what it leaves where."""
    example: str
    """A call that works, and what comes of it."""
    add_options: Callable[[argparse.ArgumentParser], None]
    execute: Callable[[Call], int]
    """Gives the exit code. A failure while it works is told by it; see `ending.work`."""
    computes: bool = True
    """Whether it runs the model, so that it matters what it computes on."""
