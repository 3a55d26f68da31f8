"""Several processes that train one model: who is who, and the few numbers and tensors that they exchange.

The libraries above (transformers, TRL, accelerate) are not told about the other processes: each of them trains on its
share of a step, and what must be common (token counts, losses, gradients, the wish to stop) is added up here. That is
data parallelism with one exchange of gradients a step; a row without pictures, a share without rows or memory that runs
out on one process hang nothing, because nobody waits in the middle of a backward pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from visionft_trainer.processes.launch import LOCAL_RANK, RANK, SIZE, Member

PATIENCE = timedelta(days=2)
"""How long a process waits for another: one may write a checkpoint or measure while the others wait. A process that
ended ends its team at once in another way, see `launch`."""
BUCKET_ELEMENTS = 2**24
"""Gradients travel in pieces of at most this many numbers (64 MiB)."""


@dataclass(frozen=True)
class Team:
    """The processes of a run; one alone needs no connection."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process reads, measures, reports and writes."""
        return self.rank == 0

    def sum(self, numbers: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, the same on each; in place."""
        if self.size > 1:
            distributed.all_reduce(numbers)
        return numbers

    def largest(self, number: int) -> int:
        """The largest that any process has."""
        if self.size == 1:
            return number
        numbers = torch.zeros(self.size, device="cuda" if distributed.get_backend() == "nccl" else "cpu")
        numbers[self.rank] = number
        return int(self.sum(numbers).max())

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter], present: torch.Tensor) -> None:
        """Replace each gradient by the sum over all processes.

        `present[i]` counts the processes on which parameter i has a gradient: one that has none anywhere keeps none,
        so that the optimizer leaves it alone as it would in one process.
        """
        if self.size == 1:
            return
        bucket: list[torch.Tensor] = []
        for parameter, count in zip(parameters, present.tolist(), strict=True):
            if not count:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            bucket.append(parameter.grad)
            if sum(gradient.numel() for gradient in bucket) >= BUCKET_ELEMENTS:
                _add(bucket)
                bucket = []
        _add(bucket)

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.size > 1:
            distributed.barrier()


def _add(gradients: list[torch.Tensor]) -> None:
    if not gradients:
        return
    flat = torch.cat([gradient.reshape(-1).float() for gradient in gradients])
    distributed.all_reduce(flat)
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def join(member: Member, *, on_gpu: bool) -> Team:
    """Meet the other processes: NCCL between GPUs, gloo on CPU.

    They find each other by torchrun's address where there is one, else by a file in their common folder. The variables
    by which the libraries above would find them too are taken out of the environment.
    """
    meeting = "env://" if "MASTER_ADDR" in os.environ else f"file://{member.folder / 'meeting'}"
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=meeting,
        rank=member.rank,
        world_size=member.size,
        timeout=PATIENCE,
        device_id=torch.device("cuda", 0) if on_gpu else None,
    )
    for name in (RANK, SIZE, LOCAL_RANK):
        os.environ.pop(name, None)
    return Team(member.rank, member.size)


def leave() -> None:
    """Part from the others."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
