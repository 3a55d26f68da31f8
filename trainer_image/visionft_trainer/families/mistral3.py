"""Mistral Small 3.1 and 3.2: Pixtral's tower with a projector that joins 2 x 2 patches into one token."""

from __future__ import annotations

from collections.abc import Mapping

from visionft_trainer.families.base import Linears, Part
from visionft_trainer.families.pixtral import Pixtral


class Mistral3(Pixtral):
    """`Mistral3ForConditionalGeneration`."""

    name = "Mistral Small 3"
    model_types = frozenset({"mistral3"})
    hub_names = ("mistralai/Mistral-Small-3.1-24B-Instruct-2503",)
    linears: Mapping[Part, Linears] = {
        **Pixtral.linears,
        "projector": Linears(mlp=r"model\.multi_modal_projector\.(?:linear_(?:1|2)|patch_merger\.merging_layer)"),
    }
