"""From the order of rows to what a process learns from in one optimiser step, in micro-batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from visionft_trainer.prepare.collate import Batch
from visionft_trainer.prepare.packing import pack
from visionft_trainer.prepare.preprocess import IGNORED, Prepared
from visionft_trainer.processes.distributed import Team
from visionft_trainer.training.order import Order, Unit, share

Collate = Callable[[Sequence[Unit]], Batch]


@dataclass
class Work:
    """A process's share of one optimiser step; the share may be empty."""

    units: Sequence[Unit]
    offset: int
    """Place of the first unit in the whole step."""
    collate: Collate
    micro_batch: int = 0
    batches: list[Batch] = field(default_factory=list)

    def cut(self, micro_batch: int) -> None:
        """Make the batches of at most `micro_batch` units, unless they are there."""
        if self.micro_batch == micro_batch:
            return
        self.micro_batch = micro_batch
        self.batches = [
            self.collate(self.units[start : start + micro_batch]) for start in range(0, len(self.units), micro_batch)
        ]

    @property
    def answer_tokens(self) -> int:
        """Tokens that the loss is taken over."""
        return sum(answer_tokens(batch) for batch in self.batches)


def answer_tokens(batch: Batch) -> int:
    """Labels that are predicted: the first of a row has nothing before it."""
    return int(batch["labels"][..., 1:].ne(IGNORED).sum())


@dataclass(frozen=True)
class Units:
    """What the order is an order of. Without packs, unit n is row n."""

    lengths: np.ndarray[Any, np.dtype[np.int32]]
    packs: Sequence[Sequence[int]] | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def unit(self, epoch: int, number: int) -> Unit:
        """Unit `number` as it is met in `epoch`."""
        return Unit(epoch, (number,) if self.packs is None else tuple(self.packs[number]))


def units_of(prepared: Prepared, pack_tokens: int | None = None) -> Units:
    """The units of a split: its rows, or packs of them with at most `pack_tokens` tokens each."""
    if pack_tokens is None:
        return Units(prepared.lengths)
    packs = pack(prepared.lengths if prepared.longest is None else prepared.longest, pack_tokens)
    return Units(packs.lengths, packs)


class Steps(Sampler[list[tuple[int, Unit]]]):
    """The shares of one process, step by step; which epoch it is, the trainer says before each."""

    def __init__(self, units: Units, order: Order, team: Team) -> None:
        self._units = units
        self._order = order
        self._team = team
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """From the next iteration on."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._order.steps

    def __iter__(self) -> Iterator[list[tuple[int, Unit]]]:
        numbers = self._order.epoch(self._epoch)
        size = self._order.step_size
        for start in range(0, len(numbers), size):
            step = numbers[start : start + size]
            mine = share(range(len(step)), self._team.rank, self._team.size)
            yield [(int(place), self._units.unit(self._epoch, int(step[place]))) for place in mine]


class _Places(Dataset[Any]):
    """Hands the sampler's items on: what they stand for is looked up by the collator."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, item: Any) -> Any:
        return item


class StepLoader(DataLoader[Any]):
    """Gives one `Work` for each optimiser step. Skipping steps reads no row."""

    def set_epoch(self, epoch: int) -> None:
        """What transformers' Trainer calls before each epoch."""
        assert isinstance(self.batch_sampler, Steps)
        self.batch_sampler.set_epoch(epoch)


def step_loader(units: Units, order: Order, team: Team, collate: Collate, micro_batch: Callable[[], int]) -> StepLoader:
    """The loader of one process. `micro_batch()` is asked at each step."""
    return StepLoader(
        _Places(len(units)), batch_sampler=Steps(units, order, team), collate_fn=_Cutting(collate, micro_batch)
    )


@dataclass(frozen=True)
class _Cutting:
    collate: Collate
    micro_batch: Callable[[], int]

    def __call__(self, places: Sequence[tuple[int, Unit]]) -> Work:
        work = Work([unit for _, unit in places], places[0][0] if places else 0, self.collate)
        work.cut(self.micro_batch())
        return work


def labels_off(batch: Batch) -> Batch:
    """The batch with nothing to learn: for a process that must only keep pace."""
    return {**batch, "labels": torch.full_like(batch["labels"], IGNORED)}
