"""Whether maps lie where they should, and whether two maps say the same: checks on arrays, without a network.

A lesion is usually in the middle of its photograph, so a map that knows nothing but this does well: every figure here
means something only beside the same figure of :func:`centre_map`, :func:`random_map` and :func:`about_the_centre`.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt
import scipy
from skimage.metrics import structural_similarity as skimage_similarity

from cutis.errors import ImageError

Maps = npt.NDArray[np.float32]
"""N × h × w; positive values speak for what is explained."""
Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

CENTRE_SPREAD = 1 / 4
"""Standard deviation of :func:`centre_map`, in sides of the image."""
RANDOM_GRAIN = 1 / 16
"""Standard deviation of the Gaussian that smooths :func:`random_map`, in sides of the image."""


def mask_share(maps: Maps, masks: Masks) -> Floats:
    """The share of the positive attribution inside the lesion: N values of 0 to 1, NaN where none is positive.

    Also called energy-based pointing game (Wang 2020, arXiv:1910.01279). A map that is the same everywhere has the
    mask's share of the image.

    Args:
        maps: N × h × w.
        masks: N × h × w, True inside.

    Raises:
        ImageError: the shapes differ.
    """
    _check_shapes(maps, masks)
    positive = np.maximum(maps, 0).astype(np.float64)
    total = positive.sum(axis=(1, 2))
    inside = np.where(masks, positive, 0).sum(axis=(1, 2))
    return np.asarray(np.divide(inside, total, out=np.full(len(maps), np.nan), where=total > 0))


def pointing_game(maps: Maps, masks: Masks) -> Masks:
    """Whether the maximum lies inside the lesion, N (Zhang 2016, arXiv:1608.00507; no tolerance around the mask).

    Where several pixels share the maximum (a superpixel has one value), most of them must lie inside. A map without a
    positive value points nowhere: False. Arguments and errors are those of :func:`mask_share`.
    """
    _check_shapes(maps, masks)
    highest = maps.max(axis=(1, 2), keepdims=True)
    at_highest = maps == highest
    inside = (at_highest & masks).sum(axis=(1, 2))
    return np.asarray((2 * inside > at_highest.sum(axis=(1, 2))) & (highest[:, 0, 0] > 0))


def centre_map(height: int, width: int) -> Maps:
    """A baseline that looks at no image: a Gaussian on the middle, height × width, at most 1."""
    return np.exp(-0.5 * _from_centre(height, width) ** 2 / CENTRE_SPREAD**2).astype(np.float32)


def random_map(height: int, width: int, seed: int) -> Maps:
    """A baseline that looks at nothing: smoothed noise, height × width, from 0 to 1."""
    noise = np.random.default_rng(seed).standard_normal((height, width))
    smooth = scipy.ndimage.gaussian_filter(noise, (height * RANDOM_GRAIN, width * RANDOM_GRAIN), mode="wrap")
    return np.asarray((smooth - smooth.min()) / max(float(np.ptp(smooth)), 1e-12), dtype=np.float32)


def about_the_centre(maps: Maps) -> Maps:
    """The values of each map arranged about the middle of the image, the largest innermost: N × h × w.

    A baseline as concentrated as the map itself: a map with all its attribution on a few pixels has a large
    :func:`mask_share` wherever these lie in the lesion, and this is what it would have in the middle.
    """
    count, height, width = maps.shape
    outward = np.argsort(_from_centre(height, width).ravel(), kind="stable")
    arranged = np.empty((count, height * width), dtype=np.float32)
    arranged[:, outward] = -np.sort(-maps.reshape(count, -1), axis=1)
    return arranged.reshape(maps.shape)


def rank_correlation(first: Maps, second: Maps) -> Floats:
    """Spearman's rank correlation of two maps over their pixels, N values of −1 to 1, ties sharing their mean rank.

    A map that is the same everywhere puts no pixel before another: 0.

    Raises:
        ImageError: the shapes differ.
    """
    _check_shapes(first, second)
    return row_rank_correlation(first.reshape(len(first), -1), second.reshape(len(second), -1))


def row_rank_correlation(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> Floats:
    """As :func:`rank_correlation`, of each row of N × P values."""
    one, other = (scipy.stats.rankdata(each, axis=1) - (each.shape[1] + 1) / 2 for each in (first, second))
    spread = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.asarray(np.divide((one * other).sum(axis=1), spread, out=np.zeros(len(first)), where=spread > 0))


def structural_similarity(first: Maps, second: Maps) -> Floats:
    """SSIM (Wang 2004, doi:10.1109/TIP.2003.819861) of two maps, N values of at most 1.

    Each map is first divided by its largest absolute value; windows of 7 × 7 pixels, range of values 1, as Adebayo 2018
    (arXiv:1810.03292) compares maps.

    Raises:
        ImageError: the shapes differ.
    """
    _check_shapes(first, second)
    pairs = zip(_scaled(first), _scaled(second), strict=True)
    return np.array([skimage_similarity(*pair, data_range=1.0) for pair in pairs])


def agreement(maps: Mapping[str, Maps]) -> dict[tuple[str, str], Floats]:
    """:func:`rank_correlation` of every pair of methods, by the two names in the order given; N values each."""
    return {(one, other): rank_correlation(maps[one], maps[other]) for one, other in combinations(maps, 2)}


def _scaled(maps: Maps) -> Maps:
    highest = np.abs(maps).max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0))


def _from_centre(height: int, width: int) -> Floats:
    """The distance of each pixel from the middle, in sides of the image."""
    down = (np.arange(height) + 0.5) / height - 0.5
    right = (np.arange(width) + 0.5) / width - 0.5
    return np.hypot(down[:, None], right[None])


def _check_shapes(maps: npt.NDArray[np.generic], others: npt.NDArray[np.generic]) -> None:
    if maps.ndim != 3 or maps.shape != others.shape:
        raise ImageError(
            f"the maps have the shape {maps.shape}, what they are compared with {others.shape}",
            fix="Give both as N × height × width.",
        )
