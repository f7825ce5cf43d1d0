"""Values of many rows as numbers of the few distinct ones."""

from typing import Any, NamedTuple

import numpy as np
import polars as pl

AnyInts = np.ndarray[tuple[Any, ...], np.dtype[np.integer]]


class NamedGroups(NamedTuple):
    """Which group each of N rows is in: the groups' names, and N numbers of them."""

    names: list[str]
    number: AnyInts


def numbered(values: pl.Series) -> tuple[pl.Series, AnyInts]:
    """The distinct values in the order in which they first appear, a missing one among them, and each row's number."""
    distinct = values.alias("value").unique(maintain_order=True)
    known = distinct.to_frame().with_row_index("number")
    found = (
        values.alias("value").to_frame().join(known, on="value", how="left", maintain_order="left", nulls_equal=True)
    )
    small = np.uint8 if len(distinct) <= np.iinfo(np.uint8).max + 1 else np.int32
    return distinct, found["number"].to_numpy().astype(small)


def named_groups(values: pl.Series) -> NamedGroups:
    """Rows by their value, of which none is missing, as text."""
    distinct, number = numbered(values)
    return NamedGroups(distinct.cast(pl.String).to_list(), number)
