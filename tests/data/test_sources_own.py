"""Importers of one's own images: class folders and generic tables."""

from pathlib import Path

import polars as pl
import pytest

from cutis.data.manifest import check_manifest, read_manifest, write_manifest
from cutis.data.sources import Imported, source
from cutis.errors import ManifestError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def table(path: Path, *lines: str, bom: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig" if bom else "utf-8")
    return path


def read(name: str, path: Path, **options: object) -> Imported:
    imported = source(name).import_from(path, **options)
    assert check_manifest(imported.frame) == []
    return imported


class TestFolder:
    def test_folder_names_are_diagnoses(self, tmp_path: Path) -> None:
        touch(
            tmp_path / "melanoma/1.jpg",
            tmp_path / "Basal_cell_carcinoma/1.PNG",
            tmp_path / "odd things/deep/2.tiff",
        )
        touch(tmp_path / "readme.txt", tmp_path / "loose.jpg", tmp_path / "melanoma/notes.csv")
        imported = read("folder", tmp_path)
        rows = {row["image_id"]: row for row in imported.frame.to_dicts()}
        assert set(rows) == {"melanoma/1", "Basal_cell_carcinoma/1", "odd things/deep/2"}
        assert rows["melanoma/1"]["diagnosis"].endswith("Melanoma, NOS")
        assert rows["Basal_cell_carcinoma/1"]["diagnosis"].endswith(":Basal cell carcinoma")
        assert rows["odd things/deep/2"]["diagnosis"] is None
        assert rows["odd things/deep/2"]["source_diagnosis"] == "odd things"
        assert all(row["subset"] is None for row in rows.values())
        assert imported.notes == (
            "1 images lie outside the class folders and are left out: loose.jpg",
            "class folders that no ISIC value fits, kept in source_diagnosis: 'odd things' (1)",
        )

    def test_part_folders_become_subsets(self, tmp_path: Path) -> None:
        touch(tmp_path / "Train/mel/1.jpg", tmp_path / "validation/mel/2.jpg", tmp_path / "test/nv/3.jpg")
        imported = read("folder", tmp_path)
        assert dict(zip(imported.frame["image_id"], imported.frame["subset"], strict=True)) == {
            "Train/mel/1": "train",
            "validation/mel/2": "val",
            "test/nv/3": "test",
        }
        assert imported.frame["source_diagnosis"].to_list() == ["mel", "nv", "mel"]

    def test_two_files_of_one_name_are_refused_and_both_named(self, tmp_path: Path) -> None:
        touch(tmp_path / "mel/1.jpg", tmp_path / "mel/1.png")
        with pytest.raises(ManifestError, match=r"mel/1\.jpg and .*mel/1\.png"):
            source("folder").import_from(tmp_path)

    def test_images_without_class_folders_are_refused(self, tmp_path: Path) -> None:
        touch(tmp_path / "1.jpg")
        with pytest.raises(ManifestError, match="no class folders"):
            source("folder").import_from(tmp_path)


class TestCsv:
    def test_mapped_columns_words_and_images(self, tmp_path: Path) -> None:
        path = table(
            tmp_path / "labels.csv",
            "file,label,sex,age_approx,fitzpatrick_skin_type,camera,lesion_id",
            "a/1.jpg,BKL,F,55.0,3,Canon,0012",
            "2,Nevus,unknown,85+,iv,Nikon,0013",
            "3.png,warty thing,male,,,,",
            bom=True,
        )
        touch(tmp_path / "a/1.jpg", tmp_path / "b/c/2.JPEG")
        imported = read("csv", path, map={"image_id": "file", "diagnosis": "label"})
        rows = {row["image_id"]: row for row in imported.frame.to_dicts()}
        assert set(rows) == {"a/1", "2", "3"}
        assert rows["a/1"]["diagnosis"].endswith("Pigmented benign keratosis")
        assert rows["a/1"]["source_diagnosis"] == "BKL"
        assert (rows["a/1"]["sex"], rows["a/1"]["age_approx"], rows["a/1"]["fitzpatrick_skin_type"]) == (
            "female",
            55,
            "III",
        )
        assert (rows["a/1"]["camera"], rows["a/1"]["lesion_id"]) == ("Canon", "0012")
        assert (rows["2"]["sex"], rows["2"]["age_approx"], rows["2"]["fitzpatrick_skin_type"]) == (
            None,
            85,
            "IV",
        )
        assert rows["2"]["image_path"] == str(tmp_path / "b/c/2.JPEG")
        assert (rows["3"]["image_path"], rows["3"]["diagnosis"], rows["3"]["source_diagnosis"]) == (
            None,
            None,
            "warty thing",
        )
        assert imported.notes == (
            "no image file found for 1 of 3 rows, image_path is missing there: 3",
            "diagnoses that no ISIC value fits, kept in source_diagnosis: 'warty thing' (1)",
        )

    def test_images_are_looked_for_in_the_folder_named(self, tmp_path: Path) -> None:
        path = table(tmp_path / "tables/labels.csv", "image_id,diagnosis", "1,nv")
        touch(tmp_path / "photos/1.jpg")
        assert read("csv", path).frame["image_path"].to_list() == [None]
        found = read("csv", path, images=tmp_path / "photos").frame["image_path"].to_list()
        assert found == [str(tmp_path / "photos/1.jpg")]
        with pytest.raises(ManifestError, match="is not a folder"):
            source("csv").import_from(path, images=tmp_path / "nowhere")

    def test_a_column_in_the_way_of_the_map_is_kept_aside(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", "image_id,diagnosis,label", "1,see letter,nv", "2,see letter,mel")
        imported = read("csv", path, map={"diagnosis": "label"})
        assert imported.frame["source_diagnosis"].to_list() == ["nv", "mel"]
        assert imported.frame["original_diagnosis"].to_list() == ["see letter"] * 2
        assert "kept as original_" in imported.notes[0]

    def test_one_column_may_fill_two(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", "name,dx", "p1,nv", "p2,mel")
        frame = read("csv", path, map={"image_id": "name", "patient_id": "name", "diagnosis": "dx"}).frame
        assert frame["patient_id"].to_list() == ["p1", "p2"]
        assert "name" not in frame.columns

    def test_a_manifest_can_be_imported_again(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", "image_id,diagnosis,anatom_site", "1,Nevus,Trunk", "2,mel,")
        touch(tmp_path / "1.jpg")
        frame = read("csv", path).frame
        write_manifest(frame, tmp_path / "m.csv")
        again = read("csv", tmp_path / "m.csv").frame
        assert again.equals(frame)
        assert read_manifest(tmp_path / "m.csv").equals(frame)

    @pytest.mark.parametrize(
        ("lines", "columns", "told"),
        [
            (["a,b", "1,2"], {}, r"no column for image_id \(found: a, b\)"),
            (["a,b", "1,2"], {"image_id": "c"}, r"column c is missing \(found: a, b\)"),
            (["a,b", "1,2"], {"imageid": "a"}, "--map names imageid, not a manifest column"),
            (["image_id,diagnosis", "1,nv", "1,nv"], {}, "1 images stand more than once"),
            (["image_id,diagnosis", "1.jpg,nv", "1.png,nv"], {}, "1 images stand more than once"),
            (["image_id,diagnosis", ",nv"], {}, "'image_id' is missing in 1 rows"),
            (["image_id,age_approx", "1,old"], {}, "'age_approx' holds values"),
            (["image_id,diagnosis"], {}, "holds no rows"),
        ],
    )
    def test_wrong_tables_are_refused(
        self, lines: list[str], columns: dict[str, str], told: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ManifestError, match=told):
            source("csv").import_from(table(tmp_path / "a.csv", *lines), map=columns)

    def test_no_table_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "zero.csv").touch()
        for path, told in (
            (tmp_path, "is a folder"),
            (tmp_path / "zero.csv", "is empty"),
            (tmp_path / "no.csv", "does not exist"),
        ):
            with pytest.raises(ManifestError, match=told):
                source("csv").import_from(path)

    def test_two_files_of_one_stem_are_refused(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", "image_id", "1")
        touch(tmp_path / "x/1.jpg", tmp_path / "y/1.jpg")
        with pytest.raises(ManifestError, match=r"x/1\.jpg and .*y/1\.jpg"):
            source("csv").import_from(path)

    def test_words_for_unknown_are_missing_values(self, tmp_path: Path) -> None:
        path = table(
            tmp_path / "a.csv",
            "image_id,lesion_id,anatom_site,age_approx",
            "1,unknown,NA,nan",
            "2,L2,Trunk,40",
        )
        frame = read("csv", path).frame
        assert frame.select(pl.col("lesion_id", "anatom_site", "age_approx").null_count()).row(0) == (1, 1, 1)
