"""Stage 5: TRL's SFTTrainer over prepared rows, with checkpoints that resume exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset  # type: ignore[import-untyped]
from transformers import PrinterCallback, TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer
from visionft_api.spec import TrainingSpec, VisionFineTuneSpec

from visionft_trainer import checkpoints
from visionft_trainer.batching import Batching
from visionft_trainer.collate import Collator
from visionft_trainer.errors import BadConfigError, writing_to
from visionft_trainer.families import Family
from visionft_trainer.preprocess import Prepared
from visionft_trainer.progress import Progress

PEFT_PREFIX = "base_model.model."  # before the names of the wrapped model's modules


@dataclass(frozen=True)
class Trained:
    """How a training went."""

    steps: int
    history: list[dict[str, float]]
    """What was logged, from the first step on, resumed parts included."""


def train(
    model: Any,
    spec: VisionFineTuneSpec,
    train_rows: Prepared,
    validation_rows: Prepared | None,
    processor: Any,
    family: Family,
    folder: Path,
    progress: Progress,
    batching: Batching,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train the adapter of `model`, going on from the newest sound checkpoint in `folder`.

    When `stop_requested()` turns true, a checkpoint is saved at the end of the step and training returns.

    Raises:
        BadConfigError: the loss is no number any more.
        StorageFailedError: a checkpoint cannot be written.
    """
    trainer = build_trainer(model, spec, train_rows, validation_rows, processor, family, folder, batching)
    total = total_steps(spec.training, batching, len(train_rows.examples))
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Follow(progress, total, batching, stop_requested))
    resumed = checkpoints.newest_valid(folder)
    if resumed is not None and step_of(resumed) >= total:
        trainer.load_weights(resumed)
        return Trained(total, _history(resumed))
    if resumed is not None:
        progress.resume(step_of(resumed), total)
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    return Trained(trainer.state.global_step, list(trainer.state.log_history))


def total_steps(training: TrainingSpec, batching: Batching, rows: int) -> int:
    """Optimiser steps of the whole training; a last batch that is not full counts. Follows transformers' Trainer."""
    if training.max_steps is not None:
        return training.max_steps
    steps_per_epoch = max(math.ceil(rows / batching.samples), 1)
    assert training.planned_epochs is not None
    return math.ceil(float(training.planned_epochs) * steps_per_epoch)


def build_trainer(
    model: Any,
    spec: VisionFineTuneSpec,
    train_rows: Prepared,
    validation_rows: Prepared | None,
    processor: Any,
    family: Family,
    folder: Path,
    batching: Batching,
) -> LoraTrainer:
    """The trainer, ready to run. Rows travel as numbers; the collator looks the tensors up."""
    wanted = _trainable(model)
    trainer = LoraTrainer(
        model=model,
        args=arguments(spec, batching, model.device, folder, measure=validation_rows is not None),
        train_dataset=row_numbers(train_rows),
        eval_dataset=row_numbers(validation_rows) if validation_rows else None,
        processing_class=processor,
        data_collator=Collator([split for split in (train_rows, validation_rows) if split], processor, family),
        training=spec.training,
        folder=folder,
        encoder_modules=family.encoder_modules,
    )
    # TRL rounds the adapter of a 4-bit model to bfloat16; it stays float32 here, down to the initial values.
    for parameter, value in wanted:
        parameter.data = value
    return trainer


def arguments(
    spec: VisionFineTuneSpec, batching: Batching, device: torch.device, folder: Path, *, measure: bool
) -> SFTConfig:
    """TRL's settings for `spec`."""
    training = spec.training
    on_gpu = device.type == "cuda"
    bf16 = on_gpu and torch.cuda.is_bf16_supported()
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=batching.micro_batch,
        gradient_accumulation_steps=batching.accumulation,
        learning_rate=float(training.learning_rate),
        lr_scheduler_type="constant_with_warmup" if training.scheduler == "constant" else training.scheduler,
        warmup_steps=float(training.warmup_ratio),  # below 1 it is a share of the steps
        num_train_epochs=float(training.planned_epochs or 1),
        max_steps=training.max_steps or -1,
        max_grad_norm=float(training.max_grad_norm),
        seed=training.seed,
        data_seed=training.seed,
        bf16=bf16,
        fp16=on_gpu and not bf16,
        use_cpu=not on_gpu,
        gradient_checkpointing=batching.gradient_checkpointing,
        eval_strategy="steps" if measure and spec.evaluation.every else "no",
        eval_steps=spec.evaluation.every,
        per_device_eval_batch_size=spec.evaluation.batch_size,
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=training.checkpoints.every,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],  # our own reporter speaks to the operator
        disable_tqdm=True,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,  # rows that do not fit were dropped before
        dataloader_pin_memory=on_gpu,
    )


def row_numbers(prepared: Prepared) -> Dataset:
    """A data set that holds no data: items `{<split>: n}` for the collator to look up."""
    return Dataset.from_dict({prepared.name: range(len(prepared.examples))})


class LoraTrainer(SFTTrainer):
    """SFTTrainer with a learning rate of its own for the vision encoder, and whole checkpoints."""

    def __init__(
        self, *, training: TrainingSpec, folder: Path, encoder_modules: tuple[str, ...], **kwargs: Any
    ) -> None:
        self._training = training
        self._folder = folder
        self._encoder_prefixes = tuple(f"{PEFT_PREFIX}{name}." for name in encoder_modules)
        super().__init__(**kwargs)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW over at most four groups: encoder or not, decayed (matrices) or not (DoRA's magnitudes)."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(
                parameter_groups(model or self.model, self._training, self._encoder_prefixes), fused=True
            )
        return self.optimizer

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Nobody reads it, and counting takes a walk over all parameters at every step."""
        return 0

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Measuring in between draws no random numbers from the training's stream, so it changes nothing."""
        with torch.random.fork_rng():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = self._folder
        with writing_to(folder), checkpoints.writing(folder, self.state.global_step) as draft:
            model.save_pretrained(draft, save_embedding_layers=False)
            self._save_optimizer_and_scheduler(str(draft))
            self._save_scaler(str(draft))
            self._save_rng_state(str(draft))
            self.state.save_to_json(str(draft / TRAINER_STATE_NAME))
        checkpoints.keep_newest(folder, self._training.checkpoints.keep)

    def load_weights(self, checkpoint: Path) -> None:
        """Take the adapter of a checkpoint without training on."""
        self._load_from_checkpoint(str(checkpoint))


def parameter_groups(model: Any, training: TrainingSpec, encoder_prefixes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Trainable parameters by learning rate and weight decay; groups without parameters are left out."""
    groups = []
    for in_encoder, rate in (
        (False, float(training.learning_rate)),
        (True, float(training.effective_vision_learning_rate)),
    ):
        for decayed, decay in ((True, float(training.weight_decay)), (False, 0.0)):
            chosen = [
                parameter
                for name, parameter in model.named_parameters()
                if parameter.requires_grad
                and name.startswith(encoder_prefixes) == in_encoder
                and (parameter.ndim >= 2) == decayed
            ]
            groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return [group for group in groups if group["params"]]


class _Follow(TrainerCallback):
    """Tells `progress` of every step, and ends the training at a step's end when asked to."""

    def __init__(self, progress: Progress, total: int, batching: Batching, stop_requested: Callable[[], bool]) -> None:
        self._progress = progress
        self._total = total
        self._batch = batching.samples
        self._stop_requested = stop_requested

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if self._stop_requested():
            control.should_save = True
            control.should_evaluate = False
            control.should_training_stop = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        logs = logs or {}
        if "eval_loss" in logs:
            self._progress.validated(logs["eval_loss"])
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise BadConfigError(
                f"spec.training.learningRate: the loss is {logs['loss']} at step {state.global_step}: training has "
                "diverged. Lower the learning rate, or set maxGradNorm to 1.0."
            )
        self._progress.trained(
            state.global_step,
            self._total,
            epoch=float(state.epoch or 0),
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            batch=self._batch,
            gpu_memory=torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
        )


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint was saved after."""
    return int(checkpoint.name.rpartition("-")[2])


def _history(checkpoint: Path) -> list[dict[str, float]]:
    state = json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    return list(state["log_history"])


def _trainable(model: Any) -> list[tuple[torch.nn.Parameter, torch.Tensor]]:
    return [(parameter, parameter.data) for parameter in model.parameters() if parameter.requires_grad]
