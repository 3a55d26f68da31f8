"""Which rows are answered together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from visionft_trainer.evaluation import generate as module
from visionft_trainer.evaluation.generate import Answer, Limits, generate

LENGTHS = [3, 9, 1, 7, 5]


class Model:
    """Remembers its mode."""

    training = True

    def eval(self) -> None:
        self.training = False

    def train(self, mode: bool) -> None:
        self.training = mode


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The lengths of the rows in each batch; more than `Model.room` rows do not fit."""
    found: list[list[int]] = []

    def answer(model: Any, examples: Any, *_: Any) -> list[Answer]:
        assert not model.training
        if len(examples) > getattr(model, "room", 99):
            raise torch.OutOfMemoryError
        found.append([len(example.prompt_ids) for example in examples])
        return [Answer(str(len(example.prompt_ids))) for example in examples]

    monkeypatch.setattr(module, "_answer", answer)
    return found


def ask(model: Any, batch_size: int, done: list[int]) -> list[str]:
    examples: Any = [SimpleNamespace(prompt_ids=[0] * length) for length in LENGTHS]
    nothing: Any = None
    answers = generate(model, examples, nothing, Limits(4, batch_size), nothing, nothing, done.append)
    return [answer.text for answer in answers.items]


def test_rows_of_similar_length_share_a_batch_the_longest_first(batches: list[list[int]]) -> None:
    model, done = Model(), []
    assert ask(model, 2, done) == [str(length) for length in LENGTHS]
    assert batches == [[9, 7], [5, 3], [1]]
    assert done == [2, 4, 5]
    assert model.training


def test_batches_that_do_not_fit_the_memory_are_halved(
    batches: list[list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    model = Model()
    model.room = 1  # type: ignore[attr-defined]
    assert ask(model, 4, []) == [str(length) for length in LENGTHS]
    assert [len(batch) for batch in batches] == [1] * 5
    assert "answering 4 rows at a time takes more memory than there is: now 2" in caplog.text


def test_one_row_that_does_not_fit_ends_it(batches: list[list[int]]) -> None:
    model = Model()
    model.room = 0  # type: ignore[attr-defined]
    with pytest.raises(torch.OutOfMemoryError):
        ask(model, 4, [])
    assert model.training
