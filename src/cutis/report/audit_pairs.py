"""Pairs of images side by side, in words, for the audit's page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import polars as pl

from cutis.audit import Decisions, with_sides
from cutis.errors import ManifestError, listed
from cutis.evaluation import percent
from cutis.report.thumbnails import Thumbnail, thumbnails
from cutis.taxonomy import shipped_taxonomy

THUMBNAIL_SIDE = 280  # pixels: sharper than the 220 of the page on a dense screen
_QUALITY = 75  # about 13 kB a picture as text: 150 pairs stay below 6 MB
_TURNED = 8  # degrees: less is not worth a turn
_FOUND = {"same": "found the same", "suspected": "suspected the same", "different": "different"}
_IMAGE = ["source", "image_id"]
_SIDES = ("subset_side", "fold_side")

Row = Mapping[str, Any]
Key = tuple[str | None, str]
"""``source`` and ``image_id``."""


@dataclass(frozen=True)
class PairImage:
    """One image of a pair.

    Attributes:
        key: its source and id.
        picture: its thumbnail.
        alternative: the picture in words.
        facts: what is known of it, as names and words.
    """

    key: Key
    picture: Thumbnail
    alternative: str
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Pair:
    """One pair.

    Attributes:
        number: its place, from 1: the worst first.
        a: one image.
        b: the other.
        score: confidence that both show the same lesion, 0 to 1.
        found: what the audit says of it.
        reasons: what ties the two.
        figures: what was measured, as names and words.
        cross_lesion: the lesion ids differ.
        sides: the two sides of the split it stands on, e.g. ``["train", "test"]``; empty if on one.
        different_diagnoses: the recorded diagnoses differ.
        same: what the decisions say, None where they say nothing.
        rotation: degrees clockwise by which the second picture is turned against the first; 0 where it is too little
            to matter, or not known.
        mirrored: whether the first was mirrored, left to right, before that.
    """

    number: int
    a: PairImage
    b: PairImage
    score: float
    found: str
    reasons: list[str]
    figures: list[tuple[str, str]]
    cross_lesion: bool
    sides: list[str]
    different_diagnoses: bool
    same: bool | None
    rotation: float
    mirrored: bool

    @property
    def turnable(self) -> bool:
        """Whether turning the second picture changes anything."""
        return self.mirrored or self.rotation != 0


def pairs_side_by_side(pairs: pl.DataFrame, manifest: pl.DataFrame, decisions: Decisions) -> list[Pair]:
    """Pairs in the table's order, with thumbnails.

    Raises:
        ManifestError: an image of a pair is not in the manifest.
    """
    rows = pairs.to_dicts()
    keys = [key for row in rows for key in (_key(row, "a"), _key(row, "b"))]
    images = _images(manifest, keys)
    pictures = thumbnails([images[key]["image_path"] for key in keys], THUMBNAIL_SIDE, quality=_QUALITY)
    return [_pair(number, row, images, pictures, decisions) for number, row in enumerate(rows, 1)]


def worst_first(pairs: pl.DataFrame, manifest: pl.DataFrame) -> pl.DataFrame:
    """The pairs as a person should see them: those on both sides, those that no shared lesion id explains, the others.

    In each the surest come first.
    """
    return (
        pairs.with_columns(on_both_sides(pairs, manifest).alias("_torn"))
        .sort(
            "_torn",
            pl.col("same_lesion").fill_null(value=False),
            "score",
            descending=[True, False, True],
            maintain_order=True,
        )
        .drop("_torn")
    )


def on_both_sides(pairs: pl.DataFrame, manifest: pl.DataFrame) -> pl.Series:
    """Which pairs stand on two sides of the manifest's split: Boolean, one value a pair."""
    places = with_sides(manifest).select("source", "image_id", *_SIDES)
    left, right = ["source_a", "image_id_a"], ["source_b", "image_id_b"]
    placed = (
        pairs.select(*left, *right)
        .join(places, left_on=left, right_on=_IMAGE, how="left", nulls_equal=True, maintain_order="left")
        .join(places, left_on=right, right_on=_IMAGE, how="left", nulls_equal=True, maintain_order="left", suffix="_b")
    )
    torn = [(pl.col(side) != pl.col(f"{side}_b")).fill_null(value=False) for side in _SIDES]
    return placed.select(pl.any_horizontal(torn)).to_series()


def diagnosis_in_words(row: Row) -> str:
    """The tree's name with the data set's own word, e.g. ``"Nevus (nv)"``; empty where none is recorded."""
    node, own = row["diagnosis_node"], row["source_diagnosis"]
    name = shipped_taxonomy()[node].name if node else (row["diagnosis"] or "").rpartition(":")[2]
    return f"{name} ({own})" if name and own and own.lower() != name.lower() else name or own or ""


def _pair(
    number: int, row: Row, images: Mapping[Key, Row], pictures: Mapping[str | None, Thumbnail], decisions: Decisions
) -> Pair:
    first, second = images[_key(row, "a")], images[_key(row, "b")]
    same = decisions.verdict_of(_key(row, "a"), _key(row, "b"))
    rotation = row["rotation"] if _known(row["rotation"]) else 0.0
    return Pair(
        number=number,
        a=_image(first, pictures),
        b=_image(second, pictures),
        score=row["score"],
        found=_FOUND[row["verdict"]] + (", as a person decided" if row["decided"] else ""),
        reasons=row["reasons"] or [],
        figures=_figures(row),
        cross_lesion=row["same_lesion"] is False,
        sides=_torn_sides(first, second),
        different_diagnoses=row["same_diagnosis"] is False,
        same=same,
        rotation=round(rotation, 1) if abs(rotation) >= _TURNED else 0.0,
        mirrored=bool(row["mirrored"]),
    )


def _image(row: Row, pictures: Mapping[str | None, Thumbnail]) -> PairImage:
    diagnosis = diagnosis_in_words(row)
    place = [row["subset"] or "", "" if row["fold"] is None else f"fold {row['fold']}"]
    facts = {
        "Image": row["image_id"],
        "Data set": row["source"] or "",
        "Diagnosis": diagnosis or "not recorded",
        "Lesion": row["lesion_id"] or "",
        "Patient": row["patient_id"] or "",
        "Side": ", ".join(each for each in place if each),
    }
    return PairImage(
        key=(row["source"], row["image_id"]),
        picture=pictures[row["image_path"]],
        alternative=f"{row['image_id']}, {row['image_type'] or 'photograph'}, {diagnosis or 'diagnosis not recorded'}",
        facts=[(name, words) for name, words in facts.items() if words],
    )


def _figures(row: Row) -> list[tuple[str, str]]:
    """What was measured; what could not be is left out."""
    told = {
        "Likeness of features": f"{row['similarity']:.3f}" if _known(row["similarity"]) else "",
        "Hash distance": f"{row['hamming']} of 64 bits" if _known(row["hamming"]) else "",
        "Matching points": f"{row['inliers']:,}" if _known(row["inliers"]) else "",
        "Correlation when aligned": f"{row['correlation']:.2f}" if _known(row["correlation"]) else "",
        "Overlap": percent(row["overlap"]) if _known(row["overlap"]) else "",
        "Scale": f"{row['scale']:.2f}" if _known(row["scale"]) else "",
        "Rotation": f"{row['rotation']:.0f}°" if _known(row["rotation"]) else "",
        "Mirrored": "yes" if row["mirrored"] else "",
    }
    return [(name, words) for name, words in told.items() if words]


def _known(value: float | None) -> bool:
    return value is not None and isfinite(value)


def _torn_sides(first: Row, second: Row) -> list[str]:
    """The two sides of a split on which two images stand; empty where they stand on one, or one stands on none."""
    for side in _SIDES:
        if first[side] and second[side] and first[side] != second[side]:
            return [first[side], second[side]]
    return []


def _key(row: Row, which: str) -> Key:
    return row[f"source_{which}"], row[f"image_id_{which}"]


def _images(manifest: pl.DataFrame, keys: Iterable[Key]) -> dict[Key, Row]:
    wanted = set(keys)
    there = with_sides(manifest.filter(pl.col("image_id").is_in([image_id for _, image_id in wanted])))
    rows: dict[Key, Row] = {(row["source"], row["image_id"]): row for row in there.to_dicts()}
    missing = sorted(image_id for source, image_id in wanted if (source, image_id) not in rows)
    if missing:
        raise ManifestError(
            f"{len(missing):,} images of the pairs are not in the manifest: {listed(missing)}",
            fix="Give the manifest that was audited.",
        )
    return rows
