"""The changes of one picture. What is drawn comes from the generator alone, never from torch's or Python's state."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from PIL import Image
from visionft_api.spec.dataset import AugmentationSpec

from visionft_trainer.data.augment.geometry import corners_after, move
from visionft_trainer.data.rows import Box

SWITCHES = ("rotation", "perspective", "light", "blur", "noise", "jpeg")  # in the order in which they are applied
CHANGED_SHARE = 0.4
"""Of the rows, at strength 1: the others are learnt as they are, so that what is learnt from stays near the data."""
# Bounds at strength 1. Words of 12 pixels stay readable: see docs/augmentation.md.
MAX_LIGHT = 0.4  # natural logarithm of the factor of brightness and of that of contrast
MAX_BLUR_SHARE, MAX_BLUR = 1 / 40, 1.2  # standard deviation: of the shorter side, and in pixels
MAX_NOISE = 20.0  # standard deviation, of 255
BEST_JPEG, WORST_JPEG = 95, 30  # quality


def changes_row(random: np.random.Generator, strength: float) -> bool:
    """Whether a row is changed in this pass."""
    return bool(random.random() < CHANGED_SHARE * strength)


def change(
    image: Image.Image, boxes: tuple[Box, ...], augmentation: AugmentationSpec, random: np.random.Generator
) -> tuple[Image.Image, tuple[Box, ...]]:
    """An RGB picture and the boxes on it after every change that is switched on, each as far as it is drawn.

    The size stays.
    """
    from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

    strength = float(augmentation.strength)
    tensor = functional.pil_to_tensor(image)
    if augmentation.rotation or augmentation.perspective:
        corners = corners_after(
            image.width,
            image.height,
            random,
            strength,
            rotation=augmentation.rotation,
            perspective=augmentation.perspective,
        )
        tensor, boxes = move(tensor, boxes, corners)
    if augmentation.light:
        brightness, contrast = np.exp(random.uniform(-1, 1, 2) * MAX_LIGHT * strength)
        tensor = functional.adjust_brightness(tensor, float(brightness))
        tensor = functional.adjust_contrast(tensor, float(contrast))
    if augmentation.blur:
        tensor = _blurred(tensor, random.uniform(0, strength))
    if augmentation.noise:
        tensor = _noisy(tensor, random.uniform(0, strength) * MAX_NOISE, random)
    picture = functional.to_pil_image(tensor)
    if augmentation.jpeg:
        picture = _compressed(picture, BEST_JPEG - random.uniform(0, strength) * (BEST_JPEG - WORST_JPEG))
    return picture, boxes


def _blurred(tensor: Any, amount: float) -> Any:
    from torchvision.transforms.v2 import functional

    shorter = min(tensor.shape[-2:])
    deviation = amount * min(MAX_BLUR, MAX_BLUR_SHARE * shorter)
    reach = min(math.ceil(3 * deviation), (shorter - 1) // 2)  # pixels each way that are mixed
    if reach < 1:
        return tensor
    size = 2 * reach + 1
    return functional.gaussian_blur(tensor, [size, size], [deviation, deviation])


def _noisy(tensor: Any, deviation: float, random: np.random.Generator) -> Any:
    import torch

    noise = random.standard_normal(tuple(tensor.shape), dtype=np.float32) * np.float32(deviation)
    return (tensor + torch.from_numpy(noise)).round().clamp(0, 255).to(torch.uint8)


def _compressed(picture: Image.Image, quality: float) -> Image.Image:
    """Through Pillow: torchvision's own encoder is on its way out."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=round(quality))
    with Image.open(file) as image:
        return image.convert("RGB")
