"""Rows that share a sequence learn as separate rows do, and the forms in which they would see each other stay shut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.family_bench import FamilyBench, adapted_modules
from support.family_reference import gradients, plain_step
from visionft_trainer.prepare.collate import packed_batch
from visionft_trainer.prepare.packing import pack
from visionft_trainer.prepare.preprocess import IGNORED

pytestmark = pytest.mark.capability("packing")
TOLERANCE = 1e-6
ONE_LINE = [[3, 0, 2, 1]]


@pytest.mark.parametrize(("batch_size", "passes"), [(2, 1), (1, 2)], ids=["two-lines", "two-passes"])
def test_packed_rows_learn_as_separate_ones(
    bench: FamilyBench, images: Path, tmp_path: Path, batch_size: int, passes: int
) -> None:
    budget = _budget_of_two(bench.rows.lengths)
    bench = bench.having(
        dataset={"limits": {"maxTokens": budget}},
        training={"packing": True, "batchSize": batch_size, "gradientAccumulation": passes},
    )
    tuned = bench.tuned_model()
    loss, expected = plain_step(bench, adapted_modules(tuned), images)
    torch.testing.assert_close(bench.step(tuned, tmp_path), loss, atol=TOLERANCE, rtol=TOLERANCE)
    for name, gradient in gradients(tuned).items():
        torch.testing.assert_close(
            gradient, expected[name], atol=TOLERANCE, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.fixture(scope="module")
def kept_apart(bench: FamilyBench, base: Any) -> torch.Tensor:
    """The base model's logits `[T, V]` of `ONE_LINE`."""
    with torch.no_grad():
        logits: torch.Tensor = base(**bench.packs(ONE_LINE)).logits[0]
        return logits


def test_a_packed_row_does_not_see_its_neighbours(
    bench: FamilyBench, alone: list[torch.Tensor], kept_apart: torch.Tensor
) -> None:
    together = bench.packs(ONE_LINE)
    assert "attention_mask" not in together
    assert together["use_cache"] is False
    for number, part in _parts(bench).items():
        torch.testing.assert_close(kept_apart[part], alone[number], atol=1e-5, rtol=0)


def _with_mask(batch: dict[str, Any]) -> None:
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])


def _with_cache(batch: dict[str, Any]) -> None:
    batch["use_cache"] = True


def _without_places(batch: dict[str, Any]) -> None:
    batch["position_ids"] = batch["position_ids"][1:]


@torch.no_grad()
@pytest.mark.parametrize("spoil", [_with_mask, _with_cache, _without_places], ids=["mask", "cache", "three-positions"])
def test_other_forms_let_rows_see_each_other(
    bench: FamilyBench, base: Any, kept_apart: torch.Tensor, spoil: Callable[[dict[str, Any]], None]
) -> None:
    """If one of these no longer does, the comparison above has become blind, or transformers has changed."""
    batch = bench.packs(ONE_LINE)
    if spoil is _without_places and batch["position_ids"].ndim == 2:
        return  # a family with one row of positions
    spoil(batch)
    difference = (base(**batch).logits[0] - kept_apart).abs()
    last = _parts(bench)[ONE_LINE[0][-1]]
    assert float(difference[last].max()) > 1e-3


def test_every_rows_first_label_is_masked(bench: FamilyBench) -> None:
    learnt = [replace(example, labels=example.input_ids) for example in bench.rows.examples]
    batch = packed_batch([[learnt[number] for number in ONE_LINE[0]]], bench.rows, bench.processor, bench.family)
    firsts = [part.start for part in _parts(bench).values()]
    assert (batch["labels"] == IGNORED).nonzero()[:, 1].tolist() == firsts


@torch.no_grad()
def test_positions_are_the_models_own(bench: FamilyBench, base: Any) -> None:
    if not hasattr(base.model, "get_rope_index"):
        return  # its positions are a plain count
    for number, example in enumerate(bench.rows.examples):
        pictures = bench.rows.pictures.of(example.row)
        found = bench.family.positions(bench.processor, example.input_ids, pictures)
        batch = bench.batch([number])
        expected, _ = base.model.get_rope_index(
            batch["input_ids"], batch["mm_token_type_ids"], batch.get("image_grid_thw")
        )
        assert torch.equal(found[0], torch.arange(len(example.input_ids)))
        assert torch.equal(found[1:], expected[:, 0])


def _budget_of_two(lengths: Any) -> int:
    """The least number of tokens a line with which the rows take two lines."""
    return next(budget for budget in range(int(lengths.max()), int(lengths.sum())) if len(pack(lengths, budget)) == 2)


def _parts(bench: FamilyBench) -> dict[int, slice]:
    """Where each row lies in `ONE_LINE`."""
    parts, start = {}, 0
    for number in ONE_LINE[0]:
        end = start + int(bench.rows.lengths[number])
        parts[number] = slice(start, end)
        start = end
    return parts
