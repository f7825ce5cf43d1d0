"""Readers against a stand-alone system, such as an AI that answers without a reader.

The system is one reader that nobody would draw again: only cases, and the readers, are random. The differences of each
reader from the system on the same cases are analysed as figures of a single modality (Hillis 2007; Chakraborty 2017,
chapter 22, "1T-RRRC"):

    t = mean difference / √{[MS(R) + J max(Cov2, 0)]/J},   df = [MS(R) + J max(Cov2, 0)]² / {MS(R)²/(J−1)}
"""

import numpy as np
import polars as pl

from cutis.study.analysis import StandaloneAnalysis, difference_of, finite
from cutis.study.covariance import CovarianceMethod, figures
from cutis.study.endpoints import Endpoint, auc
from cutis.study.mrmc import Factor, reader_figures, sample_of
from cutis.study.obuchowski_rockette import hillis_df
from cutis.study.readings import Readings, ReadingsError, check_readings


def compare_with_standalone(
    readings: Readings,
    system: str,
    endpoint: Endpoint | None = None,
    *,
    modality: str | None = None,
    covariance: CovarianceMethod = "jackknife",
    readers: Factor = "random",
    margin: float | None = None,
    confidence: float = 0.95,
) -> StandaloneAnalysis:
    """Compare the mean of the readers in one modality with a stand-alone system.

    Args:
        readings: of the readers and of the system, which stands among the readers, in any modality.
        system: its name among the readers.
        endpoint: what is measured; the AUC when None.
        modality: of the readers; may be left out where they read in one only.
        covariance: over cases.
        readers: random (two at least) or fixed.
        margin: test non-inferiority of the system to the readers, and equivalence, within this margin.
        confidence: of intervals.

    Raises:
        ReadingsError: there is no such reader or modality, the system's cases are not those of the readers, or as
            :func:`cutis.study.analyze`.
    """
    endpoint = endpoint or auc()
    if readers not in ("random", "fixed"):
        raise ReadingsError(f"readers cannot be '{readers}'", fix="Use random or fixed.")
    if margin is not None and not 0 < margin < np.inf:
        raise ReadingsError(f"the margin is {margin:g}, not above 0", fix="Give e.g. 0.05.")
    joined, modality = _in_one_modality(readings, system, modality)
    kept = endpoint.of(joined)
    grid = kept.grid()
    if not grid.read.all():
        raise ReadingsError(
            f"{int((~grid.read).sum()):,} reads are missing: '{system}' and all readers must have read the same cases",
            fix="Leave out cases that not all have read.",
        )
    found = figures(grid, endpoint, covariance)
    own = grid.readers.index(system)
    others = np.array([j for j in range(len(grid.readers)) if j != own])
    if len(others) < (2 if readers == "random" else 1):
        raise ReadingsError("there are too few readers", fix="Give two, or one and fixed readers.")
    c = found.covariance[0, :, 0, :]
    apart = found.value[0, others] - found.value[0, own]
    between = c[np.ix_(others, others)] - c[others, own][:, None] - c[own, others][None, :] + c[own, own]
    j = len(others)
    cov2 = float((between.sum() - np.trace(between)) / (j * (j - 1))) if j > 1 else 0.0
    square = float(apart.var(ddof=1)) if j > 1 else np.nan
    if readers == "fixed":
        variance, df = float(between.mean()), np.inf
    else:
        total = square + j * max(cov2, 0.0)
        variance, df = total / j, float(hillis_df(np.asarray(total), np.asarray(square), j - 1.0))
    rows = reader_figures(grid, found, endpoint, confidence)
    return StandaloneAnalysis(
        endpoint=endpoint.name,
        endpoint_words=endpoint.words,
        covariance=covariance,
        readers=readers,
        confidence=confidence,
        system=system,
        modality=modality,
        sample=sample_of(kept, grid, "factorial"),
        reader_figures=[row for row in rows if row.reader != system],
        system_figure=next(row for row in rows if row.reader == system),
        difference=difference_of("readers", system, float(apart.mean()), variance, df, confidence, margin),
        reader_mean_square=finite(square),
        cov2=cov2 if j > 1 else None,
    )


def _in_one_modality(readings: Readings, system: str, modality: str | None) -> tuple[Readings, str]:
    alone = readings.only(readers=[system])
    others = [reader for reader in readings.readers if reader != system]
    if not others:
        raise ReadingsError(f"there is no reader but '{system}'", fix="Give the readers' readings, too.")
    rest = readings.only(readers=others)
    if modality is None:
        if len(rest.modalities) > 1:
            raise ReadingsError(
                f"the readers read in {', '.join(rest.modalities)}", fix="Name the modality to compare (--modality)."
            )
        modality = rest.modalities[0]
    if modality in alone.modalities:
        alone = alone.only(modalities=[modality])
    elif len(alone.modalities) > 1:
        raise ReadingsError(
            f"'{system}' answered in {', '.join(alone.modalities)}, not in '{modality}'", fix="Keep one of them."
        )
    rest = rest.only(modalities=[modality])
    frame = pl.concat([rest.frame, alone.frame.with_columns(pl.lit(modality).alias("modality"))])
    return check_readings(frame), modality
