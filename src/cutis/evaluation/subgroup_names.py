"""Which subgroup each image is in: by skin type, sex, age, site and how the image came about."""

from typing import Literal, get_args

import numpy as np
import polars as pl

from cutis.evaluation.groups import NamedGroups, numbered

Subgroup = Literal["skin_type", "sex", "age_band", "site", "image_type", "source", "confirmation"]

NOT_RECORDED = "(not recorded)"
AGE_BANDS = ("<30", "30-44", "45-59", "60-74", "75+")


def _age_band() -> pl.Expr:
    age = pl.col("age_approx")
    return (
        pl.when(age < 30)
        .then(pl.lit(AGE_BANDS[0]))
        .when(age < 45)
        .then(pl.lit(AGE_BANDS[1]))
        .when(age < 60)
        .then(pl.lit(AGE_BANDS[2]))
        .when(age < 75)
        .then(pl.lit(AGE_BANDS[3]))
        .when(age >= 75)
        .then(pl.lit(AGE_BANDS[4]))
    )


SUBGROUP_COLUMNS: dict[Subgroup, tuple[str, pl.Expr]] = {
    "skin_type": ("fitzpatrick_skin_type", pl.col("fitzpatrick_skin_type")),
    "sex": ("sex", pl.col("sex")),
    "age_band": ("age_approx", _age_band()),
    "site": ("anatom_site", pl.col("anatom_site").cast(pl.String).str.split(":").list.first()),
    "image_type": ("image_type", pl.col("image_type")),
    "source": ("source", pl.col("source")),
    "confirmation": ("diagnosis_confirm_type", pl.col("diagnosis_confirm_type")),
}
"""The manifest's column, and the group that follows from it."""


def subgroup_names(frame: pl.DataFrame, column: Subgroup) -> pl.Series:
    """Each manifest row's group in a column; ``"(not recorded)"`` where the value is missing.

    Ages fall into the bands <30, 30–44, 45–59, 60–74 and 75 up; of the site the first level counts.
    """
    return frame.select(SUBGROUP_COLUMNS[column][1].cast(pl.String).fill_null(NOT_RECORDED).alias("group"))["group"]


def subgroups_of(frame: pl.DataFrame, column: Subgroup) -> NamedGroups:
    """The same as numbers: each distinct value is named once, however many rows have it."""
    values, number = numbered(frame[SUBGROUP_COLUMNS[column][0]])
    told = subgroup_names(values.alias(SUBGROUP_COLUMNS[column][0]).to_frame(), column).to_list()
    names = list(dict.fromkeys(told))
    place = np.array([names.index(each) for each in told], dtype=number.dtype)
    return NamedGroups(names, place[number])


def recorded_columns(frame: pl.DataFrame) -> list[Subgroup]:
    """The columns in which any of the rows has a value."""
    return [column for column in get_args(Subgroup) if frame[SUBGROUP_COLUMNS[column][0]].null_count() < len(frame)]
