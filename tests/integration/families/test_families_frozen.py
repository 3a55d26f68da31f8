"""A frozen tower runs once a step, forward only, with gradient checkpointing on."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from support.family_bench import FamilyBench
from torch import nn


@pytest.mark.capability("frozen")
def test_frozen_tower_runs_once_and_without_a_graph(bench: FamilyBench) -> None:
    bench = bench.having(adapter={"vision": False, "projector": False})
    batch = bench.batch()
    once, _ = _count_calls(bench, model := bench.base_model())
    with torch.no_grad():
        model(**batch)
    assert once, "no module of encoder_modules was called"

    tuned = bench.tuned_model()
    calls, graphs = _count_calls(bench, tuned.get_base_model())
    tuned.gradient_checkpointing_enable()
    tuned.enable_input_require_grads()
    tuned.train()
    tuned(**batch).loss.backward()
    assert calls == once
    assert not graphs, f"{sorted(graphs)} have a graph"
    assert all(parameter.grad is not None for parameter in tuned.parameters() if parameter.requires_grad)


def _count_calls(bench: FamilyBench, model: nn.Module) -> tuple[Counter[str], set[str]]:
    """Forward calls of the tower's linear layers by name, and those whose output has a graph; filled as it runs."""
    calls: Counter[str] = Counter()
    graphs: set[str] = set()
    prefixes = tuple(f"{name}." for name in bench.family.encoder_modules)

    def watch(name: str) -> Any:
        def called(module: nn.Module, inputs: Any, output: Any) -> None:
            calls[name] += 1
            if output.requires_grad:
                graphs.add(name)

        return called

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name.startswith(prefixes):
            module.register_forward_hook(watch(name))
    return calls, graphs
