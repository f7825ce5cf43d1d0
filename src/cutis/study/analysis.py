"""The result of an analysis of readings, as it is written to ``analysis.json``."""

from pathlib import Path
from typing import Literal

import numpy as np
import scipy
from pydantic import BaseModel, ConfigDict

from cutis.files import write_json
from cutis.study.covariance import CovarianceMethod
from cutis.study.readings import Design

Method = Literal["or", "dbm", "u-statistics"]
METHODS: tuple[Method, ...] = ("or", "dbm", "u-statistics")


class Part(BaseModel):
    """A part of a result: complete, and never changed. None where a figure is not defined."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(Part):
    """What was read."""

    readers: list[str]
    modalities: list[str]
    cases: int
    positives: int
    negatives: int
    reads: int
    missing_reads: int
    design: Design


class ReaderFigure(Part):
    """One reader in one modality, by the cases read; the interval is over cases, with normal quantiles."""

    reader: str
    modality: str
    cases: int
    estimate: float
    standard_error: float | None
    low: float | None
    high: float | None


class ReaderDifference(Part):
    """One reader's figure in the first modality minus that in the second; the test is over cases."""

    reader: str
    first: str
    second: str
    difference: float
    standard_error: float | None
    low: float | None
    high: float | None
    p: float | None


class ModalityFigure(Part):
    """The mean over readers in a modality, from this modality's readings alone; ``df`` None: normal quantiles."""

    modality: str
    estimate: float
    standard_error: float | None
    df: float | None
    low: float | None
    high: float | None


class MarginTest(Part):
    """Whether the second is worse than the first by less than ``margin``, and whether they differ by less.

    ``non_inferiority_p`` is one-sided, and is judged at half the level of the interval; ``equivalence_p`` is the larger
    of two one-sided p (Schuirmann 1987), judged at the level itself.
    """

    margin: float
    non_inferiority_p: float | None
    non_inferior: bool
    equivalence_p: float | None
    equivalent: bool


class Difference(Part):
    """The first minus the second, mean over readers; t = difference / standard error, ``df`` None: normal."""

    first: str
    second: str
    difference: float
    standard_error: float | None
    statistic: float | None
    df: float | None
    p: float | None
    low: float | None
    high: float | None
    margin: MarginTest | None


class EqualityResult(Part):
    """The test that all modalities are equal: ``statistic`` is F (``df1``, ``df2``), or χ² where ``df2`` is None."""

    statistic: float | None
    df1: float
    df2: float | None
    p: float | None


class VarianceComponents(Part):
    """Of Obuchowski & Rockette: variance of readers and of modality × reader, error variance and covariances.

    An estimate may be negative. ``reader`` and ``modality_reader`` are None with one modality or reader.
    """

    reader: float | None
    modality_reader: float | None
    error: float
    cov1: float
    cov2: float
    cov3: float


class CaseComponents(Part):
    """The six of Dorfman, Roe & Metz, on the scale of pseudovalues; ``error`` holds modality × reader × case, too."""

    reader: float
    case: float
    modality_reader: float
    modality_case: float
    reader_case: float
    error: float


class Analysis(Part):
    """An analysis of readings by :func:`cutis.study.analyze`."""

    endpoint: str
    endpoint_words: str
    method: Method
    covariance: CovarianceMethod | None
    readers: Literal["random", "fixed"]
    cases: Literal["random", "fixed"]
    confidence: float
    sample: Sample
    reader_figures: list[ReaderFigure]
    reader_differences: list[ReaderDifference]
    modalities: list[ModalityFigure]
    differences: list[Difference]
    equality: EqualityResult | None
    mean_square_modality: float | None
    mean_square_modality_reader: float | None
    components: VarianceComponents | None
    case_components: CaseComponents | None


class StandaloneAnalysis(Part):
    """Readers against a stand-alone system on the same cases, by :func:`cutis.study.compare_with_standalone`.

    ``difference`` is the mean of the readers minus the system. ``reader_variance`` is the mean square of the readers'
    differences, ``cov2`` the covariance over cases of two readers' differences.
    """

    endpoint: str
    endpoint_words: str
    covariance: CovarianceMethod
    readers: Literal["random", "fixed"]
    confidence: float
    system: str
    modality: str
    sample: Sample
    reader_figures: list[ReaderFigure]
    system_figure: ReaderFigure
    difference: Difference
    reader_mean_square: float | None
    cov2: float | None


def write_analysis(path: str | Path, analysis: Analysis | StandaloneAnalysis) -> None:
    """Write a result as JSON, whole or not at all."""
    write_json(path, analysis.model_dump(mode="json"))


def interval(
    estimate: float, variance: float, df: float, confidence: float, *, bounded: bool
) -> tuple[float | None, float | None, float | None]:
    """Standard error, low and high; None where the variance is not above 0. Bounded ones stay within 0 and 1."""
    if not variance > 0:
        return (0.0, None, None) if variance == 0 else (None, None, None)
    error = variance**0.5
    half = float(_quantiles(df).ppf((1 + confidence) / 2)) * error
    low, high = estimate - half, estimate + half
    return (error, max(low, 0.0), min(high, 1.0)) if bounded else (error, low, high)


def difference_of(
    first: str, second: str, difference: float, variance: float, df: float, confidence: float, margin: float | None
) -> Difference:
    """A difference with its test and, with a ``margin``, those of non-inferiority and equivalence."""
    error, low, high = interval(difference, variance, df, confidence, bounded=False)
    statistic = difference / error if error else None
    tested = None
    if margin is not None:
        below = above = None
        if error:
            below = float(_quantiles(df).sf((margin - difference) / error))
            above = float(_quantiles(df).sf((margin + difference) / error))
        larger = None if below is None or above is None else max(below, above)
        level = 1 - confidence
        tested = MarginTest(
            margin=margin,
            non_inferiority_p=below,
            non_inferior=below is not None and below < level / 2,
            equivalence_p=larger,
            equivalent=larger is not None and larger < level,
        )
    return Difference(
        first=first,
        second=second,
        difference=difference,
        standard_error=error,
        statistic=statistic,
        df=finite(df),
        p=None if statistic is None else float(2 * _quantiles(df).sf(abs(statistic))),
        low=low,
        high=high,
        margin=tested,
    )


def finite(value: float) -> float | None:
    """The value, or None where it is NaN or infinite: JSON has neither."""
    return float(value) if np.isfinite(value) else None


def _quantiles(df: float) -> "scipy.stats.rv_frozen":
    return scipy.stats.t(df) if np.isfinite(df) else scipy.stats.norm()
