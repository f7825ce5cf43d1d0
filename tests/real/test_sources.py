"""The real data sets give the published numbers."""

from pathlib import Path

import polars as pl
import pytest

from cutis.data.manifest import check_manifest
from cutis.data.sources import Imported, source
from cutis.data.splits import check_split, read_ids, split
from cutis.errors import SplitError


def read(name: str, folder: Path) -> Imported:
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    imported = source(name).import_from(folder)
    assert check_manifest(imported.frame) == []
    return imported


@pytest.fixture(scope="module")
def ham(real_data: Path) -> pl.DataFrame:
    return read("ham10000", real_data / "ham10000").frame


def counts(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame["source_diagnosis"].value_counts().iter_rows())


def test_ham10000(ham: pl.DataFrame) -> None:
    assert len(ham) == 10_015
    assert ham["lesion_id"].n_unique() == 7_470
    assert counts(ham) == {
        "nv": 6705,
        "mel": 1113,
        "bkl": 1099,
        "bcc": 514,
        "akiec": 327,
        "vasc": 142,
        "df": 115,
    }
    assert ham["image_path"].null_count() == ham["mask_path"].null_count() == 0
    assert ham["age_approx"].null_count() == 57 + 39
    assert ham["diagnosis_confirm_type"].null_count() == 0


def test_ham_strict_protocol(ham: pl.DataFrame, real_data: Path) -> None:
    ids = read_ids(real_data / "ham10000/splits/published_test_1503.csv")
    with pytest.raises(SplitError, match=r"576 groups .*\(778 rows outside\)"):
        split(ham, by=["lesion_id"], test_ids=ids)
    strict = split(ham, by=["lesion_id"], test_ids=ids, strict=True, folds=5)
    assert dict(strict["subset"].value_counts().iter_rows()) == {
        "test": 1_503,
        "excluded": 778,
        "train": 7_734,
    }
    check_split(strict, ["lesion_id"])
    folds = strict.drop_nulls("fold").pivot(
        "fold", index="source_diagnosis", values="image_id", aggregate_function="len"
    )
    spread = folds.select(
        pl.max_horizontal(pl.exclude("source_diagnosis")) - pl.min_horizontal(pl.exclude("source_diagnosis"))
    )
    assert spread.to_series().max() <= 2  # type: ignore[operator]


def test_isic2017(real_data: Path) -> None:
    frame = read("isic2017", real_data / "isic2017").frame
    assert dict(frame["subset"].value_counts().iter_rows()) == {"train": 2_000, "val": 150, "test": 600}
    test = frame.filter(pl.col("subset") == "test")
    assert counts(test) == {"melanoma": 117, "seborrheic_keratosis": 90, "nevus": 393}
    assert frame["image_path"].null_count() == 0


def test_pad_ufes_20(real_data: Path) -> None:
    imported = read("pad-ufes-20", real_data / "pad_ufes_20")
    frame = imported.frame
    assert len(frame) == 2_298
    assert frame["patient_id"].n_unique() == 1_373
    assert len(frame) - frame["image_path"].null_count() == 109
    assert counts(frame) == {"BCC": 845, "ACK": 730, "NEV": 244, "SEK": 235, "SCC": 192, "MEL": 52}
    with_image = frame.filter(pl.col("image_path").is_not_null())
    assert counts(with_image) == {"BCC": 39, "ACK": 32, "NEV": 13, "SEK": 12, "SCC": 10, "MEL": 3}
    assert imported.notes[0].startswith("109 of 2,298 rows have an image file")
    split(frame, by=["lesion_id", "patient_id"], folds=5)


def test_isic2019_is_labels_only_and_says_so(real_data: Path) -> None:
    imported = read("isic", real_data / "isic2019_labels")
    frame = imported.frame
    assert len(frame) == frame["image_path"].null_count() == 25_331
    assert frame["lesion_id"].drop_nulls().n_unique() == 11_847
    assert counts(frame) == {
        "MEL": 4522,
        "NV": 12875,
        "BCC": 3323,
        "AK": 867,
        "BKL": 2624,
        "DF": 239,
        "VASC": 253,
        "SCC": 628,
    }
    assert imported.notes[0] == "recognised as ISIC 2019"
    assert imported.notes[1].startswith("labels only")


def test_isic2019_and_ham10000_agree_on_what_they_share(ham: pl.DataFrame, real_data: Path) -> None:
    isic = read("isic", real_data / "isic2019_labels").frame
    both = ham.join(isic, on="image_id")
    assert len(both) == 10_015
    assert (both["lesion_id"] == both["lesion_id_right"]).all()
    differ = both.filter(pl.col("diagnosis") != pl.col("diagnosis_right"))
    assert differ["source_diagnosis"].unique().to_list() == ["akiec"]
    assert differ["source_diagnosis_right"].unique().to_list() == ["SCC"]
