"""How far a map may be trusted: do neighbours agree in diagnosis, and does the map keep who is near whom?"""

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict

from cutis.errors import CutisError
from cutis.explanation.embedding import EmbeddingMap
from cutis.explanation.similar_cases import Floats, Ints, NearestCases, kin, nearest_unrelated

MAP_NEIGHBOURS = 10
_MOST_RANKED = 2_000
_RANKED_AT_A_TIME = 500


class Agreement(BaseModel):
    """How often neighbours have the same diagnosis, for one diagnosis or for all; shares of 0 to 1.

    Attributes:
        diagnosis: which, in words; None for all.
        images: of this diagnosis, with a neighbour whose diagnosis is known.
        in_features: mean share, over these, of the nearest images in feature space that have the same diagnosis.
        on_map: the same with the nearest images on the map.
        by_chance: the same if neighbours were lesions drawn at random.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    diagnosis: str | None
    images: int
    in_features: float
    on_map: float
    by_chance: float


class MapQuality(BaseModel):
    """What was measured of a map.

    Attributes:
        neighbours: k, of each of the measures.
        agreement: over all images whose diagnosis is known; None where too few are.
        by_diagnosis: the same of each diagnosis, the commonest first.
        trustworthiness: 0 to 1; 1 where every neighbour on the map is one in feature space too (Venna & Kaski 2001).
        ranked: how many images that was measured on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    neighbours: int
    agreement: Agreement | None
    by_diagnosis: tuple[Agreement, ...]
    trustworthiness: float
    ranked: int


def measure_map(embedded: EmbeddingMap, nearest: NearestCases, *, seed: int = 0) -> MapQuality:
    """Measure a map.

    Neighbours are never the same file, lesion, patient or group, and at most one image a lesion, as in
    :mod:`cutis.explanation.similar_cases`: else agreement would be that of a lesion with itself.

    Args:
        embedded: the map of N images.
        nearest: each image's k nearest in feature space: ``embedded.library.nearest(embedded.library, k)``.
        seed: of the sample of images on which trustworthiness is measured where there are more than 2,000.
    """
    cases, k = embedded.library.cases, nearest.row.shape[1]

    def closeness(part: slice) -> Floats:
        return -_squared_distances(embedded.coordinates[part], embedded.coordinates)

    on_map = nearest_unrelated(closeness, kin(cases, cases), k)
    rows = _agreements(cases, nearest.row, on_map.row)
    by_diagnosis = [_agreement(group, name) for (name,), group in rows.group_by("diagnosis", maintain_order=True)]
    trusted, ranked = _trustworthiness(embedded, k, seed)
    return MapQuality(
        neighbours=k,
        agreement=None if rows.is_empty() else _agreement(rows, None),
        by_diagnosis=tuple(sorted(by_diagnosis, key=lambda each: (-each.images, str(each.diagnosis)))),
        trustworthiness=trusted,
        ranked=ranked,
    )


def _agreements(cases: pl.DataFrame, in_features: Ints, on_map: Ints) -> pl.DataFrame:
    """``diagnosis`` and the three shares, one row an image that has a diagnosis and neighbours that have one."""
    names = cases["named_diagnosis"]
    number = names.rank("dense").cast(pl.Int64).fill_null(-1).to_numpy()
    lesion = pl.coalesce(pl.col("source").fill_null("") + "/" + pl.col("lesion_id"), pl.col("content_key"))
    lesions = cases.select("named_diagnosis", lesion=lesion).drop_nulls("named_diagnosis")
    of_each = lesions.group_by("named_diagnosis").agg(pl.col("lesion").n_unique().alias("own"))
    others = lesions["lesion"].n_unique() - 1
    return (
        pl.DataFrame(
            {
                "diagnosis": names,
                "in_features": _same_share(number, in_features),
                "on_map": _same_share(number, on_map),
            }
        )
        .join(of_each, left_on="diagnosis", right_on="named_diagnosis", how="left", maintain_order="left")
        .with_columns(by_chance=(pl.col("own") - 1) / max(1, others))
        .filter(pl.col("diagnosis").is_not_null() & pl.col("in_features").is_not_nan() & pl.col("on_map").is_not_nan())
    )


def _same_share(number: npt.NDArray[np.int64], neighbours: Ints) -> npt.NDArray[np.float64]:
    """The share of each row's neighbours of known diagnosis that have its own; NaN where there is none."""
    theirs = np.where(neighbours >= 0, number[neighbours], -1)
    known = (theirs >= 0).sum(axis=1)
    same = ((theirs == number[:, None]) & (theirs >= 0)).sum(axis=1)
    return np.where(known > 0, same / np.maximum(known, 1), np.nan)


def _agreement(rows: pl.DataFrame, diagnosis: object) -> Agreement:
    means = rows.select(pl.col("in_features", "on_map", "by_chance").mean()).row(0, named=True)
    return Agreement(diagnosis=None if diagnosis is None else str(diagnosis), images=len(rows), **means)


def _trustworthiness(embedded: EmbeddingMap, k: int, seed: int) -> tuple[float, int]:
    """Trustworthiness of the map's different points, and how many of them it was measured on.

    scikit-learn's needs the distances of all with all three times over, gigabytes for 10,000 images; here each image
    asks for the ranks of its own few neighbours only, and a sample of the images suffices for a mean.
    """
    _, first = np.unique(embedded.coordinates, axis=0, return_index=True)
    features, places = embedded.library.unit[first], embedded.coordinates[first]
    points = len(first)
    if points <= 2 * k:
        k = max(1, (points - 1) // 2)
    if points < 4:
        raise CutisError(f"a map of {points} points cannot be measured", fix="Map more images.")
    asked = np.sort(np.random.default_rng(seed).permutation(points)[:_MOST_RANKED])
    excess = 0.0
    for start in range(0, len(asked), _RANKED_AT_A_TIME):
        rows = asked[start : start + _RANKED_AT_A_TIME]
        own = np.arange(len(rows))
        apart = _squared_distances(places[rows], places)
        apart[own, rows] = np.inf
        near = np.argpartition(apart, k - 1, axis=1)[:, :k]
        cosine = features[rows] @ features.T
        cosine[own, rows] = -np.inf
        for place in range(k):
            rank = 1 + (cosine > cosine[own, near[:, place]][:, None]).sum(axis=1)
            excess += float(np.maximum(rank - k, 0).sum())
    share = excess / len(asked)  # of one image, on average
    return 1 - 2 * share / (k * (2 * points - 3 * k - 1)), len(asked)


def _squared_distances(a: Floats, b: Floats) -> Floats:
    return np.asarray(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2), dtype=np.float32)
