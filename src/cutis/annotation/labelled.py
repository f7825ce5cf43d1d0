"""What a file of another tool says of an image, before it is known which of ours it is."""

import math
from typing import NamedTuple

from cutis.annotation.content import Box, Size


class Labelled(NamedTuple):
    """An image in another tool's words.

    ``names``: by which it may be known, the surest first: an ``image_id``, a file's name; ``where``: its place in the
    file, for messages; ``size``: as the file has it, None if it does not; ``words``: what it calls the image or its
    boxes.
    """

    names: tuple[str, ...]
    where: str
    size: Size | None
    words: tuple[str, ...]
    boxes: tuple[Box, ...]


def box_of_edges(left: float, top: float, right: float, bottom: float) -> Box:
    """A box from its edges in pixels, each rounded to the nearest whole one.

    Raises:
        ValueError: an edge is no finite number, or nothing is left between two.
    """
    edges = (left, top, right, bottom)
    if not all(math.isfinite(each) and abs(each) < 1e9 for each in edges):
        raise ValueError("an edge is no finite number")
    first, upper, last, lower = (math.floor(each + 0.5) for each in edges)
    if last <= first or lower <= upper:
        raise ValueError("is smaller than a pixel")
    return Box(left=first, top=upper, width=last - first, height=lower - upper)
