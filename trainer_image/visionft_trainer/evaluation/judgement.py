"""What judging leaves: every figure with its interval, what follows from them, in one file beside the artifacts."""

from __future__ import annotations

from pydantic import Field
from visionft_api.base import ApiModel
from visionft_api.status import Conclusion, Verdict


class Figure(ApiModel):
    """A metric over some rows, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


Figures = dict[str, Figure]
"""By metric."""


class Measured(ApiModel):
    """One way of answering the same rows."""

    figures: Figures
    samples: int
    seconds: float = Field(description="Time that answering took.")
    tokens: int = Field(description="Tokens that were generated.")


class Alternative(ApiModel):
    """The base model, asked in another way."""

    name: str = Field(description='How the report calls it: "prompt 1", "3 examples".')
    prompt: str | None = Field(default=None, description="The alternative wording, where it is one.")
    measured: Measured
    delta_to_tuned: Figures = Field(description="Tuned minus this one, paired.")


class VisionUse(ApiModel):
    """How one model does when its pictures are of no help, on the rows of `intact`."""

    samples: int = Field(description="The rows: those with pictures, or `visionSamples` of them.")
    intact: Figures
    shuffled: Figures = Field(description="Each row with another row's pictures.")
    blank: Figures = Field(description="Each row with uniform grey pictures.")
    reliance: Figures = Field(
        description="How much better intact is than the better of shuffled and blank; positive: it looks."
    )
    effective_rank: float | None = Field(
        default=None, description="Of the pooled vision features: e to the entropy of their normalised singular values."
    )


class Warn(ApiModel):
    """Something about the result that a person should know; it changes no verdict."""

    reason: str
    message: str


class Judgement(ApiModel):
    """The whole of it."""

    metrics: list[str] = Field(description="In the manifest's order; the first is the one that conclusions are about.")
    samples: int
    baseline: Measured | None = None
    tuned: Measured | None = None
    delta: Figures = Field(default={}, description="Tuned minus baseline, paired.")
    alternatives: list[Alternative] = Field(default=[])
    vision_baseline: VisionUse | None = None
    vision_tuned: VisionUse | None = None
    general_baseline: Measured | None = None
    general_tuned: Measured | None = None
    general_delta: Figures = Field(default={})
    conclusion: Conclusion | None = Field(default=None, description="None where the base model was not measured.")
    verdict: Verdict | None = None
    failed_gates: list[str] = Field(default=[])
    summary: str = Field(default="", description="The verdict in a sentence.")
    warnings: list[Warn] = Field(default=[])
