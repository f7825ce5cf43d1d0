"""ISIC challenges 2018 (task 3), 2019 and 2020, told apart by the columns of their ground truth."""

from pathlib import Path

import polars as pl

from cutis.data.sources.contract import Imported, Source
from cutis.data.sources.folders import DataFolder, images_notes, need_ids, read_rows, subset_of
from cutis.data.sources.words import (
    ISIC_SITES,
    age_of,
    age_zero_notes,
    diagnosis_columns,
    diagnosis_of,
    mapped,
    sex_of,
    unmapped_note,
)
from cutis.errors import ManifestError, listed
from cutis.taxonomy import vocabulary

COLUMNS = {
    2018: ("image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
    2019: ("image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"),
    2020: ("image_name", "benign_malignant", "target"),
}
"""What the ground truth of each year is known by."""

CITATIONS = {
    2018: "Codella N, et al. arXiv:1902.03368; Tschandl P, et al. Sci Data 5:180161 (2018).",
    2019: (
        "Combalia M, et al. BCN20000. arXiv:1908.02288; Tschandl P, et al. Sci Data 5:180161 (2018); "
        "Codella N, et al. arXiv:1710.05006."
    ),
    2020: "Rotemberg V, et al. Sci Data 8:34 (2021).",
}

_METADATA_2019 = ("image", "age_approx", "anatom_site_general", "sex")


def read(root: Path) -> Imported:
    """Read the one challenge whose ground truth lies below ``root``.

    ``subset`` holds the official parts where the ground truth of more than one is there, else nothing.

    Raises:
        ManifestError: no ground truth is found, or that of several years, or it is not what the challenge
            writes.
    """
    folder = DataFolder.scan(root)
    tables = {year: folder.tables(*columns) for year, columns in COLUMNS.items()}
    found = [year for year, each in tables.items() if each]
    if not found:
        raise ManifestError(
            "no ground truth of ISIC 2018 (task 3), 2019 or 2020 found: no table with the columns "
            + "; or ".join(", ".join(each) for each in COLUMNS.values()),
            where=str(root),
            fix="Name the challenge's folder; for 2017 use the source isic2017.",
        )
    if len(found) > 1:
        raise ManifestError(
            f"holds the challenges of {listed([str(each) for each in found])}",
            where=str(root),
            fix="Name the folder of one of them.",
        )
    year = found[0]
    reader = {2018: _read_2018, 2019: _read_2019, 2020: _read_2020}[year]
    frame, notes = reader(folder, tables[year])
    images = folder.images()
    frame = frame.with_columns(
        pl.Series("image_path", images.locate(frame["image_id"].to_list()), dtype=pl.String),
        pl.lit("dermoscopic").alias("image_type"),
        pl.lit(f"isic{year}").alias("source"),
        pl.lit(CITATIONS[year]).alias("attribution"),
    )
    masks = [f"{each}_segmentation" for each in frame["image_id"]]
    return Imported(frame, (f"recognised as ISIC {year}", *images_notes(frame, images, masks), *notes))


def _read_2018(folder: DataFolder, tables: list[Path]) -> tuple[pl.DataFrame, list[str]]:
    labels = _one_hot(tables, 2018)
    groupings = folder.tables("image", "lesion_id")
    if not groupings:
        return labels, ["no *LesionGroupings*.csv found: lesion_id is missing, so a split cannot keep lesions together"]
    rows = pl.concat([read_rows(each) for each in groupings], how="diagonal")
    need_ids(rows, "image", groupings[0])
    # Written "diagnosis confirm type" in the challenge's file and with underscores in copies of it.
    rows = rows.rename({each: each.replace(" ", "_") for each in rows.columns})
    kept = [each for each in ("lesion_id", "diagnosis_confirm_type") if each in rows.columns]
    return labels.join(rows.select("image", *kept), left_on="image_id", right_on="image", how="left"), []


def _read_2019(folder: DataFolder, tables: list[Path]) -> tuple[pl.DataFrame, list[str]]:
    labels = _one_hot(tables, 2019)
    unknown = labels.filter(pl.col("source_diagnosis") == "UNK")
    notes = [f"{len(unknown):,} rows are UNK (none of the eight classes): diagnosis is missing"] if len(unknown) else []
    metadata = folder.tables(*_METADATA_2019)
    if not metadata:
        return labels, [*notes, "no *_Metadata.csv found: age, sex, site and lesion_id are missing"]
    rows = pl.concat([read_rows(each, _METADATA_2019) for each in metadata], how="diagonal")
    need_ids(rows, "image", metadata[0])
    joined = labels.join(rows, left_on="image_id", right_on="image", how="left")
    frame = joined.select(
        *labels.columns,
        *(["lesion_id"] if "lesion_id" in joined.columns else []),
        age_of("age_approx", zero_is_unknown=True),
        sex_of("sex"),
        mapped("anatom_site_general", ISIC_SITES).alias("anatom_site"),
        pl.col("anatom_site_general").alias("source_anatom_site"),
    )
    notes += age_zero_notes(joined, "age_approx")
    notes += unmapped_note(joined, "anatom_site_general", "anatomical sites", "source_anatom_site", ISIC_SITES)
    return frame, notes


def _read_2020(_folder: DataFolder, tables: list[Path]) -> tuple[pl.DataFrame, list[str]]:
    rows = pl.concat([read_rows(each, COLUMNS[2020]) for each in tables], how="diagonal")
    need_ids(rows, "image_name", tables[0])
    optional = ("patient_id", "lesion_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis")
    rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias(each) for each in optional if each not in rows.columns)
    known = {each: found for each in rows["diagnosis"].drop_nulls().unique() if (found := diagnosis_of(each))}
    nodes = {word: each.node for word, each in known.items() if each.node}
    # Most rows are "unknown" and benign: all that is known is the top of the tree.
    outcome = {word: word for word in ("benign", "malignant")}
    word = pl.when(pl.col("diagnosis").is_in(list(nodes))).then("diagnosis").otherwise("benign_malignant")
    rows = rows.with_columns(word.alias("_word"))
    frame = rows.select(
        pl.col("image_name").alias("image_id"),
        "patient_id",
        "lesion_id",
        *diagnosis_columns("_word", outcome | nodes),
        pl.col("diagnosis").fill_null(pl.col("benign_malignant")).alias("source_diagnosis"),
        age_of("age_approx", zero_is_unknown=True),
        sex_of("sex"),
        mapped("anatom_site_general_challenge", ISIC_SITES).alias("anatom_site"),
        pl.col("anatom_site_general_challenge").alias("source_anatom_site"),
    )
    outcome_only = rows.filter(~pl.col("diagnosis").is_in(list(nodes)).fill_null(value=False))
    notes = []
    if len(outcome_only):
        notes.append(
            f"{len(outcome_only):,} rows tell no diagnosis but only whether it is benign or malignant: "
            "their diagnosis is 'Benign' or 'Malignant'"
        )
    notes += age_zero_notes(rows, "age_approx")
    site = "anatom_site_general_challenge"
    notes += unmapped_note(rows, "diagnosis", "diagnoses", "source_diagnosis", nodes)
    notes += unmapped_note(rows, site, "anatomical sites", "source_anatom_site", ISIC_SITES)
    return frame, notes


def _one_hot(tables: list[Path], year: int) -> pl.DataFrame:
    """``image_id``, ``source_diagnosis``, the diagnosis and ``subset`` of one-hot tables, one column a class."""
    columns = list(COLUMNS[year][1:])
    parts = []
    for table in tables:
        rows = read_rows(table, ["image", *columns])
        marks = rows.select(pl.col(columns).cast(pl.Float64, strict=False))
        single = (marks.sum_horizontal() == 1) & (marks.max_horizontal() == 1) & (marks.min_horizontal() == 0)
        wrong = (~single.fill_null(value=False)).arg_true().to_list()
        if wrong:
            told = [f"row {row + 1} ({rows['image'][row]})" for row in wrong]
            raise ManifestError(
                f"{len(told):,} rows do not have a single 1 among {', '.join(columns)}: {listed(told)}",
                where=str(table),
                fix="Take the challenge's ground truth; predictions do not belong there.",
            )
        names = dict(enumerate(columns))
        word = marks.select(pl.concat_list(columns).list.arg_max().replace_strict(names, return_dtype=pl.String))
        parts.append(
            rows.select(
                pl.col("image").alias("image_id"),
                word.to_series().alias("word"),
                pl.lit(subset_of(table), dtype=pl.String).alias("subset"),
            )
        )
    labels = pl.concat(parts)
    need_ids(labels, "image_id", tables[0].parent)
    several = labels["subset"].n_unique() > 1
    return labels.select(
        "image_id",
        *diagnosis_columns("word", vocabulary(f"isic{year}").words),
        pl.col("word").alias("source_diagnosis"),
        pl.col("subset") if several else pl.lit(None, dtype=pl.String).alias("subset"),
    )


SOURCE = Source(
    name="isic",
    title="ISIC challenge 2018 (task 3), 2019 or 2020",
    expects=(
        "a folder with the challenge's GroundTruth.csv (2018: also *LesionGroupings*.csv; "
        "2019: also *_Metadata.csv) and the images anywhere below"
    ),
    license="CC BY-NC 4.0",
    citation="",
    url="https://challenge.isic-archive.com/data/",
    read=read,
)
