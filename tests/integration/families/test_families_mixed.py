"""Rows with none, one, two and three pictures of different sizes in one batch do not see each other."""

from __future__ import annotations

import pytest
import torch
from support.family_bench import FamilyBench
from support.family_data import ROWS


@pytest.mark.capability("mixed")
@torch.no_grad()
def test_a_row_is_the_same_in_company_and_alone(bench: FamilyBench) -> None:
    model = bench.base_model()
    together = bench.batch()
    found = model(**together).logits
    for number in range(len(ROWS)):
        alone = bench.batch([number])
        length = alone["input_ids"].shape[1]
        assert together["attention_mask"][number].sum() == length
        torch.testing.assert_close(found[number, :length], model(**alone).logits[0], atol=1e-5, rtol=0)


@pytest.mark.capability("mixed")
@torch.no_grad()
def test_pictures_are_seen(bench: FamilyBench) -> None:
    """Else every comparison here would hold for a model that ignores them."""
    model = bench.base_model()
    batch = bench.batch([3])  # one of its pictures is square: families that see a middle square alone see it too
    before = model(**batch).logits
    pixels = next(name for name in batch if "pixel_values" in name)
    batch[pixels] = batch[pixels].flip(-1)
    assert float((model(**batch).logits - before).abs().max()) > 1e-4
