"""Which images an export is measured on and calibrated on, by the bundle's record of what it was trained with."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from cutis.data import DecodedImages, content_key, decode_images, image_paths
from cutis.errors import LeakError, ManifestError, listed
from cutis.evaluation import counted
from cutis.models.bundle import BundleFacts

CALIBRATION_IMAGES = 256
"""Training images that the ranges of int8 come from, the diagnoses taken in turn."""

_ROLES = {"train": "training", "val": "validation"}


@dataclass(frozen=True)
class Rows:
    """Rows of a manifest with their decoded images."""

    frame: pl.DataFrame
    images: DecodedImages

    @property
    def paths(self) -> Sequence[str]:
        """Of their files."""
        return image_paths(self.frame)


def validation_rows(facts: BundleFacts, manifest: pl.DataFrame) -> Rows:
    """The rows of a manifest that the bundle was validated on.

    Raises:
        ManifestError: there are none, or the manifest says of some that they are of a test set.
        LeakError: the model learnt from one of the files.
        ImageError: rows without an image, or unreadable images.
    """
    rows = manifest.filter(_roles(facts, manifest) == "val")
    if not len(rows):
        raise ManifestError(
            f"none of the {len(manifest):,} images is one that the model was validated on",
            fix="Name the manifest it was trained with.",
        )
    _check_subset(rows, ("test", "excluded"), "validation")
    images = _decoded(facts, rows)
    learnt = set(facts.training_record.filter(pl.col("role") == "train")["content_key"].drop_nulls())
    leaked = [each for each, key in zip(rows["image_id"], images.keys, strict=True) if key in learnt]
    if leaked:
        raise LeakError(
            f"the model learnt from {counted(len(leaked), 'image')} that counts as validation image: {listed(leaked)}",
            fix="Train the bundle again with a split by content: `cutis data audit` finds copies.",
        )
    return Rows(rows, images)


def training_rows(facts: BundleFacts, manifest: pl.DataFrame, named: pl.DataFrame | None) -> Rows:
    """Up to ``CALIBRATION_IMAGES`` rows that the bundle learnt from, its diagnoses taken in turn.

    Args:
        facts: the bundle.
        manifest: rows of any role, of which those in the bundle's record as ``train`` are taken.
        named: rows that must all be so, taken in place of them.

    Raises:
        ManifestError: there are none; or some of those named are not training images; or the manifest says otherwise
            than the bundle's record.
        ImageError: rows without an image, or unreadable images.
    """
    of = manifest if named is None else named
    role = _roles(facts, of)
    if named is not None and (role != "train").any():
        others = role.filter(role != "train").value_counts().sort("role").rows()
        what = ", ".join(counted(number, f"{_ROLES.get(each, 'unknown')} image") for each, number in others)
        raise ManifestError(
            f"int8 is calibrated on training images alone, and among {len(of):,} named are {what}",
            fix="Name rows that the model learnt from, or leave --calibrate out.",
        )
    rows = of.filter(role == "train")
    if not len(rows):
        raise ManifestError(
            f"int8 needs training images to be calibrated on, and none of the {len(of):,} is one",
            fix="Name a manifest of training images with --calibrate, or leave int8 out.",
        )
    _check_subset(rows, ("val", "test", "excluded"), "training")
    shuffled = rows.sort(rows["image_id"].hash(seed=0), "image_id")
    turn = pl.int_range(pl.len()).over(pl.col("source_diagnosis").fill_null(""))
    chosen = shuffled.with_columns(turn=turn).sort("turn", maintain_order=True).drop("turn")[:CALIBRATION_IMAGES]
    return Rows(chosen, _decoded(facts, chosen))


def _roles(facts: BundleFacts, manifest: pl.DataFrame) -> pl.Series:
    """What the bundle's record says of each row: ``train``, ``val``, or ``unknown``.

    By its id together with its source; where no row has a known one, by its file's content.
    """
    record = facts.training_record.unique(["source", "image_id"])
    found = manifest.select("source", "image_id").join(
        record.select("source", "image_id", "role"),
        on=["source", "image_id"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )["role"]
    if found.is_null().all() and len(manifest):
        role_of = dict(record.filter(pl.col("content_key").is_not_null()).select("content_key", "role").iter_rows())
        paths = manifest["image_path"].to_list()
        found = pl.Series("role", [role_of.get(content_key(each)) if each else None for each in paths], pl.String)
    return found.fill_null("unknown")


def _check_subset(rows: pl.DataFrame, forbidden: Sequence[str], role: str) -> None:
    wrong = rows.filter(pl.col("subset").is_in(forbidden))
    if len(wrong):
        subsets = ", ".join(sorted(set(wrong["subset"])))
        raise ManifestError(
            f"{counted(len(wrong), f'{role} image')} of the model stand in subset {subsets}: "
            f"{listed(wrong['image_id'].to_list())}",
            fix="Name the manifest it was trained with.",
        )


def _decoded(facts: BundleFacts, rows: pl.DataFrame) -> DecodedImages:
    height, width = facts.image.decoded
    return decode_images(image_paths(rows), height, width, facts.image.aspect)
