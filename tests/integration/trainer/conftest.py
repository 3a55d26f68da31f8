"""One tiny random model and data set for all tests that really train."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.nursery import Nursery
from support.tiny_data import draw_number, write_numbers, write_rows
from support.tiny_models import tiny_qwen2_vl
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, tiny_spec
from visionft_api.spec import VisionFineTuneSpec
from visionft_trainer import libraries
from visionft_trainer.data import ingest
from visionft_trainer.estimate.choose import on_cpu
from visionft_trainer.families import Family
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as source
from visionft_trainer.storage.scratch import Scratch
from visionft_trainer.training.batching import Batching

libraries.quiet()
TALK = [
    {"role": "system", "content": "Answer with digits."},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "images/wide.png"}},
                                 {"type": "text", "text": "And this?"}]},
    {"role": "assistant", "content": "31"},
    {"role": "user", "content": [{"type": "text", "text": "Now both:"},
                                 {"type": "image_url", "image_url": {"url": "images/10.png"}},
                                 {"type": "image_url", "image_url": {"url": "images/tall.png"}}]},
    {"role": "assistant", "content": "10, 7 é"},
]  # fmt: skip


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders that stand for the claims: a model, 24 + 6 rows (some without images, some with several)."""
    place = tmp_path_factory.mktemp("claims")
    tiny_qwen2_vl(place / MODEL_CLAIM / "tiny")
    data = place / DATA_CLAIM
    write_numbers(data, "train.jsonl", 22)
    draw_number("31", (144, 32)).save(data / "images" / "wide.png")
    draw_number("7", (32, 80)).save(data / "images" / "tall.png")
    lines = (data / "train.jsonl").read_bytes().splitlines()
    plain = {"messages": [{"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": "4"}]}
    write_rows(data, "train.jsonl", [*lines, {"messages": TALK}, plain])
    write_numbers(data, "validation.jsonl", 6, first=60)
    return place


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts the program without the seconds that its libraries take to load."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def settings(place: Path, tmp_path: Path) -> Settings:
    """The claims, with an output folder of the test's own."""
    (tmp_path / OUTPUT_CLAIM).mkdir()
    return Settings(
        claims={
            MODEL_CLAIM: place / MODEL_CLAIM,
            DATA_CLAIM: place / DATA_CLAIM,
            OUTPUT_CLAIM: tmp_path / OUTPUT_CLAIM,
        }
    )


@dataclass
class Workbench:
    """The stages up to `load`, run for one spec."""

    spec: VisionFineTuneSpec
    files: source.ModelFiles
    processor: Any
    train: Any
    validation: Any

    @property
    def family(self) -> Family:
        return self.files.family

    @property
    def batching(self) -> Batching:
        return on_cpu(self.spec.training)

    def base_model(self) -> Any:
        import torch
        from visionft_trainer.model import load

        return load.load_model(self.files, self.spec, torch.device("cpu"))

    def tuned_model(self) -> Any:
        from visionft_trainer.model import adapt

        return adapt.adapt(self.base_model(), self.spec, self.family, self.files.identity)

    def trainer(self, model: Any, folder: Path) -> Any:
        from visionft_trainer.training import train

        return train.build_trainer(
            model, self.spec, self.train, self.validation, self.processor, self.family, folder, self.batching
        )

    def answers(self, model: Any, rows: Any, batch_size: int = 8, max_new_tokens: int = 4) -> list[str]:
        """What the model answers to `train` or `validation`."""
        from visionft_trainer.evaluation.generate import Limits, generate

        limits = Limits(max_new_tokens, batch_size)
        answers = generate(model, rows.examples, rows, limits, self.processor, self.family)
        return [answer.text for answer in answers.items]

    def batch(self, *, validation: bool = False) -> dict[str, Any]:
        from visionft_trainer.prepare.collate import training_batch

        rows = self.validation if validation else self.train
        return training_batch(rows.examples, rows, self.processor, self.family)


@pytest.fixture
def workbench(settings: Settings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Workbench]:
    """Makes a workbench for `tiny_manifest` with the given sections changed."""

    def build(**sections: dict[str, Any]) -> Workbench:
        from visionft_trainer.model import load
        from visionft_trainer.prepare import preprocess

        spec = tiny_spec(tmp_path, **sections)
        scratch = Scratch(tmp_path_factory.mktemp("scratch"))
        data = ingest.ingest(spec, settings, scratch)
        files = source.locate(spec.model, settings)
        processor = load.load_processor(files, spec)
        train, validation = (
            preprocess.preprocess(split, spec.dataset, processor, files.family, scratch)
            for split in (data.train, data.validation)
            if split is not None
        )
        return Workbench(spec, files, processor, train, validation)

    return build


@pytest.fixture
def model_copy(place: Path, tmp_path: Path, settings: Settings) -> tuple[Path, Settings]:
    """A model folder that the test may break, and settings that find it."""
    folder = tmp_path / "broken" / "tiny"
    shutil.copytree(place / MODEL_CLAIM / "tiny", folder)
    return folder, Settings(claims={**settings.claims, MODEL_CLAIM: folder.parent})
