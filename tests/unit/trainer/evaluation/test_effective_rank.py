"""Roy and Vetterli's effective rank."""

import numpy as np
import pytest
from visionft_trainer.evaluation.rank import effective_rank


def test_equal_directions_count_in_full() -> None:
    assert effective_rank(np.eye(5)) == pytest.approx(5)
    assert effective_rank(np.vstack([np.eye(3)] * 4)) == pytest.approx(3)


def test_one_direction_is_one() -> None:
    assert effective_rank(np.outer(np.arange(1, 9), [1.0, 2.0, 3.0])) == pytest.approx(1)


def test_unequal_ones_count_by_their_entropy() -> None:
    """Singular values 3 and 1: shares 3/4 and 1/4."""
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert effective_rank(np.diag([3.0, 1.0])) == pytest.approx(np.exp(entropy))


def test_scale_does_not_count() -> None:
    features = np.random.default_rng(0).normal(size=(20, 8))
    assert effective_rank(features * 1e3) == pytest.approx(effective_rank(features))


def test_nothing_has_no_rank() -> None:
    assert effective_rank(np.zeros((4, 4))) == 0.0
    assert effective_rank(np.full((2, 2), np.nan)) == 0.0
