"""What ships is what was measured, loads without this package, and can be checked with sha256sum."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.shipping import write_merged
from support.tiny_data import QUESTION, draw_number
from visionft_trainer.artifacts import adapter as adapters
from visionft_trainer.artifacts import merged as merging
from visionft_trainer.model import adapt
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.training import train

Build = Callable[..., Any]


def trained(bench: Any, model: Any, folder: Path) -> Any:
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True)
    train.train(
        model,
        bench.spec,
        bench.train,
        bench.validation,
        bench.processor,
        bench.family,
        checkpoints,
        Progress(),
        bench.batching,
    )
    return model.eval()


@torch.no_grad()
def logits(model: Any, bench: Any) -> torch.Tensor:
    return model(**bench.batch(validation=True)).logits


@pytest.mark.parametrize(
    ("quantization", "adapter"), [("nf4", {}), ("nf4", {"dora": True}), ("nf4", {"rsLoRA": True}), ("none", {})]
)
def test_merged_model_is_the_measured_one(
    workbench: Build, tmp_path: Path, quantization: str, adapter: dict[str, bool]
) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    bench = workbench(model={"quantization": quantization}, adapter=adapter)
    base = logits(bench.base_model(), bench)
    model = trained(bench, bench.tuned_model(), tmp_path)
    measured = logits(model, bench)
    assert float((measured - base).abs().max()) > 1e-2  # the adapter does something

    adapter = adapters.write(model, tmp_path / "adapter")
    merged = merging.merge(model, adapter)
    torch.testing.assert_close(logits(merged, bench), measured, atol=1e-5, rtol=0)
    write_merged(merged, bench.processor, tmp_path / "merged")
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged", dtype=torch.float32).eval()
    torch.testing.assert_close(logits(loaded, bench), measured, atol=1e-5, rtol=0)
    config = json.loads((tmp_path / "merged" / "config.json").read_text())
    assert "quantization_config" not in config

    processor = AutoProcessor.from_pretrained(tmp_path / "merged")
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    inputs = processor(text=[text], images=[draw_number("60")], return_tensors="pt")
    written = loaded.generate(**inputs, max_new_tokens=4, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    answers = bench.answers(merged, bench.validation)
    assert processor.batch_decode(written, skip_special_tokens=True) == answers[:1]


def test_adapter_loads_with_plain_peft(workbench: Build, tmp_path: Path) -> None:
    from peft import PeftModel

    bench = workbench()
    model = trained(bench, bench.tuned_model(), tmp_path)
    measured = logits(model, bench)
    adapter = adapters.write(model, tmp_path / "adapter")
    again = PeftModel.from_pretrained(bench.base_model(), adapter)
    torch.testing.assert_close(logits(again, bench), measured, atol=1e-5, rtol=0)
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "pvc://models/tiny"


def test_measuring_first_does_not_spoil_training(workbench: Build, tmp_path: Path) -> None:
    """On a CPU with AVX512-BF16 measuring would re-pack the 4-bit weights; see `load.keep_cpu_weights_unpacked`."""
    bench = workbench()
    expected = logits(trained(bench, bench.tuned_model(), tmp_path / "a"), bench)
    base = bench.base_model()
    bench.answers(base, bench.validation)
    tuned = adapt.adapt(base, bench.spec, bench.family, bench.files.identity)
    model = trained(bench, tuned, tmp_path / "b")
    assert torch.equal(logits(model, bench), expected)
    merged = merging.merge(model, adapters.write(model, tmp_path / "adapter"))
    torch.testing.assert_close(logits(merged, bench), expected, atol=1e-5, rtol=0)


def test_batched_answers_equal_single_ones(workbench: Build) -> None:
    bench = workbench()
    model = bench.base_model()
    assert bench.answers(model, bench.train, 24, 8) == bench.answers(model, bench.train, 1, 8)
