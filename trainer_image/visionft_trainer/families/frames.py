"""How families write boxes in words: each frame turns boxes into text, and reads them back from what a model wrote.

Boxes here are shares of the picture; a frame that counts in pixels is given the size of the picture as the model sees
it. Reading never fails: what is no box is passed over, and None means that no box was written at all.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from visionft_trainer.data.rows import Box

Size = tuple[int, int]
"""Width and height in pixels."""
Edges = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_NUMBER = r"\s*(-?\d{1,9}(?:\.\d{1,9})?)\s*"
_LIST_OF_FOUR = re.compile(rf"\[{','.join([_NUMBER] * 4)}\]")
_OBJECT = re.compile(r"\{[^{}]{0,4000}\}")
_JSON_LABEL = re.compile(r'"label"\s*:\s*("(?:[^"\\]|\\.){0,1000}")')
_NONE_FOUND = re.compile(r"\s*(?:```(?:json)?)?\s*\[\s*\]\s*(?:```)?\s*")


class Frame(ABC):
    """One way of writing boxes."""

    tokens: tuple[str, ...] = ()
    """Special tokens that the tokenizer must have."""

    @abstractmethod
    def write(self, boxes: Sequence[Box], size: Size | None) -> str:
        """The boxes as the family's checkpoints write them. `size` is that of the picture as the model sees it."""

    @abstractmethod
    def read(self, text: str, size: Size | None) -> list[Box] | None:
        """The boxes in what a model wrote; those without an area on the picture are left out. None: there are none."""


@dataclass(frozen=True)
class JsonFrame(Frame):
    """`[{"bbox_2d": [left, top, right, bottom], "label": "cat"}]`."""

    scale: int | None = 1000
    """What the right and the lower edge of the picture are called; None: pixels of the picture as the model sees it."""

    def write(self, boxes: Sequence[Box], size: Size | None) -> str:
        """One JSON list on one line."""
        units = self._units(size)
        items = [{"bbox_2d": _counted(box, units), "label": box.label} for box in boxes]
        return json.dumps(items, ensure_ascii=False)

    def read(self, text: str, size: Size | None) -> list[Box] | None:
        """Code fences, cut-off lists and lists of four numbers without an object around them are taken too."""
        if _NONE_FOUND.fullmatch(text):
            return []
        found = [(four, _json_label(item[0])) for item in _OBJECT.finditer(text) for four in _fours(item[0])]
        if not found:
            found = [(four, "") for four in _fours(text)]
        return _boxes(found, self._units(size))

    def _units(self, size: Size | None) -> Size:
        if self.scale is not None:
            return self.scale, self.scale
        assert size is not None, "a frame in pixels needs the picture's size"
        return size


@dataclass(frozen=True)
class QwenTokensFrame(Frame):
    """`<|object_ref_start|>cat<|object_ref_end|><|box_start|>(left,top),(right,bottom)<|box_end|>`, in thousandths.

    Qwen2-VL, arXiv 2409.12191, section 2.2: coordinates are normalised to [0, 1000).
    """

    tokens = ("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>")
    _SCALE = (1000, 1000)
    _CORNER = rf"\({_NUMBER},{_NUMBER}\)"
    _READ = re.compile(
        rf"(?:<\|object_ref_start\|>(?P<label>[^<]{{0,1000}})<\|object_ref_end\|>\s*)?(?:<\|box_start\|>)?{_CORNER}\s*,\s*"
        rf"{_CORNER}"
    )

    def write(self, boxes: Sequence[Box], size: Size | None) -> str:
        """Label and box in turn, nothing between them."""
        return "".join(
            "<|object_ref_start|>{}<|object_ref_end|><|box_start|>({},{}),({},{})<|box_end|>".format(
                box.label, *_counted(box, self._SCALE)
            )
            for box in boxes
        )

    def read(self, text: str, size: Size | None) -> list[Box] | None:
        """Boxes whose label or tokens are missing are taken too."""
        found = [(_edges(match.groups()[1:]), match["label"] or "") for match in self._READ.finditer(text)]
        return _boxes(found, self._SCALE)


@dataclass(frozen=True)
class DeepseekFrame(Frame):
    """`<|ref|>cat<|/ref|><|det|>[[left, top, right, bottom]]<|/det|>`, the far edges being 999.

    So the model cards' examples show it, and so the authors' scripts draw it (`run_dpsk_ocr.py` divides by 999).
    """

    tokens = ("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>")
    _SCALE = (999, 999)
    _READ = re.compile(r"<\|ref\|>(?P<label>.{0,1000}?)<\|/ref\|>\s*<\|det\|>(?P<boxes>[^<]{0,20000})", re.DOTALL)

    def write(self, boxes: Sequence[Box], size: Size | None) -> str:
        """Neighbours of one label share a list."""
        groups = groupby(boxes, key=lambda box: box.label)
        return "\n".join(
            f"<|ref|>{label}<|/ref|><|det|>{json.dumps([_counted(box, self._SCALE) for box in group])}<|/det|>"
            for label, group in groups
        )

    def read(self, text: str, size: Size | None) -> list[Box] | None:
        """Lists of four numbers without the tokens around them are taken too."""
        found = [(four, match["label"]) for match in self._READ.finditer(text) for four in _fours(match["boxes"])]
        return _boxes(found or [(four, "") for four in _fours(text)], self._SCALE)


THOUSANDTHS = JsonFrame()
"""Qwen3-VL's own form (its cookbook on 2D grounding: `bbox_2d` relative to 1000). Also for families without a form of
their own that today's processors still fit: Llama 3.2, Pixtral, Mistral Small and Phi publish none, Gemma 3 has none of
PaliGemma's location tokens, and LLaVA 1.5 was trained on shares of a padded square, which its processor does not make.
"""
PIXELS = JsonFrame(scale=None)
"""Qwen2.5-VL's (arXiv 2502.13923, section 2.1: absolute positions; its cookbook on spatial understanding: those on the
picture as it was resized)."""
QWEN_TOKENS = QwenTokensFrame()
DEEPSEEK = DeepseekFrame()


def _counted(box: Box, units: Size) -> list[int]:
    """The edges in whole units."""
    width, height = units
    return [round(box.left * width), round(box.top * height), round(box.right * width), round(box.bottom * height)]


def _fours(text: str) -> Iterator[Edges]:
    return (_edges(match.groups()) for match in _LIST_OF_FOUR.finditer(text))


def _edges(numbers: Sequence[str]) -> Edges:
    left, top, right, bottom = (float(number) for number in numbers)
    return left, top, right, bottom


def _json_label(text: str) -> str:
    match = _JSON_LABEL.search(text)
    if match is None:
        return ""
    try:
        return str(json.loads(match[1]))
    except ValueError:
        return match[1][1:-1]


def _boxes(found: Sequence[tuple[Edges, str]], units: Size) -> list[Box] | None:
    """As shares, kept on the picture; None when nothing was found."""
    if not found:
        return None
    boxes = []
    for (left, top, right, bottom), label in found:
        shares = [left / units[0], top / units[1], right / units[0], bottom / units[1]]
        left, top, right, bottom = (min(max(share, 0.0), 1.0) for share in shares)
        if left < right and top < bottom and all(map(math.isfinite, shares)):
            boxes.append(Box(label.strip(), left, top, right, bottom))
    return boxes
