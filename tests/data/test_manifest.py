"""The manifest: types, checks, reading, writing."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.data.manifest import (
    SCHEMA,
    check_manifest,
    known_columns,
    manifest_frame,
    read_manifest,
    read_table,
    write_manifest,
    write_table,
)
from cutis.errors import ManifestError

NEVUS = "Benign:Benign melanocytic proliferations:Nevus"


def reasons(**row: object) -> list[tuple[str, str]]:
    frame = manifest_frame([{"image_id": "a"}, {"image_id": "b", **row}])
    bad = check_manifest(frame)
    assert all(each.row == 2 for each in bad)
    return [(each.column, each.reason) for each in bad]


def test_every_known_column_is_there_and_unknown_ones_are_kept() -> None:
    frame = manifest_frame(
        [
            {
                "image_id": "a",
                "camera": "Canon",
                "age_approx": "55.0",
                "fold": 1,
                "acquired_at": "2020-01-31 10:00:00",
            }
        ]
    )
    assert frame.columns == [*SCHEMA, "camera"]
    assert dict(zip(frame.columns[:-1], frame.dtypes[:-1], strict=True)) == SCHEMA
    row = frame.row(0, named=True)
    assert (row["age_approx"], row["fold"], row["camera"]) == (55, 1, "Canon")
    assert row["acquired_at"] == datetime(2020, 1, 31, 10)


def test_a_moment_with_a_time_zone_is_kept_in_utc() -> None:
    frame = manifest_frame([{"image_id": "a", "acquired_at": "2020-01-31T10:00:00+02:00"}])
    assert frame.schema["acquired_at"] == SCHEMA["acquired_at"]
    assert frame["acquired_at"].to_list() == [datetime(2020, 1, 31, 8)]


@pytest.mark.parametrize(
    ("column", "value"),
    [("age_approx", "55.5"), ("age_approx", "old"), ("fold", "a"), ("acquired_at", "then")],
)
def test_values_of_a_wrong_type_are_refused_with_their_row(column: str, value: str) -> None:
    with pytest.raises(ManifestError, match=rf"column '{column}' holds values that are not .*row 2: '{value}'"):
        manifest_frame([{"image_id": "a"}, {"image_id": "b", column: value}])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"sex": "f"}, ("sex", "'f' is not female or male")),
        ({"age_approx": 121}, ("age_approx", "'121' is not between 0 and 120 years")),
        ({"age_approx": -1}, ("age_approx", "'-1' is not between 0 and 120 years")),
        (
            {"fitzpatrick_skin_type": "3"},
            ("fitzpatrick_skin_type", "'3' is not one of I, II, III, IV, V, VI"),
        ),
        ({"image_type": "photo"}, ("image_type", "'photo' is not an ISIC image type")),
        ({"subset": "holdout"}, ("subset", "'holdout' is not train, val, test or excluded")),
        ({"fold": -1}, ("fold", "'-1' is negative")),
        ({"box_left": -5}, ("box_left", "'-5' is negative")),
        ({"box_width": 0}, ("box_width", "'0' is not positive")),
        ({"diagnosis": "mole"}, ("diagnosis", "'mole' is not a value the ISIC archive knows")),
        ({"anatom_site": "tail"}, ("anatom_site", "'tail' is not a value the ISIC archive knows")),
        (
            {"diagnosis_confirm_type": "sure"},
            ("diagnosis_confirm_type", "'sure' is not a value the ISIC archive knows"),
        ),
        ({"image_id": " b"}, ("image_id", "' b' is empty or has white space at an end")),
        ({"image_id": None}, ("image_id", "is missing")),
    ],
)
def test_each_bad_value_has_its_reason(row: dict[str, object], told: tuple[str, str]) -> None:
    assert reasons(**row) == [told]


def test_good_values_pass() -> None:
    good = {
        "diagnosis": NEVUS,
        "anatom_site": "Head and neck:Head:Scalp",
        "diagnosis_confirm_type": "histopathology",
        "sex": "male",
        "age_approx": 0,
        "fitzpatrick_skin_type": "VI",
        "image_type": "dermoscopic",
        "subset": "excluded",
        "fold": 0,
    }
    assert reasons(**good) == []


def test_all_bad_rows_are_reported_in_order() -> None:
    frame = manifest_frame([{"image_id": f"i{n}", "sex": "x", "diagnosis": "y"} for n in range(3)])
    assert [(each.row, each.column) for each in check_manifest(frame)] == [
        (row, column) for row in (1, 2, 3) for column in ("diagnosis", "sex")
    ]


def test_doubled_ids_and_lesions_of_two_patients_are_bad() -> None:
    frame = manifest_frame([
        {"image_id": "a", "lesion_id": "L", "patient_id": "P"},
        {"image_id": "a", "lesion_id": "L", "patient_id": "Q"},
        {"image_id": "c", "lesion_id": "M", "patient_id": "Q"},
        {"image_id": "d", "lesion_id": "L", "patient_id": None},
    ])  # fmt: skip
    told = [str(each) for each in check_manifest(frame)]
    assert told == [
        "row 1 (a), image_id: 'a' is not unique",
        "row 1 (a), lesion_id: lesion 'L' is given to more than one patient",
        "row 2 (a), image_id: 'a' is not unique",
        "row 2 (a), lesion_id: lesion 'L' is given to more than one patient",
    ]


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip).filter(bool)


@settings(max_examples=30, deadline=None)
@given(
    ids=st.lists(texts, min_size=1, max_size=5, unique=True),
    words=st.lists(st.none() | texts, min_size=5, max_size=5),
    ages=st.lists(st.none() | st.integers(0, 120), min_size=5, max_size=5),
    suffix=st.sampled_from([".csv", ".parquet"]),
)
def test_what_is_written_is_read_again(
    ids: list[str],
    words: list[str | None],
    ages: list[int | None],
    suffix: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    frame = manifest_frame(
        {"image_id": image_id, "source_diagnosis": word, "age_approx": age}
        for image_id, word, age in zip(ids, words, ages, strict=False)
    )
    path = tmp_path_factory.mktemp("manifest") / f"m{suffix}"
    write_manifest(frame, path)
    assert read_manifest(path).equals(frame)


def test_image_paths_below_the_manifest_move_with_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    frame = manifest_frame([
        {"image_id": "in", "image_path": f"{tmp_path}/old/images/a.jpg", "mask_path": f"{tmp_path}/old/m"},
        {"image_id": "out", "image_path": str(tmp_path / "elsewhere/b.jpg")},
        {"image_id": "none"},
    ])  # fmt: skip
    write_manifest(frame, tmp_path / "old/m.csv")
    (tmp_path / "old").rename(tmp_path / "new")
    again = read_manifest(tmp_path / "new/m.csv")
    images = [f"{tmp_path}/new/images/a.jpg", f"{tmp_path}/elsewhere/b.jpg", None]
    assert again["image_path"].to_list() == images
    assert again["mask_path"][0] == str(tmp_path / "new/m")


def test_several_manifests_are_one(tmp_path: Path) -> None:
    write_manifest(manifest_frame([{"image_id": "a", "camera": "x"}]), tmp_path / "1.csv")
    write_manifest(manifest_frame([{"image_id": "b", "age_approx": 5}]), tmp_path / "2.parquet")
    frame = read_manifest(tmp_path / "1.csv", tmp_path / "2.parquet")
    assert frame.select("image_id", "camera", "age_approx").rows() == [("a", "x", None), ("b", None, 5)]
    with pytest.raises(ManifestError, match="1 image_id stand more than once: a"):
        read_manifest(tmp_path / "1.csv", tmp_path / "1.csv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("image_id,sex\n", "holds no rows"),
        ("id,sex\na,male\n", r"column 'image_id' is missing \(found: id, sex\)"),
        ("image_id\n\n", "image_id is missing in 1 rows|holds no rows"),
        ("image_id,sex\na,male\n,male\n", "image_id is missing in 1 rows: row 2"),
        ("image_id,sex\na,male,7,8\n", "cannot be read as a table"),
        ("image_id,age_approx\na,old\n", "m.csv: column 'age_approx' holds values"),
    ],
)
def test_files_that_are_no_manifest_are_refused(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=told):
        read_manifest(tmp_path / "m.csv")


def test_missing_files_folders_and_damaged_parquet_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"PAR1 but not really")
    for path, told in (
        ("no.csv", "does not exist"),
        (".", "is a folder"),
        ("m.parquet", "cannot be read as a table"),
    ):
        with pytest.raises(ManifestError, match=told):
            read_manifest(tmp_path / path)
    with pytest.raises(ManifestError, match="no manifest named"):
        read_manifest()


def test_text_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("lesion_id,n\n0012,1\n")
    (tmp_path / "t.tab").write_text("lesion_id\tn\n0012\t1\n")
    for name in ("t.csv", "t.tab"):
        assert read_table(tmp_path / name).rows() == [("0012", "1")]


def test_a_refused_write_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"does not end in \.parquet or \.csv"):
        write_manifest(manifest_frame([{"image_id": "a"}]), tmp_path / "m.xlsx")
    path = tmp_path / "m.csv"
    path.write_text("old")
    with pytest.raises(pl.exceptions.PolarsError):
        write_table(pl.DataFrame({"a": [[1, 2]]}), path)  # CSV has no lists
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["m.csv"]


def test_known_columns() -> None:
    frame = manifest_frame([{"image_id": "a", "lesion_id": "L"}])
    known_columns(frame, ["lesion_id"])
    with pytest.raises(ManifestError, match="column nonesuch is missing"):
        known_columns(frame, ["lesion_id", "nonesuch"])
    with pytest.raises(ManifestError, match="column sex holds no value in any row"):
        known_columns(frame, ["sex"])
