"""Llama 3.2 Vision's cross-attention mask and its picture token: what goes wrong there goes wrong in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.family_bench import FamilyBench
from support.family_data import PICTURES, ROWS

NONE, ONE, TWO, THREE = (PICTURES.index(count) for count in range(4))


@pytest.fixture(scope="module")
def mllama(named_bench) -> FamilyBench:  # type: ignore[no-untyped-def]
    bench: FamilyBench = named_bench("Llama 3.2 Vision")
    return bench


@pytest.mark.parametrize("left", [True, False], ids=["prompts-padded-left", "training-padded-right"])
def test_cross_attention_mask_follows_the_padding(mllama: FamilyBench, left: bool) -> None:
    together = mllama.prompts() if left else mllama.batch()
    mask = together["cross_attention_mask"]
    assert mask.shape == (*together["input_ids"].shape, max(PICTURES), 4)
    for number, pictures in enumerate(PICTURES):
        alone = mllama.prompts([number]) if left else mllama.batch([number])
        length = alone["input_ids"].shape[1]
        row = mask[number, -length:] if left else mask[number, :length]
        if pictures:
            assert torch.equal(row[:, :pictures], alone["cross_attention_mask"][0])
        assert not row[:, pictures:].any()
        if left:
            assert not mask[number, :-length].any()
            assert mask[number, -1].any() == bool(pictures)  # generation goes on with the last token's mask


def test_text_sees_the_pictures_before_it(mllama: FamilyBench) -> None:
    batch = mllama.batch([THREE])  # one picture, then in the next turn two together
    places = (batch["input_ids"][0] == mllama.processor.image_token_id).nonzero().flatten().tolist()
    first, second, third = places
    seen = batch["cross_attention_mask"][0].any(-1)
    assert not seen[:first].any()
    assert seen[first:second].tolist() == [[True, False, False]] * (second - first)
    assert seen[second:third].tolist() == [[False, True, False]]
    assert seen[third:].tolist() == [[False, True, True]] * (len(seen) - third)
    tiles = batch["aspect_ratio_mask"][0].sum(-1)
    assert len(set(tiles.tolist())) > 1
    assert torch.equal(batch["cross_attention_mask"][0, -1].sum(-1)[1:], tiles[1:])


def test_rows_without_pictures_get_empty_ones(mllama: FamilyBench) -> None:
    batch = mllama.batch([NONE, TWO])
    assert batch["aspect_ratio_ids"].tolist()[0] == [0, 0]
    assert batch["aspect_ratio_mask"].tolist()[0] == [[1, 0, 0, 0]] * 2
    assert not batch["pixel_values"][0].any()
    assert not {"pixel_values", "cross_attention_mask"} & mllama.batch([NONE]).keys()


@torch.no_grad()
def test_plain_transformers_lets_rows_see_their_neighbours(mllama: FamilyBench) -> None:
    """Once this fails, `families.mllama.RowsApart` can go."""
    plain = mllama.family.model_class().from_pretrained(mllama.files.folder, dtype=torch.float32).eval()
    mended = mllama.base_model()
    together = mllama.batch([NONE, ONE, THREE])
    for place, number in enumerate([NONE, ONE, THREE]):
        alone = mllama.batch([number])
        length = alone["input_ids"].shape[1]
        expected = plain(**alone).logits[0]
        assert torch.equal(mended(**alone).logits[0], expected)  # alone, nothing is changed
        torch.testing.assert_close(mended(**together).logits[place, :length], expected, atol=1e-5, rtol=0)
        off = float((plain(**together).logits[place, :length] - expected).abs().max())
        assert (off > 1e-2) == (number != THREE)  # the richest row sees nothing but itself


def test_picture_token_is_read_and_never_learnt(mllama: FamilyBench, tmp_path: Path) -> None:
    model = mllama.base_model()
    token = mllama.processor.image_token_id
    assert token >= model.lm_head.out_features
    assert token < model.get_input_embeddings().num_embeddings
    batch = mllama.batch()
    assert int((batch["input_ids"] == token).sum()) == sum(PICTURES)
    assert int(batch["labels"].max()) < model.lm_head.out_features
    assert torch.isfinite(model(**batch).loss)
    assert not mllama.family.packs


def test_rows_of_text_alone_do_not_depend_on_the_day(mllama: FamilyBench) -> None:
    """A run that is resumed tomorrow must see what it saw today."""
    text = mllama.processor.tokenizer.decode(mllama.rows.examples[NONE].input_ids)
    assert ROWS[NONE][0]["content"] in text
    assert "Today Date: 26 Jul 2024" in text
