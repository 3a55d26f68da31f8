"""How a step is cut: batchSize and gradientCheckpointing, where they are auto."""

from __future__ import annotations

from dataclasses import replace

import pytest
from visionft_api.spec import TrainingSpec
from visionft_trainer.errors import BadConfigError
from visionft_trainer.estimate.activations import Head
from visionft_trainer.estimate.choose import choose, on_cpu, sentence
from visionft_trainer.estimate.layers import Attention, Block, Linear, Mlp, Tower
from visionft_trainer.estimate.memory import Model, needs
from visionft_trainer.estimate.sizes import RowSize, packed, worst_batch
from visionft_trainer.estimate.tensors import Shareable, Tensors
from visionft_trainer.training.batching import Batching

GIB = 2**30
WIDTH = 4096


def layer(number: int) -> Block:
    linears = tuple(
        Linear(name, WIDTH, WIDTH, bits=4, rank=16)
        for name in ("attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.o_proj")
    )
    attention = Attention(32, WIDTH, WIDTH, WIDTH, fused=False, normed=False)
    mlp = Mlp(14336, gated=True, sigmoid_gelu=False)
    return Block(f"layers.{number}", "language", True, WIDTH, 2 * WIDTH, attention, mlp, linears)


MODEL = Model(
    Tensors(weights=6 * GIB, adapter=0, gradients=0, optimizer=0, paged=False),
    tuple(layer(number) for number in range(32)),
    Head(WIDTH, 128_000),
    vision_graph=False,
    tower=Tower(),
    shareable=Shareable(weights=5 * GIB, largest=5 * GIB // 32),
)
LARGE = replace(
    MODEL,
    tensors=Tensors(weights=2 * GIB, adapter=4 * GIB, gradients=4 * GIB, optimizer=8 * GIB, paged=False),
    shareable=Shareable(weights=GIB, trained=4 * GIB, optimizer=8 * GIB, largest=GIB // 8, largest_trained=GIB // 8),
)
"""Whole it takes 18 GiB, on each of four GPUs a third of that."""
ROWS = [RowSize(tokens=1500, answers=300, patches=0, images=0, pictures=0)] * 8


def training(**fields: object) -> TrainingSpec:
    return TrainingSpec.model_validate({"batchSize": "auto", **fields})


def test_plenty_of_memory_needs_no_checkpointing_and_one_pass() -> None:
    choice = choose(training(), MODEL, ROWS, 512 * GIB)
    assert (choice.batching, choice.fits) == (Batching(16, 1, gradient_checkpointing=False), True)


def test_samples_of_a_step_are_kept_however_little_memory_there_is() -> None:
    for memory in (8, 12, 16, 24, 48, 80, 141):
        batching = choose(training(effectiveBatchSize=24), MODEL, ROWS, memory * GIB).batching
        assert batching.micro_batch * batching.accumulation == 24


def test_little_memory_checkpoints_and_less_memory_takes_fewer_samples_at_a_time() -> None:
    small, smaller = (choose(training(), MODEL, ROWS, memory * GIB) for memory in (24, 12))
    assert small.fits
    assert small.batching.gradient_checkpointing
    assert smaller.fits
    assert smaller.batching.micro_batch < small.batching.micro_batch


def test_what_fits_nowhere_is_tried_in_the_smallest_way_and_said() -> None:
    choice = choose(training(), MODEL, ROWS, 6 * GIB)
    assert choice.batching == Batching(1, 16, gradient_checkpointing=True)
    assert not choice.fits
    assert "may not suffice" in sentence(choice, 6 * GIB)


def test_numbers_of_the_spec_stay_and_only_checkpointing_is_chosen() -> None:
    fixed = training(batchSize=4, gradientAccumulation=2)
    assert choose(fixed, MODEL, ROWS, 512 * GIB).batching == Batching(4, 2, gradient_checkpointing=False)
    assert choose(fixed, MODEL, ROWS, 16 * GIB).batching == Batching(4, 2, gradient_checkpointing=True)


@pytest.mark.parametrize(("said", "checkpointing"), [("always", True), ("never", False)])
def test_a_switch_for_checkpointing_is_obeyed(said: str, checkpointing: bool) -> None:
    for memory in (8, 512):
        choice = choose(training(gradientCheckpointing=said), MODEL, ROWS, memory * GIB)
        assert choice.batching.gradient_checkpointing is checkpointing


def test_several_gpus_share_the_samples_of_a_step() -> None:
    assert choose(training(), MODEL, ROWS, 512 * GIB, processes=4).batching == Batching(4, 1, False)
    with pytest.raises(BadConfigError, match=r"16 samples a step cannot be shared evenly by 3 GPUs.*such as 18"):
        choose(training(), MODEL, ROWS, 512 * GIB, processes=3)


def test_on_a_cpu_a_step_is_one_pass_up_to_a_bound() -> None:
    assert on_cpu(training()) == Batching(16, 1, gradient_checkpointing=False)
    assert on_cpu(training(effectiveBatchSize=48)) == Batching(16, 3, gradient_checkpointing=False)
    assert on_cpu(training(batchSize=64)) == Batching(64, 1, gradient_checkpointing=False)


def test_the_worst_batch_holds_the_largest_rows_of_each_kind() -> None:
    rows = [RowSize(100, 10, 50, 1, 500), RowSize(60, 40, 80, 2, 800), RowSize(20, 5, 0, 0, 0)]
    batch = worst_batch(rows, 2)
    assert (batch.tokens, batch.answers, batch.patches, batch.images, batch.padded) == (200, 50, 130, 3, True)
    assert worst_batch(rows, 4).answers == 10 + 40 + 5 + 40


def test_a_pack_is_as_full_of_pictures_as_its_rows() -> None:
    (pack,) = packed([RowSize(100, 10, 50, 1, 500), RowSize(60, 40, 0, 0, 0)], 1000)
    assert (pack.tokens, pack.patches, pack.images) == (1000, 500, 10)


def test_auto_shares_the_model_out_only_where_the_whole_of_it_fits_nowhere() -> None:
    for memory, processes, sharded, fits in (
        (24, 2, False, True),
        (10, 2, False, False),
        (10, 4, True, True),
        (10, 1, False, False),
    ):
        choice = choose(training(batchSize=1), LARGE if memory == 10 else MODEL, ROWS, memory * GIB, processes)
        assert (choice.batching.sharded, choice.fits) == (sharded or (memory, processes) == (10, 2), fits)


def test_a_model_that_is_shared_out_is_told_with_both_figures() -> None:
    fitting = choose(training(batchSize=1), LARGE, ROWS, 10 * GIB, processes=4)
    said = sentence(fitting, 10 * GIB)
    assert said.startswith("spec.training.sharding: auto is fsdp here. With the whole model on each GPU")
    assert "shared out among 4 GPUs (fsdp)" in said
    neither = choose(training(batchSize=1), LARGE, ROWS, 5 * GIB, processes=4)
    said = sentence(neither, 5 * GIB)
    assert said.count("of the GPU's 5Gi") == 2
    assert "with the whole model on each GPU and about" in said
    assert "(fsdp), which may not suffice" in said


def test_sharding_that_is_said_or_impossible_is_not_chosen() -> None:
    for fields, shardable, sharded in (
        ({"sharding": "ddp"}, True, False),
        ({"sharding": "fsdp"}, True, True),
        ({}, False, False),
    ):
        choice = choose(training(batchSize=1, **fields), LARGE, ROWS, 10 * GIB, 4, shardable)
        assert choice.batching.sharded is sharded


def test_a_share_of_the_layers_and_two_of_them_whole_lie_on_each_gpu() -> None:
    batch = worst_batch(ROWS, 1)
    whole, shared = (needs(LARGE, batch, checkpointing=True, processes=4, sharded=way) for way in (False, True))
    part = LARGE.shareable
    assert shared.weights == LARGE.tensors.weights - part.weights * 3 // 4
    assert shared.gradients == LARGE.tensors.gradients - part.trained * 3 // 4
    assert shared.optimizer == LARGE.tensors.optimizer - part.optimizer * 3 // 4
    assert shared.gathered == 2 * part.largest + 2 * part.largest_trained
    assert (shared.exchange, whole.gathered) == (0, 0)
    assert shared.activations == whole.activations
    assert shared.allocated >= LARGE.tensors.weights + LARGE.tensors.adapter  # as it is loaded
