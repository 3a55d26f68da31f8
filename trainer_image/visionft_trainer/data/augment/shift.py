"""How far augmentation moves what the pictures look like, on a fixed sample of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image
from visionft_api.spec.dataset import AugmentationSpec

from visionft_trainer.data.augment.changes import CHANGED_SHARE, SWITCHES
from visionft_trainer.data.report.model import ShiftReport
from visionft_trainer.data.rows import Row
from visionft_trainer.errors import BadConfigError
from visionft_trainer.prepare.variation import change_pictures

SAMPLE_ROWS = 128
SHARPNESS_SIDE = 512  # pixels of the middle, each way, that sharpness is measured on
DIGITS = 4
STATISTICS = ("brightness", "contrast", "sharpness", "width", "height")

Figures = np.ndarray[Any, np.dtype[np.float64]]


def measure_shift(
    count: int,
    row_at: Callable[[int], Row],
    open_row: Callable[[Row], list[Image.Image]],
    seed: int,
    augmentation: AugmentationSpec,
) -> ShiftReport | None:
    """Compare the pictures of some of `count` rows, evenly spaced, as they are and as training meets them.

    None where they have no pictures.

    Raises:
        BadConfigError: a statistic moves further than `augmentation.maxShift`.
    """
    indices = sorted({int(index) for index in np.linspace(0, count - 1, min(count, SAMPLE_ROWS))})

    def plain() -> Iterator[Image.Image]:
        for index in indices:
            yield from open_row(row_at(index))

    def changed(chosen: AugmentationSpec) -> Iterator[Image.Image]:
        for index in indices:
            row = row_at(index)
            yield from change_pictures(row, open_row(row), np.random.default_rng((seed, index)), chosen)[1]

    def distances(chosen: AugmentationSpec) -> dict[str, float]:
        return _distances(before, _figures(changed(chosen)), CHANGED_SHARE * float(chosen.strength))

    before = _figures(plain())
    if not len(before):
        return None
    reached = distances(augmentation)
    limit = float(augmentation.max_shift)
    worst = max(reached, key=lambda name: reached[name])
    if reached[worst] > limit:
        alone = {
            switch: distances(_only(augmentation, switch))[worst]
            for switch in SWITCHES
            if getattr(augmentation, switch)
        }
        raise BadConfigError(_refusal(augmentation, worst, reached[worst], alone, len(indices)))
    return ShiftReport(pictures=len(before), limit=limit, distances=reached)


def sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian of the grey values in the middle of a picture.

    The measure LAP4 of J. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (2000).
    """
    left, top = max(0, image.width - SHARPNESS_SIDE) // 2, max(0, image.height - SHARPNESS_SIDE) // 2
    middle = image.crop((left, top, min(image.width, left + SHARPNESS_SIDE), min(image.height, top + SHARPNESS_SIDE)))
    grey = np.pad(np.asarray(middle.convert("L"), dtype=np.float64), 1, mode="edge")
    centre = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre).var())


def distance(before: Figures, after: Figures) -> float:
    """The two-sample Kolmogorov-Smirnov distance of `[N]` and `[M]` values: 0 where they are spread alike, 1 apart."""
    points = np.concatenate([before, after])
    shares = [np.searchsorted(np.sort(values), points, side="right") / len(values) for values in (before, after)]
    return float(np.abs(shares[0] - shares[1]).max())


def _figures(images: Iterable[Image.Image]) -> Figures:
    """`[pictures, statistics]`."""
    figures = []
    for image in images:
        grey = np.asarray(image.convert("L"), dtype=np.float64) / 255
        figures.append((grey.mean(), grey.std(), sharpness(image), image.width, image.height))
    return np.array(figures, dtype=np.float64).reshape(-1, len(STATISTICS))


def _distances(before: Figures, changed: Figures, share: float) -> dict[str, float]:
    """Between the pictures as they are and as training meets them, of which `share` are changed and the rest are not.

    The distribution of such a mixture lies that share of the way to the changed ones', and so does its distance.
    """
    return {
        name: round(share * distance(before[:, column], changed[:, column]), DIGITS)
        for column, name in enumerate(STATISTICS)
    }


def _only(augmentation: AugmentationSpec, switch: str) -> AugmentationSpec:
    return augmentation.model_copy(update={name: name == switch for name in SWITCHES})


def _refusal(augmentation: AugmentationSpec, statistic: str, reached: float, alone: dict[str, float], rows: int) -> str:
    most = max(alone, key=lambda switch: alone[switch])
    return (
        f"spec.dataset.augmentation: it moves the {statistic} of the training pictures by {reached:.2f} "
        f"(Kolmogorov-Smirnov distance, {rows} rows), and maxShift allows {augmentation.max_shift}. {most} moves it "
        f"most ({alone[most]:.2f} alone): set {most} to false, lower strength from {augmentation.strength}, or raise "
        "maxShift."
    )
