"""Multi-reader multi-case analysis: the mean of readers in each modality, and their differences."""

import itertools
from typing import Any, Literal

import numpy as np
import scipy

from cutis.study import dbm, obuchowski_rockette, u_statistics
from cutis.study.analysis import (
    METHODS,
    Analysis,
    CaseComponents,
    EqualityResult,
    Method,
    ModalityFigure,
    ReaderDifference,
    ReaderFigure,
    Sample,
    VarianceComponents,
    difference_of,
    finite,
    interval,
)
from cutis.study.covariance import CovarianceMethod, Figures, figures
from cutis.study.endpoints import Endpoint, auc
from cutis.study.obuchowski_rockette import EqualityTest, hillis_df
from cutis.study.readings import Design, Floats, Grid, Readings, ReadingsError, design_of
from cutis.study.u_statistics import Contrast

Factor = Literal["random", "fixed"]


def analyze(
    readings: Readings,
    endpoint: Endpoint | None = None,
    *,
    method: Method = "or",
    covariance: CovarianceMethod | None = None,
    readers: Factor = "random",
    cases: Factor = "random",
    margin: float | None = None,
    reference: str | None = None,
    confidence: float = 0.95,
) -> Analysis:
    """Compare modalities by an endpoint's mean over readers.

    Args:
        readings: of one modality or more. With one there is no comparison.
        endpoint: what is measured; the AUC when None.
        method: ``or`` (Obuchowski & Rockette with Hillis' degrees of freedom), ``dbm`` (Dorfman, Berbaum & Metz; of
            factorial designs), or ``u-statistics`` (Gallas), the one for missing reads and irregular designs.
        covariance: over cases. None takes the one usual with the method: ``jackknife``; for U-statistics ``unbiased``.
        readers: ``random``: the result holds for readers like these; ``fixed``: for these alone.
        cases: the same of cases. Not both can be fixed.
        margin: test non-inferiority of the second modality of each pair, and equivalence, within this margin, above 0.
        reference: the modality that comes first; by name or number when None.
        confidence: of intervals, between 0 and 1.

    Raises:
        ReadingsError: the method does not apply to this design or endpoint (the message says which does), there are too
            few readers or cases, or an argument is not valid.
    """
    endpoint = endpoint or auc()
    covariance = covariance or ("unbiased" if method == "u-statistics" else "jackknife")
    _check_arguments(method, covariance, readers, cases, margin, confidence)
    kept = endpoint.of(readings)
    grid = kept.grid(first_modality=reference)
    design = design_of(grid)
    _check_design(grid, design, method, readers)
    found = figures(grid, endpoint, covariance)
    means, pairs, equality = _compared(found, design, method, readers, cases)
    made = ~np.isnan(found.value)
    factorial = design == "factorial"
    squares = obuchowski_rockette.mean_squares(found.value) if made.all() else None
    return Analysis(
        endpoint=endpoint.name,
        endpoint_words=endpoint.words,
        method=method,
        covariance=None if cases == "fixed" else covariance,
        readers=readers,
        cases=cases,
        confidence=confidence,
        sample=sample_of(kept, grid, design),
        reader_figures=reader_figures(grid, found, endpoint, confidence),
        reader_differences=_reader_differences(grid, found, confidence),
        modalities=[
            _modality_figure(name, mean, confidence, endpoint.bounded)
            for name, mean in zip(grid.modalities, means, strict=True)
        ],
        differences=[
            difference_of(
                grid.modalities[a], grid.modalities[b], pair.estimate, pair.variance, pair.df, confidence, margin
            )
            for (a, b), pair in pairs.items()
        ],
        equality=equality,
        mean_square_modality=finite(float(squares.modality)) if squares else None,
        mean_square_modality_reader=finite(float(squares.modality_reader)) if squares else None,
        components=_components(found, design) if made.all() else None,
        case_components=_case_components(found) if factorial and covariance == "jackknife" else None,
    )


def sample_of(readings: Readings, grid: Grid, design: Design) -> Sample:
    """What was read, in numbers."""
    return Sample(
        readers=grid.readers,
        modalities=grid.modalities,
        cases=len(grid.cases),
        positives=int(grid.positive.sum()),
        negatives=int((~grid.positive).sum()),
        reads=len(readings.frame),
        missing_reads=readings.missing,
        design=design,
    )


def reader_figures(grid: Grid, found: Figures, endpoint: Endpoint, confidence: float) -> list[ReaderFigure]:
    """Each reader in each modality, with the interval over cases."""
    rows = []
    for (j, reader), (i, modality) in itertools.product(enumerate(grid.readers), enumerate(grid.modalities)):
        if np.isnan(found.value[i, j]):
            continue
        value = float(found.value[i, j])
        error, low, high = interval(
            value, float(found.covariance[i, j, i, j]), np.inf, confidence, bounded=endpoint.bounded
        )
        rows.append(
            ReaderFigure(
                reader=reader,
                modality=modality,
                cases=int(grid.read[i, j].sum()),
                estimate=value,
                standard_error=error,
                low=low,
                high=high,
            )
        )
    return rows


_Compared = tuple[list[Contrast], dict[tuple[int, int], Contrast], EqualityResult | None]


def _compared(found: Figures, design: Design, method: Method, readers: Factor, cases: Factor) -> _Compared:
    """Each modality's mean, each pair's difference, and the test that all are equal."""
    if method == "u-statistics":
        return _by_u_statistics(found, readers, cases)
    if design == "readers in modalities":
        found = _side_by_side(found)
    value = found.value
    i, j = value.shape
    assert method == "or" or found.without_case is not None
    pseudovalue = None if method == "or" else dbm.pseudovalues(value, np.asarray(found.without_case))
    means = [_modality_mean(found, pseudovalue, design, readers, cases, each) for each in range(i)]
    if i == 1:
        return means, {}, None
    test = _equality(found, pseudovalue, design, readers, cases)
    scale = 2 / j if pseudovalue is None else 2 / (j * pseudovalue.shape[2])
    variance, df = scale * float(test.denominator), float(test.df2)
    pairs = {
        (a, b): Contrast(means[a].estimate - means[b].estimate, variance, df)
        for a, b in itertools.combinations(range(i), 2)
    }
    # F with infinite degrees of freedom is told as the χ² that it is.
    statistic = float(test.statistic) * (1.0 if np.isfinite(df) else test.df1)
    return (
        means,
        pairs,
        EqualityResult(statistic=finite(statistic), df1=test.df1, df2=finite(df), p=finite(float(test.p))),
    )


def _equality(
    found: Figures, pseudovalue: Floats | None, design: Design, readers: Factor, cases: Factor
) -> EqualityTest:
    value, covariance = found.value, found.covariance
    if pseudovalue is not None:
        if readers == "fixed":
            return dbm.fixed_readers_random_cases(pseudovalue)
        if cases == "fixed":
            return dbm.random_readers_fixed_cases(pseudovalue)
        return dbm.random_readers_random_cases(pseudovalue)
    if readers == "fixed":
        return obuchowski_rockette.fixed_readers_random_cases(value, covariance, design)
    if cases == "fixed":
        return obuchowski_rockette.random_readers_fixed_cases(value)
    if design == "readers in modalities":
        return obuchowski_rockette.readers_in_modalities(value, covariance)
    return obuchowski_rockette.random_readers_random_cases(value, covariance, design)


def _modality_mean(
    found: Figures, pseudovalue: Floats | None, design: Design, readers: Factor, cases: Factor, modality: int
) -> Contrast:
    """The mean of one modality, from its own readings (Hillis 2014)."""
    value = found.value[modality]
    j = len(value)
    estimate, spread = float(value.mean()), float(value.var(ddof=1)) if j > 1 else np.nan
    if pseudovalue is not None:
        own = dbm.case_mean_squares(pseudovalue[modality][None])
        times = j * pseudovalue.shape[2]
        if readers == "fixed":
            return Contrast(estimate, own.case / times, pseudovalue.shape[2] - 1.0)
        if cases == "fixed":
            return Contrast(estimate, own.reader / times, j - 1.0)
        total = own.reader + max(own.case - own.reader_case, 0.0)
        return Contrast(estimate, total / times, _df(total, own.reader, j - 1.0))
    block = found.covariance[modality, :, modality, :]
    error = float(np.diag(block).mean())
    cov2 = float((block.sum() - np.trace(block)) / (j * (j - 1))) if j > 1 and design != "cases in readers" else 0.0
    if readers == "fixed":
        return Contrast(estimate, (error + (j - 1) * max(cov2, 0.0)) / j, np.inf)
    if cases == "fixed":
        return Contrast(estimate, spread / j, j - 1.0)
    total = spread + j * max(cov2, 0.0)
    return Contrast(estimate, total / j, _df(total, spread, j - 1.0))


def _by_u_statistics(found: Figures, readers: Factor, cases: Factor) -> _Compared:
    random: dict[str, Any] = {"readers_random": readers == "random", "cases_random": cases == "random"}
    count = len(found.value)
    means = [u_statistics.modality_mean(found, each, **random) for each in range(count)]
    pairs = {
        (a, b): u_statistics.modality_difference(found, a, b, **random)
        for a, b in itertools.combinations(range(count), 2)
    }
    if count != 2:
        return means, pairs, None
    only = pairs[0, 1]
    square = only.estimate**2 / only.variance if only.variance > 0 else np.nan
    normal = not np.isfinite(only.df)
    p = scipy.stats.chi2.sf(square, 1) if normal else scipy.stats.f.sf(square, 1, only.df)
    return means, pairs, EqualityResult(statistic=finite(square), df1=1.0, df2=finite(only.df), p=finite(float(p)))


def _side_by_side(found: Figures) -> Figures:
    """Figures of modalities with readers of their own, I×J with gaps, as I×(J/I) without."""
    made = ~np.isnan(found.value)
    places = [np.flatnonzero(row) for row in made]
    size = len(places[0])
    value = np.array([found.value[i, own] for i, own in enumerate(places)])
    covariance = np.empty((len(places), size, len(places), size))
    for a, ours in enumerate(places):
        for b, others in enumerate(places):
            covariance[a, :, b, :] = found.covariance[a][ours][:, b][:, others]
    return Figures(value, covariance, None)


def _modality_figure(name: str, mean: Contrast, confidence: float, bounded: bool) -> ModalityFigure:
    error, low, high = interval(mean.estimate, mean.variance, mean.df, confidence, bounded=bounded)
    return ModalityFigure(
        modality=name, estimate=mean.estimate, standard_error=error, df=finite(mean.df), low=low, high=high
    )


def _reader_differences(grid: Grid, found: Figures, confidence: float) -> list[ReaderDifference]:
    rows = []
    for (j, reader), (a, b) in itertools.product(
        enumerate(grid.readers), itertools.combinations(range(len(grid.modalities)), 2)
    ):
        if np.isnan(found.value[[a, b], j]).any():
            continue
        block = found.covariance[:, j, :, j]
        variance = float(block[a, a] + block[b, b] - 2 * block[a, b])
        apart = float(found.value[a, j] - found.value[b, j])
        told = difference_of(grid.modalities[a], grid.modalities[b], apart, variance, np.inf, confidence, None)
        rows.append(
            ReaderDifference(reader=reader, **told.model_dump(include=set(ReaderDifference.model_fields) - {"reader"}))
        )
    return rows


def _components(found: Figures, design: Design) -> VarianceComponents:
    """Hillis 2014: Var(TR) = MS(TR) − ε + Cov1 + Cov2 − Cov3, Var(R) = [MS(R) − MS(TR)]/I − Cov1 + Cov3."""
    squares = obuchowski_rockette.mean_squares(found.value)
    errors = obuchowski_rockette.error_covariances(found.covariance, design)
    i = len(found.value)
    return VarianceComponents(
        reader=finite(float((squares.reader - squares.modality_reader) / i - errors.cov1 + errors.cov3)),
        modality_reader=finite(float(squares.modality_reader - errors.error + errors.cov1 + errors.cov2 - errors.cov3)),
        **{name: float(value) for name, value in errors._asdict().items()},
    )


def _case_components(found: Figures) -> CaseComponents | None:
    if min(found.value.shape) < 2 or found.without_case is None:
        return None
    pseudovalue = dbm.pseudovalues(found.value, found.without_case)
    shape = (pseudovalue.shape[0], pseudovalue.shape[1], pseudovalue.shape[2])
    return CaseComponents(**dbm.variance_components(dbm.case_mean_squares(pseudovalue), shape))


def _df(total: float, square: float, df: float) -> float:
    return float(hillis_df(np.asarray(total), np.asarray(square), df))


def _check_arguments(
    method: str, covariance: str, readers: str, cases: str, margin: float | None, confidence: float
) -> None:
    if method not in METHODS:
        raise ReadingsError(f"there is no method '{method}'", fix=f"Use one of {', '.join(METHODS)}.")
    if method == "dbm" and covariance != "jackknife":
        raise ReadingsError(f"dbm rests on the jackknife, not on {covariance}", fix="Use jackknife, or method or.")
    if method == "u-statistics" and covariance != "unbiased":
        raise ReadingsError(f"U-statistics have the unbiased covariance, not {covariance}", fix="Leave it out.")
    for name, value in (("readers", readers), ("cases", cases)):
        if value not in ("random", "fixed"):
            raise ReadingsError(f"{name} cannot be '{value}'", fix="Use random or fixed.")
    if readers == cases == "fixed":
        raise ReadingsError("readers and cases are both fixed: nothing is left to vary", fix="Make one random.")
    if margin is not None and not 0 < margin < np.inf:
        raise ReadingsError(f"the margin is {margin:g}, not above 0", fix="Give e.g. 0.05.")
    if not 0 < confidence < 1:
        raise ReadingsError(f"the confidence is {confidence:g}, not between 0 and 1", fix="Give e.g. 0.95.")


def _check_design(grid: Grid, design: Design, method: Method, readers: Factor) -> None:
    i, j, _ = grid.rating.shape
    made = grid.read.any(axis=2).sum(axis=1)
    if readers == "random" and made.min() < 2:
        raise ReadingsError("a modality has one reader: readers cannot be random", fix="Use fixed readers.")
    if method == "dbm" and design != "factorial":
        raise ReadingsError(f"dbm needs a factorial design, this is {design}", fix="Use method or, or u-statistics.")
    if method == "or" and design == "incomplete":
        raise ReadingsError(
            f"the design is incomplete: {int((~grid.read).sum()):,} of {i * j * len(grid.cases):,} reads are not there",
            fix="Use method u-statistics.",
        )
    if method == "or" and design == "readers in modalities" and (len(set(made)) > 1 or readers == "fixed"):
        raise ReadingsError(
            "each modality has readers of its own, and they are fixed or not equally many",
            fix="Use method u-statistics.",
        )
