"""What a training needs on one GPU: the sum of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from visionft_trainer.estimate.activations import Activations, Batch, Head, activations
from visionft_trainer.estimate.layers import FULL, Block, Tower
from visionft_trainer.estimate.reading import blocks_of, tower_of
from visionft_trainer.estimate.tensors import Shareable, Tensors, frozen_bytes, shareable, shared_out, tensors_of
from visionft_trainer.families import Family
from visionft_trainer.processes.distributed import BUCKET_ELEMENTS

MIB = 2**20
DRIVER_BYTES = 768 * MIB
"""CUDA's context and the libraries' own buffers: outside torch's allocator, seen by nvidia-smi. Measured on an H200."""
WORKSPACE_BYTES = 64 * MIB
"""cuBLAS's workspace, which torch's allocator holds."""

GATHERED_LAYERS = 2
"""Of FSDP2: a layer's weights, and the buffer into which those of the next one are gathered meanwhile."""
GATHERED_GRADIENTS = 2
"""Of FSDP2: a layer's gradients, and those of the layer before on their way to where they are added up."""


@dataclass(frozen=True)
class Needs:
    """Bytes on one GPU, by what they are for; and what loading takes beside it."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: Activations
    exchange: int
    """Gradients on their way to other processes."""
    workspace: int
    gathered: int = 0
    """Layers that are shared out, whole for the time that they run."""
    host: int = 0
    """Of the node's memory: the whole model, as each process loads it before its layers are shared out."""

    @property
    def allocated(self) -> int:
        """The highest that `torch.cuda.max_memory_allocated` shows."""
        return (
            self.weights
            + self.adapter
            + self.gradients
            + self.optimizer
            + self.activations.total
            + self.exchange
            + self.workspace
            + self.gathered
        )

    @property
    def total(self) -> int:
        """What nvidia-smi shows: torch's allocations and the driver's."""
        return self.allocated + DRIVER_BYTES


@dataclass(frozen=True)
class Model:
    """An adapted model, as the estimate sees it."""

    tensors: Tensors
    blocks: tuple[Block, ...]
    head: Head
    vision_graph: bool
    """Whether the vision encoder is part of the graph: some of it is trained."""
    tower: Tower
    shareable: Shareable
    shipped: int = 0
    """Bytes of the whole model without quantisation."""


def describe(model: Any, family: Family, optimizer: str) -> Model:
    """Read the adapted `model`, which may lie on the meta device."""
    blocks = tuple(blocks_of(model, family))
    head: Any = model.get_output_embeddings()
    words, width = head.weight.shape
    return Model(
        tensors_of(model, optimizer),
        blocks,
        Head(width, words, trained=head.weight.requires_grad),
        vision_graph=any(block.trained for block in blocks if block.region == "vision"),
        tower=tower_of(model.config),
        shareable=shareable(model, family),
        shipped=frozen_bytes(model, plain=model.get_input_embeddings().weight.dtype),
    )


def needs(model: Model, batch: Batch, *, checkpointing: bool, processes: int = 1, sharded: bool = False) -> Needs:
    """What one GPU must hold for micro-batches like `batch`. Each of several processes holds the whole model, or, when
    `sharded`, its part of the language layers and all else."""
    part, tensors, gathered, host = model.shareable, model.tensors, 0, 0
    exchanged = model.tensors.gradients if processes > 1 else 0
    if sharded:
        tensors = shared_out(model.tensors, part, processes)
        gathered = GATHERED_LAYERS * part.largest + GATHERED_GRADIENTS * part.largest_trained
        host = model.tensors.weights + model.tensors.adapter
        exchanged -= part.trained  # they are added up layer by layer
    return Needs(
        weights=tensors.weights,
        adapter=tensors.adapter,
        gradients=tensors.gradients,
        optimizer=0 if tensors.paged else tensors.optimizer,  # it gives way when memory is short
        activations=activations(
            model.blocks,
            model.head,
            batch,
            checkpointing=checkpointing,
            vision_graph=model.vision_graph,
            tower=model.tower,
        ),
        exchange=min(exchanged, FULL * BUCKET_ELEMENTS),
        workspace=WORKSPACE_BYTES,
        gathered=gathered,
        host=host,
    )
