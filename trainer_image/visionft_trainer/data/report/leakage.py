"""Rows of the validation data that the training data has too: measuring on them measures memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visionft_trainer.data.report.facts import Column, Facts
from visionft_trainer.data.report.matches import NONE, Chosen, Positions, equal_to_earlier, near_earlier
from visionft_trainer.data.report.perceptual_hash import near


@dataclass(frozen=True)
class Leakage:
    """For each row of the validation data the position of a training row that gives it away, or `NONE`."""

    exact: Positions
    """A training row with one of its pictures, or, for a row without any, with its words."""
    near: Positions
    """A training row with the same answer and a picture that looks like one of its own; rows with an exact match have
    none here. Forms of one kind look alike, so a look alone is not enough."""


def find_leakage(train: Facts, validation: Facts) -> Leakage:
    """Compare the validation rows with the training rows. Blank pictures give nothing away."""
    exact = np.full(len(validation.rows), NONE, dtype=np.int64)
    near_rows = exact.copy()
    whole = _from_train(_joined(train.rows.column("content"), validation.rows.column("content")), len(train.rows))
    exact[whole != NONE] = whole[whole != NONE]
    if not (len(train.pictures) and len(validation.pictures)):
        return Leakage(exact, near_rows)
    pictures = _Pictures(train, validation)
    same = _from_train(pictures.joined("digest"), pictures.training)
    same[validation.pictures.column("blank")] = NONE
    rows = np.asarray(validation.pictures.column("row")).astype(np.int64)
    _note(exact, rows, same, train)
    _note(near_rows, rows, pictures.near(exact[rows] == NONE), train)
    return Leakage(exact, near_rows)


class _Pictures:
    """The training pictures and, behind them, those of the validation data."""

    def __init__(self, train: Facts, validation: Facts) -> None:
        self._train = train
        self._validation = validation
        self.training = len(train.pictures)

    def joined(self, name: str) -> Column:
        return _joined(self._train.pictures.column(name), self._validation.pictures.column(name))

    def near(self, wanted: Chosen) -> Positions:
        """For each wanted picture of the validation data a training picture with the same answer, or `NONE`."""
        coarse, group, fine = self.joined("coarse"), self.joined("answer"), self.joined("fine")
        visible = ~self.joined("blank").astype(bool)
        in_train = np.arange(len(coarse)) < self.training
        asked = np.concatenate([np.zeros(self.training, dtype=bool), wanted])

        def compare(mine: Positions, theirs: Positions) -> Chosen:
            same: Chosen = group[mine] == group[theirs]
            return same & near(coarse[mine], coarse[theirs], fine[mine], fine[theirs])

        found = near_earlier(coarse, group, compare, visible & asked, visible & in_train)
        return found[self.training :]


def _joined(train: Column, validation: Column) -> Column:
    return np.concatenate([train, validation])


def _from_train(digests: Column, training: int) -> Positions:
    """For each digest behind the first `training` ones the position of its equal among these, or `NONE`."""
    found = equal_to_earlier(digests)[training:]
    found[found >= training] = NONE
    return found


def _note(into: Positions, rows: Positions, pictures: Positions, train: Facts) -> None:
    """Turn matches of pictures into matches of their rows."""
    hits = np.flatnonzero(pictures != NONE)
    owners = train.pictures.column("row")
    into[rows[hits]] = owners[pictures[hits]]
