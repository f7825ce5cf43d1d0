"""HAM10000: 10,015 dermoscopic images of seven diagnoses (Tschandl 2018)."""

from pathlib import Path

import polars as pl

from cutis.data.sources.contract import Imported, Source
from cutis.data.sources.folders import DataFolder, images_notes, need_ids, read_rows
from cutis.data.sources.words import (
    HAM_SITES,
    age_of,
    age_zero_notes,
    diagnosis_columns,
    mapped,
    need_words,
    sex_of,
    unmapped_note,
)
from cutis.errors import ManifestError, listed
from cutis.taxonomy import vocabulary

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")

CONFIRM_TYPES = {
    "histo": "histopathology",
    "follow_up": "serial imaging showing no change",
    "consensus": "single image expert consensus",
    "confocal": "confocal microscopy with consensus dermoscopy",
}


def read(root: Path) -> Imported:
    """Read HAM10000 from any layout: the metadata table and images anywhere below ``root``, masks where there
    are some.

    Raises:
        ManifestError: the metadata is not there or not HAM10000's, or two files hold one image.
    """
    folder = DataFolder.scan(root)
    table = _metadata(folder)
    rows = read_rows(table, COLUMNS)
    need_ids(rows, "image_id", table)
    diagnoses = vocabulary("ham10000").words
    need_words(rows, "dx", diagnoses, table)
    need_words(rows, "dx_type", CONFIRM_TYPES, table)
    images = folder.images()
    ids = rows["image_id"].to_list()
    masks = [f"{each}_segmentation" for each in ids]
    frame = rows.select(
        "image_id",
        pl.Series("image_path", images.locate(ids), dtype=pl.String),
        pl.Series("mask_path", images.locate(masks), dtype=pl.String),
        "lesion_id",
        *diagnosis_columns("dx", diagnoses),
        pl.col("dx").alias("source_diagnosis"),
        mapped("dx_type", CONFIRM_TYPES).alias("diagnosis_confirm_type"),
        age_of("age", zero_is_unknown=True).alias("age_approx"),
        sex_of("sex"),
        mapped("localization", HAM_SITES).alias("anatom_site"),
        pl.col("localization").alias("source_anatom_site"),
        pl.lit("dermoscopic").alias("image_type"),
        *[each for each in rows.columns if each not in COLUMNS],  # later editions tell the clinic in `dataset`
    )
    without_mask = frame["mask_path"].null_count()
    notes = [
        *images_notes(frame, images, masks),
        *([f"{without_mask:,} images have no mask"] if 0 < without_mask < len(frame) else []),
        *age_zero_notes(rows, "age"),
        *unmapped_note(rows, "localization", "anatomical sites", "source_anatom_site", HAM_SITES),
    ]
    return Imported(frame, tuple(notes))


def _metadata(folder: DataFolder) -> Path:
    tables = folder.tables(*COLUMNS)
    # The Dataverse also serves the metadata of the challenge's test images, with the same columns.
    named = [each for each in tables if each.name.lower().startswith("ham10000_metadata")]
    chosen = named or tables
    if not chosen:
        raise folder.no_table(*COLUMNS)
    if len(chosen) > 1:
        raise ManifestError(
            f"{len(chosen)} tables may be the metadata: {listed([str(each) for each in chosen])}",
            where=str(folder.root),
            fix="Keep one of them.",
        )
    return chosen[0]


SOURCE = Source(
    name="ham10000",
    title="HAM10000",
    expects=(
        "a folder with HAM10000_metadata (.csv or .tab) and the JPEG images anywhere below; "
        "masks (<id>_segmentation.png) are optional"
    ),
    license="CC BY-NC 4.0",
    citation="Tschandl P, Rosendahl C, Kittler H. The HAM10000 dataset. Sci Data 5:180161 (2018).",
    url="https://doi.org/10.7910/DVN/DBW86T",
    read=read,
)
