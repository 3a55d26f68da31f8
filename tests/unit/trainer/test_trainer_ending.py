"""How a command ends where a library has much to say."""

from __future__ import annotations

import pytest
from visionft_trainer.commands import ending
from visionft_trainer.errors import BadModelError
from visionft_trainer.failures import classify
from visionft_trainer.reporting.progress import Progress


def test_an_error_that_goes_on_and_on_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    error = BadModelError(f"spec.model: the weights cannot be read ({'x' * 100_000}).")
    assert ending.fail(classify(error), None, 1, Progress()) == BadModelError.exit_code
    said = capsys.readouterr().err
    assert said.startswith("visionft-trainer: spec.model: the weights cannot be read (xxx")
    assert said.endswith("x…\n")
    assert len(said) < 10_000
