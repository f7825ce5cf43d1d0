"""Simulated studies after Roe & Metz (1997), with unequal variances after Hillis (2012).

The rating of a case of truth t by reader j in modality i is

    X = μ_it + R_jt + C_kt + (τR)_ijt + (τC)_ikt + (RC)_jkt + E_ijkt,

all terms normal, independent, and independent between t = 0 (without) and t = 1 (with the disease); μ_i0 = 0. For cases
with the disease every variance is multiplied by 1/b².
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import scipy

from cutis.study.covariance import jackknife_covariance, leave_one_out, unbiased_covariance
from cutis.study.endpoints import auc
from cutis.study.obuchowski_rockette import EqualityTest, random_readers_random_cases
from cutis.study.readings import Bools, Floats, Readings, ReadingsError, check_readings

_NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class RoeMetz:
    """The model's parameters: ``separation`` μ_i1 for each modality, variances, and ``b``, σ₀/σ₁ of all terms.

    In the paper ``case + modality_case + reader_case + error`` is 1.
    """

    separation: tuple[float, ...]
    reader: float
    modality_reader: float
    case: float
    modality_case: float
    reader_case: float
    error: float
    b: float = 1.0

    @property
    def variance(self) -> float:
        """Of the rating of a case without the disease, over readers and cases."""
        return self.reader + self.modality_reader + self.case + self.modality_case + self.reader_case + self.error

    @property
    def true_auc(self) -> tuple[float, ...]:
        """The mean AUC of the readers of the population, for each modality: Φ(μ / √[variance (1 + 1/b²)])."""
        spread = (self.variance * (1 + self.b**-2)) ** 0.5
        return tuple(float(scipy.stats.norm.cdf(each / spread)) for each in self.separation)

    def with_auc(self, *areas: float) -> "RoeMetz":
        """The same with the separations that give these mean AUCs, each between 0 and 1."""
        spread = (self.variance * (1 + self.b**-2)) ** 0.5
        return replace(self, separation=tuple(float(scipy.stats.norm.ppf(area)) * spread for area in areas))


def roe_metz_structures() -> dict[str, RoeMetz]:
    """The twelve null models of Roe & Metz (1997, table 1), with two modalities alike.

    Named by correlation of the data (H, L), variance of readers (H, L) and separation: ``"HL0.75"``. AUCs are about
    0.70, 0.86 and 0.96.
    """
    cases = {"H": (0.3, 0.3, 0.2, 0.2), "L": (0.1, 0.1, 0.2, 0.6)}
    readers = {"H": {0.75: 0.011, 1.5: 0.030, 2.5: 0.056}, "L": {0.75: 0.0055, 1.5: 0.0055, 2.5: 0.0055}}
    return {
        f"{data}{spread}{separation:g}": RoeMetz((separation, separation), variance, variance, *cases[data])
        for data in cases
        for spread, known in readers.items()
        for separation, variance in known.items()
    }


def simulate_ratings(
    model: RoeMetz, *, readers: int, positives: int, negatives: int, trials: int, seed: int
) -> tuple[Bools, Floats]:
    """Ratings of ``trials`` studies.

    Returns:
        K truths (with the disease first) and ratings, trials×I×J×K.

    Raises:
        ReadingsError: a count is below 1, a variance is negative or ``b`` not above 0.
    """
    if min(readers, positives, negatives, trials) < 1:
        raise ReadingsError("a simulation needs a reader, a case of each kind and a trial", fix="Give 1 or more.")
    parts = (model.reader, model.modality_reader, model.case, model.modality_case, model.reader_case, model.error)
    if min(parts) < 0 or model.b <= 0:
        raise ReadingsError("a variance is negative, or b not above 0", fix="Correct the model.")
    generator = np.random.default_rng(seed)
    i = len(model.separation)
    halves = []
    for count, truth in ((positives, 1), (negatives, 0)):
        # Every term's shape has 1 for what it does not vary with.
        shapes = [
            (1, readers, 1),
            (i, readers, 1),
            (1, 1, count),
            (i, 1, count),
            (1, readers, count),
            (i, readers, count),
        ]
        rating = np.zeros((trials, i, readers, count))
        for variance, shape in zip(parts, shapes, strict=True):
            rating += variance**0.5 * generator.standard_normal((trials, *shape))
        if truth:
            rating = rating / model.b + np.array(model.separation)[:, None, None]
        halves.append(rating)
    return np.arange(positives + negatives) < positives, np.concatenate(halves, axis=-1)


def simulate_readings(model: RoeMetz, *, readers: int, positives: int, negatives: int, seed: int) -> Readings:
    """One simulated study; readers, modalities and cases are named 1, 2, …."""
    positive, rating = simulate_ratings(
        model, readers=readers, positives=positives, negatives=negatives, trials=1, seed=seed
    )
    place = np.indices(rating[0].shape).reshape(3, -1)
    table = {
        "reader": (place[1] + 1).astype(str),
        "modality": (place[0] + 1).astype(str),
        "case": (place[2] + 1).astype(str),
        "truth": positive[place[2]],
        "rating": rating.ravel(),
    }
    return check_readings(pl.DataFrame(table))


def simulated_tests(
    model: RoeMetz,
    *,
    readers: int,
    positives: int,
    negatives: int,
    trials: int,
    seed: int,
    unbiased: bool = False,
) -> EqualityTest:
    """The test of equal AUCs for random readers and cases (Obuchowski & Rockette) on many simulated studies at once.

    Args:
        model: what is simulated.
        readers: 2 or more.
        positives: cases with the disease, 2 or more.
        negatives: cases without it, 2 or more.
        trials: how many studies.
        seed: the same seed gives the same studies.
        unbiased: take the unbiased covariance in place of the jackknife's.

    Returns:
        Arrays of ``trials`` values.
    """
    i, k = len(model.separation), positives + negatives
    size = max(1, _NUMBERS_AT_ONCE // (i * readers * positives * negatives))
    parts: list[EqualityTest] = []
    for number, count in enumerate(_portions(trials, size)):
        positive, rating = simulate_ratings(
            model,
            readers=readers,
            positives=positives,
            negatives=negatives,
            trials=count,
            seed=seed + 1_000_003 * number,
        )
        cells = rating.reshape(count, i * readers, k)
        if unbiased:
            value, covariance = unbiased_covariance(positive, cells, auc())
        else:
            value, without = leave_one_out(positive, cells, auc())
            covariance = jackknife_covariance(without)
        parts.append(
            random_readers_random_cases(
                value.reshape(count, i, readers), covariance.reshape(count, i, readers, i, readers)
            )
        )
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("statistic", "df2", "p", "denominator")
    }
    return EqualityTest(df1=i - 1.0, **joined)


def _portions(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)
