"""What the model is given is what its own processor makes of the row, and only answers are learnt."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.family_bench import FamilyBench
from support.family_data import PICTURES, ROWS
from support.family_reference import answer_labels, processor_inputs
from visionft_trainer.prepare.preprocess import IGNORED

pytestmark = pytest.mark.capability("inputs")


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[f"{count}-pictures" for count in PICTURES])
def test_a_row_is_what_the_familys_processor_makes_of_it(bench: FamilyBench, images: Path, number: int) -> None:
    messages = ROWS[number]
    expected = processor_inputs(bench.processor, messages, images, prompt=False)
    batch = bench.batch([number])
    assert torch.equal(batch.pop("labels"), answer_labels(bench.processor, messages, images))
    _assert_same(batch, expected)
    _assert_same(bench.prompts([number]), processor_inputs(bench.processor, messages[:-1], images, prompt=True))


def test_pictures_padding_and_prompts_carry_no_label(bench: FamilyBench) -> None:
    batch = bench.batch()
    learnt = batch["labels"] != IGNORED
    assert (batch["attention_mask"][learnt] == 1).all()
    assert torch.equal(batch["labels"][learnt], batch["input_ids"][learnt])
    for number, example in enumerate(bench.rows.examples):
        row = example.row
        pictures = bench.rows.pictures.of(row)
        tokens = {
            token
            for index in range(sum(1 for _ in row.pictures))
            for token in bench.family.image_token_ids(bench.processor, pictures, index)
        }
        assert not set(batch["labels"][number].tolist()) & tokens
        said = "".join(message.text for message in row.messages if message.role == "assistant")
        kept = bench.processor.tokenizer.decode(batch["labels"][number][learnt[number]], skip_special_tokens=True)
        assert kept.replace(" ", "") == said.replace(" ", "")  # some templates set an answer off by a space


def _assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(
            tensor, expected[name], atol=0, rtol=0, check_dtype=False, msg=lambda t, n=name: f"{n}: {t}"
        )
