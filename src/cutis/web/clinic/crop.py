"""The part of a photograph that the model is shown: suggested around the lesion, or drawn by a person.

Models here learnt from images that a person had framed: the lesion in the middle, with a margin of skin. In a
photograph of a whole arm it is a dot, which the network cannot judge. So the suggested box gives the lesion the part of
the image that it has in HAM10000 (its masks, 3,000 drawn at random): the longer of its relative height and width is
0.64 in the median image. A photograph in which it has enough of the image already is left whole, as those were.
"""

import math
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cutis.audit import areas_of
from cutis.clinic import Photograph
from cutis.data import Pixels

LESION_SIDE = 0.64
"""The longer of a lesion's relative height and width in the median image of HAM10000."""
LEAST_LESION_SIDE = 0.26
"""The same that nineteen in twenty images exceed; where it is less, a box is suggested."""
LEAST_SIDE = 0.02
"""Of a box, as a share of the photograph's side; a smaller one was drawn by mistake."""

_SLACK = 1e-6
_INNER = (1, 99)  # percentiles of a lesion's pixels
_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))


class Box(BaseModel):
    """A part of a photograph; all four in shares of its width or height, from the upper left corner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: float = Field(ge=0, le=1)
    top: float = Field(ge=0, le=1)
    width: float = Field(ge=LEAST_SIDE, le=1)
    height: float = Field(ge=LEAST_SIDE, le=1)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.left + self.width > 1 + _SLACK or self.top + self.height > 1 + _SLACK:
            raise ValueError("lies outside the photograph")
        return self

    @property
    def whole(self) -> bool:
        """Whether it is the whole photograph."""
        return self.width >= 1 - _SLACK and self.height >= 1 - _SLACK


WHOLE = Box(left=0, top=0, width=1, height=1)


def cropped(photograph: Photograph, box: Box) -> Photograph:
    """The part of a photograph in a box, at least one pixel; its key stays that of the file."""
    height, width = photograph.pixels.shape[:2]
    top, left = (min(int(share * side), side - 1) for share, side in ((box.top, height), (box.left, width)))
    bottom, right = round((box.top + box.height) * height), round((box.left + box.width) * width)
    part = photograph.pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    return Photograph(photograph.name, np.ascontiguousarray(part), photograph.key)


def suggested_box(pixels: Pixels, aspect: float) -> Box | None:
    """Where the lesion is estimated to be, with its margin; None where none is found.

    The estimate (:func:`cutis.audit.areas_of`) is wrong in about one dermoscopic image in eight, and more often in
    others: a person has to look at it.

    Args:
        pixels: uint8, height × width × 3, RGB.
        aspect: width divided by height of what the network sees; the box has it, or lies on its side.

    Returns:
        The whole photograph where the lesion has enough of it already.
    """
    found = _extent(areas_of(pixels).lesion)
    if found is None:
        return None
    left, top, right, bottom = found
    if max(bottom - top, right - left) >= LEAST_LESION_SIDE:
        return WHOLE
    height, width = pixels.shape[:2]
    found_height, found_width = (bottom - top) * height, (right - left) * width
    shape = aspect if (found_width >= found_height) == (aspect >= 1) else 1 / aspect
    side = max(found_height, found_width / shape) / LESION_SIDE
    # As large as fits, its shape kept.
    side = min(side, height, width / shape)
    return _within(((left + right) / 2, (top + bottom) / 2), min(1.0, side * shape / width), min(1.0, side / height))


def _extent(lesion: npt.NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of the lesion's main part, in shares of the image's sides.

    Of the parts of an estimate the one that has most near the middle counts, and of that all but the outermost pixels:
    in photographs of skin at large the estimate often has spots and tails.
    """
    count, labels = cv2.connectedComponents(cv2.morphologyEx(lesion.astype(np.uint8), cv2.MORPH_OPEN, _DISC))
    if count == 1:
        return None
    column, row = np.meshgrid(*(np.linspace(-1, 1, side) for side in lesion.shape[::-1]))
    weight = np.bincount(labels.ravel(), weights=np.exp(-2 * (column**2 + row**2)).ravel(), minlength=count)
    weight[0] = 0
    rows, columns = np.nonzero(labels == weight.argmax())
    edges = [np.percentile(each, _INNER) + np.array([0, 1]) for each in (columns, rows)]
    (left, right), (top, bottom) = (each / side for each, side in zip(edges, lesion.shape[::-1], strict=True))
    return float(left), float(top), float(right), float(bottom)


def _within(centre: tuple[float, float], width: float, height: float) -> Box:
    width, height = (max(LEAST_SIDE, math.floor(each * 1e4) / 1e4) for each in (width, height))
    left = min(max(centre[0] - width / 2, 0.0), 1 - width)
    top = min(max(centre[1] - height / 2, 0.0), 1 - height)
    return Box(left=round(left, 4), top=round(top, 4), width=width, height=height)
