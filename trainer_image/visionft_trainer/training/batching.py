"""How the samples of one optimiser step are brought through the model."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Batching:
    """The shape of a step on each process. What is learnt follows from `samples`; the rest is memory and time."""

    micro_batch: int
    """Samples (packs, when packing) in one forward and backward pass."""
    accumulation: int
    """Passes whose gradients are added up to one optimiser step."""
    gradient_checkpointing: bool
    """Whether activations are computed again in the backward pass in place of being kept."""
    sharded: bool = False
    """Whether the language layers lie in parts on the processes (fsdp)."""
    bound: int | None = None
    """The largest micro-batch that there is memory for, where an earlier try of this run found that out."""

    @property
    def samples(self) -> int:
        """Samples of one optimiser step on one process."""
        return self.micro_batch * self.accumulation

    def halved(self) -> Batching | None:
        """The same samples in twice as many passes, at about half the memory; None when a pass is one sample.

        An odd micro-batch has no half with the same samples: it goes to the largest smaller one that divides them.
        """
        if self.micro_batch == 1:
            return None
        return self.cut_to(self.micro_batch // 2)

    def cut_to(self, most: int) -> Batching:
        """The same samples in micro-batches of at most `most`."""
        if self.micro_batch <= most:
            return self
        smaller = next(size for size in range(most, 0, -1) if self.samples % size == 0)
        return replace(self, micro_batch=smaller, accumulation=self.samples // smaller)

    def bounded(self, bound: int) -> Batching:
        """The same samples in micro-batches that never grow beyond `bound`."""
        return replace(self.cut_to(bound), bound=bound)

    def instead_of(self, before: Batching, step: int) -> str:
        """What is said when memory was out at `step` and this way to train took the place of `before`."""
        return (
            f"The GPU's memory was out at step {step}: from there on {self.micro_batch} samples are computed at a "
            f"time, {self.accumulation} times a step, in place of {before.micro_batch}, {before.accumulation} times. "
            "What is learnt is the same, a step takes longer."
        )
