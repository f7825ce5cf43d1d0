"""A photograph as it is kept: pixels and nothing else that its file told."""

import hashlib
import io
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image

from cutis.data import Pixels

MOST_SIDE = 4096
"""Pixels of a kept photograph's longer side; larger ones are scaled down."""

QUALITY = 95
"""Of the JPEG, with colour at full resolution."""

_SMALL_SIDE = 320


@dataclass(frozen=True, eq=False)
class Picture:
    """A photograph as it is kept: ``pixels`` those of ``jpeg``; ``small`` a JPEG for lists."""

    pixels: Pixels = field(repr=False)
    jpeg: bytes = field(repr=False)
    small: bytes = field(repr=False)
    sha256: str


def kept_picture(pixels: Pixels) -> Picture:
    """A photograph as it will be kept.

    Args:
        pixels: uint8, height × width × 3, RGB, upright.
    """
    jpeg = _jpeg(_at_most(pixels, MOST_SIDE), QUALITY)
    with Image.open(io.BytesIO(jpeg)) as image:
        kept = np.asarray(image.convert("RGB"))
    small = _jpeg(_at_most(pixels, _SMALL_SIDE), 85)
    return Picture(kept, jpeg, small, hashlib.sha256(jpeg).hexdigest())


def _at_most(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()
