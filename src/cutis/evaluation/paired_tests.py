"""Tests of two classifiers, or two groups of them, and of several at once.

A *statistic* here is a function from weights N×r to named arrays r×…, as :func:`cutis.evaluation.clustered_bootstrap`
takes it. Differences are second minus first.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, Ints
from cutis.evaluation.delong import delong_paired_test
from cutis.evaluation.intervals import bootstrap_weights, cluster_numbers, percentile_interval

Statistics = Callable[[Floats], Mapping[str, Floats]]

_SAME = 1e-12  # differences closer than this are equal: rounding must not decide a permutation test
_CELLS_AT_ONCE = 500_000


class McNemarTest(NamedTuple):
    """How often only one of two was right, and the two-sided p of that being chance."""

    first_only: int
    second_only: int
    p: float


class PairedDifference(NamedTuple):
    """A statistic of two classifiers on the same images; every field has the statistic's shape (…).

    ``resamples`` R×… are the bootstrapped differences, NaN where not defined; ``p`` is the two-sided level at which the
    percentile interval just reaches 0.
    """

    first: Floats
    second: Floats
    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    resamples: Floats


class GroupTest(NamedTuple):
    """Mann-Whitney: ``superiority`` is the chance that one of the first group exceeds one of the second, ties half."""

    superiority: float
    statistic: float
    p: float


class NonInferiorityTest(NamedTuple):
    """Whether a loss of ``margin`` or more is ruled out: ``low`` bounds the difference, ``p`` is one-sided."""

    difference: float
    low: float
    margin: float
    p: float
    non_inferior: bool


def mcnemar_test(first_right: Bools, second_right: Bools, method: Literal["exact", "mid_p"] = "exact") -> McNemarTest:
    """Whether two classifiers are right equally often, from the images where one alone was (McNemar 1947).

    Args:
        first_right: N, whether the first answered rightly.
        second_right: N, the same images.
        method: ``"exact"`` binomial, conservative; ``"mid_p"`` counts half the observed outcome and is closer to its
            level (Fagerland, Lydersen & Laake 2013). Both take images as independent.

    Raises:
        PredictionsError: the lengths differ, or there is no such method.
    """
    _same_length(first_right, second_right)
    first_only, second_only = int((first_right & ~second_right).sum()), int((~first_right & second_right).sum())
    if method not in ("exact", "mid_p"):
        raise PredictionsError(f"there is no McNemar method '{method}'", fix="Use 'exact' or 'mid_p'.")
    fewer, either = min(first_only, second_only), first_only + second_only
    p = 2 * float(scipy.stats.binom.cdf(fewer, either, 0.5))
    if method == "mid_p":
        p -= float(scipy.stats.binom.pmf(fewer, either, 0.5))
    return McNemarTest(first_only, second_only, min(1.0, p))


def paired_bootstrap(
    first: Statistics,
    second: Statistics,
    clusters: Sequence[Hashable] | Ints,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, PairedDifference]:
    """Differences of two classifiers on the same images, with intervals: both meet the same resampled clusters.

    Args:
        first: statistics of the first, of weights N×r.
        second: statistics of the second, the same names and shapes.
        clusters: N, whose image each is.
        resamples: 1 or more.
        seed: the same seed gives the same intervals.
        confidence: of the percentile intervals.
    """
    everyone = np.ones((len(clusters), 1))
    ours, theirs = first(everyone), second(everyone)
    parts: list[dict[str, Floats]] = []
    for weights in bootstrap_weights(clusters, resamples, seed):
        one, other = first(weights), second(weights)
        parts.append({name: np.asarray(other[name]) - np.asarray(one[name]) for name in one})
    told = {}
    for name in ours:
        differences = np.concatenate([part[name] for part in parts])
        low, high = percentile_interval(differences, confidence)
        a, b = np.asarray(ours[name])[0], np.asarray(theirs[name])[0]
        told[name] = PairedDifference(a, b, b - a, low, high, _bootstrap_p(differences), differences)
    return told


def paired_permutation(
    statistics: Statistics, clusters: Sequence[Hashable] | Ints, *, resamples: int = 2000, seed: int = 0
) -> dict[str, Floats]:
    """Two-sided p of each statistic's difference, from exchanging the two classifiers within random whole clusters.

    If the two are equally good, it does not matter whose answers a patient's images carry: every exchange is as
    likely as the observed one. p is the share of exchanges with a difference at least as large, the observed one
    counted among them (Phipson & Smyth 2010), so it is never below 1/(resamples + 1). For a plain mean this is the
    sign-flip test of cluster totals; it also holds for an AUC, whose probabilities must then mean the same in both
    classifiers, or be turned into ranks.

    Args:
        statistics: of weights 2N×r over the images twice: N with the first's answers, then N with the second's.
        clusters: N, whose image each is.
        resamples: how many exchanges.
        seed: the same seed gives the same p.

    Returns:
        Each statistic's p (…), NaN where its difference is not defined. Exchanges where it is not are left out.
    """
    member = cluster_numbers(clusters)
    count = int(member.max(initial=-1)) + 1
    generator = np.random.default_rng(seed)

    def differences(kept: Floats) -> dict[str, Floats]:
        one = statistics(np.concatenate([kept, 1 - kept]))
        other = statistics(np.concatenate([1 - kept, kept]))
        return {name: np.asarray(other[name]) - np.asarray(one[name]) for name in one}

    observed = {name: values[0] for name, values in differences(np.ones((len(member), 1))).items()}
    reached = {name: np.zeros(np.shape(values)) for name, values in observed.items()}
    defined = {name: np.zeros(np.shape(values)) for name, values in observed.items()}
    at_once = max(1, min(resamples, _CELLS_AT_ONCE // max(1, len(member))))
    for start in range(0, resamples, at_once):
        columns = min(at_once, resamples - start)
        kept = generator.integers(2, size=(count, columns)).astype(np.float64)[member]
        for name, values in differences(kept).items():
            reached[name] += (np.abs(values) >= np.abs(observed[name]) - _SAME).sum(axis=0)
            defined[name] += (~np.isnan(values)).sum(axis=0)
    return {
        name: np.where(np.isnan(values), np.nan, (reached[name] + 1) / (defined[name] + 1))
        for name, values in observed.items()
    }


def mann_whitney_test(first: ArrayLike, second: ArrayLike) -> GroupTest:
    """Whether one group of models, or readers, scores higher than another, each counted once (Mann & Whitney 1947).

    Exact for small groups without ties, else the normal approximation with continuity and tie correction.

    Args:
        first: the figures of n models.
        second: the figures of m others.

    Raises:
        PredictionsError: a group is empty, or holds NaN.
    """
    ours, theirs = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    for group in (ours, theirs):
        if group.size == 0 or np.isnan(group).any():
            raise PredictionsError("a group is empty or holds a figure that is not defined", fix="Leave it out.")
    tested = scipy.stats.mannwhitneyu(ours, theirs, alternative="two-sided")
    return GroupTest(float(tested.statistic) / (ours.size * theirs.size), float(tested.statistic), float(tested.pvalue))


def holm(p_values: ArrayLike) -> Floats:
    """p-values adjusted for their number so that the chance of any false alarm is kept (Holm 1979).

    Args:
        p_values: M, NaN for a test that could not be made: it stays NaN and is not counted.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def auc_non_inferiority(
    positive: Bools, reference: Floats, new: Floats, *, margin: float, confidence: float = 0.95
) -> NonInferiorityTest:
    """Whether a new score's AUC is not lower than the reference's by ``margin`` or more, by DeLong's covariance.

    Args:
        positive: N, who has the disease.
        reference: N scores.
        new: N scores of the same images.
        margin: the largest loss that would not matter, above 0; to be set before looking.
        confidence: of the two-sided interval whose lower end is held against the margin; 0.95 is a one-sided
            level of 2.5 %.

    Raises:
        PredictionsError: the margin is not above 0.
    """
    _margin(margin)
    test = delong_paired_test(positive, new, reference, confidence=confidence)
    # Identical curves leave no doubt at all.
    error = test.standard_error
    p = 0.0 if error == 0 else float(scipy.stats.norm.sf((test.difference + margin) / error))
    return NonInferiorityTest(test.difference, test.low, margin, p, test.low > -margin)


def bootstrap_non_inferiority(
    difference: float, resamples: Floats, *, margin: float, confidence: float = 0.95
) -> NonInferiorityTest:
    """Whether a loss of ``margin`` or more is ruled out, from bootstrapped differences (new minus reference).

    Args:
        difference: as observed.
        resamples: R bootstrapped differences (:class:`PairedDifference`); NaN are left out.
        margin: the largest loss that would not matter, above 0; to be set before looking.
        confidence: of the two-sided interval whose lower end is held against the margin.

    Raises:
        PredictionsError: the margin is not above 0, or no resample is defined.
    """
    _margin(margin)
    defined = resamples[~np.isnan(resamples)]
    if len(defined) == 0:
        raise PredictionsError("the difference is defined in no resample", fix="Test it on more images.")
    low = float(percentile_interval(defined, confidence)[0])
    p = float((1 + (defined <= -margin).sum()) / (1 + len(defined)))
    return NonInferiorityTest(difference, low, margin, p, low > -margin)


def _bootstrap_p(differences: Floats) -> Floats:
    defined = (~np.isnan(differences)).sum(axis=0)
    below, above = (differences <= 0).sum(axis=0), (differences >= 0).sum(axis=0)
    p = np.minimum(1.0, 2 * (1 + np.minimum(below, above)) / (1 + defined))
    return np.where(defined > 0, p, np.nan)


def _margin(margin: float) -> None:
    if not margin > 0:
        raise PredictionsError(f"margin {margin:g} is not above 0", fix="Give the largest loss that would not matter.")


def _same_length(first: Bools, second: Bools) -> None:
    if first.shape != second.shape or first.ndim != 1:
        raise PredictionsError(f"{len(first):,} answers are held against {len(second):,}", fix="Pair the same images.")
