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
from visionft_trainer.artifacts import leaving
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


def test_a_merged_model_in_several_files(workbench: Build, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    bench = workbench(model={"quantization": "none"})
    model = bench.base_model()
    write_merged(model, bench.processor, tmp_path, shard_bytes=100_000)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    names: dict[str, list[str]] = {}
    for tensor, file in index["weight_map"].items():
        names.setdefault(file, []).append(tensor)
    assert len(names) > 3
    # A tensor is never cut: a file is larger only where it is one tensor.
    assert all((tmp_path / file).stat().st_size < 110_000 or len(tensors) == 1 for file, tensors in names.items())
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert torch.equal(logits(loaded, bench), logits(model, bench))


def test_sampling_values_of_a_model_that_does_not_sample_stop_no_export(workbench: Build, tmp_path: Path) -> None:
    """transformers reads them with a warning, and refuses to save them: at the end of a training."""
    from transformers import GenerationConfig

    bench = workbench(model={"quantization": "none"})
    model = bench.base_model()
    for name, value in {"temperature": 0.9, "top_p": 0.6, "max_new_tokens": 7}.items():
        setattr(model.generation_config, name, value)
    write_merged(model, bench.processor, tmp_path)
    again = GenerationConfig.from_pretrained(tmp_path)
    assert (again.temperature, again.top_p, again.max_new_tokens) == (None, None, 7)


def test_merging_into_the_original_weights_says_how_far_off_it_is(workbench: Build, tmp_path: Path) -> None:
    bench = workbench(output={"merged": True, "mergeBase": "Original"})
    model = trained(bench, bench.tuned_model(), tmp_path)
    measured = logits(model, bench)
    shipped = leaving.ship(
        model, bench.spec, bench.files, torch.device("cpu"), bench.validation, bench.processor, tmp_path / "adapter"
    )
    exact = merging.merge_into(workbench(model={"quantization": "none"}).base_model(), tmp_path / "adapter")
    torch.testing.assert_close(logits(shipped.model, bench), logits(exact, bench), atol=1e-6, rtol=0)
    apart = (logits(shipped.model, bench) - measured).abs()
    assert shipped.difference is not None
    assert 1e-3 < shipped.difference.mean < shipped.difference.largest <= float(apart.max()) * 1.01
    assert shipped.difference.rows == 6
    written = leaving.write(
        shipped, None, tmp_path / "merged", bench.spec, bench.processor, {"runDetails": {"metadata": {}}}
    )
    assert [artifact.kind for artifact in written] == ["merged"]
    said = json.loads((tmp_path / "merged" / "provenance.json").read_text())["predicate"]["runDetails"]["metadata"]
    assert said["visionft_mergeDifference"]["largest"] == shipped.difference.largest
