"""Importers on small folders made like the public data sets."""

from pathlib import Path

import polars as pl
import pytest
from isic_metadata.fields import AnatomSiteEnum, DiagnosisConfirmTypeEnum, DiagnosisEnum

from cutis.data.manifest import check_manifest
from cutis.data.sources import SOURCES, Imported, source, words
from cutis.data.sources import ham10000 as ham
from cutis.errors import ManifestError

HAM_HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization"
HAM_ROWS = (
    "HAM_1,ISIC_1,bkl,histo,80.0,male,scalp",
    "HAM_1,ISIC_2,bkl,histo,80.0,male,scalp",
    "HAM_2,ISIC_3,nv,follow_up,,unknown,acral",
    "HAM_3,ISIC_4,vasc,consensus,0.0,female,unknown",
)
PAD_HEADER = "patient_id,lesion_id,smoke,age,gender,fitspatrick,region,diagnostic,itch,img_id,biopsed"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(name: str, path: Path, **options: object) -> Imported:
    imported = source(name).import_from(path, **options)
    assert check_manifest(imported.frame) == []
    return imported


def by_id(imported: Imported, image_id: str) -> dict[str, object]:
    return imported.frame.row(by_predicate=pl.col("image_id") == image_id, named=True)


def test_every_path_of_the_isic_hierarchy_is_itself() -> None:
    assert [each.value for each in DiagnosisEnum if words.diagnosis_of(each.value).isic != each.value] == []


def test_a_path_without_a_node_of_its_own_goes_to_the_node_above_it() -> None:
    assert words.diagnosis_of("Benign:Benign - Other") == ("benign", "Benign:Benign - Other")
    assert words.diagnosis_of("Indeterminate") == (None, "Indeterminate")


@pytest.mark.parametrize("vocabulary", [name for name in dir(words) if name.endswith("_SITES")])
def test_every_site_word_goes_to_a_node_of_the_isic_hierarchy(vocabulary: str) -> None:
    assert set(getattr(words, vocabulary).values()) <= {each.value for each in AnatomSiteEnum}


def test_ham_confirmation_types_are_isic_values() -> None:
    assert set(ham.CONFIRM_TYPES.values()) <= {each.value for each in DiagnosisConfirmTypeEnum}


def test_every_legacy_word_of_the_archive_is_known_but_the_two_that_may_be_anything() -> None:
    from isic_metadata.fields import LegacyDxEnum

    unknown = [each.value for each in LegacyDxEnum if words.diagnosis_of(each.value) is None]
    assert unknown == ["adnexal tumor", "other"]


@pytest.mark.parametrize(
    "word", ["bcc", "BCC", "Basal cell carcinoma", "basal_cell_carcinoma", " Basal  cell carcinoma"]
)
def test_codes_and_names_of_a_diagnosis_mean_the_same(word: str) -> None:
    found = words.diagnosis_of(word)
    assert found is not None
    assert found.node == "basal-cell-carcinoma"
    assert found.isic is not None
    assert found.isic.endswith(":Basal cell carcinoma")


def test_sources_are_declared_whole() -> None:
    for name, each in SOURCES.items():
        assert each.name == name
        assert each.title
        assert each.expects
    public = [each for each in SOURCES.values() if each.name not in ("folder", "csv")]
    assert all(each.license and each.url for each in public)


def test_unknown_source_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ManifestError, match=r"no source is called 'ham'.*ham10000, isic"):
        source("ham")


def test_an_option_of_another_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not take --map"):
        source("ham10000").import_from(tmp_path, map={"a": "b"})


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere: does not exist\. HAM10000 is read from"):
        source("ham10000").import_from(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["ham10000", "isic", "isic2017", "pad-ufes-20", "folder"])
def test_a_file_an_empty_folder_and_a_foreign_folder_are_refused(name: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "hello")
    (tmp_path / "empty").mkdir()
    for path, told in (
        (file, "is a file"),
        (tmp_path / "empty", "is empty"),
        (tmp_path, "found|no class folders"),
    ):
        with pytest.raises(ManifestError, match=told):
            source(name).import_from(path)


class TestHam10000:
    def test_values_are_isics(self, tmp_path: Path) -> None:
        write(tmp_path / "HAM10000_metadata.csv", HAM_HEADER, *HAM_ROWS)
        touch(tmp_path / "HAM10000_images_part_1/ISIC_1.jpg", tmp_path / "HAM10000_images_part_2/ISIC_2.JPG")
        touch(
            tmp_path / "ISIC_3.jpg",
            tmp_path / "HAM10000_segmentations_lesion_tschandl/ISIC_1_segmentation.png",
        )
        imported = read("ham10000", tmp_path)
        first = by_id(imported, "ISIC_1")
        assert first["diagnosis"] == "Benign:Benign epidermal proliferations:Pigmented benign keratosis"
        assert (first["source_diagnosis"], first["source"], first["license"]) == (
            "bkl",
            "ham10000",
            "CC BY-NC 4.0",
        )
        assert first["diagnosis_confirm_type"] == "histopathology"
        assert (first["age_approx"], first["sex"], first["image_type"]) == (80, "male", "dermoscopic")
        assert first["anatom_site"] == "Head and neck:Head:Scalp"
        assert str(first["image_path"]).endswith("part_1/ISIC_1.jpg")
        assert str(first["mask_path"]).endswith("ISIC_1_segmentation.png")
        third = by_id(imported, "ISIC_3")
        assert (third["age_approx"], third["sex"], third["anatom_site"]) == (None, None, None)
        assert third["source_anatom_site"] == "acral"
        assert third["diagnosis_confirm_type"] == "serial imaging showing no change"

    def test_what_is_not_there_is_kept_and_told(self, tmp_path: Path) -> None:
        write(tmp_path / "HAM10000_metadata.csv", HAM_HEADER, *HAM_ROWS)
        touch(tmp_path / "ISIC_1.jpg", tmp_path / "ISIC_9.jpg")
        imported = read("ham10000", tmp_path)
        notes = "\n".join(imported.notes)
        assert len(imported.frame) == 4
        assert imported.frame["image_path"].null_count() == 3
        assert "1 of 4 rows have an image file" in notes
        assert "1 image files have no row and are left out: ISIC_9.jpg" in notes
        assert "'acral' (1)" in notes
        assert "'unknown'" not in notes.partition("anatomical sites")[2]

    def test_age_zero_is_left_out_and_told(self, tmp_path: Path) -> None:
        write(tmp_path / "HAM10000_metadata.csv", HAM_HEADER, *HAM_ROWS)
        imported = read("ham10000", tmp_path)
        assert by_id(imported, "ISIC_4")["age_approx"] is None
        assert any(each.startswith("age 0 in 1 rows is left out") for each in imported.notes)

    @pytest.mark.parametrize("name", ["HAM10000_metadata.tab", "HAM10000_metadata"])
    def test_the_dataverse_forms_of_the_metadata_are_read(self, name: str, tmp_path: Path) -> None:
        tab = name.endswith(".tab")
        lines = [f"{HAM_HEADER},dataset", *(f"{each},rosendahl" for each in HAM_ROWS)]
        lines = (
            ["\t".join(f'"{cell}"' if cell.isalpha() else cell for cell in each.split(",")) for each in lines]
            if tab
            else lines
        )
        write(tmp_path / "deep" / name, *lines)
        imported = read("ham10000", tmp_path)
        assert imported.frame["source_diagnosis"].to_list() == ["bkl", "bkl", "nv", "vasc"]
        assert imported.frame["dataset"].unique().to_list() == ["rosendahl"]

    def test_the_metadata_is_preferred_to_that_of_the_test_images(self, tmp_path: Path) -> None:
        write(tmp_path / "HAM10000_metadata.csv", HAM_HEADER, *HAM_ROWS)
        write(tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv", HAM_HEADER, HAM_ROWS[0])
        assert len(read("ham10000", tmp_path).frame) == 4
        write(tmp_path / "copy/HAM10000_metadata.csv", HAM_HEADER, *HAM_ROWS)
        with pytest.raises(ManifestError, match="2 tables may be the metadata"):
            source("ham10000").import_from(tmp_path)

    def test_two_files_of_one_image_are_refused_and_both_named(self, tmp_path: Path) -> None:
        write(tmp_path / "HAM10000_metadata.csv", HAM_HEADER, *HAM_ROWS)
        touch(tmp_path / "a/ISIC_1.jpg", tmp_path / "b/ISIC_1.png")
        with pytest.raises(
            ManifestError, match=r"1 images have more than one file: .*a/ISIC_1\.jpg and .*b/ISIC_1\.png"
        ):
            source("ham10000").import_from(tmp_path)

    @pytest.mark.parametrize(
        ("lines", "told"),
        [
            ([HAM_HEADER, *HAM_ROWS, "HAM_4,ISIC_5,xyz,histo,5,male,back"], "'dx' holds in 1 .*row 5: 'xyz'"),
            ([HAM_HEADER, "HAM_4,ISIC_5,,histo,5,male,back"], "row 1: nothing"),
            ([HAM_HEADER, "HAM_4,ISIC_5,nv,guess,5,male,back"], "'dx_type' .*'guess'"),
            ([HAM_HEADER, HAM_ROWS[0], HAM_ROWS[0]], "1 images stand more than once.*ISIC_1"),
            ([HAM_HEADER, "HAM_4,,nv,histo,5,male,back"], "'image_id' is missing in 1 rows: row 1"),
            ([HAM_HEADER, "HAM_4,ISIC_5,nv,histo,old,male,back"], "'age_approx' holds values .*row 1: 'old'"),
            ([HAM_HEADER.replace(",dx,", ",label,"), *HAM_ROWS], "HAM10000_metadata.csv lacks dx[),]"),
            ([HAM_HEADER], "holds no rows"),
            ([], "HAM10000_metadata.csv is empty"),
        ],
    )  # fmt: skip
    def test_wrong_metadata_is_refused(self, lines: list[str], told: str, tmp_path: Path) -> None:
        path = tmp_path / "HAM10000_metadata.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        with pytest.raises(ManifestError, match=told):
            source("ham10000").import_from(tmp_path)

    def test_folders_that_link_to_each_other_are_walked_once(self, tmp_path: Path) -> None:
        write(tmp_path / "set/HAM10000_metadata.csv", HAM_HEADER, *HAM_ROWS)
        touch(tmp_path / "elsewhere/ISIC_1.jpg", tmp_path / "elsewhere/._ISIC_2.jpg")
        (tmp_path / "set/images").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere/back").symlink_to(tmp_path / "set")
        imported = read("ham10000", tmp_path / "set")
        assert imported.frame["image_path"].is_not_null().to_list() == [True, False, False, False]


class TestIsic2017:
    HEADER = "image_id,melanoma,seborrheic_keratosis"

    def folder(self, root: Path) -> Path:
        write(root / "ISIC-2017_Training_Part3_GroundTruth.csv", self.HEADER, "I_1,1.0,0.0", "I_2,0.0,0.0")
        write(root / "ISIC-2017_Validation_Part3_GroundTruth.csv", self.HEADER, "I_3,0,1")
        write(
            root / "ISIC-2017_Training_Data_metadata.csv",
            "image_id,age_approximate,sex",
            "I_1,55,female",
            "I_2,unknown,unknown",
        )
        touch(root / "ISIC-2017_Training_Data/I_1.jpg", root / "ISIC-2017_Training_Data/I_1_superpixels.png")
        touch(root / "ISIC-2017_Training_Data/I_2.jpg", root / "ISIC-2017_Validation_Data/I_3.jpg")
        return root  # fmt: skip

    def test_official_parts_and_values(self, tmp_path: Path) -> None:
        imported = read("isic2017", self.folder(tmp_path))
        assert imported.frame["source_diagnosis"].to_list() == ["melanoma", "nevus", "seborrheic_keratosis"]
        assert imported.frame["subset"].to_list() == ["train", "train", "val"]
        assert imported.frame["age_approx"].to_list() == [55, None, None]
        assert imported.frame["sex"].to_list() == ["female", None, None]
        assert imported.frame["image_path"].null_count() == 0
        assert imported.notes == (
            "1 images of subset 'val' have no metadata: age and sex are missing",
            "the official part 'test' is not there",
        )

    def test_test_part_is_taken_where_it_is_there(self, tmp_path: Path) -> None:
        write(self.folder(tmp_path) / "ISIC-2017_Test_v2_Part3_GroundTruth.csv", self.HEADER, "I_4,0,0")
        imported = read("isic2017", tmp_path)
        assert by_id(imported, "I_4")["subset"] == "test"
        assert by_id(imported, "I_4")["image_path"] is None

    @pytest.mark.parametrize(
        ("row", "told"),
        [("I_9,1,1", "both 1"), ("I_9,x,0", "not 0 or 1"), ("I_1,0,0", "stand more than once")],
    )
    def test_wrong_labels_are_refused(self, row: str, told: str, tmp_path: Path) -> None:
        write(self.folder(tmp_path) / "ISIC-2017_Test_v2_Part3_GroundTruth.csv", self.HEADER, row)
        with pytest.raises(ManifestError, match=told):
            source("isic2017").import_from(tmp_path)

    def test_training_part_is_needed(self, tmp_path: Path) -> None:
        (self.folder(tmp_path) / "ISIC-2017_Training_Part3_GroundTruth.csv").unlink()
        with pytest.raises(ManifestError, match="no training ground truth"):
            source("isic2017").import_from(tmp_path)


class TestIsicChallenges:
    HEADER_2018 = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
    HEADER_2019 = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK"

    def test_2018_with_lesion_groupings(self, tmp_path: Path) -> None:
        write(
            tmp_path / "ISIC2018_Task3_Training_GroundTruth/a_Training.csv",
            self.HEADER_2018,
            "I_1,0.0,1.0,0,0,0,0,0",
            "I_2,0,0,0,1,0,0,0",
        )
        write(
            tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv",
            "image,lesion_id,diagnosis confirm type",
            "I_1,HAM_1,histopathology",
            "I_2,HAM_2,single image expert consensus",
        )
        touch(tmp_path / "ISIC2018_Task3_Training_Input/I_1.jpg")
        imported = read("isic", tmp_path)
        assert imported.notes[0] == "recognised as ISIC 2018"
        assert imported.frame["source"].unique().to_list() == ["isic2018"]
        assert imported.frame["source_diagnosis"].to_list() == ["NV", "AKIEC"]
        assert imported.frame["lesion_id"].to_list() == ["HAM_1", "HAM_2"]
        assert imported.frame["diagnosis_confirm_type"].to_list() == [
            "histopathology",
            "single image expert consensus",
        ]
        assert imported.frame["subset"].to_list() == [None, None]  # fmt: skip

    def test_parts_become_subsets_where_there_are_several(self, tmp_path: Path) -> None:
        for part, image in (("Training", "I_1"), ("Validation", "I_2"), ("Test", "I_3")):
            write(
                tmp_path / f"ISIC2018_Task3_{part}_GroundTruth.csv",
                self.HEADER_2018,
                f"{image},1,0,0,0,0,0,0",
            )
        imported = read("isic", tmp_path)
        assert {row["image_id"]: row["subset"] for row in imported.frame.to_dicts()} == {
            "I_1": "train",
            "I_2": "val",
            "I_3": "test",
        }
        assert any("no *LesionGroupings*.csv" in each for each in imported.notes)  # fmt: skip

    def test_2019_labels_only_are_said_to_be_so(self, tmp_path: Path) -> None:
        write(
            tmp_path / "ISIC_2019_Training_GroundTruth.csv",
            self.HEADER_2019,
            "I_1,0,0,0,0,0,0,0,1,0",
            "I_2,0,0,0,0,0,0,0,0,1",
        )
        write(
            tmp_path / "ISIC_2019_Training_Metadata.csv",
            "image,age_approx,anatom_site_general,lesion_id,sex",
            "I_1,85,palms/soles,BCN_1,male",
            "I_2,0,anterior torso,,",
        )
        imported = read("isic", tmp_path)
        first, second = by_id(imported, "I_1"), by_id(imported, "I_2")
        assert str(first["diagnosis"]).endswith("Squamous cell carcinoma, NOS")
        assert (first["lesion_id"], first["age_approx"], first["sex"], first["anatom_site"]) == (
            "BCN_1",
            85,
            "male",
            None,
        )
        assert (second["diagnosis"], second["source_diagnosis"], second["age_approx"]) == (None, "UNK", None)
        assert second["anatom_site"] == "Trunk:Anterior trunk"
        notes = "\n".join(imported.notes)
        assert "labels only" in notes
        assert "1 rows are UNK" in notes
        assert "'palms/soles' (1)" in notes  # fmt: skip

    def test_2020_with_and_without_lesion_ids(self, tmp_path: Path) -> None:
        patient = "image_name,patient_id,sex,age_approx,anatom_site_general_challenge"
        header = f"{patient},diagnosis,benign_malignant,target"
        rows = (
            "I_1,IP_1,male,45.0,head/neck,unknown,benign,0",
            "I_2,IP_1,male,45,torso,melanoma,malignant,1",
        )
        write(tmp_path / "train.csv", header, *rows, "I_3,IP_2,,,,adnexal tumor,benign,0")
        write(
            tmp_path / "test.csv",
            "image_name,patient_id,sex,age_approx,anatom_site_general_challenge",
            "I_7,IP_3,male,50,torso",
        )
        write(tmp_path / "sample_submission.csv", "image_name,target", "I_7,0")
        touch(tmp_path / "jpeg/train/I_1.jpg")
        imported = read("isic", tmp_path)
        assert imported.frame["diagnosis"].to_list() == [
            "Benign",
            "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma, NOS",
            "Benign",
        ]
        assert imported.frame["source_diagnosis"].to_list() == ["unknown", "melanoma", "adnexal tumor"]
        assert imported.frame["patient_id"].to_list() == ["IP_1", "IP_1", "IP_2"]
        assert imported.frame["lesion_id"].null_count() == 3
        notes = "\n".join(imported.notes)
        assert "2 rows tell no diagnosis but only whether" in notes
        assert "diagnoses that no ISIC value fits, kept in source_diagnosis: 'adnexal tumor' (1)" in notes
        write(
            tmp_path / "train.csv",
            header.replace("sex", "lesion_id,sex"),
            "I_1,IP_1,IL_1,male,45,torso,nevus,benign,0",
        )
        assert by_id(read("isic", tmp_path), "I_1")["lesion_id"] == "IL_1"  # fmt: skip

    def test_two_challenges_in_one_folder_are_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "a.csv", self.HEADER_2018, "I_1,1,0,0,0,0,0,0")
        write(tmp_path / "b.csv", self.HEADER_2019, "I_1,1,0,0,0,0,0,0,0,0")
        with pytest.raises(ManifestError, match="challenges of 2018, 2019"):
            source("isic").import_from(tmp_path)

    @pytest.mark.parametrize(
        "marks", ["0.9,0.1,0,0,0,0,0", "1,1,0,0,0,0,0", "0,0,0,0,0,0,0", ",,,,,,", "2,-1,0,0,0,0,0"]
    )
    def test_predictions_are_not_taken_for_ground_truth(self, marks: str, tmp_path: Path) -> None:
        write(tmp_path / "a.csv", self.HEADER_2018, f"I_1,{marks}")
        with pytest.raises(ManifestError, match=r"1 rows do not have a single 1 .*row 1 \(I_1\)"):
            source("isic").import_from(tmp_path)

    def test_the_2017_challenge_is_sent_to_its_own_source(self, tmp_path: Path) -> None:
        write(tmp_path / "a.csv", TestIsic2017.HEADER, "I_1,0,0")
        with pytest.raises(ManifestError, match="use the source isic2017"):
            source("isic").import_from(tmp_path)


class TestPad:
    ROWS = (
        "PAT_1,7,True,55,FEMALE,3.0,NECK,BCC,True,PAT_1_7_1.png,True",
        "PAT_2,7,,8,,,ARM,NEV,UNK,PAT_2_7_2.png,False",
    )

    def test_values_are_isics_and_the_rest_is_kept(self, tmp_path: Path) -> None:
        write(tmp_path / "metadata.csv", PAD_HEADER, *self.ROWS)
        touch(tmp_path / "images/imgs_part_1/PAT_1_7_1.jpg")
        imported = read("pad-ufes-20", tmp_path)
        first, second = by_id(imported, "PAT_1_7_1"), by_id(imported, "PAT_2_7_2")
        assert str(first["diagnosis"]).endswith(":Basal cell carcinoma")
        assert (first["fitzpatrick_skin_type"], first["sex"], first["age_approx"]) == ("III", "female", 55)
        assert first["anatom_site"] == "Head and neck:Neck"
        assert (first["diagnosis_confirm_type"], second["diagnosis_confirm_type"]) == ("histopathology", None)
        assert (first["image_type"], first["itch"], first["smoke"]) == ("clinical: close-up", "True", "True")
        assert str(first["image_path"]).endswith("PAT_1_7_1.jpg")
        assert (second["image_path"], second["sex"], second["fitzpatrick_skin_type"]) == (None, None, None)

    def test_a_lesion_id_of_two_patients_is_two_lesions(self, tmp_path: Path) -> None:
        write(tmp_path / "metadata.csv", PAD_HEADER, *self.ROWS)
        imported = read("pad-ufes-20", tmp_path)
        assert imported.frame["lesion_id"].to_list() == ["PAT_1_7", "PAT_2_7"]
        assert any("1 lesion ids are used for two patients" in each for each in imported.notes)

    def test_an_unknown_diagnosis_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "metadata.csv", PAD_HEADER, self.ROWS[0].replace("BCC", "XXX"))
        with pytest.raises(ManifestError, match=r"'diagnostic' .*'XXX'"):
            source("pad-ufes-20").import_from(tmp_path)
