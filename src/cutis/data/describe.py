"""What a manifest holds, in counts."""

from typing import Any

import polars as pl

from cutis.data.manifest import SCHEMA, SUBSETS

MISSING = "missing"
"""The key under which rows without a value are counted."""


def describe(frame: pl.DataFrame) -> dict[str, Any]:
    """Count what is in a manifest. Everything returned can be written as JSON.

    Args:
        frame: a manifest (:func:`cutis.data.manifest_frame`).

    Returns:
        ``rows``; ``lesions`` and ``patients`` (distinct ids); ``images_missing`` (rows without
        ``image_path``); ``masks``; ``diagnosis`` and ``source_diagnosis`` (a list of value, images, lesions,
        by falling count); ``age_approx`` (min, median, max in years); value → count for ``source``, ``sex``,
        ``anatom_site`` (the first level of its path), ``fitzpatrick_skin_type``, ``image_type`` and
        ``diagnosis_confirm_type``; ``missing`` (column → rows without a value); ``subset`` and ``fold`` (part
        → diagnosis → images; empty where no split was made).
    """
    age = frame["age_approx"].drop_nulls()
    return {
        "rows": len(frame),
        "lesions": frame["lesion_id"].drop_nulls().n_unique(),
        "patients": frame["patient_id"].drop_nulls().n_unique(),
        "images_missing": frame["image_path"].null_count(),
        "masks": len(frame) - frame["mask_path"].null_count(),
        "diagnosis": _diagnoses(frame, "diagnosis"),
        "source_diagnosis": _diagnoses(frame, "source_diagnosis"),
        "age_approx": {"min": age.min(), "median": age.median(), "max": age.max()},
        "source": _counts(frame["source"]),
        "sex": _counts(frame["sex"]),
        "anatom_site": _counts(frame["anatom_site"].str.split(":").list.first()),
        "fitzpatrick_skin_type": _counts(frame["fitzpatrick_skin_type"]),
        "image_type": _counts(frame["image_type"]),
        "diagnosis_confirm_type": _counts(frame["diagnosis_confirm_type"]),
        "missing": {each: frame[each].null_count() for each in frame.columns if each in SCHEMA},
        "subset": _parts(frame, "subset"),
        "fold": _parts(frame, "fold"),
    }


def _diagnoses(frame: pl.DataFrame, column: str) -> list[dict[str, Any]]:
    counted = frame.group_by(column).agg(
        pl.len().alias("images"), pl.col("lesion_id").drop_nulls().n_unique().alias("lesions")
    )
    ordered = counted.sort(["images", column], descending=[True, False])
    return [
        {"value": value or MISSING, "images": images, "lesions": lesions}
        for value, images, lesions in ordered.iter_rows()
    ]


def _counts(column: pl.Series) -> dict[str, int]:
    counted = (
        column.fill_null(MISSING).alias("value").value_counts(name="n").sort(["n", "value"], descending=[True, False])
    )
    return dict(counted.iter_rows())


def _parts(frame: pl.DataFrame, column: str) -> dict[str, dict[str, int]]:
    """Part → diagnosis → images. Rows in no part are counted where others are in one."""
    if frame[column].null_count() == len(frame):
        return {}
    parts = SUBSETS if column == "subset" else tuple(frame[column].drop_nulls().unique().sort())
    counted = {str(part): _counts(frame.filter(pl.col(column) == part)["diagnosis"]) for part in parts}
    counted[MISSING] = _counts(frame.filter(pl.col(column).is_null())["diagnosis"])
    return {part: counts for part, counts in counted.items() if counts}
