"""Agreement between readers, and of readers with themselves: Fleiss' and Cohen's kappa, Krippendorff's alpha.

Intervals are percentiles of a bootstrap of cases.
"""

import itertools
from typing import Literal, NamedTuple

import numpy as np

from cutis.evaluation import clustered_bootstrap, cohen_kappa, percentile_interval
from cutis.study.readings import Floats, Readings, ReadingsError

Scale = Literal["nominal", "ordinal", "interval"]


class Agreement(NamedTuple):
    """A coefficient, 1 for perfect agreement and 0 for what chance gives, with its interval; NaN where undefined."""

    coefficient: float
    low: float
    high: float
    cases: int


def fleiss_kappa(counts: Floats, weights: Floats | None = None) -> Floats:
    """Fleiss' kappa (1971): agreement beyond chance of several raters on categories without order.

    Args:
        counts: N×C, how many raters put case n in category c; as many raters for each case, 2 or more.
        weights: None, or N×R.

    Returns:
        A scalar, or R values; NaN where all ratings are of one category.

    Raises:
        ReadingsError: cases have different numbers of raters, or fewer than two.
    """
    raters = counts.sum(axis=1)
    if not len(counts) or raters[0] < 2 or (raters != raters[0]).any():
        raise ReadingsError(
            "Fleiss' kappa needs the same number of raters, two or more, for every case",
            fix="Use Krippendorff's alpha, which allows missing reads.",
        )
    each = np.ones((len(counts), 1)) if weights is None else weights
    agreed = ((counts**2).sum(axis=1) - raters[0]) / (raters[0] * (raters[0] - 1))
    cases = each.sum(axis=0)
    share = (counts.T @ each) / (cases * raters[0])
    chance = (share**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.where(chance < 1, ((agreed @ each) / cases - chance) / (1 - chance), np.nan)
    return kappa[0] if weights is None else kappa


def krippendorff_alpha(ratings: Floats, scale: Scale = "nominal", weights: Floats | None = None) -> Floats:
    """Krippendorff's alpha (2011): 1 − observed / expected disagreement, of any number of raters and missing ratings.

    Args:
        ratings: raters × N cases, NaN where not rated; cases with fewer than two ratings tell nothing.
        scale: how far two ratings are apart: ``nominal``: equal or not; ``ordinal``: by the ratings between them;
            ``interval``: by the square of their difference.
        weights: None, or N×R.

    Returns:
        A scalar, or R values; NaN where there is no pair of ratings, or all are equal.

    Raises:
        ReadingsError: there is no such scale.
    """
    if scale not in ("nominal", "ordinal", "interval"):
        raise ReadingsError(f"there is no scale '{scale}'", fix="Use nominal, ordinal or interval.")
    levels = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == levels).sum(axis=0).astype(np.float64)  # N×C
    size = counts.sum(axis=1)
    paired = size >= 2
    counts, size = counts[paired], size[paired]
    each = np.ones((len(counts), 1)) if weights is None else weights[paired]
    by_level = counts.T @ each  # C×R
    total = by_level.sum(axis=0)
    if scale == "nominal":
        within = (size**2 - (counts**2).sum(axis=1)) / (size - 1)
        observed = within @ each
        expected = total**2 - (by_level**2).sum(axis=0)
    else:
        # On both scales ratings lie on a line: at their values, or at the midpoints of their ranks among all.
        place = levels[:, None] * np.ones_like(by_level)
        if scale == "ordinal":
            place = by_level.cumsum(axis=0) - by_level / 2
        apart = size[:, None] * (counts @ place**2) - (counts @ place) ** 2
        observed = 2 * (apart / (size[:, None] - 1) * each).sum(axis=0)
        expected = 2 * (total * (by_level * place**2).sum(axis=0) - (by_level * place).sum(axis=0) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = np.where(expected > 0, 1 - (total - 1) * observed / expected, np.nan)
    return alpha[0] if weights is None else alpha


def agreement_between_readers(
    readings: Readings,
    *,
    modality: str | None = None,
    coefficient: Literal["alpha", "fleiss"] = "alpha",
    scale: Scale = "nominal",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Agreement:
    """How far the readers of one modality agree with each other.

    Args:
        readings: of two readers or more.
        modality: may be left out where there is one only.
        coefficient: Krippendorff's alpha, or Fleiss' kappa (nominal, no missing reads).
        scale: of alpha.
        resamples: of the bootstrap of cases.
        seed: of the bootstrap.
        confidence: of the interval.

    Raises:
        ReadingsError: there are several modalities and none is named, or as the coefficient.
    """
    ratings = _of_modality(readings, modality)
    cases = ratings.shape[1]
    if coefficient == "fleiss":
        if scale != "nominal" or np.isnan(ratings).any():
            raise ReadingsError("Fleiss' kappa is for a nominal scale without missing reads", fix="Use alpha.")
        counts = (ratings[:, :, None] == np.unique(ratings)).sum(axis=0).astype(np.float64)
        point = float(fleiss_kappa(counts))
        spread = clustered_bootstrap(
            lambda weights: {"": fleiss_kappa(counts, weights)}, np.arange(cases), resamples=resamples, seed=seed
        )
    else:
        point = float(krippendorff_alpha(ratings, scale))
        spread = clustered_bootstrap(
            lambda weights: {"": krippendorff_alpha(ratings, scale, weights)},
            np.arange(cases),
            resamples=resamples,
            seed=seed,
        )
    low, high = percentile_interval(spread[""], confidence)
    return Agreement(point, float(low), float(high), cases)


def pairwise_kappa(
    readings: Readings,
    *,
    modality: str | None = None,
    weighting: Literal["linear", "quadratic"] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[tuple[str, str], Agreement]:
    """Cohen's kappa of each pair of readers in one modality, on the cases that both read; arguments as above."""
    ratings = _of_modality(readings, modality)
    names = readings.only(modalities=[modality]).readers if modality else readings.readers
    return {
        (names[a], names[b]): _kappa(ratings[a], ratings[b], weighting, resamples, seed, confidence)
        for a, b in itertools.combinations(range(len(names)), 2)
    }


def agreement_within_readers(
    readings: Readings,
    first: str,
    second: str,
    *,
    weighting: Literal["linear", "quadratic"] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Agreement]:
    """Cohen's kappa of each reader with themselves, between two modalities: such as a first and a second reading.

    Raises:
        ReadingsError: there is no such modality.
    """
    grid = readings.only(modalities=[first, second]).grid()
    a, b = grid.modalities.index(first), grid.modalities.index(second)
    return {
        reader: _kappa(grid.rating[a, j], grid.rating[b, j], weighting, resamples, seed, confidence)
        for j, reader in enumerate(grid.readers)
    }


def _kappa(
    first: Floats,
    second: Floats,
    weighting: Literal["linear", "quadratic"] | None,
    resamples: int,
    seed: int,
    confidence: float,
) -> Agreement:
    both = ~np.isnan(first) & ~np.isnan(second)
    if not both.any():
        return Agreement(np.nan, np.nan, np.nan, 0)
    levels, codes = np.unique(np.stack([first[both], second[both]]), return_inverse=True)
    ours, others = np.eye(len(levels))[codes.reshape(2, -1)]  # each cases×C

    def statistics(weights: Floats) -> dict[str, Floats]:
        confusion = np.einsum("nr,nc,nd->rcd", weights, ours, others, optimize=True)
        return {"": cohen_kappa(confusion, weighting)}

    cases = int(both.sum())
    spread = clustered_bootstrap(
        statistics, np.arange(cases), resamples=resamples, seed=seed, width=cases + len(levels) ** 2
    )
    low, high = percentile_interval(spread[""], confidence)
    return Agreement(float(statistics(np.ones((cases, 1)))[""][0]), float(low), float(high), cases)


def _of_modality(readings: Readings, modality: str | None) -> Floats:
    """Readers × cases."""
    if modality is None and len(readings.modalities) > 1:
        raise ReadingsError(f"there are the modalities {', '.join(readings.modalities)}", fix="Name one.")
    ratings: Floats = readings.only(modalities=[modality] if modality else None).grid().rating[0]
    return ratings
