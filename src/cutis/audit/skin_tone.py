"""The tone of the skin around a lesion, estimated from the photograph: individual typology angle and skin type.

A photograph is no colorimeter: light, white balance and processing change the angle. Agreement with types told by
physicians or patients is low (Groh 2021, arXiv:2104.09957; Groh 2022, arXiv:2207.02942), so each figure is marked as
estimated, and :func:`fitzpatrick_agreement` tells how far it agrees with what is recorded.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cutis.audit.quality_measures import image_measures
from cutis.data import FITZPATRICK_SKIN_TYPES
from cutis.errors import ManifestError
from cutis.evaluation import (
    Estimate,
    clustered_bootstrap,
    clusters_of,
    cohen_kappa,
    confusion_matrix,
    percentile_interval,
)

ITA_CLASSES: tuple[tuple[str, str, float], ...] = (
    ("very light", "I", 55.0),
    ("light", "II", 41.0),
    ("intermediate", "III", 28.0),
    ("tan", "IV", 10.0),
    ("brown", "V", -30.0),
    ("dark", "VI", -np.inf),
)
"""Class, the skin type it is taken for, and the angle in degrees above which it begins. Limits: Chardon 1991
(doi:10.1111/j.1467-2494.1991.tb00561.x) and Del Bino 2013 (doi:10.1111/bjd.12529). That class N stands for type N is a
convention (Kinyanjui 2020, doi:10.1007/978-3-030-59725-2_31, and Groh 2021 use it with narrower limits for the darker
types); the Fitzpatrick type itself is about sunburn, not colour."""

SKIN_TYPE_GROUPS = {"I": "I–II", "II": "I–II", "III": "III–IV", "IV": "III–IV", "V": "V–VI", "VI": "V–VI"}


class FitzpatrickAgreement(BaseModel):
    """How far estimated skin types agree with recorded ones.

    Intervals are 95 % percentile intervals of a bootstrap over patients, where known, else lesions, else images.
    ``confusion`` has recorded types in rows, estimated ones in columns, I to VI.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    clusters: dict[str, int]
    weighted_kappa: Estimate
    """Quadratic weights, −1 to 1."""
    exact: Estimate
    """Share of images with the very type, 0 to 1."""
    within_one: Estimate
    """Share of images at most one type away, 0 to 1."""
    confusion: list[list[int]]


def skin_tone(manifest: pl.DataFrame, progress: Callable[[int], None] | None = None) -> pl.DataFrame:
    """The tone of the skin in each image that has a file.

    Skin is what is left of the image (scaled to 30,000 pixels) without the lesion and a rim around it, black corners,
    hairs, ink and stickers, and highlights. The lesion is the manifest's mask, else an estimate
    (:func:`cutis.audit.quality_areas.estimated_lesion`). The angle is arctan((L* − 50) / b*) · 180 / π (Chardon 1991)
    of the median L* and b* (CIELAB, D65, from sRGB).

    Args:
        manifest: with whole paths, as :func:`cutis.data.read_manifest` returns it.
        progress: called with the number of images just finished.

    Returns:
        ``source``, ``image_id``; ``ita`` (degrees, −90 to 90), ``ita_class`` (:data:`ITA_CLASSES`),
        ``estimated_skin_type`` (I to VI), ``estimated_skin_type_group`` (I–II, III–IV, V–VI), ``n_skin_pixels``
        (of 30,000), ``skin_lightness`` (L*) and ``skin_yellowness`` (b*) and ``estimated`` (always true). Null where
        fewer than 600 pixels of skin are seen, or where its b* is not above 0: a colour that skin has not, so the white
        balance is off and the angle means nothing.

    Raises:
        ImageError: images or masks cannot be read, all named together.
    """
    frame = image_measures(manifest, progress)
    lightness, yellowness = pl.col("skin_lightness"), pl.col("skin_yellowness")
    frame = frame.with_columns(
        pl.when(yellowness > 0).then(((lightness - 50) / yellowness).arctan().degrees()).alias("ita")
    )
    return frame.select(
        "source",
        "image_id",
        "ita",
        _class_of(0).alias("ita_class"),
        _class_of(1).alias("estimated_skin_type"),
        _class_of(1).replace_strict(SKIN_TYPE_GROUPS, return_dtype=pl.String).alias("estimated_skin_type_group"),
        pl.col("n_skin_pixels").cast(pl.Int64),
        "skin_lightness",
        "skin_yellowness",
        pl.lit(value=True).alias("estimated"),
    )


def _class_of(part: int) -> pl.Expr:
    """The name (0) or the skin type (1) of the class that holds the angle; a limit belongs to the darker class."""
    expression = pl.lit(None, dtype=pl.String)
    for row in reversed(ITA_CLASSES):
        expression = pl.when(pl.col("ita") > row[2]).then(pl.lit(row[part])).otherwise(expression)
    return expression


def fitzpatrick_agreement(
    manifest: pl.DataFrame, tones: pl.DataFrame, *, resamples: int = 2000, seed: int = 0
) -> FitzpatrickAgreement | None:
    """Agreement of estimated with recorded skin types, over the images that have both; None where no image has.

    Args:
        manifest: with ``fitzpatrick_skin_type``.
        tones: of :func:`skin_tone`.
        resamples: of the bootstrap, 1 or more.
        seed: the same seed gives the same intervals.

    Raises:
        ManifestError: the manifest has no column ``fitzpatrick_skin_type``.
    """
    if "fitzpatrick_skin_type" not in manifest.columns:
        raise ManifestError(
            "column 'fitzpatrick_skin_type' is missing", fix="Make a manifest with `cutis data import`."
        )
    both = manifest.join(
        tones.select("source", "image_id", "estimated_skin_type"),
        on=["source", "image_id"],
        how="inner",
        nulls_equal=True,
        maintain_order="left",
        validate="1:1",
    ).drop_nulls(["fitzpatrick_skin_type", "estimated_skin_type"])
    if both.is_empty():
        return None
    grade = {name: number for number, name in enumerate(FITZPATRICK_SKIN_TYPES)}
    recorded, estimated = (
        both[column].replace_strict(grade, return_dtype=pl.Int64).to_numpy()
        for column in ("fitzpatrick_skin_type", "estimated_skin_type")
    )

    def statistics(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        confusion = confusion_matrix(recorded, estimated, len(grade), weights)
        total = confusion.sum(axis=(1, 2))
        apart = np.abs(np.subtract.outer(np.arange(len(grade)), np.arange(len(grade))))
        return {
            "weighted_kappa": cohen_kappa(confusion, "quadratic"),
            "exact": confusion[:, apart == 0].sum(axis=1) / total,
            "within_one": confusion[:, apart <= 1].sum(axis=1) / total,
        }

    clusters = clusters_of(both)
    point = statistics(np.ones((len(both), 1)))
    spread = clustered_bootstrap(statistics, clusters.number, resamples=resamples, seed=seed)
    figures = {name: _estimate(float(point[name][0]), spread[name]) for name in point}
    return FitzpatrickAgreement(
        images=len(both),
        clusters=clusters.kinds,
        confusion=confusion_matrix(recorded, estimated, len(grade)).astype(int).tolist(),
        **figures,
    )


def _estimate(value: float, resampled: NDArray[np.float64]) -> Estimate:
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None)
    low, high = (None if np.isnan(end) else float(end) for end in percentile_interval(resampled))
    return Estimate(value=value, low=low, high=high, undefined_resamples=int(np.isnan(resampled).sum()))
