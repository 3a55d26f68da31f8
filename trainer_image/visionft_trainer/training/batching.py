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
        smaller = next(size for size in range(self.micro_batch // 2, 0, -1) if self.samples % size == 0)
        return replace(self, micro_batch=smaller, accumulation=self.samples // smaller)
