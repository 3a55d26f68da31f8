"""Which weights are trained, which are quantised, and that the gradients are the right ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from visionft_trainer.errors import BadConfigError

Build = Callable[..., Any]

# Layers of the tiny model with LoRA: 2 vision blocks, 1 merger, 2 language layers.
REACH = [
    ({"vision": True, "projector": False, "language": False, "mlp": False}, 4),
    ({"vision": True, "projector": False, "language": False, "attention": False}, 4),
    ({"vision": False, "projector": True, "language": False}, 2),
    ({"vision": False, "projector": False, "language": True, "mlp": False}, 8),
    ({"vision": False, "projector": False, "language": True, "attention": False}, 6),
    ({"vision": False, "projector": False, "language": True}, 14),
    ({}, 24),
]


@pytest.mark.parametrize(("switches", "layers"), REACH)
def test_switches_reach_what_they_name(workbench: Build, switches: dict[str, bool], layers: int) -> None:
    model = workbench(adapter=switches).tuned_model()
    adapted = {name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name}
    assert len(adapted) == layers
    parts = {"vision": "visual.blocks", "projector": "visual.merger", "language": "language_model"}
    for part, prefix in parts.items():
        wanted = switches.get(part, True)
        assert any(prefix in name for name in adapted) == wanted
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name for name in trainable)


def test_a_choice_that_reaches_nothing_is_refused(workbench: Build) -> None:
    bench = workbench(adapter={"vision": False, "language": False, "mlp": False})
    with pytest.raises(BadConfigError, match="projector of Qwen2-VL has no attention layers"):
        bench.tuned_model()


@pytest.mark.parametrize(("switch", "expected"), [({"rsLoRA": True}, 32 / 2), ({"dora": True}, 32 / 4)])
def test_lora_variants(workbench: Build, switch: dict[str, bool], expected: float) -> None:
    model = workbench(adapter=switch).tuned_model()
    layer = model.get_base_model().model.language_model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == expected
    assert bool(layer.use_dora["default"]) == ("dora" in switch)


def test_four_bits_spare_the_vision_tower_and_the_head(workbench: Build) -> None:
    model = workbench().base_model()
    quantised = {name for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    assert len(quantised) == 14
    assert all(name.startswith("model.language_model.layers.") for name in quantised)
    spared = [p for name, p in model.named_parameters() if "visual" in name or "lm_head" in name]
    assert {parameter.dtype for parameter in spared} == {torch.float32}


def test_cpu_weights_are_never_repacked(workbench: Build) -> None:
    """Only CPUs with AVX512-BF16 show the damage, so the flag is what is tested."""
    model = workbench().base_model()
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert layers
    assert all(layer.support_avx512bf16_for_cpu is False for layer in layers)


def test_unquantised_model_has_no_four_bit_layers(workbench: Build) -> None:
    model = workbench(model={"quantization": "none"}).base_model()
    assert not any(isinstance(module, Linear4bit) for module in model.modules())


@pytest.mark.parametrize("quantization", ["nf4", "none"])
@pytest.mark.parametrize("vision", [True, False])
def test_gradients_equal_plain_transformers_and_peft(
    workbench: Build, tmp_path: Path, quantization: str, vision: bool
) -> None:
    bench = workbench(
        model={"quantization": quantization}, adapter={"vision": vision}, training={"batchSize": 24, "maxSteps": 1}
    )
    batch = bench.batch()
    plain = _without_shortcuts(bench).train()
    plain(**batch).loss.backward()
    expected = {name: p.grad for name, p in plain.named_parameters() if p.requires_grad}

    model = bench.tuned_model()
    trainer = bench.trainer(model, tmp_path / "checkpoints")
    inputs, items = trainer.get_batch_samples(iter([batch]), 1, torch.device("cpu"))
    trainer.current_gradient_accumulation_steps = 1
    trainer.training_step(model, inputs[0], items)
    found = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}

    assert found.keys() == expected.keys()
    assert max(float(gradient.abs().max()) for gradient in found.values()) > 1e-3
    for name, gradient in found.items():
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, expected[name], atol=1e-6, rtol=0, msg=lambda text, n=name: f"{n}: {text}")


def _without_shortcuts(bench: Any) -> Any:
    """The same adapter by PEFT alone."""
    from peft import get_peft_model
    from visionft_trainer.model import adapt

    torch.manual_seed(bench.spec.training.seed)
    return get_peft_model(bench.base_model(), adapt.lora_config(bench.spec.adapter, bench.family))


def test_frozen_encoder_runs_once_and_without_a_graph(workbench: Build) -> None:
    """Gradient checkpointing makes the patch embedding's output require gradients; a frozen encoder must not care."""
    calls = {True: 0, False: 0}
    for vision in (True, False):
        bench = workbench(adapter={"vision": vision, "projector": False})
        model = bench.tuned_model()
        model.activation_checkpointing_enable()
        model.enable_input_require_grads()
        block = model.get_base_model().model.visual.blocks[0]

        def count(*_: Any, vision: bool = vision) -> None:
            calls[vision] += 1

        block.norm1.register_forward_hook(count)
        model.train()
        model(**bench.batch()).loss.backward()
    assert calls == {True: 2, False: 1}


def test_vision_has_a_learning_rate_of_its_own(workbench: Build, tmp_path: Path) -> None:
    bench = workbench(training={"learningRate": "1e-3", "visionLearningRate": "5e-5", "weightDecay": "0.1"})
    model = bench.tuned_model()
    optimizer = bench.trainer(model, tmp_path / "checkpoints").create_optimizer()
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert rates.pop(id(parameter)) == (5e-5 if "visual.blocks" in name else 1e-3)
    assert not rates
    default = workbench(training={"learningRate": "1e-3"})
    optimizer = default.trainer(default.tuned_model(), tmp_path / "checkpoints").create_optimizer()
    assert sorted({group["lr"] for group in optimizer.param_groups}) == [1e-4, 1e-3]


def test_adapter_stays_in_full_precision(workbench: Build, tmp_path: Path) -> None:
    """TRL rounds the adapter of a 4-bit model to bfloat16, initial values included."""
    bench = workbench()
    model = bench.tuned_model()
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    bench.trainer(model, tmp_path / "checkpoints")
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert torch.equal(parameter, before[name])
