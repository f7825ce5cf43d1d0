"""PAD-UFES-20: 2,298 smartphone photographs of six diagnoses with patient metadata (Pacheco 2020)."""

from pathlib import Path

import polars as pl

from cutis.data.sources.contract import Imported, Source
from cutis.data.sources.folders import DataFolder, images_notes, need_ids, read_rows, without_image_suffix
from cutis.data.sources.words import (
    PAD_SITES,
    age_of,
    diagnosis_columns,
    mapped,
    need_words,
    sex_of,
    skin_type_of,
    unmapped_note,
)
from cutis.errors import ManifestError, listed
from cutis.taxonomy import vocabulary

COLUMNS = (
    "patient_id",
    "lesion_id",
    "age",
    "gender",
    "fitspatrick",
    "region",
    "diagnostic",
    "img_id",
    "biopsed",
)


def read(root: Path) -> Imported:
    """Read PAD-UFES-20: ``metadata.csv`` and images anywhere below ``root``.

    Lesion ids are counted anew for a part of the patients (250 of them stand for two people's lesions), so
    the manifest's lesion id is the patient's and the lesion's together. Of the diagnoses only the biopsied
    have a confirmation type that ISIC knows; the others were made by a group of dermatologists at the
    bedside.

    Raises:
        ManifestError: the metadata is not there or not PAD's, or two files hold one image.
    """
    folder = DataFolder.scan(root)
    tables = folder.tables(*COLUMNS)
    if not tables:
        raise folder.no_table(*COLUMNS)
    if len(tables) > 1:
        raise ManifestError(
            f"{len(tables)} tables may be the metadata: {listed([str(each) for each in tables])}",
            where=str(root),
            fix="Keep one of them.",
        )
    rows = read_rows(tables[0], COLUMNS)
    need_ids(rows, "img_id", tables[0])
    diagnoses = vocabulary("pad-ufes-20").words
    need_words(rows, "diagnostic", diagnoses, tables[0])
    images = folder.images()
    # img_id ends in .png; copies of the data set hold JPEG files of the same stem.
    ids = [without_image_suffix(each) for each in rows["img_id"]]
    frame = rows.select(
        pl.Series("image_id", ids),
        pl.Series("image_path", images.locate(ids), dtype=pl.String),
        (pl.col("patient_id") + "_" + pl.col("lesion_id")).alias("lesion_id"),
        "patient_id",
        *diagnosis_columns("diagnostic", diagnoses),
        pl.col("diagnostic").alias("source_diagnosis"),
        mapped("biopsed", {"True": "histopathology"}).alias("diagnosis_confirm_type"),
        age_of("age").alias("age_approx"),
        sex_of("gender").alias("sex"),
        mapped("region", PAD_SITES).alias("anatom_site"),
        pl.col("region").alias("source_anatom_site"),
        skin_type_of("fitspatrick").alias("fitzpatrick_skin_type"),
        pl.lit("clinical: close-up").alias("image_type"),
        *[each for each in rows.columns if each not in COLUMNS],
        "biopsed",
    )
    reused = rows.group_by("lesion_id").agg(pl.col("patient_id").n_unique()).filter(pl.col("patient_id") > 1)
    notes = images_notes(frame, images)
    if len(reused):
        notes.append(f"{len(reused):,} lesion ids are used for two patients: lesion_id is patient and lesion together")
    unproven = int((rows["biopsed"] != "True").sum())
    if unproven:
        notes.append(
            f"{unproven:,} rows were not biopsied: diagnosis_confirm_type is missing, "
            "for ISIC has no value for a consensus at the bedside"
        )
    notes += unmapped_note(rows, "region", "anatomical sites", "source_anatom_site", PAD_SITES)
    return Imported(frame, tuple(notes))


SOURCE = Source(
    name="pad-ufes-20",
    title="PAD-UFES-20",
    expects="a folder with metadata.csv and the images (imgs_part_1 … 3, images) anywhere below",
    license="CC BY 4.0",
    citation="Pacheco A, et al. PAD-UFES-20. Data Brief 32:106221 (2020).",
    url="https://doi.org/10.17632/zr7vgbcyr2.1",
    read=read,
)
