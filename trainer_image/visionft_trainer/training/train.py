"""Stage 5: training over prepared rows, with checkpoints that resume exactly."""

from __future__ import annotations

import json
import logging
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
from visionft_api.spec import TrainingSpec, VisionFineTuneSpec

from visionft_trainer.families import Family
from visionft_trainer.model import load
from visionft_trainer.prepare.collate import Collator
from visionft_trainer.prepare.preprocess import Prepared
from visionft_trainer.processes.distributed import Team
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.training import checkpoints, early_stopping, optimizers
from visionft_trainer.training.batching import Batching
from visionft_trainer.training.feed import units_of
from visionft_trainer.training.follow import Follow, StopEarly
from visionft_trainer.training.step_trainer import Flow, StepTrainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """How a training went."""

    steps: int
    history: list[dict[str, float]]
    """What was logged, from the first step on, resumed parts included."""
    shipped_step: int
    """The step whose weights the model has now: the last one, or the best one with early stopping."""
    interrupted: bool
    """Whether it ended because a process was asked to stop."""


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
    team: Team = Team(),  # noqa: B008 - frozen
) -> Trained:
    """Train `model`, going on from the newest sound checkpoint in `folder`.

    When `stop_requested()` turns true, a checkpoint is saved at the end of the step and training returns.

    Raises:
        BadConfigError: the loss is no number any more; or the optimizer does not run on this device.
        StorageFailedError: a checkpoint cannot be written.
    """
    trainer = build_trainer(
        model, spec, train_rows, validation_rows, processor, family, folder, batching, stop_requested, team
    )
    trainer.tell_when_halved(progress.note)
    total = total_steps(spec.training, batching, trainer.units, team.size)
    samples = len(train_rows.examples) / (total_steps_of_epoch(batching, trainer.units, team.size))
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Follow(trainer, progress, total, samples))
    if spec.training.early_stopping is not None:
        trainer.add_callback(StopEarly(trainer, spec.training))
    resumed = checkpoints.newest_valid(folder)
    steps, history = 0, list[dict[str, float]]()
    if resumed is not None:
        steps, history = step_of(resumed), _history(resumed)
        trainer.load_weights(resumed)
        trainer.keep_micro_batches(resumed)
        missed = _missed_measurement(trainer, spec, steps, total, history)
        if missed is not None:
            history.append(missed)
            trainer.add_callback(_Remember(missed))
        progress.resume(steps, total)
    if steps < total and not early_stopping.should_stop(history, spec.training):
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        steps, history = trainer.state.global_step, list(trainer.state.log_history)
    shipped = steps
    if spec.training.early_stopping is not None and not trainer.stop_agreed:
        shipped = _take_best(trainer, folder, history, spec.training, steps)
    if not trainer.stop_agreed:
        for sentence, level in (
            (early_stopping.account(history, spec.training, steps, total, shipped), logging.INFO),
            (early_stopping.overfitting(history), logging.WARNING),
        ):
            if sentence is not None:
                progress.note(sentence, level)
    return Trained(steps, history, shipped, trainer.stop_agreed)


def total_steps(training: TrainingSpec, batching: Batching, units: int, processes: int = 1) -> int:
    """Optimiser steps of the whole training over `units` rows or packs; a last batch that is not full counts."""
    if training.max_steps is not None:
        return training.max_steps
    assert training.planned_epochs is not None
    return math.ceil(float(training.planned_epochs) * total_steps_of_epoch(batching, units, processes))


def total_steps_of_epoch(batching: Batching, units: int, processes: int = 1) -> int:
    """Optimiser steps of one epoch."""
    return -(-units // (batching.samples * processes))


def build_trainer(
    model: Any,
    spec: VisionFineTuneSpec,
    train_rows: Prepared,
    validation_rows: Prepared | None,
    processor: Any,
    family: Family,
    folder: Path,
    batching: Batching,
    stop_requested: Callable[[], bool] = lambda: False,
    team: Team = Team(),  # noqa: B008 - frozen
) -> StepTrainer:
    """The trainer, ready to run. Rows travel as numbers; the collator looks the tensors up."""
    optimizers.check(spec.training, model.device)
    pack_tokens = spec.dataset.limits.max_tokens if spec.training.packing else None
    units = units_of(train_rows, pack_tokens)
    flow = Flow(
        units=units,
        collate=Collator(train_rows, processor, family, pack_tokens=pack_tokens),
        validation=Collator(validation_rows, processor, family) if validation_rows else None,
        validation_rows=len(validation_rows.examples) if validation_rows else 0,
        evaluation_batch=spec.evaluation.batch_size,
        batching=batching,
        team=team,
        stop_requested=stop_requested,
    )
    total = total_steps(spec.training, batching, len(units), team.size)
    wanted = _trainable(model)
    cached = vars(model.config).get("use_cache")
    trainer = StepTrainer(
        model=model,
        args=arguments(spec, batching, model.device, folder, total, measure=validation_rows is not None),
        train_dataset=Dataset.from_dict({"unit": range(len(units))}),  # only its length is looked at
        eval_dataset=Dataset.from_dict({"row": range(flow.validation_rows)}) if validation_rows else None,
        processing_class=processor,
        data_collator=flow.collate,
        flow=flow,
        training=spec.training,
        folder=folder,
        encoder_modules=family.encoder_modules,
    )
    # The library switches the cache off in the configuration, and that would ship with a merged model.
    if cached is None:
        vars(model.config).pop("use_cache", None)
    else:
        model.config.use_cache = cached
    # TRL rounds the adapter of a 4-bit model to bfloat16; it stays float32 here, down to the initial values.
    for parameter, value in wanted:
        parameter.data = value
    return trainer


def arguments(
    spec: VisionFineTuneSpec, batching: Batching, device: torch.device, folder: Path, total: int, *, measure: bool
) -> SFTConfig:
    """TRL's settings for `spec`. To the library a batch is the whole share of a step: see `step_trainer`."""
    training = spec.training
    dtype = load.choose_dtype(device)
    schedule = optimizers.schedule(training, total)
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=batching.samples,
        gradient_accumulation_steps=1,
        learning_rate=float(training.learning_rate),
        lr_scheduler_type=schedule.name,
        lr_scheduler_kwargs=schedule.settings,
        warmup_steps=float(training.warmup_ratio),  # below 1 it is a share of the steps
        num_train_epochs=float(training.planned_epochs or 1),
        max_steps=training.max_steps or -1,
        max_grad_norm=float(training.max_grad_norm),
        seed=training.seed,
        data_seed=training.seed,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        use_cpu=device.type == "cpu",
        activation_checkpointing=batching.gradient_checkpointing,
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
        router_aux_loss_coef=0.0,  # mixtures of experts: the routers are frozen, and prompts would enter the loss
        dataloader_pin_memory=False,  # a step's share is brought to the device batch by batch
    )


def _missed_measurement(
    trainer: StepTrainer, spec: VisionFineTuneSpec, step: int, total: int, history: early_stopping.History
) -> dict[str, float] | None:
    """The measurement that was due at the step of an interruption, made up for where early stopping depends on it."""
    every = spec.evaluation.every
    if spec.training.early_stopping is None or every is None or (step % every and step < total):
        return None
    if any(at == step for at, _ in early_stopping.validation_curve(history)):
        return None
    loss = trainer.evaluate()["eval_loss"]
    entry = {"eval_loss": loss, "step": float(step)}
    minimum = float(spec.training.early_stopping.min_delta)
    if early_stopping.judge([*history, entry], minimum).best_step == step:
        trainer.save_best(step)
    return entry


def _take_best(
    trainer: StepTrainer, folder: Path, history: early_stopping.History, training: TrainingSpec, steps: int
) -> int:
    """Load the weights of the best step, and give its number."""
    assert training.early_stopping is not None
    best = early_stopping.judge(history, float(training.early_stopping.min_delta)).best_step
    if best is None or best == steps:
        return steps
    stored = checkpoints.best_of(folder, best)
    problem = checkpoints.defect(stored)
    if problem is not None:
        log.warning("the best weights, of step %d, are lost (%s); those of the last step ship", best, problem)
        return steps
    trainer.load_weights(stored)
    return best


class _Remember(TrainerCallback):
    """Puts a measurement that was made up for into the history."""

    def __init__(self, entry: dict[str, float]) -> None:
        self._entry = entry

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        state.log_history.append(self._entry)


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint was saved after."""
    return int(checkpoint.name.rpartition("-")[2])


def _history(checkpoint: Path) -> list[dict[str, float]]:
    state = json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    return list(state["log_history"])


def _trainable(model: Any) -> list[tuple[torch.nn.Parameter, torch.Tensor]]:
    return [(parameter, parameter.data) for parameter in model.parameters() if parameter.requires_grad]
