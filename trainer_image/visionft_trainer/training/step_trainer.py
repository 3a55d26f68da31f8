"""TRL's SFTTrainer with steps of our own: a step takes its whole share of rows at once, cuts it into micro-batches that
fit, and is exact however it is cut and over however many processes."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch.distributed.tensor import DTensor
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from trl.trainer.sft_trainer import SFTTrainer
from visionft_api.spec import TrainingSpec

from visionft_trainer.errors import writing_to
from visionft_trainer.prepare.collate import Collator
from visionft_trainer.processes import sharding
from visionft_trainer.processes.distributed import Team
from visionft_trainer.processes.launch import Halved, TeamOutOfMemoryError
from visionft_trainer.training import checkpoints, early_stopping, optimizers, weights
from visionft_trainer.training.batching import Batching
from visionft_trainer.training.feed import Units, Work, answer_tokens, labels_off, step_loader
from visionft_trainer.training.order import Order, Unit, share

BATCHING_NAME = "batching.json"  # in a checkpoint
PEFT_PREFIX = "base_model.model."  # before the names of the wrapped model's modules

log = logging.getLogger(__name__)


@dataclass
class Flow:
    """What the trainer takes its rows from, and how."""

    units: Units
    collate: Collator
    validation: Collator | None
    validation_rows: int
    evaluation_batch: int
    """Validation rows in one forward pass."""
    batching: Batching
    team: Team
    stop_requested: Callable[[], bool]
    """Whether this process was asked to stop."""
    halved: Callable[[str], None] = lambda text: None
    """Told when memory was out and the micro-batch was halved."""


class StepTrainer(SFTTrainer):
    """SFTTrainer whose steps are exact: in their rows, their loss and their random numbers."""

    def __init__(
        self, *, flow: Flow, training: TrainingSpec, folder: Path, encoder_modules: tuple[str, ...], **kwargs: Any
    ) -> None:
        self._flow = flow
        self._training = training
        self._folder = folder
        self._encoder_prefixes = tuple(f"{prefix}{name}." for name in encoder_modules for prefix in (PEFT_PREFIX, ""))
        self.stop_agreed = False
        """Whether a process of the team was asked to stop, as all of them know since the last step."""
        super().__init__(**kwargs)
        tuned: Any = self.model
        self._tuned = tuned
        self._sharded = sharding.is_sharded(tuned)
        # Gradients of what is shared out are added up in the backward pass.
        self._trainable = [parameter for parameter in tuned.parameters() if parameter.requires_grad
                           and not isinstance(parameter, DTensor)]  # fmt: skip

    @property
    def units(self) -> int:
        """Rows or packs of an epoch."""
        return len(self._flow.units)

    def tell_when_halved(self, told: Callable[[str], None]) -> None:
        """`told` gets a sentence when memory was out and the micro-batch was halved."""
        self._flow.halved = told

    # --- rows ---

    def get_train_dataloader(self) -> Any:
        """One `Work` for each optimiser step."""
        flow = self._flow
        order = Order(
            units=len(flow.units),
            step_size=flow.batching.samples * flow.team.size,
            seed=self._training.seed,
            lengths=flow.units.lengths if self._training.group_by_length else None,
        )
        return step_loader(flow.units, order, flow.team, flow.collate, lambda: flow.batching.micro_batch)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """A step's work; tokens are counted in the step itself, over all processes."""
        if num_batches == 1:
            work = next(epoch_iterator, None)
            if isinstance(work, Work):
                return [work], None
            epoch_iterator = iter([] if work is None else [work])
        samples: tuple[list[Any], Any] = super().get_batch_samples(epoch_iterator, num_batches, device)
        return samples

    # --- a step ---

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """The mean loss over the answer tokens of the whole step; gradients are complete when it returns.

        When memory is out, on any process, the step begins again with micro-batches of half the size.

        Raises:
            torch.OutOfMemoryError: with one unit at a time too.
            TeamOutOfMemoryError: layers are shared out, so that all processes must begin again.
        """
        if not isinstance(inputs, Work):
            return self._one_pass(model, inputs, num_items_in_batch)
        team, device = self._flow.team, self.args.device
        inputs.cut(self._flow.batching.micro_batch)
        tokens = team.sum(torch.tensor(float(inputs.answer_tokens), device=device, dtype=torch.float64))
        if self._sharded:
            self._keep_pace(inputs)
        while True:
            loss, out_of_memory = self._passes(model, inputs, tokens.float())
            present = [parameter.grad is not None for parameter in self._trainable]
            told = [float(loss), float(out_of_memory is not None), float(self._flow.stop_requested()), *present]
            common = team.sum(torch.tensor(told, device=device, dtype=torch.float64))
            if not common[1]:
                break
            model.zero_grad()
            inputs.batches = []
            self._flow.batching = self._halved(out_of_memory)
            inputs.cut(self._flow.batching.micro_batch)
        self.stop_agreed = bool(common[2])
        team.add_gradients(self._trainable, common[3:])
        return common[0].float()

    def _passes(self, model: Any, work: Work, tokens: torch.Tensor) -> tuple[torch.Tensor, str | None]:
        """All micro-batches forward and backward: the summed loss, and what was said when memory was out."""
        loss = torch.zeros((), device=self.args.device)
        try:
            for index, batch in enumerate(work.batches):
                self._seed(work.offset + index * work.micro_batch)
                loss += self._one_pass(model, dict(batch), tokens)
        except torch.OutOfMemoryError as error:
            problem = str(error).partition("\n")[0]
            if self._sharded:
                self._begin_again(problem)
            return loss, problem
        return loss, None

    def _keep_pace(self, work: Work) -> None:
        """As many passes as any other process makes: layers that are shared out run on all of them together."""
        missing = self._flow.team.largest(len(work.batches)) - len(work.batches)
        if missing:
            idle = labels_off(work.batches[-1] if work.batches else self._flow.collate([Unit(0, (0,))]))
            work.batches += [idle] * missing

    def _one_pass(self, model: Any, inputs: dict[str, Any], tokens: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(model, inputs, tokens)  # type: ignore[no-untyped-call]
        return loss

    def _seed(self, place: int) -> None:
        """Dropout's random numbers follow from the step and the place in it: nothing of them needs to be kept, and
        processes draw what one process would have drawn."""
        text = f"{self._training.seed}/{self.state.global_step}/{place}"
        torch.manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))

    def _halved(self, problem: str | None) -> Batching:
        after = self._smaller(problem)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._flow.halved(after.instead_of(self._flow.batching, self.state.global_step + 1))
        return after

    def _begin_again(self, problem: str) -> NoReturn:
        """The others wait in the middle of a layer, where none can be told: decision 0011."""
        after = self._smaller(problem)
        note = after.instead_of(self._flow.batching, self.state.global_step + 1)
        raise TeamOutOfMemoryError(problem, Halved(after.micro_batch, (note,)))

    def _smaller(self, problem: str | None) -> Batching:
        after = self._flow.batching.halved()
        if after is None:
            raise torch.OutOfMemoryError(problem or "another process is out of memory, with one sample at a time")
        return after

    # --- measuring ---

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The mean loss over all answer tokens of the validation rows, shared out among the processes."""
        flow = self._flow
        assert flow.validation is not None
        totals = torch.zeros(2, device=self.args.device, dtype=torch.float64)
        was_training = self._tuned.training
        self._tuned.eval()
        with torch.random.fork_rng(), torch.no_grad(), self.accelerator.autocast():
            for rows in self._validation_rows():
                batch = flow.validation([Unit(0, (row,)) for row in rows or [0]])
                batch = batch if rows else labels_off(batch)
                inputs = self._prepare_inputs(dict(batch))
                loss = self.compute_loss(self._tuned, inputs, num_items_in_batch=1)  # type: ignore[no-untyped-call]
                totals += torch.tensor([float(loss), answer_tokens(batch)], device=totals.device, dtype=totals.dtype)
        total, tokens = flow.team.sum(totals).tolist()
        metrics = {"eval_loss": total / max(tokens, 1)}
        self.log(dict(metrics))
        self._tuned.train(was_training)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _validation_rows(self) -> list[list[int]]:
        """This process's batches; as many as any other process has, the last ones may be empty."""
        flow = self._flow
        mine = [int(row) for row in share(range(flow.validation_rows), flow.team.rank, flow.team.size)]
        largest = -(-flow.validation_rows // flow.team.size)
        size = flow.evaluation_batch
        return [mine[start : start + size] for start in range(0, largest, size)]

    # --- learning rates ---

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The optimizer that the spec names."""
        if self.optimizer is None:
            groups = optimizers.parameter_groups(model or self._tuned, self._training, self._encoder_prefixes)
            self.optimizer = optimizers.build(self._training, groups)
        return self.optimizer

    # --- checkpoints ---

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = self._folder
        optimizer, scheduler = self._optimizer_and_scheduler()
        leads = self._flow.team.leads
        values = weights.trainable(self._tuned, keep=leads)
        state = weights.gathered(optimizer.state_dict(), keep=leads)
        if self._flow.team.leads:
            with writing_to(folder), checkpoints.writing(folder, self.state.global_step) as draft:
                weights.write(values, draft)
                torch.save(state, draft / OPTIMIZER_NAME)
                torch.save(scheduler.state_dict(), draft / SCHEDULER_NAME)
                self._save_scaler(str(draft))
                (draft / BATCHING_NAME).write_text(json.dumps(asdict(self._flow.batching)) + "\n", encoding="utf-8")
                self.state.save_to_json(str(draft / TRAINER_STATE_NAME))
            checkpoints.keep_newest(folder, self._training.checkpoints.keep)
            if self._training.early_stopping is not None:
                best = early_stopping.judge(self.state.log_history, float(self._training.early_stopping.min_delta))
                checkpoints.keep_best(folder, best.best_step)
        self._flow.team.wait()

    def save_best(self, step: int) -> None:
        """Keep the weights that the model has now, of `step`, as the best so far."""
        values = weights.trainable(self._tuned, keep=self._flow.team.leads)
        if self._flow.team.leads:
            with writing_to(self._folder), checkpoints.writing(self._folder, step, checkpoints.BEST) as draft:
                weights.write(values, draft)

    def load_weights(self, checkpoint: Path) -> None:
        """Take the weights of a checkpoint without training on."""
        weights.read_into(self._tuned, checkpoint)

    def keep_micro_batches(self, checkpoint: Path) -> None:
        """Cut steps as the checkpoint's run did, whatever memory is free now: dropout and rounding follow from it."""
        file = checkpoint / BATCHING_NAME
        if not file.exists():  # of a version that did not keep it
            return
        kept = Batching(**json.loads(file.read_text(encoding="utf-8")))
        now = self._flow.batching
        if kept.samples == now.samples:
            same = replace(now, micro_batch=kept.micro_batch, accumulation=kept.accumulation)
            self._flow.batching = same if now.bound is None else same.cut_to(now.bound)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.load_weights(Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        # What is shared out may be too much for one GPU as long as it is whole.
        place = torch.device("cpu") if self._sharded else self.args.device
        state = torch.load(Path(checkpoint) / OPTIMIZER_NAME, map_location=place, weights_only=True)
        optimizer, scheduler = self._optimizer_and_scheduler()
        optimizer.load_state_dict(weights.scattered(state, optimizer))
        scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True))

    def _optimizer_and_scheduler(self) -> tuple[Any, Any]:
        return self.optimizer, self.lr_scheduler

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """There is none: see `_seed`."""

    def floating_point_ops(self, inputs: Any) -> int:
        """Nobody reads it, and counting takes a walk over all parameters at every step."""
        return 0
