"""What the annotations of an image come to: adjudicated, else agreed, else open; for each part of it by itself."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from cutis.annotation.content import Annotation, Box

State = Literal["untouched", "one", "agreed", "disagreed", "adjudicated"]
"""How far an image is; ``one``: annotated by one of the two."""

Part = Literal["diagnosis", "confirmation", "boxes"]
"""What can be agreed on."""


class Settlement(NamedTuple):
    """What stands of an image.

    ``settled``: the parts that do; ``annotation``: their values, with nothing in the parts that are open. Quality tags
    that both gave count as agreed; notes are the curator's only.
    """

    state: State
    settled: tuple[Part, ...]
    annotation: Annotation


PARTS: tuple[Part, ...] = ("diagnosis", "confirmation", "boxes")


def settle(annotators: Sequence[Annotation], curator: Annotation | None, iou: float) -> Settlement:
    """What stands of an image.

    Args:
        annotators: of those who have annotated it, none, one or two.
        curator: of the curator, if they have adjudicated.
        iou: two boxes agree from this intersection over union on.

    Returns:
        Boxes are agreed on if both drew as many and they pair off, each pair at ``iou`` or above; what stands is then
        the mean of each edge, rounded.
    """
    if curator is not None:
        return Settlement("adjudicated", PARTS, curator)
    if len(annotators) < 2:
        return Settlement("one" if annotators else "untouched", (), Annotation())
    one, two = annotators
    settled: list[Part] = []
    values: dict[str, object] = {"quality": tuple(each for each in one.quality if each in two.quality)}
    if one.node == two.node:
        settled.append("diagnosis")
        values["node"] = one.node
    if one.confirm_type == two.confirm_type:
        settled.append("confirmation")
        values["confirm_type"] = one.confirm_type
    pairs = paired_boxes(one.boxes, two.boxes)
    if len(one.boxes) == len(two.boxes) and all(each.iou >= iou for each in pairs):
        settled.append("boxes")
        values["boxes"] = tuple(_mean_box(one.boxes[each.one], two.boxes[each.two]) for each in pairs)
    state: State = "agreed" if len(settled) == len(PARTS) else "disagreed"
    return Settlement(state, tuple(settled), Annotation().model_copy(update=values))


class Pair(NamedTuple):
    """Two boxes by their numbers, from 0, and their intersection over union."""

    one: int
    two: int
    iou: float


def paired_boxes(one: Sequence[Box], two: Sequence[Box]) -> list[Pair]:
    """Boxes of two people paired off so that the sum of their intersections over unions is greatest.

    Returns:
        A pair for each of the fewer boxes, in the order of ``one``; a pair may be apart (0).
    """
    if not one or not two:
        return []
    if len(one) == len(two) == 1:  # nearly always
        return [Pair(0, 0, box_iou(one[0], two[0]))]
    table: npt.NDArray[np.float64] = np.array([[box_iou(each, other) for other in two] for each in one])
    rows, columns = linear_sum_assignment(-table)
    return [Pair(int(row), int(column), float(table[row, column])) for row, column in zip(rows, columns, strict=True)]


def box_iou(one: Box, two: Box) -> float:
    """Intersection over union of two boxes (Jaccard 1901), 0 to 1."""
    width = min(one.right, two.right) - max(one.left, two.left)
    height = min(one.bottom, two.bottom) - max(one.top, two.top)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one.width * one.height + two.width * two.height - both)


def _mean_box(one: Box, two: Box) -> Box:
    left, top = _mean(one.left, two.left), _mean(one.top, two.top)
    right, bottom = _mean(one.right, two.right), _mean(one.bottom, two.bottom)
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def _mean(one: int, two: int) -> int:
    return (one + two + 1) // 2  # halves go up, for every edge alike: no box shrinks to nothing
