"""An earlier photograph of a lesion brought onto a later one, or word that it cannot be.

Two ways lead to a first guess: points that look alike in both (SIFT, Lowe 2004) with a similarity found by consensus,
and, where skin is too smooth for points, the place and size of the lesion with every direction tried. Each guess is
refined by maximising the correlation of the two pictures (ECC, Evangelidis & Psarakis 2008). Then what is left is
checked: fine structure must agree, and the map must be what two photographs of one spot can differ by. Two dark spots
lie on each other easily; their fine structure does not. What does not pass is not shown at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from cutis.audit import areas_of
from cutis.data import Pixels

Matrix = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

SIDE = 400
"""Pixels of the longer side at which photographs are compared."""

_SMALL = 160  # longer side at which every direction is tried
_RATIO = 0.85  # a point's best match must be this much nearer than its second
_REACH = 4.0  # pixels at SIDE by which a matched point may miss
_LEAST_POINTS = 6
_DIRECTIONS = 36
_STEPS = 60
_MOST_STRETCH = 1.25  # of one direction against the other: a camera held aslant
_MOST_SCALE = 3.0
_LEAST_OVERLAP = 0.3
_AGREES = 0.35  # different lesions of HAM10000 reach 0.23 at their best
_AGREES_WITH_POINTS = 0.25
_MANY_POINTS = 12
_SURELY = 0.5
_COARSE_PART = 0.4
_FINE, _COARSE = 1.5, 8.0  # pixels at SIDE: structure between these sizes is compared


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where each pixel of the earlier photograph lies in the later one.

    Attributes:
        matrix: 2 × 3, affine: pixel (column, row, 1) of the earlier photograph to (column, row) of the later.
        agreement: correlation of fine structure where both show skin, −1 to 1.
        overlap: share of the later photograph that the earlier one covers.
        points: N × 4: columns and rows of points that look alike, earlier then later; some are mistaken. N may be 0.
        consenting: how many of them lie where the matrix says.
    """

    matrix: Matrix
    agreement: float
    overlap: float
    points: Points
    consenting: int

    @property
    def scale(self) -> float:
        """By how much the later photograph shows things larger, in pixels."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    @property
    def rotation(self) -> float:
        """By how many degrees the later photograph is turned clockwise, −180 to 180."""
        turned = self.matrix[:, :2]
        return float(np.degrees(np.arctan2(turned[1, 0] - turned[0, 1], turned[0, 0] + turned[1, 1])))


@dataclass(frozen=True, eq=False)
class _View:
    """A photograph at the size of comparison: ``detail`` its structure with the light taken out, ``seen`` where any."""

    to_whole: float  # pixels of the photograph for one of these
    grey: Pixels
    detail: Plane
    seen: npt.NDArray[np.uint8]
    lesion: npt.NDArray[np.bool_]


def align(earlier: Pixels, later: Pixels) -> Alignment | None:
    """Bring an earlier photograph of a lesion onto a later one.

    Args:
        earlier: uint8, height × width × 3, RGB.
        later: the same, of any other size.

    Returns:
        None where they cannot be aligned: too smooth, too different, or not the same lesion. Measured on HAM10000
        (``tests/real/test_follow_up.py``).
    """
    one, two = _view(earlier), _view(later)
    found = _found(one, two)
    if found is None:  # from the larger picture to the smaller one it sometimes goes where the other way does not
        back = _found(two, one)
        if back is None:
            return None
        matrix = np.asarray(cv2.invertAffineTransform(back.matrix), dtype=np.float64)
        agreement, overlap = _agreement(matrix, one, two)
        found = Alignment(matrix, agreement, overlap, back.points[:, [2, 3, 0, 1]], back.consenting)
        if not _passes(found):
            return None
    scaled = found.points * np.array([one.to_whole, one.to_whole, two.to_whole, two.to_whole])
    return replace(found, matrix=_between(found.matrix, one, two), points=scaled)


def aligned(earlier: Pixels, matrix: Matrix, size: tuple[int, int]) -> Pixels:
    """The earlier photograph as the later one would show it; transparent where it shows nothing.

    Args:
        earlier: uint8, height × width × 3.
        matrix: of an :class:`Alignment`.
        size: height and width of the later photograph.

    Returns:
        uint8, height × width × 4, RGBA.
    """
    height, width = size
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 1:  # warping alone would skip pixels
        shrunk = max(1, round(earlier.shape[1] * scale)), max(1, round(earlier.shape[0] * scale))
        shares = np.array([earlier.shape[1] / shrunk[0], earlier.shape[0] / shrunk[1]])
        turned = matrix[:, :2] * shares
        matrix = np.column_stack([turned, matrix[:, 2] + matrix[:, :2] @ ((shares - 1) / 2)])
        earlier = np.asarray(cv2.resize(earlier, shrunk, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    moved = cv2.warpAffine(earlier, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpAffine(np.full(earlier.shape[:2], 255, np.uint8), matrix, (width, height))
    return np.asarray(np.dstack([moved, shown]), dtype=np.uint8)


def _found(one: _View, two: _View) -> Alignment | None:
    """At the size of comparison; None where nothing passes."""
    points = _matched(one, two)
    best: Alignment | None = None
    for guess in _guesses(one, two, points):
        coarse = _refined(guess, one, two, _COARSE_PART)
        matrix = None if coarse is None else _refined(coarse, one, two, 1.0)
        if matrix is None or not _is_possible(matrix):
            continue
        agreement, overlap = _agreement(matrix, one, two)
        made = Alignment(matrix, agreement, overlap, points, _consenting(matrix, points))
        if made.agreement >= _SURELY and _passes(made):
            return made
        if _passes(made) and (best is None or made.agreement > best.agreement):
            best = made
    return best


def _passes(found: Alignment) -> bool:
    least = _AGREES_WITH_POINTS if found.consenting >= _MANY_POINTS else _AGREES
    return found.agreement >= least and found.overlap >= _LEAST_OVERLAP


def _view(photograph: Pixels) -> _View:
    height, width = photograph.shape[:2]
    scale = SIDE / max(height, width)
    size = max(16, round(width * scale)), max(16, round(height * scale))
    small = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    areas = areas_of(photograph)
    # A dermoscope's rim, pen marks and stickers stay where they are while the skin moves.
    seen = (areas.field & ~areas.ink).astype(np.uint8)
    seen = cv2.erode(cv2.resize(seen, size, interpolation=cv2.INTER_NEAREST), _disc(9), borderValue=1)
    lesion = cv2.resize(areas.lesion.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return _View(1 / scale, grey, _detail(grey, seen), seen, np.asarray(lesion))


def _detail(grey: Pixels, seen: npt.NDArray[np.uint8]) -> Plane:
    """Structure between two sizes, its strength made even; 0 where nothing is seen. Brightness and contrast go."""
    weight = seen.astype(np.float32)
    value = grey.astype(np.float32)

    def blurred(plane: Plane, sigma: float) -> Plane:
        share = cv2.GaussianBlur(weight, (0, 0), sigma)
        return np.asarray(cv2.GaussianBlur(plane * weight, (0, 0), sigma) / np.maximum(share, 1e-3), dtype=np.float32)

    band = blurred(value, _FINE) - blurred(value, _COARSE)
    strength = np.sqrt(blurred(band**2, 2 * _COARSE))
    # The floor keeps the noise of smooth skin from being made as strong as structure.
    floor = max(1.0, 0.5 * float(np.median(strength[seen > 0])) if seen.any() else 1.0)
    return np.asarray(band / (strength + floor) * weight, dtype=np.float32)


def _matched(one: _View, two: _View) -> Points:
    """Points that look alike in both, N × 4: column and row in the first, in the second."""
    (points, words), (others, other_words) = _described(one), _described(two)
    if len(points) < 2 or len(others) < 2:
        return np.empty((0, 4))
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    there = _best(matcher.knnMatch(words, other_words, k=2))
    back = _best(matcher.knnMatch(other_words, words, k=2))
    pairs = [(k, m) for k, m in there.items() if back.get(m) == k]
    return np.array([[*points[k], *others[m]] for k, m in pairs]).reshape(-1, 4)


def _described(view: _View) -> tuple[Points, Plane]:
    even = _clahe().apply(view.grey)
    found, words = _sift().detectAndCompute(even, view.seen)
    if not found:
        return np.empty((0, 2)), np.empty((0, 128), np.float32)
    rooted = np.sqrt(words / np.maximum(words.sum(axis=1, keepdims=True), 1e-6))  # RootSIFT, Arandjelović 2012
    return np.array([each.pt for each in found]), np.asarray(rooted, dtype=np.float32)


def _best(matches: Sequence[Sequence[cv2.DMatch]]) -> dict[int, int]:
    return {
        pair[0].queryIdx: pair[0].trainIdx
        for pair in matches
        if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance
    }


def _guesses(one: _View, two: _View, points: Points) -> Iterator[Matrix]:
    """Similarities to begin with: by matched points, then by the lesions' places."""
    if len(points) >= _LEAST_POINTS:
        found, inside = cv2.estimateAffinePartial2D(
            np.ascontiguousarray(points[:, :2]), np.ascontiguousarray(points[:, 2:]), method=cv2.RANSAC,
            ransacReprojThreshold=_REACH, maxIters=5000, confidence=0.999,
        )  # fmt: skip
        if found is not None and inside.sum() >= _LEAST_POINTS:
            yield np.asarray(found, dtype=np.float64)
    yield from _by_place(one, two)


def _by_place(one: _View, two: _View) -> list[Matrix]:
    """The lesions' middles and sizes brought together, in the directions in which the pictures agree best."""
    if not (one.lesion.any() and two.lesion.any()):
        return []
    (centre, area), (other, other_area) = _place(one.lesion), _place(two.lesion)
    base = np.sqrt(other_area / area)
    small = _SMALL / SIDE
    earlier, later = _shrunk(one.detail, small), _shrunk(two.detail, small)
    seen = cv2.resize(one.seen, (earlier.shape[1], earlier.shape[0]), interpolation=cv2.INTER_NEAREST)
    tried = []
    for direction in np.arange(_DIRECTIONS) * (360 / _DIRECTIONS):
        for scale in (base * 0.85, base, base / 0.85):
            turned = cv2.getRotationMatrix2D((0.0, 0.0), -direction, float(scale))[:, :2]
            matrix = np.column_stack([turned, other - turned @ centre])
            shrunk = np.column_stack([matrix[:, :2], matrix[:, 2] * small])
            tried.append((_correlation(shrunk, earlier, later, seen)[0], matrix))
    tried.sort(key=lambda each: -each[0])
    chosen: list[Matrix] = []
    for _, matrix in tried:
        if all(np.abs(matrix[:, :2] - each[:, :2]).max() > 0.4 for each in chosen):
            chosen.append(matrix)
        if len(chosen) == 3:
            break
    return chosen


def _place(lesion: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.float64], float]:
    rows, columns = np.nonzero(lesion)
    return np.array([columns.mean(), rows.mean()]), float(len(rows))


def _refined(guess: Matrix, one: _View, two: _View, part: float) -> Matrix | None:
    """The guess with the two pictures' correlation at its greatest nearby; None where that does not settle.

    ``part``: of the size of comparison, at which it is sought.
    """
    earlier, later = _shrunk(one.detail, part), _shrunk(two.detail, part)
    mask = cv2.resize(one.seen, (earlier.shape[1], earlier.shape[0]), interpolation=cv2.INTER_NEAREST)
    # ECC warps its second picture onto its first by the map from first to second.
    back = cv2.invertAffineTransform(np.column_stack([guess[:, :2], guess[:, 2] * part])).astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _STEPS, 1e-5)
    try:
        _, found = cv2.findTransformECC(later, earlier, back, cv2.MOTION_AFFINE, criteria, mask, 5)
    except cv2.error:  # it did not settle, or the pictures no longer meet: this guess leads nowhere
        return None
    matrix = np.asarray(cv2.invertAffineTransform(found.astype(np.float64)), dtype=np.float64)
    matrix[:, 2] /= part
    return matrix


def _shrunk(plane: Plane, part: float) -> Plane:
    if part == 1:
        return plane
    return np.asarray(cv2.resize(plane, None, fx=part, fy=part, interpolation=cv2.INTER_AREA))


def _is_possible(matrix: Matrix) -> bool:
    """Whether two photographs of one spot may differ by this: no mirror, no great stretch, no absurd scale."""
    stretches = np.linalg.svd(matrix[:, :2], compute_uv=False)
    scale = float(np.sqrt(stretches.prod()))
    return bool(
        np.linalg.det(matrix[:, :2]) > 0
        and stretches[0] <= _MOST_STRETCH * stretches[1]
        and 1 / _MOST_SCALE <= scale <= _MOST_SCALE
    )


def _agreement(matrix: Matrix, one: _View, two: _View) -> tuple[float, float]:
    return _correlation(matrix, one.detail, two.detail, one.seen, two.seen)


def _correlation(
    matrix: Matrix,
    earlier: Plane,
    later: Plane,
    seen: npt.NDArray[np.uint8],
    other_seen: npt.NDArray[np.uint8] | None = None,
) -> tuple[float, float]:
    """Pearson's, of what both show; and the share of the later picture that is so."""
    size = later.shape[1], later.shape[0]
    moved = cv2.warpAffine(earlier, matrix, size, flags=cv2.INTER_LINEAR)
    both = cv2.warpAffine(seen, matrix, size, flags=cv2.INTER_NEAREST) > 0
    if other_seen is not None:
        both &= other_seen > 0
    share = float(both.mean())
    if both.sum() < 100:
        return -1.0, share
    a, b = moved[both], later[both]
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-9)), share


def _consenting(matrix: Matrix, points: Points) -> int:
    moved = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return int((np.linalg.norm(moved - points[:, 2:], axis=1) <= _REACH).sum())


def _between(matrix: Matrix, one: _View, two: _View) -> Matrix:
    """The map between the whole photographs; pixels' middles lie at whole numbers, hence the halves."""
    small = np.vstack([matrix, [0, 0, 1]])

    def to_small(view: _View) -> Matrix:
        part = 1 / view.to_whole
        return np.array([[part, 0, part / 2 - 0.5], [0, part, part / 2 - 0.5], [0, 0, 1]])

    return np.asarray((np.linalg.inv(to_small(two)) @ small @ to_small(one))[:2])


@cache
def _sift() -> cv2.SIFT:
    return cv2.SIFT.create(nfeatures=1500, contrastThreshold=0.015, edgeThreshold=15)


@cache
def _clahe() -> cv2.CLAHE:
    return cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8))


@cache
def _disc(size: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), dtype=np.uint8)
