"""The layers of a model as plain numbers: what the formulas of `activations` need to know of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Region = Literal["vision", "language"]
HALF, FULL = 2, 4  # bytes a number: autocast computes in 16 bits, norms in 32
ATTENTION_INPUTS = ("q_proj", "k_proj", "v_proj", "qkv", "qkv_proj")


@dataclass(frozen=True)
class Linear:
    """One linear layer."""

    name: str
    """Within its block, such as `self_attn.q_proj`."""
    inputs: int
    outputs: int
    bits: int
    """Of a stored weight: 4, 8, 16 or 32."""
    rank: int = 0
    """Of its adapter; 0: it has none."""
    dora: bool = False
    dropout: bool = False
    trained: bool = False
    """Its own weight is trained."""

    @property
    def adapted(self) -> bool:
        return self.rank > 0


@dataclass(frozen=True)
class Attention:
    """Widths, all heads together."""

    heads: int
    queries: int
    keys: int
    values: int
    fused: bool
    """Queries, keys and values come out of one layer."""
    normed: bool
    """Queries and keys pass an RMS norm."""
    cross: bool = False
    """Keys and values come from the pictures."""


@dataclass(frozen=True)
class Mlp:
    """The feed-forward part."""

    width: int
    gated: bool
    sigmoid_gelu: bool


@dataclass(frozen=True)
class Block:
    """One transformer layer."""

    name: str
    region: Region
    checkpointed: bool
    """Whether it can be computed again in the backward pass."""
    width: int
    norms: int
    """Numbers a token that pass through norms."""
    attention: Attention | None
    mlp: Mlp | None
    linears: tuple[Linear, ...] = field(default=())

    @property
    def trained(self) -> bool:
        return any(linear.adapted or linear.trained for linear in self.linears)

    @property
    def largest_weight(self) -> int:
        """Numbers in the largest quantised weight, which is unpacked while it is used."""
        return max((linear.inputs * linear.outputs for linear in self.linears if linear.bits < 16), default=0)


@dataclass(frozen=True)
class Tower:
    """What a vision encoder holds beside its layers."""

    mask: Literal["none", "picture", "joined"] = "none"
    """Of its attention: none; one for each picture; or one over all pictures in a row, so that its size grows with the
    square of the micro-batch."""
    states: int = 0
    """Layers' outputs that are alive until its end, for the language model to choose from."""
    stacked: int = 0
    """Copies of such outputs that are made at its end."""
    state_bytes: int = HALF
    """A number of such an output: 4 where the first thing is a norm, which makes 32 bits of all that follows."""
