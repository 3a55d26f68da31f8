"""A shift of the pictures' statistics is seen, told, and refused beyond the bound."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.stats import ks_2samp
from visionft_api.spec.dataset import AugmentationSpec
from visionft_trainer.data.augment.shift import distance, measure_shift, sharpness
from visionft_trainer.data.rows import Message, Picture, Row, Text, Where
from visionft_trainer.errors import BadConfigError


def row(index: int) -> Row:
    asked = Message("user", (Picture(Path(f"{index}.png")),))
    return Row(Where("a.jsonl", index + 1), (asked, Message("assistant", (Text("x"),))))


def pictures_of(row: Row) -> list[Image.Image]:
    """Coarse patterns, one like the other in sharpness."""
    random = np.random.default_rng(row.where.row)
    coarse = Image.fromarray(random.integers(100, 156, (6, 8, 3), dtype=np.uint8))
    return [coarse.resize((64, 48), Image.Resampling.BICUBIC)]


def test_distance_is_scipys() -> None:
    random = np.random.default_rng(0)
    for size in (1, 7, 200):
        before, after = random.normal(size=size), random.normal(0.5, 2, size=size + 3).round(1)
        assert distance(before, after) == pytest.approx(ks_2samp(before, after).statistic)


def test_sharpness_falls_with_blur() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    assert sharpness(image.filter(ImageFilter.GaussianBlur(2))) < sharpness(image) / 2
    assert sharpness(Image.new("RGB", (1, 1))) == 0


def test_the_usual_strength_is_within_the_usual_bound() -> None:
    spec = AugmentationSpec(rotation=True, perspective=True, blur=True, noise=True, jpeg=True, light=True)
    report = measure_shift(300, row, pictures_of, 0, spec)
    assert report is not None
    assert report.pictures == 128
    assert 0 < report.distances["sharpness"] <= report.limit == 0.25
    assert report.distances["width"] == report.distances["height"] == 0
    assert report == measure_shift(300, row, pictures_of, 0, spec)


def test_beyond_the_bound_the_figure_and_the_switch_are_named() -> None:
    spec = AugmentationSpec(blur=True, noise=True, strength="1")
    with pytest.raises(BadConfigError) as error:
        measure_shift(300, row, pictures_of, 0, spec)
    message = str(error.value)
    assert message.startswith("spec.dataset.augmentation: it moves the sharpness of the training pictures by 0.")
    assert "maxShift allows 0.25. noise moves it most (0." in message
    assert message.endswith("alone): set noise to false, lower strength from 1, or raise maxShift.")


def test_rows_without_pictures_have_nothing_to_move() -> None:
    assert measure_shift(9, row, lambda _: [], 0, AugmentationSpec(blur=True)) is None


def test_a_few_rows_of_one_kind_do_not_break_the_usual_bound() -> None:
    reports = [measure_shift(9, row, pictures_of, seed, AugmentationSpec(noise=True)) for seed in range(8)]
    assert all(report is not None and 0.1 < report.distances["sharpness"] <= 0.2 for report in reports)
