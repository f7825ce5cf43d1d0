"""What is drawn of a map: points with their neighbours, and the columns that can colour them, in words and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.data import SCHEMA, known_columns
from cutis.errors import CutisError
from cutis.explanation import CASE_COLUMNS, CaseLibrary, EmbeddingMap, NearestCases

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "ink")
"""Okabe & Ito 2008, without their yellow, which white paper swallows; ink is black, or the page's own text colour."""
MARKERS = ("o", "^", "s", "D", "P", "X", "v", "p")
"""matplotlib's names; the page draws the same. Seven colours and eight shapes: fifty-six different signs."""
MOST_VALUES = 14
"""Values of a column that have a sign of their own; the rarer are drawn as one, grey."""
OTHERS = "other values"

DIAGNOSIS = "named_diagnosis"
_TITLES = {
    DIAGNOSIS: "Diagnosis",
    "answer": "Model's answer",
    "answer_is": "Answer against diagnosis",
    "seen_in_training": "Seen in training",
    "source_diagnosis": "Data set's own word",
    "source": "Data set",
    "subset": "Subset",
    "fold": "Fold",
    "sex": "Sex",
    "age_approx": "Age",
    "anatom_site": "Site",
    "fitzpatrick_skin_type": "Fitzpatrick skin type",
    "image_type": "Kind of image",
    "diagnosis_confirm_type": "How the diagnosis was confirmed",
}
_FEW_NUMBERS = 8


@dataclass(frozen=True, eq=False)
class MapPoints:
    """P points of a map: its N images, and after them new cases that were placed into it.

    Attributes:
        cases: P rows: a manifest's columns, a library's, and ``answer_is`` ("right" or "wrong", as is any answer about
            a diagnosis that is none of the model's classes; null where the diagnosis is not known).
        coordinates: float32, P × 2 or 3.
        new: bool, P: which are new cases.
        nearest: int64, P × k: the points nearest in feature space, never kin and never a new case; -1 for none.
        similarity: float32, P × k: their cosines.
        agreement: float64, P: the share of these with the same diagnosis; NaN where not known.
    """

    cases: pl.DataFrame
    coordinates: npt.NDArray[np.float32]
    new: npt.NDArray[np.bool_]
    nearest: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]
    agreement: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Column:
    """What can colour points.

    Attributes:
        name: the column.
        title: in words.
        values: its values, the commonest first, rare ones together as :data:`OTHERS` at the end; empty for numbers.
        codes: int64, P: which of them each point has, -1 for none; all -1 for numbers.
        numbers: float64, P, NaN where there is none; None for values.
    """

    name: str
    title: str
    values: tuple[str, ...]
    codes: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.float64] | None = None


def map_points(
    embedded: EmbeddingMap,
    nearest: NearestCases,
    placed: tuple[CaseLibrary, npt.NDArray[np.float32], NearestCases] | None = None,
) -> MapPoints:
    """The points of a map, and of the new cases in it.

    Args:
        embedded: the map.
        nearest: of its images among themselves.
        placed: new cases, their coordinates, and their nearest images of the map.
    """
    cases, coordinates = embedded.library.cases, embedded.coordinates
    row, similarity = nearest.row, nearest.similarity
    new = np.zeros(len(cases), dtype=bool)
    if placed is not None:
        queries, places, found = placed
        cases = pl.concat([cases, queries.cases], how="diagonal_relaxed")
        coordinates = np.concatenate([coordinates, places])
        row, similarity = np.concatenate([row, found.row]), np.concatenate([similarity, found.similarity])
        new = np.concatenate([new, np.ones(len(queries), dtype=bool)])
    named = cases[DIAGNOSIS].to_list()
    theirs = np.array([*named, None], dtype=object)[row]  # row -1 is the None at the end
    known = (theirs != None).sum(axis=1)  # noqa: E711 - element by element
    same = (theirs == np.array(named, dtype=object)[:, None]).sum(axis=1)
    told = (known > 0) & np.array([each is not None for each in named])
    right = pl.when(pl.col(DIAGNOSIS) == pl.col("answer")).then(pl.lit("right")).otherwise(pl.lit("wrong"))
    return MapPoints(
        cases.with_columns(answer_is=pl.when(pl.col(DIAGNOSIS).is_not_null()).then(right)),
        coordinates,
        new,
        row,
        similarity,
        np.where(told, same / np.maximum(known, 1), np.nan),
    )


def map_columns(cases: pl.DataFrame, colour_by: str | None = None) -> list[Column]:
    """The columns worth colouring by, the one asked for first, else the diagnosis where any is known.

    Left out are ids and paths, columns in which all rows say the same, and words that hardly ever come twice.

    Raises:
        ManifestError: there is no column ``colour_by``, or it is empty.
        CutisError: it has a value of its own for nearly every image.
    """
    unknown = [
        name for name in cases.columns if name not in SCHEMA and name not in _TITLES and name not in CASE_COLUMNS
    ]
    made = {}
    for name in (*_TITLES, *unknown):
        if name in cases.columns and (column := _column(cases, name)) is not None:
            made[name] = column
    if colour_by is not None:
        known_columns(cases, [colour_by])
        asked = made.get(colour_by) or _column(cases, colour_by, asked=True)
        if asked is None:
            raise CutisError(
                f"column '{colour_by}' has a value of its own for nearly every image", fix="Colour by another column."
            )
        made = {colour_by: asked} | made
        made = {colour_by: made.pop(colour_by)} | made
    if not made:
        raise CutisError("no column tells the images apart", fix="Name one with --colour-by.")
    return list(made.values())


def _column(cases: pl.DataFrame, name: str, *, asked: bool = False) -> Column | None:
    values = cases[name]
    if name == "anatom_site" and not asked:
        values = values.str.split(":").list.first()  # the region; an ISIC path is too long for a legend
    title = _TITLES.get(name, name.replace("_", " "))
    nothing = np.full(len(cases), -1, dtype=np.int64)
    if values.dtype.is_numeric() and values.drop_nulls().n_unique() > _FEW_NUMBERS:
        return Column(name, title, (), nothing, values.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    if not (values.dtype.is_numeric() or values.dtype in (pl.String, pl.Boolean, pl.Categorical)):
        return None
    words = values.cast(pl.String)
    counts = words.drop_nulls().alias("value").value_counts().sort("count", "value", descending=[True, False])
    if len(counts) < (1 if asked else 2) or len(counts) > max(MOST_VALUES, len(cases) // 4):
        return None
    own = counts["value"].to_list()
    if len(own) > MOST_VALUES:
        own = own[: MOST_VALUES - 1]
    code = {value: n for n, value in enumerate(own)}
    codes = [-1 if value is None else code.get(value, len(own)) for value in words]
    rest = (OTHERS,) if len(counts) > len(own) else ()
    return Column(name, title, (*own, *rest), np.array(codes, dtype=np.int64))


def signs(column: Column) -> list[tuple[str, str]]:
    """The colour and the marker of each value of a column; grey points for the rest."""
    return [
        ("#8A949A", ".") if value == OTHERS and n == len(column.values) - 1 else (COLOURS[n % 7], MARKERS[n % 8])
        for n, value in enumerate(column.values)
    ]


def embedding_table(points: MapPoints, columns: Sequence[Column], *, only_new: bool) -> pl.DataFrame:
    """``source``, ``image_id``, ``x``, ``y`` (``z``), and the columns the points can be coloured by, one row a point.

    Args:
        points: the points.
        columns: what goes with them.
        only_new: leave out the map's own images.
    """
    axes = {name: points.coordinates[:, n] for n, name in enumerate("xyz"[: points.coordinates.shape[1]])}
    names = [each.name for each in columns if each.name not in ("source", "image_id", *axes)]
    table = points.cases.select("source", "image_id").with_columns(**axes).with_columns(points.cases.select(names))
    return table.filter(pl.Series(points.new)) if only_new else table


def round_robin(names: Sequence[str | None], most: int, *, first: npt.NDArray[np.int64], seed: int = 0) -> list[int]:
    """At most so many rows: the given first, then of each name in turn one at random, so that rare names are all in.

    Args:
        names: of N rows.
        most: how many rows.
        first: rows that go before the others.
        seed: of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(names))
    turn: dict[str | None, int] = {}
    rank = {}
    for row in order.tolist():
        rank[row] = turn[names[row]] = turn.get(names[row], -1) + 1
    before = set(first.tolist())
    rows = sorted(range(len(names)), key=lambda row: (row not in before, rank[row], row))
    return rows[:most]
