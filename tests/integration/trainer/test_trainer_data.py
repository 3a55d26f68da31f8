"""Data sets of any size: what is prepared does not depend on how, and memory does not grow with the rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from support.tiny_models import TINY_MODELS
from visionft_trainer.pictures import Outlines, Pictures, UnfitPictureError
from visionft_trainer.preprocess import prepare_row


def test_rows_are_prepared_from_sizes_as_from_their_pictures(workbench: Callable[..., Any]) -> None:
    bench = workbench()
    for example in bench.train.examples:
        whole = prepare_row(
            example.row, bench.train.pictures.of(example.row), bench.spec.dataset, bench.processor, bench.family
        )
        assert torch.equal(example.input_ids, whole.input_ids)
        assert torch.equal(example.labels, whole.labels)
        assert torch.equal(example.prompt_ids, whole.prompt_ids)


def test_a_picture_is_opened_once_for_its_size(workbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    real = Pictures.open
    monkeypatch.setattr(Pictures, "open", lambda self, row: opened.append(row.where.row) or real(self, row))
    bench = workbench()
    assert len(bench.train.examples) + len(bench.validation.examples) == 30
    assert len(opened) == 4  # rows of 64 x 32 in each split, the talk with three pictures, the row without any


@pytest.mark.parametrize("name", TINY_MODELS)
def test_token_ids_follow_from_the_sizes(name: str, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoProcessor
    from visionft_trainer.families import FAMILIES

    place = TINY_MODELS[name](tmp_path / "model")
    config = AutoConfig.from_pretrained(place).to_dict()
    (family,) = (family for family in FAMILIES if family.matches(config))
    processor = AutoProcessor.from_pretrained(place)
    random = torch.Generator().manual_seed(0)
    for size in ((64, 32), (100, 300), (333, 77)):
        pixels = torch.randint(0, 256, (size[1], size[0], 3), generator=random, dtype=torch.uint8).numpy()
        images = [Image.fromarray(pixels)] * 2
        tensors = family.process_images(processor, images)
        blank = family.process_images(processor, [Image.new("RGB", size)] * 2)

        class Same:
            def of(self, row: Any) -> Any:
                return blank  # noqa: B023

            def check(self, sizes: Any) -> None:
                pass

        outline = Outlines(Same()).of(None, [size, size])  # type: ignore[arg-type]
        for index in range(2):
            wanted = family.image_token_ids(processor, tensors, index)
            assert family.image_token_ids(processor, outline, index) == wanted
            assert family.seen_size(processor, outline, index) == family.seen_size(processor, tensors, index)


def test_pictures_of_an_unfit_size_are_refused_unopened(workbench: Callable[..., Any]) -> None:
    bench = workbench()
    with pytest.raises(UnfitPictureError):
        Outlines(bench.train.pictures).of(None, [(4000, 8)])  # type: ignore[arg-type]
