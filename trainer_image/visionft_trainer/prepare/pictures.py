"""Processed pictures: from the encoded images of a row to the tensors that its family's vision encoder takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from visionft_trainer.data.images import ImageRules, open_rgb, picture_name, read_bytes
from visionft_trainer.data.rows import BadRowError, Row, Where
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.families import Family

if TYPE_CHECKING:
    import torch

PICTURE_CACHE_BYTES = 2**28  # processed pictures kept in memory; those beyond are processed again when met

COUNTS_ELEMENTS = 1024  # a tensor of more holds pixels or a mask of them
KNOWN_SIZES = 16_384  # outlines that are remembered

Size = tuple[int, int]
"""Width and height, pixels."""
ImageTensors = dict[str, "torch.Tensor"]
"""The image processor's tensors for all pictures of a row, in order; empty for a row without any."""


class UnfitPictureError(ValueError):
    """A sound picture that the family's encoder does not take."""


class Pictures:
    """Processed pictures of rows, computed once and kept while they fit into `budget` bytes."""

    def __init__(self, processor: Any, family: Family, rules: ImageRules, budget: int = PICTURE_CACHE_BYTES) -> None:
        self._processor = processor
        self._family = family
        self._rules = rules
        self._budget = budget
        self._left = budget
        self._kept: dict[Where, ImageTensors] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """To other processes they go without what is kept."""
        return type(self), (self._processor, self._family, self._rules, self._budget)

    @property
    def rules(self) -> ImageRules:
        """What an image must be to be accepted."""
        return self._rules

    def of(self, row: Row) -> ImageTensors:
        """The tensors of `row`'s pictures. Raises `UnfitPictureError` for a size that the family cannot encode."""
        if row.where in self._kept:
            return self._kept[row.where]
        tensors = self.process(self.open(row))
        size = sum(tensor.nbytes for tensor in tensors.values())
        if 0 < size <= self._left:
            self._left -= size
            self._kept[row.where] = tensors
        return tensors

    def open(self, row: Row) -> list[Image]:
        """The pictures of `row`: upright and RGB."""
        try:
            return [
                open_rgb(read_bytes(picture, self._rules), picture_name(picture, self._rules))
                for picture in row.pictures
            ]
        except BadRowError as error:  # ingest has found it sound
            raise BadDatasetError(f"{row.where}: {error}. The data changed while the run was reading it.") from None

    def process(self, images: Sequence[Image]) -> ImageTensors:
        """The tensors of `images`. Raises `UnfitPictureError`."""
        self.check([image.size for image in images])
        return self._family.process_images(self._processor, images) if images else {}

    def check(self, sizes: Sequence[Size]) -> None:
        """Raises `UnfitPictureError` where the family cannot encode pictures of these sizes."""
        for width, height in sizes:
            problem = self._family.fits(width, height)
            if problem:
                raise UnfitPictureError(problem)


class Outlines:
    """The tensors of rows' pictures without the pixels: what token ids depend on, which follows from sizes alone.

    So a picture is opened only when no row before it had pictures of its sizes.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._known: OrderedDict[tuple[Size, ...], ImageTensors] = OrderedDict()

    def of(self, row: Row, sizes: Sequence[Size]) -> ImageTensors:
        """The outline of `row`, whose pictures have `sizes` (width, height). Raises `UnfitPictureError`."""
        key = tuple(sizes)
        if key not in self._known:
            self._pictures.check(key)
            self._known[key] = {name: _outline(tensor) for name, tensor in self._pictures.of(row).items()}
            if len(self._known) > KNOWN_SIZES:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


def _outline(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape that takes no memory; small ones, which hold counts and sizes, as they are."""
    return tensor if tensor.numel() <= COUNTS_ELEMENTS else tensor.new_zeros(()).expand(tensor.shape)
