"""What one model answers in all the ways in which it is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visionft_api.spec import EvaluationSpec

from visionft_trainer.evaluation import rank, stored
from visionft_trainer.evaluation.alternatives import PLACEHOLDER
from visionft_trainer.evaluation.asking import REFUSALS, Asker, Asking
from visionft_trainer.evaluation.generate import Answers, Limits, generate
from visionft_trainer.families import Family
from visionft_trainer.prepare.preprocess import Prepared

BRACED = re.compile(r"\{\s*\w+\s*\}")  # what looks like a placeholder
FEWEST_PICTURED = 2  # rows without which nothing is said about pictures


@dataclass(frozen=True)
class Round:
    """The answers of one model."""

    plain: Answers
    alternatives: Mapping[str, Answers] = field(default_factory=dict)
    """By the name of the way of asking."""
    shuffled: Answers | None = None
    blank: Answers | None = None
    general: Answers | None = None
    effective_rank: float | None = None


@dataclass(frozen=True)
class Plan:
    """What is asked; the same rows before and after training."""

    plain: Asking
    alternatives: tuple[Asking, ...] = ()
    pictured: tuple[int, ...] = ()
    """The rows that are also asked without the help of their pictures."""
    shuffled: Asking | None = None
    blank: Asking | None = None
    intact: Asking | None = None
    """The pictured rows as they are."""
    general: Asking | None = None
    notes: tuple[str, ...] = ()
    """What could not be done, a sentence each."""

    @property
    def blind(self) -> tuple[Asking, ...]:
        """The ways without the help of pictures."""
        return tuple(asking for asking in (self.shuffled, self.blank) if asking is not None)


def plan(spec: EvaluationSpec, asker: Asker, train: Prepared | None, general: Asker | None = None) -> Plan:
    """What `spec` asks for; few-shot examples come from `train`."""
    notes = []
    others = [asker.reworded(prompt, number) for number, prompt in enumerate(spec.prompts, start=1)]
    if spec.few_shot and train is not None:
        try:
            shown = asker.with_examples(train, spec.few_shot)
            if shown is not None:
                others.append(shown)
            else:
                notes.append(
                    "spec.evaluation.fewShot: no example fits beside any row, so the base model was not measured with "
                    "examples. Raise spec.dataset.limits.maxTokens or maxImages."
                )
        except REFUSALS as error:
            notes.append(f"spec.evaluation.fewShot: the model takes no examples before the question ({error}).")
    notes += [asking.note for asking in others if asking.note]
    notes += [
        f"spec.evaluation.prompts: {odd[0]} of {prompt!r} is asked as it stands: only {PLACEHOLDER} is replaced."
        for prompt in spec.prompts
        if (odd := [word for word in BRACED.findall(prompt) if word != PLACEHOLDER])
    ]
    givers = asker.pictured(spec.vision_samples) if spec.vision_reliance else {}
    looked = len(givers) >= FEWEST_PICTURED
    if spec.vision_reliance and not looked:
        notes.append(
            "spec.evaluation.visionReliance: not measured. It needs two rows that have as many pictures as each other, "
            "and different ones."
        )
    return Plan(
        asker.plain(),
        tuple(others),
        tuple(givers) if looked else (),
        asker.shuffled(givers) if looked else None,
        asker.blank(list(givers)) if looked else None,
        asker.chosen(list(givers), "intact") if looked else None,
        general.plain("general") if general is not None else None,
        tuple(notes),
    )


@dataclass(frozen=True)
class Examiner:
    """Asks models what is planned."""

    plan: Plan
    spec: EvaluationSpec
    processor: Any
    family: Family
    data: str
    """Names the version of the rows."""
    folder: Path | None = None
    """Where answers are kept; None: nowhere."""

    def base(self, model: Any, name: str, tick: Callable[[int, int], None] = lambda *_: None) -> Round:
        """The model before training, in every way. `name` tells it from other models."""
        return self._round(model, "baseline", name, self.plan.alternatives, tick)

    def tuned(self, model: Any, name: str, tick: Callable[[int, int], None] = lambda *_: None) -> Round:
        """The model after training."""
        return self._round(model, "tuned", name, (), tick)

    def _round(
        self, model: Any, which: str, name: str, others: Sequence[Asking], tick: Callable[[int, int], None]
    ) -> Round:
        plan = self.plan
        general = (plan.general,) if plan.general is not None else ()
        counting = _Counting(sum(len(asking.examples) for asking in (plan.plain, *others, *plan.blind, *general)), tick)

        def ask(asking: Asking) -> Answers:
            return self._ask(model, asking, which, name, counting)

        return Round(
            plain=ask(plan.plain),
            alternatives={asking.name: ask(asking) for asking in others},
            shuffled=ask(plan.shuffled) if plan.shuffled else None,
            blank=ask(plan.blank) if plan.blank else None,
            general=ask(plan.general) if plan.general else None,
            effective_rank=self._rank(model, which, name),
        )

    def _ask(self, model: Any, asking: Asking, which: str, name: str, counting: _Counting) -> Answers:
        limits = Limits(self.spec.max_new_tokens, self.spec.batch_size)

        def answer() -> Answers:
            return generate(
                model, asking.examples, asking.prepared, limits, self.processor, self.family, counting, asking.lengths
            )

        if self.folder is None:
            answers = answer()
        else:
            answers = stored.once(self.folder / f"{which}-{asking.name}.json", self._key(asking, name), answer)
        counting.through(len(asking.examples))
        return answers

    def _rank(self, model: Any, which: str, name: str) -> float | None:
        intact = self.plan.intact
        if intact is None:
            return None

        def compute() -> float:
            was_training = model.training
            model.eval()
            features = rank.pooled_features(
                model, intact.examples, intact.prepared, self.spec.batch_size, self.processor, self.family
            )
            model.train(was_training)
            return rank.effective_rank(features)

        if self.folder is None:
            return compute()
        return stored.number_once(self.folder / f"{which}-rank.json", self._key(intact, name), compute)

    def _key(self, asking: Asking, model: str) -> str:
        """What the answers to `asking` depend on."""
        return stored.key_of(
            model=model,
            data=self.data,
            way=asking.name,
            prompt=asking.prompt,
            lengths=list(asking.lengths),
            tokens=self.spec.max_new_tokens,
        )


class _Counting:
    """Rows answered over several ways of asking."""

    def __init__(self, total: int, tick: Callable[[int, int], None]) -> None:
        self._total = total
        self._tick = tick
        self._before = 0

    def __call__(self, done: int) -> None:
        self._tick(self._before + done, self._total)

    def through(self, rows: int) -> None:
        """A way of asking is through."""
        self._before += rows
        self(0)
