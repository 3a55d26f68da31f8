"""Stages `baseline` and `evaluate`: the model answers the validation rows greedily, and the answers are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from visionft_api.spec import EvaluationSpec

from visionft_trainer.evaluation.metrics import Case, measure
from visionft_trainer.families import Family
from visionft_trainer.prepare.boxes import decode
from visionft_trainer.prepare.collate import pad_id, prompt_batch
from visionft_trainer.prepare.preprocess import Example, Prepared


@dataclass(frozen=True)
class Measurement:
    """How well a model answers."""

    metrics: dict[str, float]
    answers: tuple[str, ...]
    """In the order of the measured rows."""


def measured_examples(prepared: Prepared, spec: EvaluationSpec) -> Sequence[Example]:
    """The validation rows that are measured: the first `maxSamples`, or all."""
    return prepared.examples[: spec.max_samples]


def evaluate(
    model: Any,
    prepared: Prepared,
    spec: EvaluationSpec,
    processor: Any,
    family: Family,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Measurement:
    """Answer and measure the validation rows; `tick(done, total)` follows. The model ends in the mode it came in."""
    examples = measured_examples(prepared, spec)
    answers = generate(model, examples, prepared, spec, processor, family, tick)
    cases = [Case((example.row.answer,), answer) for example, answer in zip(examples, answers, strict=True)]
    return Measurement(measure(spec.metrics, cases), tuple(answers))


def generate(
    model: Any,
    examples: Sequence[Example],
    prepared: Prepared,
    spec: EvaluationSpec,
    processor: Any,
    family: Family,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> list[str]:
    """The model's greedy answer to each example's prompt. Rows of similar length share a batch, to pad little."""
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].prompt_ids))
    answers = [""] * len(examples)
    was_training = model.training
    model.eval()
    for start in range(0, len(order), spec.batch_size):
        indices = order[start : start + spec.batch_size]
        batch = prompt_batch([examples[index] for index in indices], prepared, processor, family)
        for index, answer in zip(indices, _answers(model, batch, spec.max_new_tokens, processor, family), strict=True):
            answers[index] = answer
        tick(start + len(indices), len(order))
    model.train(was_training)
    return answers


@torch.no_grad()  # not inference_mode: what a model caches meanwhile must still serve training
def _answers(
    model: Any, batch: dict[str, torch.Tensor], max_new_tokens: int, processor: Any, family: Family
) -> list[str]:
    from transformers import GenerationConfig

    # A configuration of our own: a checkpoint's may sample, or punish repetition, and digits repeat.
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=max_new_tokens,
        do_sample=False,
        pad_token_id=pad_id(processor),
        eos_token_id=model.generation_config.eos_token_id or processor.tokenizer.eos_token_id,
    )
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
    tokens = model.generate(**inputs, generation_config=config)
    written = tokens[:, batch["input_ids"].shape[1] :]
    return decode(written, processor, family)
