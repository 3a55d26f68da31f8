"""The order of rows: every unit once an epoch, the same for one process and for several, in groups of one length."""

import numpy as np
import pytest
from visionft_trainer.training.order import Order, share

LENGTHS = np.random.default_rng(0).integers(10, 2000, size=1003).astype(np.int32)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_each_epoch_meets_every_unit_once_in_an_order_of_its_own(lengths: np.ndarray | None) -> None:
    order = Order(1003, 16, seed=7, lengths=lengths)
    epochs = [order.epoch(epoch) for epoch in range(3)]
    for units in epochs:
        assert sorted(units) == list(range(1003))
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(epochs[2], Order(1003, 16, seed=7, lengths=lengths).epoch(2))
    assert not np.array_equal(epochs[0], Order(1003, 16, seed=8, lengths=lengths).epoch(0))


@pytest.mark.parametrize(("units", "size", "steps"), [(24, 5, 5), (24, 24, 1), (24, 100, 1), (25, 5, 5)])
def test_the_last_step_takes_what_is_left(units: int, size: int, steps: int) -> None:
    assert Order(units, size, seed=1).steps == steps


def test_units_of_similar_length_share_a_step() -> None:
    order = Order(1003, 16, seed=7, lengths=LENGTHS)
    steps = np.split(LENGTHS[order.epoch(0)], range(16, 1003, 16))
    padding = sum(int(step.max() * len(step) - step.sum()) for step in steps)
    plain = np.split(LENGTHS[Order(1003, 16, seed=7).epoch(0)], range(16, 1003, 16))
    assert padding < 0.1 * sum(int(step.max() * len(step) - step.sum()) for step in plain)
    assert steps[0].max() == max(step.max() for step in steps[:-1])
    assert [step.max() for step in steps] != sorted((step.max() for step in steps), reverse=True)


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
@pytest.mark.parametrize("units", [0, 1, 3, 8, 9])
def test_processes_share_a_step_without_gap_or_overlap(processes: int, units: int) -> None:
    shares = [share(range(units), process, processes) for process in range(processes)]
    assert [unit for part in shares for unit in part] == list(range(units))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
