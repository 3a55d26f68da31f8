"""Every way to train: what is trained, what is quantised, what ships."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn.modules import Linear8bitLt
from support.shipping import write_merged
from visionft_trainer.artifacts import adapter as adapters
from visionft_trainer.artifacts import merged as merging
from visionft_trainer.errors import BadConfigError
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.training import train

Build = Callable[..., Any]

FULL = {"model": {"quantization": "none"}, "output": {"adapter": False, "merged": True}}


def trained(bench: Any, model: Any, folder: Path) -> Any:
    train.train(model, bench.spec, bench.train, None, bench.processor, bench.family, folder, Progress(), bench.batching)
    return model.eval()


@torch.no_grad()
def logits(model: Any, bench: Any) -> torch.Tensor:
    return model(**bench.batch(validation=True)).logits


def plain(folder: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def changed(model: Any, base: Any) -> set[str]:
    before = dict(base.named_parameters())
    return {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}


def test_eight_bits_spare_the_vision_tower_and_the_head(workbench: Build) -> None:
    model = workbench(model={"quantization": "int8"}).base_model()
    quantised = {name for name, module in model.named_modules() if isinstance(module, Linear8bitLt)}
    assert len(quantised) == 14
    assert all(name.startswith("model.language_model.layers.") for name in quantised)


def test_eight_bit_base_trains_and_its_merged_model_is_what_ships(workbench: Build, tmp_path: Path) -> None:
    bench = workbench(model={"quantization": "int8"})
    base = bench.base_model()
    assert bench.answers(base, bench.validation)
    model = bench.tuned_model()
    trained(bench, model, tmp_path / "checkpoints")
    measured = logits(model, bench)
    weight = model.get_base_model().model.language_model.layers[0].mlp.up_proj.base_layer.weight
    assert weight.dtype == torch.int8
    merged = merging.merge(model, adapters.write(model, tmp_path / "adapter"))
    # LLM.int8() rounds activations too: the merged model is near what was trained, and is itself what is measured.
    torch.testing.assert_close(logits(merged, bench), measured, atol=3e-2, rtol=0)
    write_merged(merged, bench.processor, tmp_path / "merged")
    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_text())
    torch.testing.assert_close(logits(plain(tmp_path / "merged"), bench), logits(merged, bench), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("switches", "reached", "spared"),
    [
        ({"mlp": False, "vision": False}, "self_attn.q_proj.weight", "input_layernorm.weight"),
        ({"vision": False, "projector": False}, "input_layernorm.weight", "visual.blocks.0.attn.qkv.weight"),
        ({"language": False}, "visual.blocks.0.norm1.weight", "self_attn.q_proj.weight"),
    ],
)
def test_full_fine_tuning_changes_the_chosen_layers_and_ships_a_plain_model(
    workbench: Build, tmp_path: Path, switches: dict[str, bool], reached: str, spared: str
) -> None:
    bench = workbench(**FULL, adapter={"method": "full", **switches})
    model = trained(bench, bench.tuned_model(), tmp_path / "checkpoints")
    names = changed(model, bench.base_model())
    assert any(name.endswith(reached) for name in names)
    assert not any(name.endswith(spared) for name in names)
    assert not any("embed_tokens" in name or "lm_head" in name for name in names)
    settled = merging.settle(model)
    write_merged(settled, bench.processor, tmp_path / "merged")
    assert torch.equal(logits(plain(tmp_path / "merged"), bench), logits(settled, bench))


def test_full_fine_tuning_resumes_from_the_trained_weights_alone(workbench: Build, tmp_path: Path) -> None:
    from safetensors import safe_open

    bench = workbench(
        **FULL,
        adapter={"method": "full", "vision": False},
        training={"checkpoints": {"every": 1}},
    )
    model = trained(bench, bench.tuned_model(), tmp_path / "checkpoints")
    newest = max((tmp_path / "checkpoints").iterdir(), key=train.step_of)
    with safe_open(newest / "trainable.safetensors", framework="pt") as stored:
        assert set(stored.keys()) == {name for name, p in model.named_parameters() if p.requires_grad}
    again = trained(bench, bench.tuned_model(), tmp_path / "checkpoints")
    assert torch.equal(logits(again, bench), logits(model, bench))


def test_layers_choose_kinds_for_each_part(workbench: Build) -> None:
    model = workbench(adapter={"layers": {"vision": ["attention"], "language": ["mlp"]}}).tuned_model()
    reached = {name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name}
    assert len(reached) == 4 + 6
    assert all(".attn." in name if "visual" in name else ".mlp." in name for name in reached)
    with pytest.raises(BadConfigError, match=r"adapter\.layers\.projector: the projector of Qwen2-VL has no attention"):
        workbench(adapter={"layers": {"projector": ["attention"], "language": ["mlp"]}}).tuned_model()


@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_modules_to_save_are_trained_whole_and_ship_with_the_adapter(
    workbench: Build, tmp_path: Path, quantization: str
) -> None:
    from peft import PeftModel

    bench = workbench(
        model={"quantization": quantization}, adapter={"modulesToSave": ["lm_head"]}, training={"learningRate": "1e-2"}
    )
    model = trained(bench, bench.tuned_model(), tmp_path / "checkpoints")
    head = model.get_base_model().lm_head
    assert not torch.equal(head.modules_to_save["default"].weight, head.original_module.weight)
    measured = logits(model, bench)
    adapter = adapters.write(model, tmp_path / "adapter")
    again = PeftModel.from_pretrained(bench.base_model(), adapter)
    torch.testing.assert_close(logits(again, bench), measured, atol=1e-5, rtol=0)
    merged = merging.merge(model, adapter)
    torch.testing.assert_close(logits(merged, bench), measured, atol=1e-5, rtol=0)
    write_merged(merged, bench.processor, tmp_path / "merged")
    torch.testing.assert_close(logits(plain(tmp_path / "merged"), bench), measured, atol=1e-5, rtol=0)


def test_modules_to_save_that_cannot_be_are_refused(workbench: Build) -> None:
    for name, words in (("nose", ": .*no module whose name ends so"), ("mlp.up_proj", " is quantised")):
        with pytest.raises(BadConfigError, match=rf"modulesToSave: {name}{words}"):
            workbench(adapter={"modulesToSave": [name]}).tuned_model()
    bench = workbench(adapter={"modulesToSave": ["lm_head"]})
    base = bench.base_model()
    base.lm_head.weight = base.model.language_model.embed_tokens.weight
    from visionft_trainer.model import adapt

    with pytest.raises(BadConfigError, match="head and token embeddings are one tensor"):
        adapt.adapt(base, bench.spec, bench.family, bench.files.identity)


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("linear", [1e-2, 0.75e-2, 0.5e-2, 0.25e-2]),
        ("constant", [1e-2] * 4),
        ("cosineWithRestarts", [1e-2] * 4),  # one wave a step: each begins at the peak
        ("polynomial", [1e-2, 0.5625e-2, 0.25e-2, 0.0625e-2]),
        ("warmupStableDecay", [1e-2, 1e-2, 1e-2, 1e-2]),
        ("cosine", [1e-2, 0.853553e-2, 0.5e-2, 0.146447e-2]),
        ("inverseSquareRoot", None),
    ],
)
def test_schedules(workbench: Build, tmp_path: Path, scheduler: str, expected: list[float] | None) -> None:
    bench = workbench(
        training={"maxSteps": 4, "batchSize": 1, "learningRate": "1e-2", "warmupRatio": "0", "scheduler": scheduler}
    )
    done = train.train(
        bench.tuned_model(), bench.spec, bench.train, None, bench.processor, bench.family, tmp_path, Progress(),
        bench.batching,
    )  # fmt: skip
    rates = [entry["learning_rate"] for entry in done.history if "loss" in entry]
    if expected is None:
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 1e-2
    else:
        assert rates == pytest.approx(expected, rel=1e-4)


def with_optimizer(bench: Any, name: str) -> Any:
    """The workbench with an optimizer that the API keeps for manifests with GPUs; `--device cpu` brings it here."""
    training = bench.spec.training.model_copy(update={"optimizer": name})
    return dataclasses.replace(bench, spec=bench.spec.model_copy(update={"training": training}))


def test_optimizer_with_eight_bit_state_learns_and_resumes(workbench: Build, tmp_path: Path) -> None:
    bench = with_optimizer(
        workbench(training={"maxSteps": 4, "batchSize": 4, "scheduler": "constant", "checkpoints": {"every": 2}}),
        "adamw8bit",
    )

    def losses(steps: int, folder: str) -> list[float]:
        allowed = iter(range(steps))
        done = train.train(
            bench.tuned_model(), bench.spec, bench.train, None, bench.processor, bench.family, tmp_path / folder,
            Progress(), bench.batching, lambda: next(allowed, None) is None,
        )  # fmt: skip
        return [entry["loss"] for entry in done.history if "loss" in entry]

    whole = losses(9, "whole")
    assert len(whole) == 4
    assert whole[-1] < whole[0]
    assert len(losses(1, "broken")) == 2
    assert losses(9, "broken") == whole


def test_paged_optimizers_need_a_gpu(workbench: Build, tmp_path: Path) -> None:
    bench = with_optimizer(workbench(), "pagedAdamw")
    with pytest.raises(BadConfigError, match=r"training\.optimizer: pagedAdamw pages between a GPU.*adamw"):
        bench.trainer(bench.tuned_model(), tmp_path)
