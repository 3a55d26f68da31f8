"""What happens beside the steps: telling the progress, stopping when asked to, stopping early."""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import TrainerCallback
from visionft_api.spec import TrainingSpec

from visionft_trainer.errors import BadConfigError
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.training import early_stopping
from visionft_trainer.training.step_trainer import StepTrainer


class Follow(TrainerCallback):
    """Tells `progress` of every step, and ends the training at a step's end when asked to."""

    def __init__(self, trainer: StepTrainer, progress: Progress, total: int, samples: float) -> None:
        self._trainer = trainer
        self._progress = progress
        self._total = total
        self._samples = samples

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if self._trainer.stop_agreed:
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
            batch=self._samples,
            gpu_memory=torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
        )


class StopEarly(TrainerCallback):
    """Keeps the best weights, and ends the training when measuring shows no gain any more."""

    def __init__(self, trainer: StepTrainer, training: TrainingSpec) -> None:
        assert training.early_stopping is not None
        self._trainer = trainer
        self._training = training
        self._min_delta = float(training.early_stopping.min_delta)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if early_stopping.judge(state.log_history, self._min_delta).best_step == state.global_step:
            self._trainer.save_best(state.global_step)
        if early_stopping.should_stop(state.log_history, self._training):
            control.should_save = True
            control.should_training_stop = True
        return control
