"""Laying one photograph of skin on another: is there a scale, rotation, shift, perhaps mirroring, under which they fit?

Keypoints are SIFT (Lowe 2004, doi:10.1023/B:VISI.0000029664.99615.94) with root descriptors (Arandjelović 2012,
doi:10.1109/CVPR.2012.6248018). Each match of two keypoints, having a size and a direction, already tells a whole
similarity transform, so every match is tried in turn and the others counted that agree (as in Philbin 2007,
doi:10.1109/CVPR.2007.383172): RANSAC without chance, the same answer each time. The best is refined to an affine
transform of little shear, since data sets also squash their images to a square.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cutis.data import Pixels

Floats = npt.NDArray[np.float32]

WORKING_SIDE = 256
"""Longest side in pixels at which images are compared; smaller images stay as they are."""

_KEYPOINTS = 200
_CONTRAST = 0.005  # a quarter of what OpenCV takes for everyday photographs: skin is smooth
_RATIO = 0.9  # of the distances to the best and to the second-best match
_NEAR = 3.0  # pixels from where the transform puts a keypoint to its match
_TRIED = 3  # most-supported hypotheses that are refined
_LEAST = 4  # keypoints that must agree before pixels are compared
_STRETCH = 1.5  # most that one axis may be stretched over the other
_ZOOM = 4.0  # most by which one image may be larger than the other
_WINDOW = (25, 25)  # pixels: the neighbourhood whose contrast counts as one
_NOISE = 4.0  # grey levels: structure below this is noise

# The descriptor of a mirrored patch (left and right changed) is that of the patch with its rows of cells in reverse
# and its directions counted the other way round: so a mirrored image need not be searched for keypoints again.
_CELLS = np.arange(128).reshape(4, 4, 8)
_MIRRORED = _CELLS[::-1, :, (-np.arange(8)) % 8].ravel()


class Keypoints(NamedTuple):
    """What of an image is needed to align it, about 60 kB.

    Attributes:
        grey: uint8 height × width at working size; 0 where there is no skin (the black corners of a dermoscope).
        places: float32 K × 4: x, y, size in pixels, direction in radians.
        descriptors: uint8 K × 128.
    """

    grey: npt.NDArray[np.uint8]
    places: Floats
    descriptors: npt.NDArray[np.uint8]


class Alignment(NamedTuple):
    """How one image lies on another.

    Attributes:
        inliers: keypoints at different places that the transform puts on their match.
        correlation: normalised cross-correlation of the overlap after local contrast normalisation, −1–1.
        overlap: share of the smaller image (in area, on the skin) that the other covers, 0–1.
        scale: how many times larger the lesion is in the second image.
        rotation: from the first to the second, degrees clockwise, −180–180; after mirroring left and right.
        mirrored: whether the first is mirrored.
    """

    inliers: int
    correlation: float
    overlap: float
    scale: float
    rotation: float
    mirrored: bool


NO_ALIGNMENT = Alignment(0, float("nan"), float("nan"), float("nan"), float("nan"), mirrored=False)


def find_keypoints(image: Pixels) -> Keypoints:
    """The keypoints of an image: uint8, any height × width × 3."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    shrink = WORKING_SIDE / max(grey.shape)
    if shrink < 1:
        size = (max(1, round(grey.shape[1] * shrink)), max(1, round(grey.shape[0] * shrink)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    skin = _skin(grey)
    sift = cv2.SIFT.create(nfeatures=_KEYPOINTS, contrastThreshold=_CONTRAST)
    found, descriptors = sift.detectAndCompute(grey, None)
    grey = np.where(skin, np.maximum(grey, 1), 0).astype(np.uint8)
    if descriptors is None:
        return Keypoints(grey, np.empty((0, 4), np.float32), np.empty((0, 128), np.uint8))
    places = np.array([(*each.pt, each.size, np.deg2rad(each.angle)) for each in found], dtype=np.float32)
    column, row = (np.clip(np.rint(places[:, i]).astype(int), 0, grey.shape[1 - i] - 1) for i in (0, 1))
    kept = skin[row, column]
    return Keypoints(grey, places[kept], descriptors[kept].astype(np.uint8))


def _skin(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Everything but black areas that reach a corner, with a margin: their rim is the same in all of a dermoscope's
    images. Black is told by the image's own light, or dark skin would count as none.
    """
    black_below = min(60.0, 0.5 * float(np.median(grey)))
    dark = (cv2.GaussianBlur(grey, (0, 0), 1.5) < black_below).astype(np.uint8)
    _, areas = cv2.connectedComponents(dark)
    corners = {int(areas[y, x]) for y in (0, -1) for x in (0, -1) if dark[y, x]}
    if not corners:
        return np.ones(grey.shape, dtype=np.bool_)
    black = np.isin(areas, list(corners)).astype(np.uint8)
    return np.asarray(cv2.dilate(black, np.ones((25, 25), np.uint8)) == 0)


def align(first: Keypoints, second: Keypoints) -> Alignment:
    """Lay the first image on the second: the transform on which most keypoints agree, and how well the pixels fit."""
    if len(first.places) < _LEAST or len(second.places) < _LEAST:
        return NO_ALIGNMENT
    root_first, root_second = _root(first.descriptors), _root(second.descriptors)
    best: tuple[int, npt.NDArray[np.float64] | None, bool] = (0, None, False)
    for mirrored in (False, True):
        places = _flipped(first) if mirrored else first.places
        likeness = (root_first[:, _MIRRORED] if mirrored else root_first) @ root_second.T
        here, there = _matches(likeness)
        if len(here) < _LEAST:
            continue
        inliers, matrix = _agreed(places[here], second.places[there])
        if inliers > best[0]:
            best = inliers, matrix, mirrored
    inliers, matrix, mirrored = best
    if matrix is None or inliers < _LEAST:
        return NO_ALIGNMENT._replace(inliers=inliers)
    correlation, overlap = _fit(
        np.ascontiguousarray(first.grey[:, ::-1]) if mirrored else first.grey, second.grey, matrix
    )
    linear = matrix[:, :2]
    # The rotation nearest to an affine matrix, by its antisymmetric and its diagonal part.
    turn = np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    return Alignment(inliers, correlation, overlap, float(np.sqrt(np.linalg.det(linear))), float(turn), mirrored)


def _root(descriptors: npt.NDArray[np.uint8]) -> Floats:
    wide = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(wide / np.maximum(wide.sum(axis=1, keepdims=True), 1)))


def _flipped(image: Keypoints) -> Floats:
    places = image.places.copy()
    places[:, 0] = image.grey.shape[1] - 1 - places[:, 0]
    places[:, 3] = np.pi - places[:, 3]
    return places


def _matches(likeness: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Keypoints whose best match is clearly better than the second, from the K × L inner products of unit vectors."""
    there = likeness.argmax(axis=1)
    here = np.arange(len(likeness))
    best = likeness[here, there]
    second = np.partition(likeness, -2, axis=1)[:, -2]
    kept = (1 - best) < _RATIO**2 * (1 - second)
    return here[kept], there[kept]


def _agreed(here: Floats, there: Floats) -> tuple[int, npt.NDArray[np.float64] | None]:
    """The most keypoints on which one transform agrees, and that transform (2 × 3), from M matched places."""
    zoom = there[:, 2] / here[:, 2]
    turn = there[:, 3] - here[:, 3]
    # Places are complex numbers here, so that a similarity transform is one product and one sum.
    start = here[:, 0] + 1j * here[:, 1]
    end = there[:, 0] + 1j * there[:, 1]
    factor = (zoom * np.exp(1j * turn)).astype(np.complex64)
    missed = np.abs(factor[:, None] * (start[None] - start[:, None]) + end[:, None] - end[None])
    alike = np.abs(np.log(zoom[:, None] / zoom[None])) < 0.5
    alike &= np.cos(turn[:, None] - turn[None]) > 0.8
    agreeing = alike & (missed < 4 * _NEAR)
    support = agreeing.sum(axis=1)
    best: tuple[int, npt.NDArray[np.float64] | None] = (0, None)
    for hypothesis in np.argsort(-support, kind="stable")[:_TRIED]:
        if support[hypothesis] < _LEAST:
            break
        inliers, matrix = _refined(here[:, :2], there[:, :2], agreeing[hypothesis], alike[hypothesis])
        if inliers > best[0]:
            best = inliers, matrix
    return best


def _refined(
    here: Floats, there: Floats, inside: npt.NDArray[np.bool_], alike: npt.NDArray[np.bool_]
) -> tuple[int, npt.NDArray[np.float64] | None]:
    matrix = None
    for near in (3 * _NEAR, 2 * _NEAR, _NEAR, _NEAR):
        if inside.sum() < _LEAST:
            return 0, None
        matrix = _least_squares(here[inside], there[inside])
        if matrix is None:
            return 0, None
        missed = np.hypot(*(here @ matrix[:, :2].T + matrix[:, 2] - there).T)
        inside = alike & (missed < near)
    return _different(here, there, inside), matrix


def _different(here: Floats, there: Floats, inside: npt.NDArray[np.bool_]) -> int:
    """How many places, to two pixels, are truly different: SIFT may put several keypoints at one."""
    cells = ((side[inside] / 2).astype(np.int64) @ (1, 1 << 20) for side in (here, there))
    return min(len(set(each.tolist())) for each in cells)


def _least_squares(here: Floats, there: Floats) -> npt.NDArray[np.float64] | None:
    """The affine transform from here to there, or the similarity where few matches tell; None if it is absurd."""
    if len(here) >= 8:
        known = np.column_stack([here, np.ones(len(here))]).astype(np.float64)
        matrix = np.asarray(np.linalg.lstsq(known, there.astype(np.float64), rcond=None)[0].T, dtype=np.float64)
    else:
        start, end = here[:, 0] + 1j * here[:, 1], there[:, 0] + 1j * there[:, 1]
        centred = start - start.mean()
        factor = np.vdot(centred, end - end.mean()) / max(np.vdot(centred, centred).real, 1e-9)
        shift = end.mean() - factor * start.mean()
        matrix = np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
    (a, b), (c, d) = matrix[:, :2].tolist()
    # The sum and the difference of the two factors by which a matrix stretches.
    total, rest = np.hypot(a + d, c - b), np.hypot(a - d, c + b)
    most, least = (total + rest) / 2, (total - rest) / 2
    return None if least * _STRETCH < most or most > _ZOOM or least < 1 / _ZOOM else matrix


def _fit(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Correlation and overlap of two images, the first laid on the second, in the frame of the coarser one."""
    scale = float(np.sqrt(np.linalg.det(matrix[:, :2])))
    if scale > 1:
        # The second shows the lesion larger: bring it down to the first.
        first, second, scale = second, first, 1 / scale
        matrix = np.asarray(cv2.invertAffineTransform(matrix))
    fine = cv2.GaussianBlur(first, (0, 0), 0.5 / scale) if scale < 0.8 else first
    size = (second.shape[1], second.shape[0])
    laid = cv2.warpAffine(fine, matrix, size, flags=cv2.INTER_LINEAR)
    on_first = cv2.warpAffine((first > 0).astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    both = (on_first > 0) & (second > 0)
    shared = float(both.sum())
    smaller = min(float((second > 0).sum()), float((first > 0).sum()) * scale**2)
    overlap = min(1.0, shared / max(smaller, 1.0))
    if shared < 0.01 * second.size:
        return 0.0, overlap
    weight = both.astype(np.float32)
    one, other = _contrast(laid, weight), _contrast(second, weight)
    length = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum() / max(length, 1e-9)), overlap


def _contrast(grey: npt.NDArray[np.uint8], weight: Floats) -> Floats:
    """Structures of a few pixels in units of their local contrast, so that light, vignette, the lesion's mere outline
    and one dark hair or ruler do not decide; noise of smooth skin stays near 0.
    """
    picture = grey.astype(np.float32) * weight
    fine = _smoothed(picture, 1.5) / np.maximum(_smoothed(weight, 1.5), 1e-3)
    coarse = _smoothed(picture, 3.0) / np.maximum(_smoothed(weight, 3.0), 1e-3)
    structure = (fine - coarse) * weight
    power = cv2.blur(structure * structure, _WINDOW) / np.maximum(cv2.blur(weight, _WINDOW), 1e-3)
    return np.asarray(structure / np.sqrt(power + _NOISE**2))


def _smoothed(picture: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))
