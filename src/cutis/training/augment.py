"""Augmentation on the CPU: one warp and one colour transform an image, both drawn from the recipe.

Turning, mirroring, zoom, stretch and shift are composed into a single affine map, so an image is interpolated once.
Brightness, contrast, saturation and hue are composed into a single 3 × 4 colour matrix.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from cutis.data import Pixels
from cutis.training.recipe import Augmentation

Floats = npt.NDArray[np.float64]

# RGB to YIQ: in it, hue is an angle and saturation a radius, so both are linear maps of RGB.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_GREY = 128


def augment_image(
    image: Pixels, height: int, width: int, augmentation: Augmentation, rng: np.random.Generator
) -> Pixels:
    """One random variation of an image.

    Args:
        image: uint8, any height × width × 3.
        height: of the result, in pixels.
        width: of the result, in pixels.
        augmentation: what may be varied and by how much.
        rng: the source of chance; the same state gives the same variation.

    Returns:
        uint8, height × width × 3.
    """
    out = cv2.warpAffine(
        np.ascontiguousarray(image),
        _warp(image.shape[0], image.shape[1], height, width, augmentation, rng),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    out = cv2.transform(out, _colour(augmentation, rng))
    if rng.random() < augmentation.erase:
        _erase(out, rng)
    return np.asarray(out, dtype=np.uint8)


def _warp(
    rows: int, columns: int, height: int, width: int, augmentation: Augmentation, rng: np.random.Generator
) -> Floats:
    """2 × 3 matrix from output to input pixels."""
    low, high = augmentation.scale
    zoom = math.exp(rng.uniform(math.log(low), math.log(high)))
    stretch = 1 + rng.uniform(-augmentation.stretch, augmentation.stretch)
    angle = math.radians(rng.uniform(-augmentation.rotate, augmentation.rotate))
    mirror_x, mirror_y = rng.integers(2, size=2) * 2 - 1 if augmentation.flip else (1, 1)
    shift = rng.uniform(-augmentation.shift, augmentation.shift, size=2)
    # Turn in a frame of square pixels, else a round lesion would come out oval.
    unit = math.sqrt((rows * columns) / (height * width)) / zoom
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.diag([mirror_x * unit * math.sqrt(stretch), mirror_y * unit / math.sqrt(stretch)])
    out_centre = np.array([(width - 1) / 2, (height - 1) / 2])
    in_centre = np.array([(columns - 1) / 2, (rows - 1) / 2]) + shift * np.array([columns, rows])
    return np.hstack([linear, (in_centre - linear @ out_centre)[:, None]])


def _colour(augmentation: Augmentation, rng: np.random.Generator) -> Floats:
    """3 × 4 matrix on RGB in 0–255: brightness and contrast about mid-grey, saturation and hue about the grey axis."""
    brightness = 1 + rng.uniform(-augmentation.brightness, augmentation.brightness)
    contrast = 1 + rng.uniform(-augmentation.contrast, augmentation.contrast)
    saturation = 1 + rng.uniform(-augmentation.saturation, augmentation.saturation)
    angle = 2 * math.pi * rng.uniform(-augmentation.hue, augmentation.hue)
    cos, sin = saturation * math.cos(angle), saturation * math.sin(angle)
    yiq = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    matrix = brightness * contrast * (_FROM_YIQ @ yiq @ _TO_YIQ)
    offset = np.full((3, 1), _GREY * (1 - contrast))
    return np.hstack([matrix, offset])


def _erase(image: Pixels, rng: np.random.Generator) -> None:
    rows, columns = image.shape[:2]
    area, ratio = rng.uniform(0.02, 0.15) * rows * columns, math.exp(rng.uniform(-1, 1))
    tall, wide = min(rows, round(math.sqrt(area * ratio))), min(columns, round(math.sqrt(area / ratio)))
    top, left = rng.integers(rows - tall + 1), rng.integers(columns - wide + 1)
    image[top : top + tall, left : left + wide] = _GREY
