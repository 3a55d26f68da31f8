"""SIGTERM and Ctrl-C end a run at once, except in the middle of training."""

import os
import signal

import pytest
from visionft_trainer.errors import Interrupted
from visionft_trainer.signals import Stop


@pytest.fixture
def stop() -> Stop:
    stop = Stop()
    stop.install()
    return stop


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_at_once_outside_of_training(stop: Stop, number: int, code: int) -> None:
    with pytest.raises(Interrupted) as interruption:
        send(number)
    assert interruption.value.exit_code == code
    assert stop.requested()


def test_training_is_only_told(stop: Stop) -> None:
    with stop.at_step_end():
        assert not stop.requested()
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert stop.requested()
    assert stop.interruption().exit_code == 143


def test_second_ctrl_c_does_not_wait(stop: Stop) -> None:
    with stop.at_step_end():
        send(signal.SIGINT)
        with pytest.raises(Interrupted):
            send(signal.SIGINT)


def test_last_word_is_not_cut(stop: Stop) -> None:
    stop.ignore()
    send(signal.SIGTERM)
    assert not stop.requested()
