"""Where one might take a biopsy: the place inside the lesion that speaks most by two methods of explanation.

Untested clinically: nobody has compared the places with what a pathologist finds there.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from cutis.explanation.quality import Masks, row_rank_correlation

BIOPSY_WARNING = (
    "Research only. This place was not tested clinically: it is where the network looks, not where the disease is. "
    "Do not choose or omit a biopsy by it."
)
LEAST_AGREEMENT = 0.2
"""Rank correlation of the two maps inside the lesion from which on they are taken to agree."""
SMOOTHING = 0.1
"""Standard deviation of the Gaussian that smooths both maps inside the lesion, in diameters of a circle of its area: a
biopsy takes a piece of the lesion, and neither LIME's regions nor Grad-CAM's cells end where a pixel does."""
UNCERTAIN_WITHIN = 0.75
"""Share of the best agreement that a pixel must reach to belong to the area of uncertainty."""


@dataclass(frozen=True, eq=False)
class Site:
    """A suggested place, in pixels of the maps.

    Attributes:
        x: column, from the left.
        y: row, from the top.
        uncertain: h × w: the pixels inside the lesion whose agreement is within :data:`UNCERTAIN_WITHIN` of the best;
            ``(x, y)`` is one of them.
        uncertain_share: their share of the lesion, 0 to 1.
        radius: of the smallest circle about ``(x, y)`` that holds all of them, in pixels.
        maxima: (x, y) of the first method's own maximum inside the lesion, smoothed, and of the second's.
        apart: distance between these, in pixels.
        apart_share: the same, in diameters of a circle of the lesion's area.
    """

    x: int
    y: int
    uncertain: Masks
    uncertain_share: float
    radius: float
    maxima: tuple[tuple[int, int], tuple[int, int]]
    apart: float
    apart_share: float


@dataclass(frozen=True, eq=False)
class BiopsySuggestion:
    """What can be said of a biopsy's site.

    Attributes:
        site: None where none is suggested.
        reason: why it is there, or why there is none: a sentence to show.
        agreement: rank correlation of the two maps inside the lesion, −1 to 1; None where there is no lesion.
        warning: to show wherever the site is shown.
    """

    site: Site | None
    reason: str
    agreement: float | None
    warning: str = BIOPSY_WARNING


def suggested_site(
    first: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
    lesion: Masks | None,
    *,
    names: tuple[str, str] = ("Grad-CAM", "LIME"),
    least_agreement: float = LEAST_AGREEMENT,
    uncertain_within: float = UNCERTAIN_WITHIN,
) -> BiopsySuggestion:
    """Where two maps agree best inside the lesion.

    Both maps should explain what the biopsy is to confirm or rule out (a melanoma, or malignancy as a sum), whatever
    the most probable answer is. Agreement at a pixel is the geometric mean of the two positive attributions, each
    smoothed (:data:`SMOOTHING`) and divided by its largest value inside the lesion: 1 where both have their maximum, 0
    where either does not speak for the target.

    Args:
        first: h × w, by the first method.
        second: h × w, by the second.
        lesion: h × w, recorded or estimated; None where none was found.
        names: what the methods are called in the reason.
        least_agreement: below this rank correlation inside the lesion no site is suggested.
        uncertain_within: see :data:`UNCERTAIN_WITHIN`.

    Raises:
        ValueError: the shapes differ.
    """
    if first.shape != second.shape or (lesion is not None and lesion.shape != first.shape):
        raise ValueError(f"maps of the shapes {first.shape} and {second.shape}, a lesion of another, or not h × w")
    if lesion is None or not lesion.any():
        return BiopsySuggestion(None, "No lesion was found in the image.", None)
    correlation = float(row_rank_correlation(first[lesion][None], second[lesion][None])[0])
    diameter = 2 * float(np.sqrt(lesion.sum() / np.pi))
    strengths = [_smoothed(each, lesion, SMOOTHING * diameter) for each in (first, second)]
    for name, strength in zip(names, strengths, strict=True):
        if not strength.any():
            return BiopsySuggestion(
                None, f"{name} finds nothing inside the lesion that speaks for the diagnosis.", correlation
            )
    together = np.sqrt(strengths[0] / strengths[0].max() * (strengths[1] / strengths[1].max()))
    if correlation < least_agreement or not together.any():
        return BiopsySuggestion(
            None,
            f"{names[0]} and {names[1]} do not agree inside the lesion (rank correlation {correlation:.2f}, "
            f"{least_agreement:.2f} is wanted).",
            correlation,
        )
    x, y = _highest(together)
    uncertain = together >= uncertain_within * together.max()
    rows, columns = np.nonzero(uncertain)
    radius = float(np.hypot(rows - y, columns - x).max())
    maxima = _highest(strengths[0]), _highest(strengths[1])
    apart = math.dist(*maxima)
    share = float(uncertain.sum() / lesion.sum())
    reason = (
        f"{names[0]} and {names[1]} agree inside the lesion (rank correlation {correlation:.2f}); their own maxima lie "
        f"{apart / diameter:.0%} of the lesion's diameter apart, the area of uncertainty is {share:.0%} of the lesion."
    )
    return BiopsySuggestion(
        Site(x, y, np.asarray(uncertain), share, radius, maxima, apart, apart / diameter), reason, correlation
    )


def _smoothed(values: npt.NDArray[np.float32], lesion: Masks, spread: float) -> npt.NDArray[np.float64]:
    """The positive part inside the lesion, smoothed over what lies inside: the outline pulls no maximum inwards."""
    inside = np.where(lesion, np.maximum(values, 0), 0).astype(np.float64)
    weight = gaussian_filter(lesion.astype(np.float64), spread)
    return np.where(lesion, gaussian_filter(inside, spread) / np.where(lesion, weight, 1), 0)


def _highest(strength: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Column and row of the maximum; of several, the one nearest to their middle."""
    rows, columns = np.nonzero(strength == strength.max())
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return int(columns[nearest]), int(rows[nearest])
