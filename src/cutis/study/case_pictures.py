"""Photographs as a study keeps them: pixels and nothing else, and maps of the AI in the photograph's own frame."""

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from cutis.data import Aspect, Pixels, read_image

MOST_SIDE = 2400
"""Pixels of the longer side; larger photographs are scaled down, for phones and slow networks."""


def case_picture(path: str | Path) -> Image.Image:
    """A photograph upright, in sRGB, no larger than :data:`MOST_SIDE`, without anything else that its file held.

    Raises:
        ImageError: the file is missing or damaged.
    """
    picture = Image.fromarray(read_image(path))
    with Image.open(path) as original:
        profile = original.info.get("icc_profile")
    if profile:
        picture = _in_srgb(picture, profile)
    picture.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    picture.info.clear()
    return picture


def map_on_photograph(
    attribution: npt.NDArray[np.float32], size: tuple[int, int], decoded: tuple[int, int], aspect: Aspect
) -> npt.NDArray[np.float32]:
    """A map of what the network saw, in the frame of the upright photograph: the way back of ``fit_image``.

    Args:
        attribution: any h × w; of the decoded image, whole.
        size: the photograph's height and width.
        decoded: height and width that the bundle decodes to.
        aspect: how the photograph's shape was met.

    Returns:
        height × width; 0 where the network saw nothing, because the edge was cut off.
    """
    turned = (size[0] - size[1]) * (decoded[0] - decoded[1]) < 0
    rows, columns = size[::-1] if turned else size
    ratio = decoded[0] / decoded[1]
    if aspect == "crop":
        seen = min(rows, round(columns * ratio)), min(columns, round(rows / ratio))
        whole = np.zeros((rows, columns), dtype=np.float32)
        top, left = (rows - seen[0]) // 2, (columns - seen[1]) // 2
        whole[top : top + seen[0], left : left + seen[1]] = _scaled(attribution, *seen)
    elif aspect == "pad":
        padded = max(rows, round(columns * ratio)), max(columns, round(rows / ratio))
        top, left = (padded[0] - rows) // 2, (padded[1] - columns) // 2
        whole = _scaled(attribution, *padded)[top : top + rows, left : left + columns]
    else:
        whole = _scaled(attribution, rows, columns)
    return np.ascontiguousarray(np.rot90(whole, -1) if turned else whole)


def fitting(picture: Image.Image, longer: int) -> Pixels:
    """A picture's pixels, scaled down so that its longer side has at most so many."""
    scaled = picture.copy()
    scaled.thumbnail((longer, longer), Image.Resampling.LANCZOS)
    return np.asarray(scaled, dtype=np.uint8)


def _scaled(values: npt.NDArray[np.float32], rows: int, columns: int) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(values, (columns, rows), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != "RGB":  # of a grey or CMYK file, which was decoded to RGB already
            return picture
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):  # a damaged profile: viewers, too, show such a file as sRGB
        return picture
    assert converted is not None
    return converted
