"""Loss and gradients of the whole path against plain transformers and PEFT, row by row and without padding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.family_bench import FamilyBench, adapted_modules
from support.family_reference import gradients, plain_step

TOLERANCE = 1e-6


@pytest.mark.capability("loss")
@pytest.mark.parametrize("vision", [True, False], ids=["tuned-tower", "frozen-tower"])
def test_loss_and_gradients_equal_plain_transformers_and_peft(
    bench: FamilyBench, images: Path, tmp_path: Path, vision: bool
) -> None:
    bench = bench.having(adapter={"vision": vision, "projector": vision})
    tuned = bench.tuned_model()
    loss, expected = plain_step(bench, adapted_modules(tuned), images)

    found_loss = bench.step(tuned, tmp_path)
    found = gradients(tuned)

    torch.testing.assert_close(found_loss, loss, atol=TOLERANCE, rtol=TOLERANCE)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient is not None, name
        assert float(gradient.abs().max()) > 0, f"{name} has no gradient"
        torch.testing.assert_close(
            gradient, expected[name], atol=TOLERANCE, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )
