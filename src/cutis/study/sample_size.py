"""Power of a planned study of two modalities, and the readers and cases it takes (Hillis, Obuchowski & Berbaum 2011).

With J* readers and c* cases, planned from a pilot (or assumed) study of c cases, and Δ = max(Cov2 − Cov3, 0):

    error = c/c* [Var(ε) − Cov1 + (J*−1) Δ],   λ = J* δ²/2 / [Var(TR) + error]
    df2 = [Var(TR) + error]² / {[Var(TR) + c/c* (Var(ε) − Cov1 − Δ)]² / (J*−1)}

and power is the chance that a noncentral F(1, df2; λ) exceeds the critical value. Covariances are taken as inversely
proportional to the number of cases, at the pilot's share of disease.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

from cutis.study.analysis import Analysis
from cutis.study.readings import ReadingsError
from cutis.study.roe_metz import RoeMetz, simulated_tests


@dataclass(frozen=True)
class PlanningVariances:
    """What planning needs to know: Obuchowski & Rockette's components, of a study of ``cases`` cases."""

    modality_reader: float
    error: float
    cov1: float
    cov2: float
    cov3: float
    cases: int

    @classmethod
    def of(cls, pilot: Analysis) -> "PlanningVariances":
        """Those of a pilot study of two modalities or more; a negative Var(TR) counts as 0.

        Raises:
            ReadingsError: it has one modality or reader only, or missing reads.
        """
        found = pilot.components
        if found is None or found.modality_reader is None:
            raise ReadingsError(
                "the pilot study gives no variance of modality × reader",
                fix="Take a pilot with two modalities, two readers and no missing reads, or assume the components.",
            )
        return cls(max(found.modality_reader, 0.0), found.error, found.cov1, found.cov2, found.cov3, pilot.sample.cases)


class Power(NamedTuple):
    """``df2`` is infinite for fixed readers; ``standard_error`` is that of the difference of the two means."""

    power: float
    noncentrality: float
    df2: float
    standard_error: float


def power_of(
    variances: PlanningVariances,
    difference: float,
    *,
    readers: int,
    cases: int,
    level: float = 0.05,
    margin: float | None = None,
    random_readers: bool = True,
    random_cases: bool = True,
) -> Power:
    """The power of a factorial study of two modalities.

    Args:
        variances: from a pilot study, or assumed.
        difference: true difference, first minus second; for superiority its sign does not matter.
        readers: planned, 2 or more where they are random.
        cases: planned, at the pilot's share of disease.
        level: two-sided level of the test.
        margin: of non-inferiority of the second modality, tested one-sided at half the level. None: superiority.
        random_readers: whether the result is to hold for readers like these.
        random_cases: whether it is to hold for cases like these.

    Raises:
        ReadingsError: too few readers or cases, the margin is not above 0, or nothing is random.
    """
    if readers < (2 if random_readers else 1) or cases < 4:
        raise ReadingsError(f"{readers} readers and {cases} cases are too few", fix="Plan more.")
    if not (random_readers or random_cases):
        raise ReadingsError("readers and cases are both fixed: nothing is left to vary", fix="Make one random.")
    if margin is not None and margin <= 0:
        raise ReadingsError(f"the margin is {margin:g}, not above 0", fix="Give e.g. 0.05.")
    scale = variances.cases / cases
    apart = max(variances.cov2 - variances.cov3, 0.0)
    case_part = scale * (variances.error - variances.cov1 + (readers - 1) * apart)
    spread = variances.modality_reader + scale * (variances.error - variances.cov1 - apart)
    if not random_readers:
        total, df = case_part, np.inf
    elif not random_cases:
        total, df = spread, readers - 1.0
    else:
        total = variances.modality_reader + case_part
        df = (total / spread) ** 2 * (readers - 1)
    error = (2 * total / readers) ** 0.5
    if margin is not None:
        shift = (margin - difference) / error
        return Power(_beyond_t(shift, df, level / 2), shift**2, df, error)
    noncentrality = (difference / error) ** 2
    if np.isinf(df):
        power = float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(level, 1), 1, noncentrality))
    else:
        # Not stats.ncf, whose sf is wrong at a noncentrality of 0 (scipy 1.17).
        power = 1 - float(scipy.special.ncfdtr(1, df, noncentrality, scipy.stats.f.isf(level, 1, df)))
    return Power(power, noncentrality, df, error)


def cases_needed(
    variances: PlanningVariances,
    difference: float,
    *,
    readers: int,
    power: float = 0.8,
    level: float = 0.05,
    margin: float | None = None,
    most: int = 100_000,
) -> int | None:
    """The smallest number of cases with this power, for random readers and cases.

    Args:
        variances: from a pilot study, or assumed.
        difference: true difference, as for :func:`power_of`.
        readers: planned.
        power: to be reached, between 0 and 1.
        level: two-sided level of the test.
        margin: of non-inferiority, or None.
        most: where to stop.

    Returns:
        None where ``most`` are not enough: with few readers no number of cases is.

    Raises:
        ReadingsError: as :func:`power_of`, or the power is not between 0 and 1.
    """

    def reached(cases: int) -> float:
        return power_of(variances, difference, readers=readers, cases=cases, level=level, margin=margin).power

    return _smallest(reached, 4, most, power)


def readers_needed(
    variances: PlanningVariances,
    difference: float,
    *,
    cases: int,
    power: float = 0.8,
    level: float = 0.05,
    margin: float | None = None,
    most: int = 1_000,
) -> int | None:
    """The smallest number of readers with this power; arguments, result and errors as :func:`cases_needed`."""

    def reached(readers: int) -> float:
        return power_of(variances, difference, readers=readers, cases=cases, level=level, margin=margin).power

    return _smallest(reached, 2, most, power)


def simulated_power(
    model: RoeMetz,
    *,
    readers: int,
    positives: int,
    negatives: int,
    trials: int = 1000,
    seed: int = 0,
    level: float = 0.05,
) -> float:
    """The share of simulated studies (Roe & Metz) whose test of equal AUCs, random readers and cases, rejects."""
    tests = simulated_tests(model, readers=readers, positives=positives, negatives=negatives, trials=trials, seed=seed)
    return float((tests.p < level).mean())


def _beyond_t(shift: float, df: float, level: float) -> float:
    if np.isinf(df):
        return float(scipy.stats.norm.sf(scipy.stats.norm.isf(level) - shift))
    return float(scipy.stats.nct.sf(scipy.stats.t.isf(level, df), df, shift))


def _smallest(reached: Callable[[int], float], least: int, most: int, power: float) -> int | None:
    """The smallest number that reaches the power, which grows with it."""
    if not 0 < power < 1:
        raise ReadingsError(f"the power is {power:g}, not between 0 and 1", fix="Give e.g. 0.8.")
    if reached(most) < power:
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        if reached(middle) >= power:
            high = middle
        else:
            low = middle
    return high
