"""Training meets varied rows: the same for a seed, an epoch and a row, whoever asks and whenever."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_spec import tiny_spec
from visionft_api.spec.dataset import AugmentationSpec
from visionft_trainer.data import ingest
from visionft_trainer.data.rows import Picture, Text
from visionft_trainer.errors import BadConfigError
from visionft_trainer.model import load
from visionft_trainer.prepare import stage as data_stage
from visionft_trainer.prepare.collate import Collator
from visionft_trainer.prepare.preprocess import Example, Prepared, varying, with_longest
from visionft_trainer.prepare.variation import Variation
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as source
from visionft_trainer.storage.scratch import Scratch
from visionft_trainer.training.feed import units_of
from visionft_trainer.training.order import Unit

ALL = AugmentationSpec(rotation=True, perspective=True, blur=True, noise=True, jpeg=True, light=True, strength="1")
EPOCHS = range(4)


def varied(bench: Any, augmentation: AugmentationSpec | None = ALL, seed: int = 7, **limits: int) -> Prepared:
    dataset = bench.spec.dataset.model_copy(update={"limits": bench.spec.dataset.limits.model_copy(update=limits)})
    return varying(bench.train, Variation(seed, augmentation), dataset, bench.processor, bench.family)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_batches_do_not_depend_on_what_was_asked_before(workbench: Callable[..., Any]) -> None:
    bench = workbench()
    units = [Unit(epoch, (row,)) for epoch in EPOCHS for row in range(10)]
    first, again = (Collator(varied(bench), bench.processor, bench.family) for _ in range(2))
    forwards = {unit: first([unit]) for unit in units}
    backwards = {unit: again([unit]) for unit in reversed(units)}
    assert all(same(forwards[unit], backwards[unit]) for unit in units)
    other = Collator(varied(bench, seed=8), bench.processor, bench.family)
    assert not all(same(forwards[unit], other([unit])) for unit in units)


def test_some_rows_are_changed_in_each_epoch_and_none_for_good(workbench: Callable[..., Any]) -> None:
    bench = workbench()
    prepared, plain = varied(bench), bench.train
    changed = [
        {
            row
            for row in range(20)
            if not same(prepared.images(prepared.met(row, epoch)), plain.images(plain.examples[row]))
        }
        for epoch in EPOCHS
    ]
    assert all(0 < len(rows) < 20 for rows in changed)
    assert len({frozenset(rows) for rows in changed}) > 1


def test_validation_rows_and_plain_training_do_not_vary(workbench: Callable[..., Any]) -> None:
    bench = workbench()
    for split in (bench.train, bench.validation):
        for row in range(len(split.examples)):
            met, kept = split.met(row, 3), split.examples[row]
            assert met.images is None
            assert torch.equal(met.input_ids, kept.input_ids)


def reworded(example: Example, wordings: tuple[str, ...]) -> Example:
    """The example with other wordings of its question."""
    question, answer = example.row.messages
    parts = tuple(replace(part, others=wordings) if isinstance(part, Text) else part for part in question.parts)
    return replace(example, row=replace(example.row, messages=(replace(question, parts=parts), answer)))


def test_wordings_change_the_tokens_and_too_long_ones_are_withheld(workbench: Callable[..., Any]) -> None:
    bench = workbench()
    example = reworded(bench.train.examples[0], ("Which number?", "word " * 40))
    longest = len(example.input_ids) + 20
    prepared = varied(bench, augmentation=None, max_tokens=longest)
    met = [prepared.varied(example, epoch, 0) for epoch in range(40)]
    texts = {bench.processor.tokenizer.decode(each.prompt_ids) for each in met}
    assert len(texts) == 2  # the long one is not among them
    assert any("Which number?" in text for text in texts)
    assert all(len(each.input_ids) <= longest for each in met)
    assert all(sum(1 for _ in each.row.pictures if isinstance(_, Picture)) == 1 for each in met)


def with_wordings(bench: Any, longer: str) -> Prepared:
    short = [example for example in bench.train.examples if len(example.row.messages) == len(("question", "answer"))]
    lengths = np.asarray([len(example.input_ids) for example in short], dtype=np.int32)
    return replace(bench.train, examples=[reworded(example, (longer,)) for example in short], lengths=lengths)


def test_packs_keep_room_for_the_longest_wording(workbench: Callable[..., Any]) -> None:
    bench = workbench()
    budget = 300
    rows = with_wordings(bench, "Which number is it that you read in this picture?")
    rows = with_longest(rows, bench.spec.dataset, bench.processor.tokenizer)
    rows = varying(rows, Variation(7, None), bench.spec.dataset, bench.processor, bench.family)
    units = units_of(rows, budget)
    collate = Collator(rows, bench.processor, bench.family, pack_tokens=budget)
    met = [collate([units.unit(epoch, number)]) for epoch in EPOCHS for number in range(len(units))]
    assert all(batch["input_ids"].shape[1] <= budget for batch in met)
    # Nothing is withheld: about half of all rows have the longer wording.
    texts = "".join(bench.processor.tokenizer.decode(batch["input_ids"][0]) for batch in met)
    assert 0.35 < texts.count("Which number is it") / (len(EPOCHS) * len(rows.examples)) < 0.65


def test_rows_that_grow_past_their_pack_stay_as_they_are(workbench: Callable[..., Any]) -> None:
    bench = workbench()
    rows = with_wordings(bench, "Which number is it that you read in this picture?")  # packs know nothing of it
    rows = varying(rows, Variation(7, None), bench.spec.dataset, bench.processor, bench.family)
    budget = int(rows.lengths[:4].sum()) + 40
    collate = Collator(rows, bench.processor, bench.family, pack_tokens=budget)
    lengths = [collate([Unit(epoch, (0, 1, 2, 3))])["input_ids"].shape[1] for epoch in range(40)]
    assert max(lengths) <= budget
    assert len(set(lengths)) > 1  # others of the pack are varied still


@pytest.mark.parametrize(("strength", "refused"), [("0.5", False), ("1", True)])
def test_a_run_tells_the_shift_or_is_refused(settings: Settings, tmp_path: Path, strength: str, refused: bool) -> None:
    augmentation = {"noise": True, "strength": strength}
    spec = tiny_spec(tmp_path, dataset={"augmentation": augmentation, "maxShift": None})
    scratch, progress = Scratch(tmp_path), Progress()
    data = ingest.ingest(spec, settings, scratch)
    files = source.locate(spec.model, settings)
    processor = load.load_processor(files, spec)
    found = data_stage.inspect(data, spec, progress)

    def prepare() -> data_stage.PreparedData:
        return data_stage.prepare(data, found, spec, processor, files.family, scratch, progress)

    if refused:
        with pytest.raises(BadConfigError, match=r"moves the \w+ .* set noise to false, lower strength from 1"):
            prepare()
        return
    prepared = prepare()
    assert prepared.report.augmentation is not None
    assert 0 < prepared.report.augmentation.distances["sharpness"] <= 0.25
    assert any(prepared.train.met(row, 0).images is not None for row in range(20))
    assert prepared.validation is not None
    assert all(prepared.validation.met(row, 0).images is None for row in range(6))
