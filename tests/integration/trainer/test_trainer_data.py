"""Data sets of any size: what is prepared does not depend on how, and memory does not grow with the rows."""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from support.tiny_data import row as data_row
from support.tiny_models import TINY_MODELS
from visionft_trainer.prepare.pictures import Outlines, Pictures, UnfitPictureError
from visionft_trainer.prepare.preprocess import prepare_row


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


ROWS = (3_000, 12_000)
GROWTH = 12 * 2**20  # bytes between them; the rows themselves, held, would be over 60 MB

READ = """
import sys, psutil
from pathlib import Path
from visionft_api.spec import DatasetSpec, DataSource
from visionft_api.spec.dataset import PvcSource
from visionft_trainer.data import ingest
from visionft_trainer.data.report.build import inspect
from visionft_trainer.storage.scratch import Scratch
from visionft_trainer.settings import Settings

folder, scratch, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
source = DataSource(pvc=PvcSource(claim_name="data", path=name))
dataset = DatasetSpec(train=source, bad_rows="Drop")
most = 0
def tick(done):
    global most
    most = max(most, psutil.Process().memory_info().rss)
settings = Settings(claims={"data": folder})
split = ingest.read_split("train", source, dataset, settings, Scratch(scratch), tick, workers=2)
report = inspect(ingest.Dataset(split, None))
tick(0)
for row in split.rows:
    pass
tick(0)
print(most, report.train.rows, report.train.dropped)
"""


def memory_of(folder: Path, scratch: Path, rows: int) -> int:
    """Peak resident memory, in bytes, of a process that reads rows with pictures inside them, every tenth broken."""
    encoded = base64.b64encode(random_png()).decode()
    with (folder / f"{rows}.jsonl").open("w") as file:
        for number in range(rows):
            uri = f"data:image/png;base64,{encoded}" if number % 10 else f"data:image/png;base64,%{number}"
            file.write(json.dumps(data_row(uri, f"{number}")) + "\n")
    scratch.mkdir()
    command = [sys.executable, "-c", READ, str(folder), str(scratch), f"{rows}.jsonl"]
    most, used, *_ = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(used) == rows * 9 // 10
    return int(most)


def random_png() -> bytes:
    """About 6 kB that do not compress."""
    file = io.BytesIO()
    Image.fromarray(torch.randint(0, 256, (40, 50, 3), dtype=torch.uint8).numpy()).save(file, "PNG")
    return file.getvalue()


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    few, many = (memory_of(tmp_path, tmp_path / f"scratch-{rows}", rows) for rows in ROWS)
    assert many - few < GROWTH
