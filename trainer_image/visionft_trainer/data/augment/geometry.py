"""Turning and tilting a picture, with the boxes on it. The whole picture stays inside its frame, so nothing is cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from visionft_trainer.data.rows import Box

MAX_DEGREES = 5.0  # at strength 1; a page laid on a scanner is seldom further off
MAX_DROP = 0.3  # of the shorter side: how far the ends of a long line may move by turning
MAX_TILT = 0.06  # of each side: how far a corner may move by tilting
EDGE = 1  # pixels: width of the border whose middle colour fills the corners that become free

Points = np.ndarray[Any, np.dtype[np.float64]]


def corners_after(
    width: int, height: int, random: np.random.Generator, strength: float, *, rotation: bool, perspective: bool
) -> Points:
    """Where the corners of a picture go (`[4, 2]`, clockwise from the top left, pixels), all inside its frame."""
    corners = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
    if rotation:
        long, short = max(width, height), min(width, height)
        limit = min(np.radians(MAX_DEGREES), np.arcsin(min(1.0, MAX_DROP * short / long)))
        angle = random.uniform(-1, 1) * limit * strength
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        middle = corners.mean(axis=0)
        corners = (corners - middle) @ turn + middle
    if perspective:
        side = np.array([min(width, height), min(width, height)])
        corners = corners + random.uniform(-1, 1, (4, 2)) * MAX_TILT * strength * side
    least, most = corners.min(axis=0), corners.max(axis=0)
    frame = np.array([width, height])
    fitted: Points = (corners - least) * np.minimum(1.0, frame / (most - least))
    return np.asarray(fitted + (frame - fitted.max(axis=0)) / 2)


def move(image: Any, boxes: tuple[Box, ...], corners: Points) -> tuple[Any, tuple[Box, ...]]:
    """`image`, a uint8 tensor `[3, H, W]`, and the boxes on it with the picture's corners at `corners`.

    A box becomes the smallest upright one around its moved corners.
    """
    import torch
    from torchvision import tv_tensors  # type: ignore[import-untyped]
    from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

    height, width = image.shape[-2:]
    start = [[0.0, 0.0], [float(width), 0.0], [float(width), float(height)], [0.0, float(height)]]
    # The difference from the paper is moved: what comes in from outside is 0, and no seam is left at the edges.
    paper = _paper(image)
    ink = functional.perspective(tv_tensors.Image(image - paper), start, corners.tolist())
    moved = (torch.as_tensor(ink) + paper).round().clamp(0, 255).to(torch.uint8)
    if not boxes:
        return moved, boxes
    scale = np.array([width, height, width, height])
    edges = tv_tensors.BoundingBoxes(
        torch.tensor(np.array([[box.left, box.top, box.right, box.bottom] for box in boxes]) * scale),
        format="XYXY",
        canvas_size=(height, width),
    )
    shares = functional.perspective(edges, start, corners.tolist()).double().numpy() / scale
    return moved, tuple(
        Box(box.label, *(float(edge) for edge in np.clip(share, 0, 1)))
        for box, share in zip(boxes, shares, strict=True)
    )


def _paper(image: Any) -> Any:
    """The middle colour of a picture's border, `[3, 1, 1]`."""
    import torch

    sides = [image[:, :EDGE], image[:, -EDGE:], image[:, :, :EDGE], image[:, :, -EDGE:]]
    border = torch.cat([side.reshape(3, -1) for side in sides], dim=1)
    return border.median(dim=1).values.float()[:, None, None]
