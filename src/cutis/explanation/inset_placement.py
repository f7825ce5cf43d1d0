"""Example images on a map: which images stand as examples, and where their pictures go so that none covers another."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CELLS = 72
_PASSES = 3
_GAP = 1.1
# What a place costs beside its distance from its point, which is counted in diagonals of the field.
_COVERING = 4.0  # all points; a hundredth of them is worth a way of 0.04
_CROSSING = 0.2
_HIDING = 0.1
_TYPICAL = 0.5


class Insets(NamedTuple):
    """Where M pictures go: ``centre`` (float64 M × 2; NaN where there is no room) of boxes of one ``size`` (w, h)."""

    centre: Floats
    size: tuple[float, float]

    @property
    def placed(self) -> npt.NDArray[np.bool_]:
        """Which of them have a place: bool M."""
        return np.asarray(np.isfinite(self.centre).all(axis=1))


def example_rows(
    places: npt.NDArray[np.floating],
    names: Sequence[str | None],
    agreement: npt.NDArray[np.floating],
    each: int,
    *,
    most: int,
) -> Ints:
    """Images to show on a map: of each name the typical ones, far from one another.

    Typical is an image at least half of whose neighbours have its name, and no fewer than those of the median image of
    that name; where none is, the best. The first is the one in the midst of these, every other the one farthest from
    those chosen (Gonzalez 1985).

    Args:
        places: N × 2, where the images lie.
        names: N, None where not known.
        agreement: N, the share of each image's neighbours that have its name; NaN where not known.
        each: how many of one name.
        most: of how many names, the commonest.

    Returns:
        Row numbers, by name, the commonest first.
    """
    count = Counter(name for name in names if name is not None)
    common = sorted(count, key=lambda name: (-count[name], name))[:most]
    share = np.nan_to_num(np.asarray(agreement, dtype=np.float64), nan=0.0)
    chosen: list[int] = []
    for name in common:
        rows = np.array([row for row, its in enumerate(names) if its == name], dtype=np.int64)
        limit = min(max(_TYPICAL, float(np.median(share[rows]))), float(share[rows].max()))
        rows = rows[share[rows] >= limit]
        where = np.asarray(places, dtype=np.float64)[rows]
        apart = np.full(len(rows), np.inf)
        place = int(((where - np.median(where, axis=0)) ** 2).sum(axis=1).argmin())
        for _ in range(min(each, len(rows))):
            chosen.append(int(rows[place]))
            apart = np.minimum(apart, ((where - where[place]) ** 2).sum(axis=1))
            place = int(apart.argmax())
            if apart[place] == 0:  # all that are left lie where one is chosen already
                break
    return np.array(chosen, dtype=np.int64)


def place_insets(
    points: npt.NDArray[np.floating],
    anchors: npt.NDArray[np.floating],
    size: tuple[float, float],
    bounds: tuple[float, float, float, float],
) -> Insets:
    """Places for pictures near their points, over as few points as can be, never over one another or out of bounds.

    One picture after the other gets the cheapest free place of a grid, those whose points lie farthest out first; then
    each is taken up and placed anew among the others, three times. A place costs the points it covers, the distance
    from its own point, lines that cross, and lines that run beneath pictures.

    Args:
        points: N × 2, all that is drawn.
        anchors: M × 2, the points that the pictures belong to.
        size: width and height of a picture.
        bounds: left, bottom, right, top of the field.
    """
    left, bottom, right, top = bounds
    width, height = size
    places = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    own = np.asarray(anchors, dtype=np.float64).reshape(-1, 2)
    centre = np.full((len(own), 2), np.nan)
    if not len(own) or right - left < width or top - bottom < height:
        return Insets(centre, size)
    x = np.linspace(left + width / 2, right - width / 2, _CELLS)
    y = np.linspace(bottom + height / 2, top - height / 2, _CELLS)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    crowd = _COVERING * _covered(places, grid, size) / max(1, len(places))
    scale = float(np.hypot(right - left, top - bottom))
    middle = places.mean(axis=0) if len(places) else own.mean(axis=0)
    order = np.argsort(-np.hypot(*(own - middle).T), kind="stable")
    for turn in [*order, *np.tile(order, _PASSES)]:
        centre[turn] = np.nan
        placed = np.isfinite(centre[:, 0])
        free = np.ones(len(grid), dtype=bool)
        for other in centre[placed]:
            free &= (np.abs(grid - other) >= np.array(size) * _GAP).any(axis=1)
        if not free.any():
            continue
        candidates = grid[free]
        cost = crowd[free] + np.hypot(*(candidates - own[turn]).T) / scale
        for each in own:  # a line must not begin beneath a picture
            cost += _HIDING * (np.abs(candidates - each) <= np.array(size) / 2 * _GAP).all(axis=1)
        for other, its in zip(centre[placed], own[placed], strict=True):
            cost += _CROSSING * _crosses(candidates, own[turn], other, its)
            cost += _CROSSING * _over(candidates, own[turn], other[None], size)
            cost += _CROSSING * _over(other[None], its, candidates, size)
        centre[turn] = candidates[cost.argmin()]
    return Insets(centre, size)


def _covered(points: Floats, grid: Floats, size: tuple[float, float]) -> Floats:
    """How many points a picture at each place of the grid would cover."""
    covered = np.zeros(len(grid))
    for start in range(0, len(points), 1000):
        part = points[start : start + 1000]
        inside = np.abs(grid[:, None, 0] - part[None, :, 0]) <= size[0] / 2
        inside &= np.abs(grid[:, None, 1] - part[None, :, 1]) <= size[1] / 2
        covered += inside.sum(axis=1)
    return covered


def _side(a: Floats, b: Floats, c: Floats) -> Floats:
    """On which side of the line from a to b each c lies (the sign of the cross product); all broadcast, … × 2."""
    return np.asarray(np.sign((b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1])
                              - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])))  # fmt: skip


def _crosses(starts: Floats, end: Floats, a: Floats, b: Floats) -> npt.NDArray[np.bool_]:
    """Whether the line from each start to ``end`` crosses the line from ``a`` to ``b``; all … × 2."""
    apart = (_side(starts, end, a) != _side(starts, end, b)) & (_side(a, b, starts) != _side(a, b, end))
    return np.asarray(apart, dtype=np.bool_)


def _over(starts: Floats, end: Floats, boxes: Floats, size: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Whether the line from a start to ``end`` crosses a diagonal of the picture about a box's centre; both … × 2."""
    half = np.array(size) / 2
    other = half * np.array([1, -1])
    first = _crosses(starts, end, boxes - half, boxes + half)
    return first | _crosses(starts, end, boxes - other, boxes + other)
