"""What the stages need to know about a model family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from visionft_trainer.errors import BadConfigError
from visionft_trainer.families.frames import THOUSANDTHS, Frame, Size

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Part = Literal["vision", "projector", "language"]
PARTS: tuple[Part, ...] = ("vision", "projector", "language")


@dataclass(frozen=True)
class Linears:
    """Regular expressions over full module names: the linear layers of one part of a model. None: it has none."""

    attention: str | None = None
    mlp: str | None = None


@dataclass(frozen=True)
class RemoteCode:
    """That a family's code comes with its models and is not part of transformers."""

    transformers: str
    """The version that its authors' code is written for, by their model card."""
    instead: str
    """The family that needs no such code, for errors: "use ..."."""


def too_narrow(width: int, height: int, ratio: int) -> str | None:
    """Why a picture whose sides differ by more than `ratio` times cannot be encoded; None for the others."""
    if max(width, height) > ratio * min(width, height):
        return f"{width} x {height} pixels is narrower than 1:{ratio}; cut or pad the picture"
    return None


def filled_up(tensors: Sequence[torch.Tensor], value: float = 0.0) -> list[torch.Tensor]:
    """Tensors `[N, C, ...]` with as many crops C as the one that has most; added ones hold `value`."""
    from torch.nn.functional import pad

    most = max((tensor.shape[1] for tensor in tensors), default=0)
    return [pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, most - tensor.shape[1]), value=value) for tensor in tensors]


def layers_beyond(stack: str, layers: int, taken: int) -> str | None:
    """The layers of `stack` that run to no end when `hidden_states[taken]` of its `layers` + 1 is used, as a pattern
    for everything in them; None where all count."""
    used = taken if taken >= 0 else layers + 1 + taken
    idle = "|".join(str(layer) for layer in range(used, layers))
    return rf"{stack}\.(?:{idle})\..*" if idle else None


class Family(ABC):
    """One family of vision-language models: names and shapes, no training logic."""

    name: str
    """As it stands in the documentation."""
    model_types: frozenset[str]
    """`model_type` values of `config.json`."""
    keep_precision: tuple[str, ...]
    """Modules left in 16 or 32 bits when the rest is quantised. Matched from the start of the full name, and they
    replace the library's defaults: the head must be in the list."""
    linears: Mapping[Part, Linears]
    """Where LoRA can go."""
    encoder_modules: tuple[str, ...]
    """Modules that make up the vision encoder without the projector; they need no graph while they are frozen."""
    image_tensors: tuple[str, ...]
    """Outputs of the image processor that the model takes, joined along the first dimension in a batch; empty: all."""
    fixed_sizes: str
    """What its pictures are brought to, for the error where the manifest would bound their pixels; families whose
    pictures can be bounded have `bound_pixels` instead."""
    max_aspect_ratio: int | None = None
    """How many times longer than the other one side of a picture may be; None: as many as one likes."""
    hub_names: tuple[str, ...] = ()
    """Checkpoints of the hub that are of this family, for the documentation."""
    packs: bool = False
    """Whether several rows can share one sequence and still not see each other."""
    unpacked_because: str = "nothing keeps its rows apart inside one sequence"
    """Why `packs` is False: for the documentation, and for whoever asks for packing."""
    remote_code: RemoteCode | None = None
    """None: transformers has the code."""
    plain_template: str | None = None
    """The chat template of checkpoints that come without one: the form that their authors' code writes."""

    feature_input: tuple[tuple[str, ...], str] = (
        ("model.language_model.layers.0", "model.layers.0"),
        "hidden_states",
    )
    """Where pictures' features reach the language model: the module, by the first of these names that a model has, and
    the argument of it."""
    frame: Frame = THOUSANDTHS
    """How its checkpoints write boxes."""
    template_variables: Mapping[str, str] = {}
    """What chat templates of this family would otherwise take from their surroundings, such as today's date."""

    def matches(self, config: Mapping[str, Any]) -> bool:
        """Whether a model with this `config.json` is of the family."""
        return config.get("model_type") in self.model_types

    def model_class(self) -> Any:
        """The class whose `from_pretrained` loads a checkpoint."""
        from transformers import AutoModelForImageTextToText

        return AutoModelForImageTextToText

    def bound_pixels(self, processor: Any, min_pixels: int | None, max_pixels: int | None) -> None:
        """Make the processor scale pictures into these bounds; None keeps the model's own.

        Raises:
            BadConfigError: the family's pictures cannot be bounded so.
        """
        for field, value in (("minPixels", min_pixels), ("maxPixels", max_pixels)):
            if value is not None:
                raise BadConfigError(
                    f"spec.dataset.image.{field}: {value}; {self.name} works on {self.fixed_sizes}, which cannot be "
                    "bounded. Remove it."
                )

    def fits(self, width: int, height: int) -> str | None:
        """Why a picture of this size cannot be encoded, or None when it can."""
        return None if self.max_aspect_ratio is None else too_narrow(width, height, self.max_aspect_ratio)

    def prepare_model(self, model: Any) -> None:  # noqa: B027 - most families have nothing to mend
        """Mend what would make a row's result depend on the rows beside it; each row alone stays as it is."""

    def adapter_key(self, name: str) -> str:
        """What a weight of an adapter is called in its file, where PEFT would not find it by its own name."""
        return name

    def placeholder_id(self, processor: Any) -> int:
        """The token that the chat template writes once for each picture."""
        return int(processor.image_token_id)

    def feature_id(self, processor: Any) -> int:
        """The token in whose places a picture's features stand."""
        return self.placeholder_id(processor)

    def spaced(self, processor: Any, text: str) -> str:
        """`text` with the plain characters that the processor writes around each placeholder."""
        return text

    @abstractmethod
    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """The tokens that stand for picture `index` of a processed row.

        They, and `seen_size`, follow from the sizes of the row's pictures: of large tensors `images` may have the
        shape alone.
        """

    def seen_size(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> Size | None:
        """Width and height in pixels at which the model sees picture `index` of a processed row; None where its boxes
        are not counted in pixels."""
        return None

    def process_images(self, processor: Any, images: Sequence[Image]) -> dict[str, torch.Tensor]:
        """The model's tensors for the pictures of one row (RGB, in order; at least one)."""
        return dict(processor.image_processor(images=list(images), return_tensors="pt"))

    def image_inputs(self, rows: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """A batch's picture tensors from those of its rows, in order; a row without pictures is an empty mapping."""
        import torch

        names = self.image_tensors or dict.fromkeys(name for images in rows for name in images)
        found = {name: [images[name] for images in rows if name in images] for name in names}
        return {name: torch.cat(self.levelled(name, tensors)) for name, tensors in found.items() if tensors}

    def levelled(self, name: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """The rows' tensors of one name, filled up so that they differ in the first dimension alone."""
        return tensors

    def text_inputs(
        self, processor: Any, input_ids: torch.Tensor, rows: Sequence[Mapping[str, torch.Tensor]]
    ) -> dict[str, torch.Tensor]:
        """Further inputs that follow from the token ids `[B, T]` and the rows' pictures."""
        return {}

    def positions(self, processor: Any, input_ids: torch.Tensor, images: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """`position_ids` of one packed row, `[1, T]`, or `[K, T]` where the model takes several of them.

        Only asked of families with `packs`. The first of them counts from 0: where it jumps, a new row begins.
        """
        import torch

        return torch.arange(len(input_ids))[None]

    def pool_features(
        self,
        processor: Any,
        given: torch.Tensor,
        input_ids: torch.Tensor,
        rows: Sequence[Mapping[str, torch.Tensor]],
        counts: Sequence[int],
    ) -> torch.Tensor:
        """`[pictures, D]`: what the language model is given of each picture, averaged over the picture.

        `given` is what came into the `feature_input`: here `[B, T, D]`, with features in the places of the pictures'
        tokens. `counts` are the pictures of each row.
        """
        import torch

        token = self.feature_id(processor)
        pooled = []
        for row, count in enumerate(counts):
            features = given[row][input_ids[row] == token].float()
            tokens = [self.image_token_ids(processor, rows[row], index).count(token) for index in range(count)]
            pooled += [part.mean(0) for part in torch.split(features, tokens)]
        return torch.stack(pooled)

    def encoder(self, model: Any) -> list[str]:
        """The `encoder_modules` of one model."""
        return list(self.encoder_modules)

    def idle_modules(self, config: Any) -> str | None:
        """A regular expression over modules that this model never runs, such as the last layer of a vision tower of
        which the layer before is taken: LoRA there would learn nothing, and be waited for by other processes.

        `config` is the model's own.
        """
        return None

    def lora_pattern(self, parts: Sequence[Part], *, attention: bool, mlp: bool) -> str | None:
        """One regular expression for PEFT's `target_modules`, or None when the choice reaches nothing."""
        chosen = [self.linears[part] for part in parts]
        patterns = [linears.attention for linears in chosen if attention and linears.attention]
        patterns += [linears.mlp for linears in chosen if mlp and linears.mlp]
        return "|".join(f"(?:{pattern})" for pattern in patterns) or None
