"""The endpoint of every modality × reader, and the covariance of these figures over samples of cases.

Readers are taken as they are here: what varies is which cases were drawn. Three estimates:

- ``jackknife``: (n−1)/n Σ (θ₍ₖ₎ − θ̄)(θ₍ₖ₎ − θ̄)ᵀ over the n cases of the study, θ₍ₖ₎ being the figures without case k
  (Efron 1982); for every endpoint and design.
- ``delong``: from placements (DeLong et al. 1988); for the AUC, where every reader read every case in every modality.
- ``unbiased``: θθ′ less the mean product of scores that share no case (U-statistics: Gallas 2006; Gallas, Pennello &
  Myers 2007); for endpoints that are means of a score, in every design.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cutis.evaluation import counted, delong_covariance
from cutis.study.endpoints import Endpoint
from cutis.study.readings import Bools, Floats, Grid, ReadingsError

CovarianceMethod = Literal["jackknife", "delong", "unbiased"]
COVARIANCES: tuple[CovarianceMethod, ...] = ("jackknife", "delong", "unbiased")

_NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Figures:
    """Endpoints of I modalities × J readers.

    ``value`` I×J, NaN where the reader did not read in the modality. ``covariance`` I×J×I×J over samples of cases.
    ``without_case`` K×I×J: the figures with one case left out, by the jackknife; None with another method.
    """

    value: Floats
    covariance: Floats
    without_case: Floats | None


def figures(grid: Grid, endpoint: Endpoint, method: CovarianceMethod = "jackknife") -> Figures:
    """Compute the endpoint for every modality × reader, with its covariance.

    Args:
        grid: readings of I modalities, J readers and K cases, those alone that the endpoint needs (``endpoint.of``).
        endpoint: what is measured.
        method: how its covariance is estimated.

    Raises:
        ReadingsError: a reader read fewer than two cases of a kind that the endpoint needs, or the method does not
            apply to this endpoint or design.
    """
    if method not in COVARIANCES:
        raise ReadingsError(f"there is no covariance '{method}'", fix=f"Use one of {', '.join(COVARIANCES)}.")
    i, j, k = grid.rating.shape
    rating = grid.rating.reshape(i * j, k)
    cells = grid.read.any(axis=2).ravel()
    _check_cases(grid, endpoint, cells)
    value = np.full(i * j, np.nan)
    covariance = np.full((i * j, i * j), np.nan)
    block = np.ix_(cells, cells)
    without: Floats | None = None
    if method == "jackknife":
        without = np.full((k, i * j), np.nan)
        value[cells], without[:, cells] = leave_one_out(grid.positive, rating[cells], endpoint)
        covariance[block] = jackknife_covariance(without[:, cells])
    elif method == "delong":
        if endpoint.name != "auc" or not grid.read.all():
            raise ReadingsError(
                "DeLong's covariance is for the AUC of a factorial design", fix="Use jackknife or unbiased."
            )
        value, covariance = delong_covariance(grid.positive, rating.T)
    else:
        value[cells], covariance[block] = unbiased_covariance(grid.positive, rating[cells], endpoint)
    return Figures(
        value.reshape(i, j),
        covariance.reshape(i, j, i, j),
        None if without is None else without.reshape(k, i, j),
    )


def jackknife_covariance(without: Floats) -> Floats:
    """The jackknife's covariance of M figures, …×K×M (each with one case left out) to …×M×M."""
    n = without.shape[-2]
    apart = without - without.mean(axis=-2, keepdims=True)
    covariance: Floats = (n - 1) / n * np.einsum("...km,...kl->...ml", apart, apart)
    return covariance


def leave_one_out(positive: Bools, rating: Floats, endpoint: Endpoint) -> tuple[Floats, Floats]:
    """Figures of M readers-in-a-modality, and the same with each case left out.

    Args:
        positive: K, who has the disease.
        rating: …×M×K, NaN where not read.
        endpoint: what is measured.

    Returns:
        …×M, and …×K×M; leaving out a case that was not read changes nothing.
    """
    read = ~np.isnan(rating)
    if endpoint.pair_score is not None:
        won = _pair_sums(positive, rating, endpoint, gram=False)
        m, n = read[..., positive].sum(axis=-1)[..., None], read[..., ~positive].sum(axis=-1)[..., None]
        total = won.by_positive.sum(axis=-1, keepdims=True)
        without = np.empty(rating.shape)
        without[..., positive] = (total - won.by_positive) / ((m - read[..., positive]) * n)
        without[..., ~positive] = (total - won.by_negative) / (m * (n - read[..., ~positive]))
        return (total / (m * n))[..., 0], np.swapaxes(without, -1, -2)
    if endpoint.case_score is not None:
        score = np.where(read, endpoint.case_score(rating, positive), 0.0)
        total, count = score.sum(axis=-1, keepdims=True), read.sum(axis=-1, keepdims=True)
        return (total / count)[..., 0], np.swapaxes((total - score) / (count - read), -1, -2)
    flat, seen = rating.reshape(-1, rating.shape[-1]), read.reshape(-1, rating.shape[-1])
    value = np.array([_whole(endpoint, positive, cell, made) for cell, made in zip(flat, seen, strict=True)])
    without = np.repeat(value[:, None], flat.shape[1], axis=1)
    for cell, made in enumerate(seen):
        for case in np.flatnonzero(made):
            kept = made.copy()
            kept[case] = False
            without[cell, case] = _whole(endpoint, positive, flat[cell], kept)
    return value.reshape(rating.shape[:-1]), np.swapaxes(without.reshape(rating.shape), -1, -2)


def unbiased_covariance(positive: Bools, rating: Floats, endpoint: Endpoint) -> tuple[Floats, Floats]:
    """Figures of M readers-in-a-modality and their unbiased covariance over samples of cases.

    Cov(θ, θ′) = E(θθ′) − E(θ)E(θ′); the last product is estimated by the mean of s·s′ over scores s of the one and s′
    of the other that share no case. Readers without common cases have covariance 0.

    Args:
        positive: K, who has the disease.
        rating: …×M×K, NaN where not read.
        endpoint: paired or single.

    Returns:
        …×M and …×M×M.

    Raises:
        ReadingsError: the endpoint is no mean of a score.
    """
    read = (~np.isnan(rating)).astype(np.float64)
    if endpoint.pair_score is not None:
        won = _pair_sums(positive, rating, endpoint, gram=True)
        d, e = read[..., positive], read[..., ~positive]
        m, n = d.sum(axis=-1), e.sum(axis=-1)
        total = won.by_positive.sum(axis=-1)
        apart = _outer(total) - _products(won.by_positive) - _products(won.by_negative) + won.gram
        both_p, both_n = _products(d), _products(e)
        pairs = _outer(m * n) - both_p * _outer(n) - both_n * _outer(m) + both_p * both_n
        value = total / (m * n)
    elif endpoint.case_score is not None:
        score = np.where(read > 0, endpoint.case_score(rating, positive), 0.0)
        total, count = score.sum(axis=-1), read.sum(axis=-1)
        apart, pairs = _outer(total) - _products(score), _outer(count) - _products(read)
        value = total / count
    else:
        raise ReadingsError(
            f"the unbiased covariance is for means of a score, which {endpoint.name} is not", fix="Use jackknife."
        )
    return value, _outer(value) - apart / pairs


@dataclass(frozen=True)
class _PairSums:
    """Scores summed over pairs: ``by_positive`` …×M×P, ``by_negative`` …×M×N, ``gram`` …×M×M of products of scores."""

    by_positive: Floats
    by_negative: Floats
    gram: Floats


def _pair_sums(positive: Bools, rating: Floats, endpoint: Endpoint, *, gram: bool) -> _PairSums:
    assert endpoint.pair_score is not None
    ours, others = rating[..., positive], rating[..., ~positive]
    lead, m = rating.shape[:-2], rating.shape[-2]
    by_positive, by_negative = np.zeros(ours.shape), np.zeros(others.shape)
    products = np.zeros((*lead, m, m))
    seen = ~np.isnan(others)[..., None, :]
    step = max(1, _NUMBERS_AT_ONCE // max(1, others.size))
    for start in range(0, ours.shape[-1], step):
        part = ours[..., start : start + step, None]
        score = endpoint.pair_score(part, others[..., None, :]) * (seen & ~np.isnan(part))
        by_positive[..., start : start + step] = score.sum(axis=-1)
        by_negative += score.sum(axis=-2)
        if gram:
            products += _products(score.reshape(*lead, m, -1))
    return _PairSums(by_positive, by_negative, products)


def _products(rows: Floats) -> Floats:
    return np.asarray(rows @ np.swapaxes(rows, -1, -2))


def _outer(values: Floats) -> Floats:
    return np.asarray(values[..., :, None] * values[..., None, :])


def _whole(endpoint: Endpoint, positive: Bools, rating: Floats, kept: Bools) -> float:
    assert endpoint.whole is not None
    return endpoint.whole(positive[kept], rating[kept])


def _check_cases(grid: Grid, endpoint: Endpoint, cells: Bools) -> None:
    """Leaving out one case must leave another of its kind."""
    kinds = {"both": ("with", "without"), "positive": ("with",), "negative": ("without",), "any": ("",)}
    places = [(modality, reader) for modality in grid.modalities for reader in grid.readers]
    read = grid.read.reshape(-1, len(grid.cases))
    for kind in kinds[endpoint.population]:
        wanted = {"with": grid.positive, "without": ~grid.positive}.get(kind, np.ones_like(grid.positive))
        for cell in np.flatnonzero(cells):
            count = int((read[cell] & wanted).sum())
            if count < 2:
                modality, reader = places[cell]
                cases = counted(count, "case") + (f" {kind} the disease" if kind else "")
                raise ReadingsError(
                    f"reader '{reader}' read {cases} in '{modality}'; {endpoint.name} needs two at least",
                    fix="Leave the reader out, or choose another endpoint.",
                )
