"""The predictions artefact: one row an image, one probability column a class.

A Parquet or CSV file with ``image_id`` (or ``image``, as the ISIC challenges write it), one column a class,
named by the class's id, and two optional ones. ``seen_in_training``: what of this row the model that made the
prediction was trained on. ``unfamiliarity``: how little the image resembles those the model knows. Any other system
may write such a file. :func:`cutis.evaluation.read_predictions` reads it.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from cutis.data import write_table
from cutis.errors import PredictionsError, listed
from cutis.evaluation.arrays import Floats
from cutis.files import replacing
from cutis.taxonomy import ClassSet, rollup_classes

SEEN_IN_TRAINING = ("no", "image", "lesion", "patient", "group")
"""What of a row its model was trained on: nothing, its image, or another of its lesion, patient or group."""

SUM_TOLERANCE = 1e-3
CLASSES_KEY = "cutis.classes"
"""Of a Parquet file's metadata: the class set, as JSON."""


class Predictions:
    """What a model, a challenge entry or a reader answered; never changed.

    Args:
        image_ids: N ids, each once.
        probabilities: N×K, float64, 0 to 1, each row summing to 1 within 0.001; columns in the order of
            ``classes.ids``.
        classes: the K classes.
        seen: for each row one of :data:`SEEN_IN_TRAINING`, or None where it is not known; None for the whole
            when no row's is known.
        rolled_up_from: the finer classes that were summed to these; None where the predictions are as they came.
        unfamiliarity: N, float64, how little each image resembles those the model knows: larger is stranger, 1 is the
            limit beyond which the model warns (which 95 % of its validation images keep). NaN where it is not known;
            None for the whole when no row's is known.

    Attributes:
        ids: the ids as a column: a list of millions of them takes four times the memory.
        seen_column: ``seen`` as a column, or None.

    Raises:
        PredictionsError: any of the above does not hold.
    """

    def __init__(
        self,
        image_ids: Sequence[str] | pl.Series,
        probabilities: Floats,
        classes: ClassSet,
        seen: Sequence[str | None] | pl.Series | None = None,
        rolled_up_from: ClassSet | None = None,
        unfamiliarity: Floats | None = None,
    ) -> None:
        self.ids = pl.Series("image_id", image_ids, dtype=pl.String)
        self.probabilities, self.classes = probabilities, classes
        self.rolled_up_from, self.unfamiliarity = rolled_up_from, unfamiliarity
        expected = (len(self.ids), len(classes.ids))
        if probabilities.shape != expected:
            raise PredictionsError(
                f"probabilities have the shape {probabilities.shape}, {expected} was expected",
                fix="Give one row an image and one column a class.",
            )
        check_ids(self.ids, "predictions")
        check_probabilities(probabilities, classes.ids, "predictions")
        self.seen_column = None if seen is None else checked_seen(seen, "predictions")
        if self.seen_column is not None and len(self.seen_column) != len(self.ids):
            raise PredictionsError(f"seen has {len(self.seen_column):,} rows for {len(self.ids):,} images")
        if unfamiliarity is not None:
            if unfamiliarity.shape != (len(self.ids),):
                raise PredictionsError(
                    f"unfamiliarity has the shape {unfamiliarity.shape} for {len(self.ids):,} images"
                )
            check_unfamiliarity(unfamiliarity, "predictions")

    @cached_property
    def image_ids(self) -> list[str]:
        """The N ids."""
        ids: list[str] = self.ids.to_list()
        return ids

    @cached_property
    def seen(self) -> list[str | None] | None:
        """What of each row the model was trained on, where it is known of any."""
        return None if self.seen_column is None else self.seen_column.to_list()

    def in_order_of(self, image_ids: pl.Series) -> "Predictions":
        """The same predictions in the order of these ids, those of other images last: so no evaluation copies them."""
        if self.ids.equals(image_ids):
            return self
        wanted = image_ids.alias("image_id").to_frame().with_row_index("place")
        place = self.ids.to_frame().join(wanted, on="image_id", how="left", maintain_order="left")["place"]
        order = place.arg_sort(nulls_last=True)
        rows = order.to_numpy()
        return Predictions(
            self.ids.gather(order),
            self.probabilities[rows],
            self.classes,
            None if self.seen_column is None else self.seen_column.gather(order),
            self.rolled_up_from,
            None if self.unfamiliarity is None else self.unfamiliarity[rows],
        )

    def rolled_up(self, to: ClassSet) -> "Predictions":
        """The same predictions in coarser classes: each as probable as the finer ones within it together.

        Coarse classes that hold none of the finer ones are left out. (Esteva 2017: P(u) = Σ P(children).)

        Raises:
            TaxonomyError: a class lies in no coarse class, in several, or above them.
        """
        classes, matrix = rollup_classes(self.classes, to)
        # Rows may sum to a little more than 1, a class may not.
        summed = np.minimum(self.probabilities @ matrix, 1.0)
        return Predictions(
            self.ids, summed, classes, self.seen_column, self.rolled_up_from or self.classes, self.unfamiliarity
        )


def write_predictions(path: str | Path, predictions: Predictions) -> None:
    """Write predictions as Parquet, or as CSV when ``path`` ends in ``.csv``; whole or not at all.

    Parquet also keeps the class set, as JSON in the file's metadata; CSV has its column names alone.
    """
    columns: dict[str, pl.Series] = {"image_id": predictions.ids}
    for index, class_id in enumerate(predictions.classes.ids):
        columns[class_id] = pl.Series(predictions.probabilities[:, index], dtype=pl.Float64)
    if predictions.seen_column is not None:
        columns["seen_in_training"] = predictions.seen_column.cast(pl.String)
    if predictions.unfamiliarity is not None:
        columns["unfamiliarity"] = pl.Series(predictions.unfamiliarity, dtype=pl.Float64).fill_nan(None)
    table = pl.DataFrame(columns)
    if Path(path).suffix.lower() != ".parquet":
        write_table(table, path)
        return
    with replacing(path) as temporary:
        table.write_parquet(temporary, metadata={CLASSES_KEY: predictions.classes.model_dump_json()})


def check_ids(image_ids: pl.Series, where: str) -> None:
    """Raise PredictionsError where an id is missing, or stands more than once."""
    missing = (image_ids.is_null() | (image_ids.str.strip_chars() == "")).arg_true()
    if len(missing):
        raise PredictionsError(
            f"image_id is missing in {len(missing):,} rows: {rows_listed(missing)}",
            where=where,
            fix="Give every row its image's id.",
        )
    if image_ids.n_unique() < len(image_ids):
        doubled = image_ids.filter(image_ids.is_duplicated()).unique().sort()
        raise PredictionsError(
            f"{len(doubled):,} image_id stand more than once: {series_listed(doubled)}",
            where=where,
            fix="Keep one row an image.",
        )


def check_range(values: Floats, columns: Sequence[str], where: str) -> None:
    """Raise PredictionsError where a value is not between 0 and 1."""
    wrong = np.argwhere(~((values >= 0) & (values <= 1)))  # so said, NaN is wrong too
    if len(wrong):
        told = [f"row {row + 1}, {columns[column]}: {values[row, column]:g}" for row, column in wrong[:10]]
        raise PredictionsError(
            f"{len(wrong):,} values are not between 0 and 1: {listed(told)}{_and_more(len(wrong))}",
            where=where,
            fix="Give probabilities; logits need a softmax, percentages a division by 100.",
        )


def check_probabilities(values: Floats, columns: tuple[str, ...], where: str) -> None:
    """Raise PredictionsError where a value is not between 0 and 1, or a row does not sum to 1."""
    check_range(values, columns, where)
    sums = values.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if len(wrong):
        told = [f"row {row + 1}: {sums[row]:.4g}" for row in wrong[:10]]
        raise PredictionsError(
            f"{len(wrong):,} rows do not sum to 1: {listed(told)}{_and_more(len(wrong))}",
            where=where,
            fix="If these are independent scores, one a class, say --normalise.",
        )


def check_unfamiliarity(values: Floats, where: str) -> None:
    """Raise PredictionsError where a value is infinite."""
    wrong = np.flatnonzero(np.isinf(values))
    if len(wrong):
        raise PredictionsError(
            f"{len(wrong):,} values of unfamiliarity are infinite: {rows_listed(pl.Series(wrong))}",
            where=where,
            fix="Correct them, or leave them empty.",
        )


def checked_seen(seen: Sequence[str | None] | pl.Series, where: str) -> pl.Series:
    """The column ``seen_in_training``, a byte a row.

    Raises:
        PredictionsError: it holds another word.
    """
    words = pl.Series("seen_in_training", seen)
    known = pl.Enum(SEEN_IN_TRAINING)
    if words.dtype == known:
        return words
    words = words.cast(pl.String)
    wrong = sorted(set(words.unique().drop_nulls()) - set(SEEN_IN_TRAINING))
    if wrong:
        raise PredictionsError(
            f"seen_in_training holds {listed(wrong)}",
            where=where,
            fix=f"Use {', '.join(SEEN_IN_TRAINING)}, or leave it empty.",
        )
    return words.cast(known)


def series_listed(values: pl.Series, count: int | None = None) -> str:
    """As :func:`cutis.errors.listed`, of a column that may hold millions, or of the first of ``count``."""
    return ", ".join(str(each) for each in values.head(10)) + _and_more(len(values) if count is None else count)


def rows_listed(places: pl.Series) -> str:
    """``"row 3, row 7"``: rows by their places from 0, as :func:`series_listed` lists values."""
    return ", ".join(f"row {row + 1}" for row in places.head(10)) + _and_more(len(places))


def _and_more(count: int) -> str:
    return f" and {count - 10:,} more" if count > 10 else ""
