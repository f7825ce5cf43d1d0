"""Reader-averaged figures of any design, missing reads and all, by U-statistics (Gallas 2006; Gallas & Brown 2008).

The mean over the readers of a modality is A = Σ_j θ_j / J. For random readers and cases

    Cov(A, A′) = A·A′ − mean over pairs of different readers j, j′ of [θ_j θ′_j′ − Cov(θ_j, θ′_j′)],

where Cov is the unbiased covariance over cases: what is taken off is the mean product of scores that share neither
reader nor case, an unbiased estimate of E(A)·E(A′). In a factorial design this is the variance of Obuchowski &
Rockette with the unbiased covariance. As Hillis does there, it is never taken below the part that the readers' spread
alone gives, and this part gives the degrees of freedom.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutis.study.covariance import Figures
from cutis.study.obuchowski_rockette import hillis_df
from cutis.study.readings import Bools, Floats, ReadingsError


class Contrast(NamedTuple):
    """A mean over readers, or a difference of two, with its variance; infinite ``df`` stands for the normal."""

    estimate: float
    variance: float
    df: float


def modality_mean(figures: Figures, modality: int, *, readers_random: bool, cases_random: bool) -> Contrast:
    """The mean over the readers of one modality.

    Raises:
        ReadingsError: readers are random and there is one only.
    """
    weights = np.zeros(len(figures.value))
    weights[modality] = 1.0
    return _contrast(figures, weights, readers_random=readers_random, cases_random=cases_random)


def modality_difference(
    figures: Figures, first: int, second: int, *, readers_random: bool, cases_random: bool
) -> Contrast:
    """The mean over readers of the first modality minus that of the second.

    Raises:
        ReadingsError: readers are random and a modality has one only.
    """
    weights = np.zeros(len(figures.value))
    weights[first], weights[second] = 1.0, -1.0
    return _contrast(figures, weights, readers_random=readers_random, cases_random=cases_random)


def _contrast(figures: Figures, weights: Floats, *, readers_random: bool, cases_random: bool) -> Contrast:
    made = ~np.isnan(figures.value)  # I×J
    chosen = np.flatnonzero(weights)
    value = np.where(made, figures.value, 0.0)
    share = np.where(made, weights[:, None] / np.maximum(made.sum(axis=1, keepdims=True), 1), 0.0)  # I×J
    estimate = float((share * value).sum())
    if not readers_random:
        covariance = np.where(made[:, :, None, None] & made[None, None], figures.covariance, 0.0)
        return Contrast(estimate, float(np.einsum("ij,ijkl,kl->", share, covariance, share)), np.inf)
    if (made[chosen].sum(axis=1) < 2).any():
        raise ReadingsError("a modality has one reader: readers cannot be random", fix="Use fixed readers.")
    spread, df = _reader_part(value, made, weights, chosen)
    if not cases_random:
        return Contrast(estimate, spread, df)
    total = 0.0
    for a in chosen:
        for b in chosen:
            total += weights[a] * weights[b] * _covariance_of_means(figures, made, int(a), int(b))
    total = max(total, spread)
    return Contrast(estimate, total, float(hillis_df(np.asarray(total), np.asarray(spread), df)))


def _covariance_of_means(figures: Figures, made: Bools, a: int, b: int) -> float:
    ours, others = made[a], made[b]
    first, second = figures.value[a, ours], figures.value[b, others]
    apart = np.outer(first, second) - figures.covariance[a][ours][:, b][:, others]
    different = np.flatnonzero(ours)[:, None] != np.flatnonzero(others)[None, :]
    return float(first.mean() * second.mean() - apart[different].mean())


def _reader_part(value: Floats, made: Bools, weights: Floats, chosen: NDArray[np.intp]) -> tuple[float, float]:
    """The part of the variance that the observed spread of readers gives, and its degrees of freedom.

    Where the same readers read in both modalities it is that of their differences; where all are different, the sum of
    both modalities' parts with Satterthwaite's degrees of freedom; in between, the spread of what each reader adds.
    """
    counts = made.sum(axis=1)
    mean = np.where(made, value, 0.0).sum(axis=1) / np.maximum(counts, 1)
    apart = np.where(made, value - mean[:, None], 0.0)
    if len(chosen) == 2 and not (made[chosen[0]] & made[chosen[1]]).any():
        parts = [(apart[i] ** 2).sum() / ((counts[i] - 1) * counts[i]) for i in chosen]
        below = sum(part**2 / (counts[i] - 1) for part, i in zip(parts, chosen, strict=True))
        return float(sum(parts)), float(sum(parts) ** 2 / below) if below > 0 else np.inf
    added = (weights[chosen, None] * apart[chosen] / counts[chosen, None]).sum(axis=0)
    readers = int(made[chosen].any(axis=0).sum())
    return float(readers / (readers - 1) * (added**2).sum()), float(readers - 1)
