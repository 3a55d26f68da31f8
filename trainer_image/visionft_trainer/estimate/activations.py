"""What a forward pass keeps for the backward pass, and what both need for a moment, in bytes.

Each formula follows from what autograd saves for the operations of a layer, in 16-bit autocast; a test holds them
against `saved_tensors_hooks`. `h` stands for a layer's width, `f` for that of its feed-forward part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visionft_trainer.estimate.layers import ATTENTION_INPUTS, FULL, HALF, Block, Linear, Tower

EIGHT_BIT = 8
MASK_ALIGNMENT = 8  # the attention kernel pads a mask's rows to a multiple of this

# TRL's loss (trl.kernels.chunked_logprob) computes the logits in tiles of tokens x words, of answers alone.
LOSS_TILE_TOKENS, LOSS_TILE_WORDS = 4096, 32768


@dataclass(frozen=True)
class Batch:
    """What one micro-batch brings."""

    rows: int
    length: int
    """Tokens of the longest row, to which the others are padded."""
    padded: bool
    """The rows differ in length, so that attention needs a mask."""
    answers: int
    """Tokens that are learnt, all rows together."""
    patches: int
    """Positions in the vision encoder, all pictures together."""
    images: int
    """Pictures, all rows together."""
    pictures: int
    """Bytes of the processed pictures."""

    @property
    def tokens(self) -> int:
        """Positions in the language model, padding included."""
        return self.rows * self.length


@dataclass(frozen=True)
class Head:
    """From the last layer to the loss."""

    width: int
    words: int
    trained: bool = False


@dataclass(frozen=True)
class Activations:
    """Bytes of one micro-batch."""

    kept: int
    """Alive from the forward pass to its backward pass."""
    working: int
    """On top, at the moment that needs most."""

    @property
    def total(self) -> int:
        return self.kept + self.working


def activations(
    blocks: Sequence[Block],
    head: Head,
    batch: Batch,
    *,
    checkpointing: bool,
    vision_graph: bool,
    tower: Tower,
) -> Activations:
    """The need of one forward and backward pass.

    `vision_graph` says whether the vision encoder is part of the graph; without one it keeps nothing.
    """
    mask = _mask_bytes(batch, tower)
    vision = [block for block in blocks if block.region == "vision"]
    language = [block for block in blocks if block.region == "language"]
    kept_vision = mask + sum(_held(block, batch, checkpointing) for block in vision) if vision_graph else 0
    kept_language = sum(_held(block, batch, checkpointing) for block in language)
    kept = batch.pictures + kept_vision + kept_language + _head_kept(head, batch)
    moments = [
        _loss(head, batch),
        *(_recomputed(block, batch, checkpointing) + _backward(block, batch) for block in language),
        # By the time that the vision encoder's turn comes, the language model has let go of everything.
        *(
            _recomputed(block, batch, checkpointing) + _backward(block, batch) - kept_language
            for block in vision
            if vision_graph
        ),
        *(_frozen(block, batch, tower) + mask - kept_language for block in vision if not vision_graph),
    ]
    return Activations(kept, max(moments))


def kept_by(block: Block, batch: Batch) -> int:
    """Bytes that autograd saves in one layer that is not computed again."""
    tokens = _tokens(block, batch)
    return (
        tokens * FULL * block.norms  # a norm works on a 32-bit copy of its input
        + _attention_kept(block, batch)
        + tokens * _mlp_kept(block)
        + tokens * _inputs_kept(block)
        + sum(_weights_kept(linear) for linear in block.linears)
    )


def _held(block: Block, batch: Batch, checkpointing: bool) -> int:
    """From forward to backward: everything, or only the input that it can be computed from."""
    if checkpointing and block.checkpointed:
        return _tokens(block, batch) * HALF * block.width
    return kept_by(block, batch)


def _recomputed(block: Block, batch: Batch, checkpointing: bool) -> int:
    return kept_by(block, batch) if checkpointing and block.checkpointed else 0


def _tokens(block: Block, batch: Batch) -> int:
    return batch.patches if block.region == "vision" else batch.tokens


def _attention_kept(block: Block, batch: Batch) -> int:
    """Queries, keys, values, output and the sums of its softmax, as the fused kernels save them."""
    attention = block.attention
    if attention is None:
        return 0
    tokens = _tokens(block, batch)
    sources = batch.patches if attention.cross else tokens
    masked = block.region == "language" and (batch.padded or attention.cross)
    keys, values = attention.keys, attention.values
    if masked:  # with a mask the kernel does not share keys and values among heads: they are repeated
        keys = values = attention.queries
    kept = HALF * (2 * attention.queries * tokens + (keys + values) * sources) + FULL * attention.heads * tokens
    if attention.fused:  # values are a view, which keeps what they were cut from
        kept += HALF * (attention.queries + attention.keys) * tokens
    if attention.normed:
        kept += FULL * (attention.queries * tokens + attention.keys * sources)
    if masked:  # the mask in the form that the kernel takes, made anew in each layer
        width = sources // batch.rows if attention.cross else batch.length
        kept += HALF * batch.rows * batch.length * -(-width // MASK_ALIGNMENT) * MASK_ALIGNMENT
    return kept


def _mlp_kept(block: Block) -> int:
    """A gated part keeps the gate before and after its activation, and what it is multiplied by."""
    if block.mlp is None:
        return 0
    copies = 3 if block.mlp.gated else 2 if block.mlp.sigmoid_gelu else 1
    return HALF * copies * block.mlp.width


def _inputs_kept(block: Block) -> int:
    """Inputs of what is trained, bytes a token: the gradient of a weight needs them.

    PEFT casts the input of an adapter on a 16-bit layer to 32 bits and autocast casts it back: each such adapter keeps
    a copy. Otherwise the input itself is kept, once for all layers that share it; 8-bit layers keep it in any case.
    """
    kept = 0
    shared: set[str] = set()
    for linear in block.linears:
        kept += HALF * linear.rank
        if linear.adapted and (linear.bits >= 16 or linear.dropout):
            kept += HALF * linear.inputs
        elif linear.adapted or linear.trained or linear.bits == EIGHT_BIT:
            source = _source(linear, block)
            kept += 0 if source in shared else HALF * linear.inputs
            shared.add(source)
        if linear.dropout:
            kept += linear.inputs  # which numbers were dropped
        if linear.dora:
            kept += HALF * 2 * linear.outputs  # the layer's and the adapter's output, scaled by the magnitudes
    return kept - (HALF * block.attention.queries if "output" in shared and block.attention else 0)


def _source(linear: Linear, block: Block) -> str:
    """Layers with the same answer share their input; the attention's output is kept by the attention already."""
    place, _, last = linear.name.rpartition(".")
    if last in ATTENTION_INPUTS:
        return "attention"
    if block.attention is not None and "att" in place:
        return "output"
    return "mlp" if linear.inputs == block.width else linear.name


def _weights_kept(linear: Linear) -> int:
    """Autocast's 16-bit copies of 32-bit weights: the adapter's, or the layer's own where it is trained."""
    own = linear.inputs * linear.outputs if linear.trained else 0
    return HALF * (linear.rank * (linear.inputs + linear.outputs) + own)


def _mask_bytes(batch: Batch, tower: Tower) -> int:
    if tower.mask == "none" or not batch.images:
        return 0
    if tower.mask == "joined":
        return HALF * batch.patches**2
    return HALF * batch.images * (batch.patches // batch.images) ** 2


def _frozen(block: Block, batch: Batch, tower: Tower) -> int:
    """The most that the encoder needs at one time without a graph: in its last layer, about what that would keep beside
    the outputs of those before; or when chosen outputs are put together at its end."""
    state = tower.state_bytes * block.width * batch.patches
    return max(tower.states * state + kept_by(block, batch), (tower.states + tower.stacked) * state)


def _backward(block: Block, batch: Batch) -> int:
    """The most that a layer's backward pass needs on top of what was kept.

    That moment is the start of the feed-forward part: the gradient of its inner product has been made, what that was
    computed from is still there, and so are the gradients of the layer's output and input; one weight is unpacked. DoRA
    multiplies an adapter out, in 32 bits, beside the weight.
    """
    inner = block.mlp.width if block.mlp else 0
    dora = 2 * FULL * max((linear.inputs * linear.outputs for linear in block.linears if linear.dora), default=0)
    return _tokens(block, batch) * HALF * (inner + 2 * block.width) + HALF * block.largest_weight + dora


def _head_kept(head: Head, batch: Batch) -> int:
    """The last norm's 32-bit copy, its output, and the positions that are learnt."""
    return (FULL + HALF) * head.width * batch.tokens + HALF * head.width * batch.answers


def _loss(head: Head, batch: Batch) -> int:
    """A tile of logits, the 32-bit gradient of its inputs, and that of the head where it is trained."""
    tile = HALF * min(batch.answers, LOSS_TILE_TOKENS) * min(head.words, LOSS_TILE_WORDS)
    trained = FULL * head.width * head.words if head.trained else 0
    return tile + FULL * head.width * batch.answers + HALF * head.width * batch.tokens + trained
