"""ISIC 2017 challenge, part 3, in its official parts: melanoma, seborrheic keratosis, nevus."""

from pathlib import Path

import polars as pl

from cutis.data.sources.contract import Imported, Source
from cutis.data.sources.folders import DataFolder, ImageFiles, images_notes, need_ids, read_rows, subset_of
from cutis.data.sources.words import age_of, diagnosis_columns, sex_of
from cutis.errors import ManifestError
from cutis.taxonomy import vocabulary

LABELS = ("image_id", "melanoma", "seborrheic_keratosis")
METADATA = ("image_id", "age_approximate", "sex")


def read(root: Path) -> Imported:
    """Read ISIC 2017: at least the training ground truth; validation, test and metadata tables where they are
    there.

    Raises:
        ManifestError: no training ground truth is found, an image is in two tables or has two diagnoses at
            once.
    """
    folder = DataFolder.scan(root)
    tables = folder.tables(*LABELS)
    parts = {table: subset_of(table) for table in tables}
    parts = dict(sorted(parts.items(), key=lambda each: ("train", "val", "test", None).index(each[1])))
    if "train" not in parts.values():
        raise folder.no_table(*LABELS) if not tables else ManifestError(
            f"no training ground truth among {', '.join(each.name for each in tables)}",
            where=str(root),
            fix="Put ISIC-2017_Training_Part3_GroundTruth.csv there.",
        )  # fmt: skip
    labels = pl.concat([_labels(table, part) for table, part in parts.items()])
    need_ids(labels, "image_id", root)
    known = [read_rows(table, METADATA).select(METADATA) for table in folder.tables(*METADATA)]
    metadata = pl.concat(known) if known else pl.DataFrame(schema=dict.fromkeys(METADATA, pl.String))
    need_ids(metadata, "image_id", root)
    rows = labels.join(metadata, on="image_id", how="left", maintain_order="left")
    images = folder.images()
    masks = [f"{each}_segmentation" for each in rows["image_id"]]
    frame = rows.select(
        "image_id",
        pl.Series("image_path", images.locate(rows["image_id"].to_list()), dtype=pl.String),
        pl.Series("mask_path", images.locate(masks), dtype=pl.String),
        *diagnosis_columns("word", vocabulary("isic2017").words),
        pl.col("word").alias("source_diagnosis"),
        age_of("age_approximate").alias("age_approx"),
        sex_of("sex"),
        pl.lit("dermoscopic").alias("image_type"),
        "subset",
    )
    return Imported(frame, tuple(_notes(frame, metadata, images, masks)))


def _labels(table: Path, part: str | None) -> pl.DataFrame:
    if part is None:
        raise ManifestError(
            "the file name does not tell the part",
            where=str(table),
            fix="Name it as the challenge does: Training, Validation or Test.",
        )
    rows = read_rows(table, LABELS)
    marks = rows.select(pl.col(LABELS[1:]).cast(pl.Float64, strict=False))
    wrong = ~(marks["melanoma"].is_in([0.0, 1.0]) & marks["seborrheic_keratosis"].is_in([0.0, 1.0])).fill_null(
        value=False
    )
    wrong |= (marks["melanoma"] + marks["seborrheic_keratosis"]).fill_null(2) > 1
    if wrong.any():
        raise ManifestError(
            f"row {wrong.arg_true()[0] + 1}: melanoma and seborrheic_keratosis are not 0 or 1, or are both 1",
            where=str(table),
            fix="Take the challenge's own ground truth.",
        )
    word = (
        pl.when(marks["melanoma"] == 1)
        .then(pl.lit("melanoma"))
        .when(marks["seborrheic_keratosis"] == 1)
        .then(pl.lit("seborrheic_keratosis"))
        .otherwise(pl.lit("nevus"))
    )
    return rows.select("image_id", word.alias("word"), pl.lit(part).alias("subset"))


def _notes(frame: pl.DataFrame, metadata: pl.DataFrame, images: ImageFiles, masks: list[str]) -> list[str]:
    superpixels = [f"{each}_superpixels" for each in frame["image_id"]]  # the challenge puts them beside the images
    notes = images_notes(frame, images, [*masks, *superpixels])
    bare = (
        frame.filter(~pl.col("image_id").is_in(metadata["image_id"].implode())).group_by("subset").len().sort("subset")
    )
    notes += [
        f"{n:,} images of subset '{subset}' have no metadata: age and sex are missing" for subset, n in bare.iter_rows()
    ]
    absent = [each for each in ("val", "test") if each not in frame["subset"].to_list()]
    notes += [f"the official part '{each}' is not there" for each in absent]
    return notes


SOURCE = Source(
    name="isic2017",
    title="ISIC 2017 challenge, part 3",
    expects=(
        "a folder with ISIC-2017_*_Part3_GroundTruth.csv and ISIC-2017_*_Data folders; "
        "*_metadata.csv, validation and test are optional"
    ),
    license="CC0-1.0",
    citation="Codella N, et al. Skin lesion analysis toward melanoma detection. ISBI 2018, arXiv:1710.05006.",
    url="https://challenge.isic-archive.com/data/#2017",
    read=read,
)
