"""Which layers each switch of `spec.adapter` reaches, and which layers nf4 quantises.

The golden files keep both, with layer numbers as `*`. After an intended change: UPDATE_GOLDEN=1, then read the diff.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from support.family_bench import FamilyBench
from support.family_modules import counted, golden
from torch import nn
from visionft_trainer.families.base import PARTS, Linears

KINDS = ("attention", "mlp")


@pytest.mark.capability("reach")
def test_switches_reach_the_layers_that_they_name(bench: FamilyBench, base: Any) -> None:
    idle = set(_matching(bench.family.idle_modules(base.config), _linears(base)))
    linears = [name for name in _linears(base) if name not in idle]
    reached = {
        part: {kind: _matching(getattr(bench.family.linears[part], kind), linears) for kind in KINDS} for part in PARTS
    }
    chosen = [name for kinds in reached.values() for names in kinds.values() for name in names]
    assert len(chosen) == len(set(chosen)), "a layer is reached by two switches"
    found = {part: {kind: counted(names) for kind, names in kinds.items()} for part, kinds in reached.items()}
    left_alone = counted(set(linears) - set(chosen))
    never_run = counted(idle)
    assert found == golden(bench.family, "reached", found)
    assert never_run == golden(bench.family, "neverRun", never_run)
    assert left_alone == golden(bench.family, "leftAlone", left_alone)


@pytest.mark.capability("reach")
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_adapter_is_where_the_switches_say(bench: FamilyBench, base: Any, part: str, kind: str) -> None:
    switches = {name: name in (part, kind) for name in (*PARTS, *KINDS)}
    pattern = getattr(bench.family.linears[part], kind)
    if pattern is None:
        return  # refused before the model is loaded: tests/integration/trainer/test_trainer_adapter.py
    bench = bench.having(adapter=switches)
    tuned = bench.tuned_model()
    adapted = {name.partition(".lora_A")[0] for name, _ in tuned.named_parameters() if ".lora_A" in name}
    idle = _matching(bench.family.idle_modules(base.config), _linears(base))
    expected = set(_matching(pattern, _linears(base))) - set(idle)
    assert expected
    assert adapted == {f"base_model.model.{name}" for name in expected}
    assert all("lora_" in name for name, parameter in tuned.named_parameters() if parameter.requires_grad)


@pytest.mark.capability("reach")
def test_frozen_encoder_and_vision_switch_mean_the_same_layers(bench: FamilyBench, base: Any) -> None:
    """The tower's own learning rate and its run without a graph go by these names."""
    vision: Linears = bench.family.linears["vision"]
    prefixes = tuple(f"{name}." for name in bench.family.encoder_modules)
    others: list[Linears] = [bench.family.linears[part] for part in ("projector", "language")]
    names = _linears(base)
    for name in _matching(vision.attention, names) + _matching(vision.mlp, names):
        assert name.startswith(prefixes), f"{name} is outside encoder_modules"
    for linears in others:
        for name in _matching(linears.attention, names) + _matching(linears.mlp, names):
            assert not name.startswith(prefixes), f"{name} is inside encoder_modules"


@pytest.mark.capability("nf4")
def test_four_bits_take_the_language_layers_alone(bench: FamilyBench, base: Any) -> None:
    names = _linears(base)
    language: Linears = bench.family.linears["language"]
    wanted = {*_matching(language.attention, names), *_matching(language.mlp, names)}
    small = bench.having(model={"quantization": "nf4"}).base_model()
    quantised = {name for name, module in small.named_modules() if isinstance(module, Linear4bit)}
    assert wanted <= quantised, "a language layer is left in full precision"
    extra = counted(quantised - wanted)
    full = counted(name for name in _linears(small) if name not in quantised)
    assert extra == golden(bench.family, "quantisedWithoutAdapter", extra)
    assert full == golden(bench.family, "fullPrecision", full)
    for part in ("vision", "projector"):
        linears = bench.family.linears[part]
        assert not quantised & {*_matching(linears.attention, names), *_matching(linears.mlp, names)}
    head = small.get_output_embeddings()
    assert isinstance(head, nn.Linear)
    assert not isinstance(head, Linear4bit)
    assert {
        parameter.dtype for name, parameter in small.named_parameters() if name.rpartition(".")[0] not in quantised
    } == {torch.float32}
    layers = [module for module in small.modules() if isinstance(module, Linear4bit)]
    assert all(layer.support_avx512bf16_for_cpu is False for layer in layers), "bitsandbytes would re-pack it"


def _linears(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def _matching(pattern: str | None, names: list[str]) -> list[str]:
    return [name for name in names if pattern and re.fullmatch(pattern, name)]
