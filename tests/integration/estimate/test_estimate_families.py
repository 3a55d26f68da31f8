"""The estimate finds the layers of every family, from its configuration alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.tiny_models import TINY_MODELS
from support.tiny_spec import MODEL_CLAIM, tiny_spec
from visionft_trainer.estimate import memory
from visionft_trainer.estimate.empty import empty_model
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source


@pytest.mark.parametrize("name", TINY_MODELS)
def test_layers_of_both_parts_are_found(tmp_path: Path, name: str) -> None:
    folder = TINY_MODELS[name](tmp_path / "models" / "tiny")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    spec = tiny_spec(tmp_path)
    files = model_source.locate(spec.model, Settings(claims={MODEL_CLAIM: tmp_path / "models"}), weights=False)
    model = empty_model(files, spec, torch.bfloat16)
    described = memory.describe(model, files.family, spec.training.optimizer)
    of_language = [block for block in described.blocks if block.region == "language"]
    assert len(of_language) == model.config.get_text_config().num_hidden_layers
    assert any(block.region == "vision" and block.trained for block in described.blocks)
    for block in described.blocks:
        assert block.attention is not None
        assert block.attention.queries > 0
        assert block.width > 0
