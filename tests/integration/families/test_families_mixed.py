"""Rows with none, one, two and three pictures of different sizes in one batch do not see each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.family_bench import FamilyBench
from support.family_data import ROWS


@pytest.mark.capability("mixed")
@torch.no_grad()
def test_a_row_is_the_same_in_company_and_alone(bench: FamilyBench, base: Any, alone: list[torch.Tensor]) -> None:
    together = bench.batch()
    found = base(**together).logits
    assert len(alone) == len(ROWS)
    for number, expected in enumerate(alone):
        assert together["attention_mask"][number].sum() == len(expected)
        torch.testing.assert_close(found[number, : len(expected)], expected, atol=1e-5, rtol=0)


@pytest.mark.capability("mixed")
@torch.no_grad()
def test_pictures_are_seen(bench: FamilyBench, base: Any, alone: list[torch.Tensor]) -> None:
    """Else every comparison here would hold for a model that ignores them."""
    batch = bench.batch([3])  # one of its pictures is square: families that see a middle square alone see it too
    pixels = next(name for name in batch if "pixel_values" in name)
    batch[pixels] = batch[pixels].flip(-1)
    assert float((base(**batch).logits[0] - alone[3]).abs().max()) > 1e-4
