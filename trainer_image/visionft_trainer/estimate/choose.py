"""How the samples of a step are brought through the model, where `batchSize` or `gradientCheckpointing` is auto.

Of the ways that fit into the GPU's memory, the fastest: checkpointing computes every forward pass twice, and each pass
takes a time of its own, mostly for unpacking the weights, that large micro-batches spread over more samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from visionft_api.quantities import format_size
from visionft_api.spec import TrainingSpec
from visionft_api.spec.training import DEFAULT_EFFECTIVE_BATCH_SIZE

from visionft_trainer.errors import BadConfigError
from visionft_trainer.estimate.memory import Model, Needs, needs
from visionft_trainer.estimate.sizes import RowSize, worst_batch
from visionft_trainer.training.batching import Batching

USABLE = 0.9
"""Share of the GPU's memory that is planned with; the rest is for what the allocator cannot use again and for error."""
CHECKPOINTING_COST = 1 / 3
"""Of the time of a pass: one forward more, beside a forward and a backward of two forwards' time."""
PASS_TOKENS = 3000
"""Tokens that could be computed in the time that a pass takes by itself. An H200 showed 1,000 for a model of 7 billion
parameters and 7,000 for one of 2 billion (benchmarks/gpu)."""
CPU_MICRO_BATCH = 16
"""Samples at a time on a CPU, which gains nothing from more."""


@dataclass(frozen=True)
class Choice:
    """A way to train, and what it needs."""

    batching: Batching
    needs: Needs
    fits: bool
    """Whether the estimate says that the memory suffices."""
    whole: Needs | None = None
    """What the smallest way needs with the whole model on each GPU, where `auto` shares it out because that does not
    fit."""
    processes: int = 1


def choose(
    training: TrainingSpec,
    model: Model,
    rows: Sequence[RowSize],
    memory: int,
    processes: int = 1,
    shardable: bool = True,
) -> Choice:
    """What is trained on a GPU with `memory` bytes. Numbers in the spec stay as they are.

    With `sharding: auto` the model is shared out among `processes` where no way with the whole of it fits, and it may
    be (`shardable`). When nothing fits, it is the way that needs least, with `fits` False.

    Raises:
        BadConfigError: the samples of a step cannot be shared by the processes.
    """

    def weighed(batching: Batching) -> Choice:
        batch = worst_batch(rows, batching.micro_batch)
        checkpointing = batching.gradient_checkpointing
        found = needs(model, batch, checkpointing=checkpointing, processes=processes, sharded=batching.sharded)
        return Choice(batching, found, fits=found.total <= USABLE * memory, processes=processes)

    def best(ways: Sequence[Batching]) -> Choice:
        choices = [weighed(batching) for batching in ways]
        length = worst_batch(rows, 1).length
        fitting = [choice for choice in choices if choice.fits]
        return min(fitting, key=lambda choice: cost(choice.batching, length)) if fitting else choices[-1]

    choice = best(ways(training, processes))
    if choice.fits or training.sharding != "auto" or processes == 1 or not shardable:
        return choice
    shared = best([replace(way, sharded=True) for way in ways(training, processes)])
    return replace(shared, whole=choice.needs)


def cost(batching: Batching, length: int) -> float:
    """Time for a token, in that of computing one, where rows have `length` tokens."""
    again = CHECKPOINTING_COST if batching.gradient_checkpointing else 0
    return 1 + again + PASS_TOKENS / (batching.micro_batch * length)


def ways(training: TrainingSpec, processes: int) -> list[Batching]:
    """The ways that the spec allows: large micro-batches first, the one that needs least memory last. With
    `sharding: auto` the whole model is on each GPU.

    Raises:
        BadConfigError: the samples of a step cannot be shared by the processes.
    """
    checkpointing = {"always": [True], "never": [False], "auto": [False, True]}[training.gradient_checkpointing]
    if training.batch_size == "auto":
        samples = samples_of_process(training, processes)
        sizes = [size for size in range(samples, 0, -1) if samples % size == 0]
    else:
        samples = training.batch_size * training.gradient_accumulation
        sizes = [training.batch_size]
    sharded = training.sharding == "fsdp" and processes > 1
    return [Batching(size, samples // size, again, sharded) for again in checkpointing for size in sizes]


def on_cpu(training: TrainingSpec, processes: int = 1) -> Batching:
    """What is trained on a CPU, where memory is plentiful and time is not."""
    fitting = [way for way in ways(training, processes) if way.micro_batch <= CPU_MICRO_BATCH]
    return (fitting or ways(training, processes))[0]


def samples_of_process(training: TrainingSpec, processes: int) -> int:
    """Samples of one optimiser step on each process, for `batchSize: auto`. Raises `BadConfigError`."""
    samples = training.effective_batch_size or DEFAULT_EFFECTIVE_BATCH_SIZE
    if samples % processes:
        field = "spec.training.effectiveBatchSize"
        raise BadConfigError(
            f"{field}: {samples} samples a step cannot be shared evenly by {processes} GPUs. Set it to a multiple of "
            f"{processes}, such as {processes * -(-samples // processes)}."
        )
    return samples // processes


def sentence(choice: Choice, memory: int) -> str:
    """What was chosen and why, for people."""
    batching = choice.batching
    how = f"{batching.micro_batch} samples at a time, {batching.accumulation} times a step, " + (
        "with gradient checkpointing" if batching.gradient_checkpointing else "without gradient checkpointing"
    )
    room = f"the GPU's {format_size(memory)}"
    need = f"about {format_size(choice.needs.total)} of {room}"
    shared = f"{need} with its language layers shared out among {choice.processes} GPUs (fsdp)"
    if choice.fits and choice.whole is None:
        return f"{how}: {need}"
    if choice.fits and choice.whole is not None:
        return (
            f"spec.training.sharding: auto is fsdp here. With the whole model on each GPU training is estimated to "
            f"take at least {format_size(choice.whole.total)} of {room}; {how}, {shared}."
        )
    if choice.whole is not None:
        need = f"about {format_size(choice.whole.total)} of {room} with the whole model on each GPU and {shared}"
    elif choice.batching.sharded:
        need = shared
    return (
        f"{how} is estimated to take {need}, which may not suffice. Lower spec.dataset.limits.maxTokens or "
        "spec.dataset.image.maxPixels, leave spec.adapter.vision out, quantise the model, or use a larger GPU."
    )
