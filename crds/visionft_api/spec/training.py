"""`spec.training`: how long, how fast, how often saved."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import DECIMAL_PATTERN, DecimalString
from visionft_api.int_or_word import IntOrWord
from visionft_api.rules import Rule, malformed

DEFAULT_EPOCHS = Decimal(1)
VISION_LEARNING_RATE_SHARE = Decimal("0.1")
"""A vision tower is pre-trained on far more pictures than a tune has; a tenth of the rate keeps what it knows."""


DEFAULT_EFFECTIVE_BATCH_SIZE = 16
BatchSize = Annotated[int | Literal["auto"], IntOrWord(1, 4096, "auto")]


class EarlyStoppingSpec(ApiModel):
    """Stop when measuring shows no gain."""

    patience: int = Field(default=3, ge=1, le=1000, description="Measurements without gain before stopping.")
    min_delta: DecimalString = Field(
        default="0", description="Fall of the validation loss that counts as a gain; less does not."
    )


class CheckpointsSpec(ApiModel):
    """What an interrupted run resumes from."""

    every: int = Field(default=100, ge=1, le=1_000_000, description="Steps between checkpoints.")
    keep: int = Field(default=2, ge=1, le=100, description="Checkpoints kept; older ones are removed.")


class TrainingSpec(ApiModel):
    """The optimisation."""

    epochs: DecimalString | None = Field(
        default=None, description='Passes over the training rows, such as "3" or "0.5". Absent, as maxSteps is: "1".'
    )
    max_steps: int | None = Field(default=None, ge=1, le=10_000_000, description="Optimiser steps, in place of epochs.")
    batch_size: BatchSize = Field(
        default=1,
        description="Samples on one GPU at a time. auto: as many as the estimate of memory allows, with "
        "effectiveBatchSize kept.",
    )
    effective_batch_size: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="Samples of one optimiser step over all GPUs, for batchSize auto. Absent: 16.",
    )
    gradient_accumulation: int = Field(
        default=1, ge=1, le=4096, description="Batches whose gradients are added up to one optimiser step."
    )
    learning_rate: DecimalString = Field(default="2e-4", description="Peak learning rate of the adapter.")
    vision_learning_rate: DecimalString | None = Field(
        default=None, description="Peak learning rate in the vision tower. Absent: a tenth of learningRate."
    )
    optimizer: Literal["adamw", "adamw8bit", "pagedAdamw", "pagedAdamw8bit"] = Field(
        default="adamw",
        description="adamw; adamw8bit keeps its state in 8 bits; the paged ones move their state to the CPU's memory "
        "when the GPU's is short.",
    )
    scheduler: Literal[
        "linear", "cosine", "constant", "cosineWithRestarts", "polynomial", "inverseSquareRoot", "warmupStableDecay"
    ] = Field(default="cosine", description="How the learning rate falls after the warm-up.")
    warmup_ratio: DecimalString = Field(
        default="0.03", description='Share of the steps in which the learning rate rises, "0" to below "1".'
    )
    weight_decay: DecimalString = Field(default="0", description='Weight decay of AdamW, "0" to "1".')
    max_grad_norm: DecimalString = Field(default="1.0", description='Norm that gradients are clipped to; "0" is never.')
    seed: int = Field(default=42, ge=0, le=2_147_483_647, description="Seed of everything that is random.")
    packing: bool = Field(default=False, description="Put several samples in one row, kept apart from each other.")
    group_by_length: bool = Field(
        default=False, description="Put samples of similar length into a batch, to pad less. Packing needs none."
    )
    gradient_checkpointing: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Compute activations again in the backward pass, which takes less memory and more time. auto: only "
        "where the estimate of memory says that it is needed.",
    )
    sharding: Literal["auto", "ddp", "fsdp"] = Field(
        default="auto",
        description="How several GPUs share the work: ddp keeps the whole model on each, fsdp a part of it, for what "
        "does not fit one GPU. auto is ddp where the estimate says that it fits, else fsdp.",
    )
    early_stopping: EarlyStoppingSpec | None = Field(
        default=None, description="Stop when the validation rows show no gain. Absent: train to the end."
    )
    checkpoints: CheckpointsSpec = Field(default_factory=CheckpointsSpec, description="What a run resumes from.")

    rules = (
        Rule(
            cel="!has(self.effectiveBatchSize) || self.batchSize == 'auto'",
            holds=lambda m: m.effective_batch_size is None or m.batch_size == "auto",
            message="effectiveBatchSize {effectiveBatchSize} is for batchSize auto; with batchSize {batchSize} set "
            "gradientAccumulation in its place",
            at="effectiveBatchSize",
        ),
        Rule(
            cel="self.batchSize != 'auto' || self.gradientAccumulation == 1",
            holds=lambda m: m.batch_size != "auto" or m.gradient_accumulation == 1,
            message="gradientAccumulation {gradientAccumulation} would be ignored: batchSize auto chooses it; remove "
            "it and set effectiveBatchSize",
            at="gradientAccumulation",
        ),
        Rule(
            cel="!self.packing || !self.groupByLength",
            holds=lambda m: not m.packing or not m.group_by_length,
            message="groupByLength true has no effect with packing true, which leaves no padding; set one to false",
            at="groupByLength",
        ),
        Rule(
            cel="!has(self.epochs) || !has(self.maxSteps)",
            holds=lambda m: m.epochs is None or m.max_steps is None,
            message='epochs "{epochs}" and maxSteps {maxSteps} are both set; remove one of them',
            at="maxSteps",
        ),
        Rule(
            cel="!has(self.epochs) || (double(self.epochs) > 0.0 && double(self.epochs) <= 10000.0)",
            holds=lambda m: m.epochs is None or 0 < float(m.epochs) <= 10_000,
            message='epochs "{epochs}" must be above 0 and at most 10000; usual values are "1" to "5"',
            at="epochs",
            unless=(malformed("epochs", DECIMAL_PATTERN),),
        ),
        Rule(
            cel="double(self.learningRate) > 0.0 && double(self.learningRate) < 1.0",
            holds=lambda m: 0 < float(m.learning_rate) < 1,
            message='learningRate "{learningRate}" must be above 0 and below 1; usual values are "1e-5" to "1e-3"',
            at="learningRate",
            unless=(malformed("learningRate", DECIMAL_PATTERN),),
        ),
        Rule(
            cel="!has(self.visionLearningRate) || "
            "(double(self.visionLearningRate) > 0.0 && double(self.visionLearningRate) < 1.0)",
            holds=lambda m: m.vision_learning_rate is None or 0 < float(m.vision_learning_rate) < 1,
            message='visionLearningRate "{visionLearningRate}" must be above 0 and below 1; to leave the vision tower '
            "as it is set spec.adapter.vision to false",
            at="visionLearningRate",
            unless=(malformed("visionLearningRate", DECIMAL_PATTERN),),
        ),
        Rule(
            cel="double(self.warmupRatio) < 1.0",
            holds=lambda m: float(m.warmup_ratio) < 1,
            message='warmupRatio "{warmupRatio}" must be below 1: it is a share of the steps; usual is "0.03"',
            at="warmupRatio",
            unless=(malformed("warmupRatio", DECIMAL_PATTERN),),
        ),
        Rule(
            cel="double(self.weightDecay) <= 1.0",
            holds=lambda m: float(m.weight_decay) <= 1,
            message='weightDecay "{weightDecay}" must be at most 1; usual values are "0" to "0.1"',
            at="weightDecay",
            unless=(malformed("weightDecay", DECIMAL_PATTERN),),
        ),
    )

    @property
    def planned_epochs(self) -> Decimal | None:
        """Epochs to train, or None where maxSteps decides."""
        if self.max_steps is not None:
            return None
        return DEFAULT_EPOCHS if self.epochs is None else Decimal(self.epochs)

    @property
    def effective_vision_learning_rate(self) -> Decimal:
        """Peak learning rate in the vision tower, the default filled in."""
        if self.vision_learning_rate is not None:
            return Decimal(self.vision_learning_rate)
        return Decimal(self.learning_rate) * VISION_LEARNING_RATE_SHARE
