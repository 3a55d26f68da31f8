"""`spec.adapter`: the LoRA weights that are trained."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import DECIMAL_PATTERN, MODULE_NAME_PATTERN, DecimalString
from visionft_api.lists import SET
from visionft_api.rules import Rule, malformed

LayerKind = Literal["attention", "mlp"]
Kinds = Annotated[list[LayerKind], Field(max_length=2), SET]
ModuleName = Annotated[str, Field(pattern=MODULE_NAME_PATTERN, min_length=1, max_length=128)]


def _lora_or_not(name: str) -> Callable[["AdapterSpec"], bool]:
    return lambda m: m.method != "full" or not getattr(m, name)


class LayersSpec(ApiModel):
    """Which linear layers of each part get the adapter. An empty list leaves the part frozen."""

    vision: Kinds = Field(default=[], description="Of the vision tower.")
    projector: Kinds = Field(default=[], description="Of the projector.")
    language: Kinds = Field(default=[], description="Of the language model.")


class AdapterSpec(ApiModel):
    """LoRA: its size, and which linear layers get it."""

    method: Literal["lora", "full"] = Field(
        default="lora",
        description="lora: train an adapter. full: train the chosen parts' own weights, without an adapter.",
    )
    rank: int = Field(default=16, ge=1, le=512, description="Rank of the adapter's matrices.")
    alpha: int = Field(
        default=32, ge=1, le=1024, description="Scale of the adapter: its output is multiplied by alpha / rank."
    )
    dropout: DecimalString = Field(default="0", description='Share of the adapter\'s inputs dropped, "0" to below "1".')
    rs_lora: bool = Field(
        default=False,
        alias="rsLoRA",
        description="Scale by alpha / sqrt(rank) instead, which keeps high ranks stable (arXiv 2312.03732).",
    )
    dora: bool = Field(
        default=False,
        description="Also learn each weight's magnitude (DoRA, arXiv 2402.09353), which is slower.",
    )
    vision: bool = Field(default=True, description="Adapt the vision tower.")
    projector: bool = Field(default=True, description="Adapt the layers that bring pictures into the language model.")
    language: bool = Field(default=True, description="Adapt the language model.")
    attention: bool = Field(default=True, description="Adapt the attention layers of the chosen parts.")
    mlp: bool = Field(default=True, description="Adapt the MLP layers of the chosen parts.")

    layers: LayersSpec | None = Field(
        default=None, description="Kinds of layers for each part, in place of the five switches above."
    )
    modules_to_save: Annotated[list[ModuleName], Field(max_length=16), SET] = Field(
        default=[],
        description="Modules that are trained in full and kept beside the adapter, by the end of their names, such as "
        "lm_head.",
    )

    rules = (
        Rule(
            cel="self.vision || self.projector || self.language",
            holds=lambda m: m.vision or m.projector or m.language,
            message="vision, projector and language are all false, so nothing would be trained; set one to true",
        ),
        Rule(
            cel="self.attention || self.mlp",
            holds=lambda m: m.attention or m.mlp,
            message="attention and mlp are both false, so nothing would be trained; set one to true",
        ),
        Rule(
            cel="double(self.dropout) < 1.0",
            holds=lambda m: float(m.dropout) < 1,
            message='dropout "{dropout}" must be below 1; usual values are "0" to "0.1"',
            at="dropout",
            unless=(malformed("dropout", DECIMAL_PATTERN),),
        ),
        Rule(
            cel="!has(self.layers) || self.layers.vision.size() + self.layers.projector.size() + "
            "self.layers.language.size() > 0",
            holds=lambda m: m.layers is None or bool(m.layers.vision or m.layers.projector or m.layers.language),
            message="layers names no kind for any part, so nothing would be trained; write attention or mlp for one, "
            "or remove layers",
            at="layers",
        ),
        Rule(
            cel="!has(self.layers) || (self.vision && self.projector && self.language && self.attention && self.mlp)",
            holds=lambda m: m.layers is None or (m.vision and m.projector and m.language and m.attention and m.mlp),
            message="layers takes the place of vision, projector, language, attention and mlp, so the one that is "
            "false would be ignored; remove it, and leave the kind or part out of layers",
            at="layers",
        ),
        *(
            Rule(
                cel=f"self.method != 'full' || {unset}",
                holds=_lora_or_not(name),
                message=f"{shown} is about an adapter, and method {{method}} trains none; remove it, or use lora",
                at=shown,
            )
            for name, shown, unset in (
                ("rs_lora", "rsLoRA", "!self.rsLoRA"),
                ("dora", "dora", "!self.dora"),
                ("layers", "layers", "!has(self.layers)"),
                ("modules_to_save", "modulesToSave", "self.modulesToSave.size() == 0"),
            )
        ),
    )

    @property
    def reaches_vision(self) -> bool:
        """Whether anything in the vision tower is trained."""
        return self.vision if self.layers is None else bool(self.layers.vision)
