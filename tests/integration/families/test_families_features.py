"""What the language model is given of each picture: what is said of collapse rests on it."""

from __future__ import annotations

from typing import Any

import torch
from support.family_bench import FamilyBench
from support.family_data import PICTURES
from visionft_trainer.evaluation.rank import effective_rank, pooled_features
from visionft_trainer.prepare.preprocess import Example

DIFFERENT = 4  # pictures in the rows


@torch.no_grad()
def test_pictures_are_pooled_each_by_itself(bench: FamilyBench) -> None:
    model = bench.base_model()
    rows = [bench.rows.examples[number] for number, count in enumerate(PICTURES) if count]
    pooled = torch.from_numpy(pooled_features(model, rows, bench.rows, len(rows), bench.processor, bench.family))
    one_by_one = torch.from_numpy(pooled_features(model, rows, bench.rows, 1, bench.processor, bench.family))
    torch.testing.assert_close(pooled, one_by_one, atol=1e-5, rtol=1e-5)
    assert len(pooled) == sum(PICTURES)
    assert 1 < effective_rank(pooled.numpy()) <= DIFFERENT
    if hasattr(model, "get_image_features"):
        expected = torch.cat([handed(model, row, bench) for row in rows])
        torch.testing.assert_close(pooled, expected, atol=1e-5, rtol=1e-5)


def handed(model: Any, row: Example, bench: FamilyBench) -> torch.Tensor:
    """`[pictures, D]` by the model's own word for what its projector gives."""
    images = bench.family.image_inputs([bench.rows.images(row)])
    given = model.get_image_features(**images).pooler_output
    token = bench.family.feature_id(bench.processor)
    features = torch.cat([part.flatten(0, -2) for part in given])
    counts = [
        bench.family.image_token_ids(bench.processor, bench.rows.images(row), index).count(token)
        for index in range(sum(1 for _ in row.row.pictures))
    ]
    return torch.stack([part.mean(0) for part in features.split(counts)])
