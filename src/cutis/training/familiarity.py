"""What a bundle's score of unfamiliarity rests on: the training images it keeps, and how far validation images lie."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.evaluation import NeighbourDistance, counted, fit_neighbours
from cutis.models import NEIGHBOURS

MOST_IMAGES = 1000
"""Training images kept. More told strange images hardly better, and each takes 3 kB of the bundle."""


class Learnt(NamedTuple):
    """The features of training images to measure distances to, and ``images``, which these are, in words."""

    neighbours: NeighbourDistance
    images: str


class Distances(NamedTuple):
    """How far N validation images lie (float64) from what was learnt."""

    learnt: Learnt
    values: npt.NDArray[np.float64]


def kept_images(rows: pl.DataFrame) -> npt.NDArray[np.int64]:
    """The row numbers of the training images to keep: one a lesion, drawn at random but always the same; rising."""
    drawn = np.random.default_rng(0).permutation(len(rows))
    image = pl.when(pl.col("lesion_id").is_null()).then("image_id")
    table = rows.select("source", "lesion_id", image=image)[drawn].with_columns(row=pl.Series(drawn))
    one_a_lesion = table.unique(["source", "lesion_id", "image"], keep="first", maintain_order=True)
    return np.sort(one_a_lesion["row"].to_numpy()[:MOST_IMAGES])


def learnt_features(kept: pl.DataFrame, features: npt.NDArray[np.float32]) -> Learnt | None:
    """What was learnt, from N kept rows and their features (N × D); None where there are too few images."""
    if len(kept) < NEIGHBOURS:
        return None
    sources = ", ".join([*sorted(set(kept["source"].drop_nulls())), "training"])
    words = f"{sources}, {counted(len(kept), 'image')}, one a lesion"
    return Learnt(fit_neighbours(features, NEIGHBOURS), words)
