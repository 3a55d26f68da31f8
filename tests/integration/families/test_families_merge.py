"""What ships is what was measured, and plain transformers and PEFT load it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.family_bench import FamilyBench
from support.family_data import ROWS
from support.family_reference import processor_inputs
from support.shipping import write_merged
from visionft_trainer.artifacts import adapter as adapters
from visionft_trainer.artifacts import merged as merging

TOLERANCE = 1e-5


@pytest.mark.capability("merge")
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_shipped_model_is_the_measured_one(
    bench: FamilyBench, alone: list[torch.Tensor], images: Path, tmp_path: Path, quantization: str
) -> None:
    from peft import PeftModel

    bench = bench.having(model={"quantization": quantization})
    batch = bench.batch()
    base = bench.base_model()
    tuned = bench.tuned_model().eval()
    measured = _logits(tuned, batch)
    assert float((measured[: len(alone[0])] - alone[0]).abs().max()) > 1e-2, "the adapter does nothing"

    adapter = adapters.write(tuned, tmp_path / "adapter")
    _assert_equal(_logits(PeftModel.from_pretrained(base, adapter).eval(), batch), measured)

    merged = merging.merge(tuned, adapter)
    _assert_equal(_logits(merged, batch), measured)
    write_merged(merged, bench.processor, tmp_path / "merged")
    loaded = bench.plain_model(tmp_path / "merged").eval()
    # Row by row: in a batch, plain transformers lets the rows of some families see one another.
    _assert_equal(torch.cat([_logits(loaded, bench.batch([number])) for number in range(len(ROWS))]), measured)

    processor = bench.plain_processor(tmp_path / "merged")
    again = processor_inputs(processor, ROWS[1], images, prompt=False)
    before = processor_inputs(bench.processor, ROWS[1], images, prompt=False)
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], before[name]) for name in before)


@torch.no_grad()
def _logits(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    logits: torch.Tensor = model(**batch).logits
    return logits[batch["attention_mask"] == 1]


def _assert_equal(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)
