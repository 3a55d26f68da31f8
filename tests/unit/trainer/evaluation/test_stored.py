"""Answers that are kept, so that an interrupted run does not ask again."""

from pathlib import Path

import pytest
from visionft_trainer.data.rows import Box
from visionft_trainer.evaluation.generate import Answer, Answers
from visionft_trainer.evaluation.stored import key_of, number_once, once

GIVEN = Answers((Answer("31 é", None, 3), Answer("[]", (), 2), Answer("x", (Box("cat", 0.1, 0.2, 0.3, 0.4),), 9)), 1.5)


def forbidden() -> Answers:
    raise AssertionError("asked again")


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "measured" / "plain.json"
    assert once(file, "key", lambda: GIVEN) == GIVEN
    assert once(file, "key", forbidden) == GIVEN


def test_answers_of_another_key_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "plain.json"
    once(file, "old", lambda: GIVEN)
    other = Answers((Answer("7"),), 0.1)
    assert once(file, "new", lambda: other) == other
    assert once(file, "new", forbidden) == other


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "key"}', '{"key": "key", "seconds": 1, "answers": [{}]}'])
def test_a_damaged_file_is_not_used(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plain.json"
    file.write_text(text)
    assert once(file, "key", lambda: GIVEN) == GIVEN


def test_an_interruption_leaves_no_file(tmp_path: Path) -> None:
    def interrupted() -> Answers:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(tmp_path / "plain.json", "key", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_a_key_follows_from_every_fact() -> None:
    assert key_of(model="a", tokens=4) == key_of(tokens=4, model="a")
    assert len({key_of(model="a", tokens=4), key_of(model="b", tokens=4), key_of(model="a", tokens=5)}) == 3


def test_a_number_is_computed_once(tmp_path: Path) -> None:
    values = iter([2.5, 3.5])
    file = tmp_path / "measured" / "rank.json"
    assert [number_once(file, key, lambda: next(values)) for key in ("a", "a", "b", "b")] == [2.5, 2.5, 3.5, 3.5]
