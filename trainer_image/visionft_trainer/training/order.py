"""Which rows are learnt from when: a pure function of the seed, so that a resumed run, a run on several processes and a
run with smaller micro-batches meet the same rows in the same optimiser steps.

A *unit* is what takes a place in a batch: a row, or a pack of rows. All processes together learn from `step_size`
units in one optimiser step; the last step of an epoch takes what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

GROUPED_STEPS = 50
"""Steps whose units are sorted by length together: enough to pad little, few enough that an epoch stays shuffled."""

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Unit:
    """A row, or the rows of a pack, met in one epoch."""

    epoch: int
    rows: tuple[int, ...]
    """Indices into the split's examples."""


@dataclass(frozen=True)
class Order:
    """The order of `units` units, epoch after epoch. Holds four bytes a unit at most."""

    units: int
    step_size: int
    """Units of one optimiser step over all processes."""
    seed: int
    lengths: np.ndarray[Any, np.dtype[np.int32]] | None = None
    """Tokens of each unit, where units of similar length shall share a step."""

    @property
    def steps(self) -> int:
        """Optimiser steps of an epoch."""
        return -(-self.units // self.step_size)

    def epoch(self, epoch: int) -> Numbers:
        """The units of one epoch, each once: step `s` takes those from `s * step_size` on."""
        random = np.random.default_rng((self.seed, epoch))
        shuffled = random.permutation(self.units)
        return shuffled if self.lengths is None else self._grouped(shuffled, random)

    def _grouped(self, shuffled: Numbers, random: np.random.Generator) -> Numbers:
        """Sort windows of the shuffled units by length and shuffle the full steps that come of it.

        The step with the longest unit comes first: where memory does not suffice, that is seen at once.
        """
        assert self.lengths is not None
        window = GROUPED_STEPS * self.step_size
        ordered = shuffled.copy()
        for start in range(0, self.units, window):
            part = ordered[start : start + window]
            part[:] = part[np.argsort(-self.lengths[part], kind="stable")]
        full = self.units // self.step_size
        steps = ordered[: full * self.step_size].reshape(full, self.step_size)
        random.shuffle(steps, axis=0)
        if full:
            longest = int(self.lengths[steps].max(axis=1).argmax())
            steps[[0, longest]] = steps[[longest, 0]]
        return ordered


def share(units: Sequence[int] | Numbers, process: int, processes: int) -> Numbers:
    """The units of one step that `process` of `processes` learns from: neighbours, as evenly as it goes."""
    return np.array_split(np.asarray(units, dtype=np.int64), processes)[process]
