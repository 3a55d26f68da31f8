"""The other ways to train: DoRA, full fine-tuning, and an adapter on 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn.modules import Linear8bitLt
from support.family_bench import FamilyBench, adapted_modules
from support.family_data import ROWS
from support.family_modules import counted, golden
from support.family_reference import gradients, plain_loss, plain_step
from support.shipping import write_merged
from torch import nn
from visionft_trainer.artifacts import adapter as adapters
from visionft_trainer.artifacts import merged as merging
from visionft_trainer.artifacts.dequantise import dequantise

TOLERANCE = 1e-6
EDGE = 5e-3
"""Of logits that the adapter moves by 0.5 and more: an activation between two integers may round either way."""


@pytest.mark.capability("dora")
def test_dora_learns_and_ships_as_plain_peft_does(bench: FamilyBench, images: Path, tmp_path: Path) -> None:
    bench = bench.having(adapter={"dora": True})
    tuned = bench.tuned_model()
    loss, expected = plain_step(bench, adapted_modules(tuned), images)
    torch.testing.assert_close(bench.step(tuned, tmp_path), loss, atol=TOLERANCE, rtol=TOLERANCE)
    _assert_same_gradients(gradients(tuned), expected)
    measured = _logits(tuned.eval(), bench)
    merged = merging.merge(tuned, adapters.write(tuned, tmp_path / "adapter"))
    torch.testing.assert_close(_logits(merged, bench), measured, atol=1e-5, rtol=0)


@pytest.mark.capability("full")
def test_full_tuning_learns_and_ships_as_plain_transformers_does(
    bench: FamilyBench, images: Path, tmp_path: Path
) -> None:
    bench = bench.having(adapter={"method": "full"})
    tuned = bench.tuned_model()
    plain = bench.plain_model().train()
    trained = {name for name, parameter in tuned.named_parameters() if parameter.requires_grad}
    for name, parameter in plain.named_parameters():
        parameter.requires_grad_(name in trained)
    expected = plain_loss(plain, bench.processor, ROWS, images)
    expected.backward()
    torch.testing.assert_close(bench.step(tuned, tmp_path), expected.detach(), atol=TOLERANCE, rtol=TOLERANCE)
    _assert_same_gradients(gradients(tuned), gradients(plain))

    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    measured = _logits(tuned.eval(), bench)
    write_merged(merging.settle(tuned), bench.processor, tmp_path / "merged")
    loaded = bench.plain_model(tmp_path / "merged").eval()
    # Row by row: in a batch, plain transformers lets the rows of some families see one another.
    alone = torch.cat([_logits(loaded, bench, [number]) for number in range(len(ROWS))])
    torch.testing.assert_close(alone, measured, atol=1e-5, rtol=0)


@pytest.mark.capability("int8")
def test_eight_bits_take_what_four_bits_take_and_ship_dequantised(bench: FamilyBench, tmp_path: Path) -> None:
    """LLM.int8() rounds activations too, so the merged model is held against the dequantised base with the adapter."""
    from peft import PeftModel

    bench = bench.having(model={"quantization": "int8"})
    tuned = bench.tuned_model()
    base = tuned.get_base_model()
    full = counted(
        name.replace(".base_layer", "")
        for name, module in base.named_modules()
        if isinstance(module, nn.Linear) and not isinstance(module, Linear8bitLt) and ".lora_" not in name
    )
    assert full == golden(bench.family, "fullPrecision", full)
    bench.step(tuned, tmp_path)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients(tuned).values())

    adapter = adapters.write(tuned, tmp_path / "adapter")
    measured = _logits(tuned.eval(), bench)
    again = PeftModel.from_pretrained(bench.base_model(), adapter).eval()
    torch.testing.assert_close(_logits(again, bench), measured, atol=EDGE, rtol=0)
    expected = PeftModel.from_pretrained(dequantise(bench.base_model()), adapter).eval()
    merged = merging.merge(tuned, adapter)
    torch.testing.assert_close(_logits(merged, bench), _logits(expected, bench), atol=1e-5, rtol=0)


def _assert_same_gradients(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient is not None, name
        assert expected[name] is not None, name
        torch.testing.assert_close(
            gradient, expected[name], atol=TOLERANCE, rtol=1e-5, msg=lambda text, n=name: f"{n}: {text}"
        )


@torch.no_grad()
def _logits(model: Any, bench: FamilyBench, numbers: Sequence[int] | None = None) -> torch.Tensor:
    batch = bench.batch(numbers)
    logits: torch.Tensor = model(**batch).logits
    return logits[batch["attention_mask"] == 1]
