"""How a lesion differs between two photographs: area and colour, with what these figures rest on.

All of it is measured on estimated outlines (:func:`cutis.explanation.estimated_lesion_mask`), one in eight of which is
wrong. None of it says whether a lesion is benign.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from cutis.audit import areas_of
from cutis.data import Pixels
from cutis.explanation import estimated_lesion_mask
from cutis.follow_up.registration import Alignment

Mask = npt.NDArray[np.bool_]

AREA_SPREAD = (0.8, 1.26)
"""Where nine of ten area ratios lie of photographs of one lesion of HAM10000 (tests/real/test_follow_up.py)."""

LEAST_POINTS = 12
"""Matched points on the skin around the lesion that an area ratio needs, in both photographs."""

NoRatio = Literal["", "not aligned", "no outline", "cut off", "no marks around"]
_MARGIN = 0.06  # of the lesion's size: points this near to its outline are not counted as skin around it
_SIDE = 800  # pixels of the longer side at which it is measured
_REACH = 0.008  # of the longer side, by which a matched point may miss
_RIM = 0.06  # of a side, cut away to see whether an outline is steady
_STEADY = 0.85  # intersection over union of the two outlines
_AT_EDGE = 0.02  # share of a photograph's rim that an outline may touch


@dataclass(frozen=True)
class Colour:
    """The lesion's mean colour less the skin's around it, CIELAB: ``lightness`` −100 to 100, ``red``, ``yellow``."""

    lightness: float
    red: float
    yellow: float

    def from_(self, other: "Colour") -> float:
        """How far apart two colours are, ΔE*ab (CIE 1976); about 2 can just be seen side by side."""
        return float(
            np.sqrt(
                (self.lightness - other.lightness) ** 2
                + (self.red - other.red) ** 2
                + (self.yellow - other.yellow) ** 2
            )
        )


@dataclass(frozen=True)
class LesionChange:
    """Figures of change.

    Attributes:
        area_ratio: area now divided by area then; None where it cannot be told, for the reason ``no_ratio``.
        no_ratio: why; empty where there is a ratio.
        points_around: matched points on the skin around the lesion that agree on one scale.
        then: the lesion's colour in the earlier photograph; None where no outline or no skin was found.
        now: in the later one.
    """

    area_ratio: float | None
    no_ratio: NoRatio
    points_around: int
    then: Colour | None
    now: Colour | None


def lesion_change(earlier: Pixels, later: Pixels, alignment: Alignment | None) -> LesionChange:
    """Measure what is other in the later photograph.

    The scale between the two is taken from matched points on the skin around the lesion alone. If it were taken from
    the lesion too, a lesion that grew evenly would be scaled back, and its growth not seen. Where there are too few
    such points, or an outline is cut off by the photograph's edge, no ratio is given.

    Args:
        earlier: uint8, height × width × 3, RGB.
        later: the same, of any other size.
        alignment: of the two; None where they could not be aligned.
    """
    (earlier, part), (later, other) = _shrunk(earlier), _shrunk(later)
    one, two = _outline(earlier), _outline(later)
    then = None if one is None else _colour(earlier)
    now = None if two is None else _colour(later)
    if alignment is None:
        return LesionChange(None, "not aligned", 0, then, now)
    if one is None or two is None:
        return LesionChange(None, "no outline", 0, then, now)
    points = alignment.points * np.array([part, part, other, other])
    scale, agreeing = _scale(_around(points, one, two), _REACH * max(later.shape[:2]))
    if _is_cut_off(one) or _is_cut_off(two):
        return LesionChange(None, "cut off", agreeing, then, now)
    if scale is None:
        return LesionChange(None, "no marks around", agreeing, then, now)
    return LesionChange(float(two.sum() / (one.sum() * scale**2)), "", agreeing, then, now)


def _shrunk(pixels: Pixels) -> tuple[Pixels, float]:
    """A photograph no larger than outlines need, and its size as a share of what it was."""
    part = min(1.0, _SIDE / max(pixels.shape[:2]))
    if part == 1:
        return pixels, part
    size = max(1, round(pixels.shape[1] * part)), max(1, round(pixels.shape[0] * part))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8), part


def _outline(pixels: Pixels) -> Mask | None:
    """The estimated outline, if it is much the same in a photograph whose rim is cut away; else it rests on chance."""
    whole = estimated_lesion_mask(pixels)
    if whole is None:
        return None
    high, wide = (max(1, round(_RIM * side)) for side in pixels.shape[:2])
    inner = estimated_lesion_mask(np.ascontiguousarray(pixels[high:-high, wide:-wide]))
    if inner is None:
        return None
    same = whole[high:-high, wide:-wide]
    return whole if (same & inner).sum() >= _STEADY * max(1, (same | inner).sum()) else None


def _around(points: npt.NDArray[np.float64], one: Mask, two: Mask) -> npt.NDArray[np.float64]:
    """Those matched points that lie outside of both outlines, with a margin."""
    kept = np.ones(len(points), dtype=np.bool_)
    for mask, places in ((one, points[:, :2]), (two, points[:, 2:])):
        margin = max(3, round(2 * _MARGIN * float(np.sqrt(mask.sum())))) | 1
        near = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin)))
        column = np.clip(np.rint(places[:, 0]).astype(int), 0, mask.shape[1] - 1)
        row = np.clip(np.rint(places[:, 1]).astype(int), 0, mask.shape[0] - 1)
        kept &= near[row, column] == 0
    return points[kept]


def _scale(around: npt.NDArray[np.float64], reach: float) -> tuple[float | None, int]:
    """By how much the skin is larger in the later photograph, and how many points say so; None with too few.

    They need not agree with the alignment, to which a lesion that grew has its part.
    """
    if len(around) < LEAST_POINTS:
        return None, 0
    there, here = np.ascontiguousarray(around[:, :2]), np.ascontiguousarray(around[:, 2:])
    found, inside = cv2.estimateAffinePartial2D(
        there, here, method=cv2.RANSAC, ransacReprojThreshold=reach, maxIters=5000, confidence=0.999
    )
    agreeing = 0 if found is None else int(inside.sum())
    return (float(np.hypot(found[0, 0], found[1, 0])) if agreeing >= LEAST_POINTS else None), agreeing


def _is_cut_off(mask: Mask) -> bool:
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(rim.mean() > _AT_EDGE)


def _colour(pixels: Pixels) -> Colour | None:
    areas = areas_of(pixels)
    inside = areas.lesion & ~areas.hair
    if inside.sum() < 20 or areas.skin.sum() < 50:
        return None
    apart = areas.lab[inside].mean(axis=0) - np.median(areas.lab[areas.skin], axis=0)
    return Colour(*(float(each) for each in apart))
