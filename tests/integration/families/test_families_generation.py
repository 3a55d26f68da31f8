"""Answers do not depend on which rows share a batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.family_bench import FamilyBench
from support.family_data import ROWS
from support.family_reference import processor_inputs

NEW_TOKENS = 6
TOLD = {"return_dict_in_generate": True, "output_logits": True}


@pytest.mark.capability("generation")
@torch.no_grad()
def test_answers_in_a_batch_equal_answers_one_by_one(bench: FamilyBench, images: Path) -> None:
    model = bench.tuned_model().eval()
    prompts = bench.prompts()
    lengths = prompts["attention_mask"].sum(1)
    assert len(set(lengths.tolist())) == len(ROWS), "rows of one length need no padding"
    together = model(**prompts).logits[:, -1]
    alone = []
    for number, messages in enumerate(ROWS):
        inputs = processor_inputs(bench.processor, messages[:-1], images, prompt=True)
        written = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False, **TOLD)
        torch.testing.assert_close(together[number], written.logits[0][0], atol=1e-5, rtol=0)
        tokens = written.sequences[0, lengths[number] :]
        alone.append(bench.processor.tokenizer.decode(tokens, skip_special_tokens=True))
    assert bench.answers(model, len(ROWS), NEW_TOKENS) == alone
    assert bench.answers(model, 1, NEW_TOKENS) == alone
    assert len(set(alone)) > 1, "the answers do not depend on the rows"
