"""Phantom lesions: the same seed gives the same bytes, and the truth tells what is in each picture."""

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cutis.data.manifest import check_manifest
from cutis.data.phantom.dataset import make_phantoms
from cutis.data.phantom.lesion import APPEARANCES, phantom_lesion
from cutis.data.phantom.patients import plan_cases
from cutis.data.phantom.structures import STRUCTURES
from cutis.data.phantom.view import (
    CLINICAL,
    ITA_RANGES,
    PhantomView,
    draw_phantom,
    fitzpatrick_of,
    phantom_view,
    typology_angle,
)
from cutis.errors import CutisError
from cutis.taxonomy import class_set, shipped_taxonomy

HAM7 = class_set("ham7")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    manifest = make_phantoms(folder)
    return folder, manifest, pl.read_parquet(folder / "truth.parquet")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def plain(lesion_seed: int = 1, diagnosis: str = "nv", **changes: object):
    lesion = phantom_lesion(diagnosis, lesion_seed)
    return dataclasses.replace(lesion, **{"structures": {}, "diameter_mm": 7.0, **changes})


# The data set


def test_same_arguments_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_phantoms(tmp_path / name, patients=8, seed=seed, size=(60, 80), planted_duplicates=2)
    first, again, other = (contents(tmp_path / name) for name in "abc")
    assert first == again
    assert first["images/PHANTOM_0000001.jpg"] != other["images/PHANTOM_0000001.jpg"]


def test_any_image_drawn_alone_is_the_one_in_the_folder(
    made: tuple[Path, pl.DataFrame, pl.DataFrame],
) -> None:
    folder, _, _ = made
    cases = plan_cases(114, 0, 0.25)
    views = [(case, view) for case in cases for view in case.views]
    for number in (len(views) - 1, 7, 200):
        case, view = views[number]
        image = draw_phantom(case.lesion, view).image
        jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
        assert (folder / "images" / f"PHANTOM_{number + 1:07d}.jpg").read_bytes() == jpeg


def test_manifest_is_without_fault_and_diagnoses_fall_in_their_classes(made) -> None:
    _, manifest, _ = made
    assert check_manifest(manifest) == []
    for diagnosis, word in manifest.select("diagnosis", "source_diagnosis").unique().iter_rows():
        assert f"phantom {HAM7.assign(shipped_taxonomy().of_isic(diagnosis))}" == word


def test_synthetic_is_named_everywhere(made) -> None:
    _, manifest, truth = made
    for column in ("image_id", "lesion_id", "patient_id"):
        assert manifest[column].str.starts_with("PHANTOM_").all()
    assert manifest["source_diagnosis"].str.starts_with("phantom ").all()
    assert manifest["source"].unique().to_list() == ["phantom"]
    assert manifest["attribution"].unique().to_list() == ["cutis phantom, synthetic"]
    assert manifest["license"].unique().to_list() == ["CC0-1.0"]
    assert truth["image_id"].to_list() == manifest["image_id"].to_list()


def test_boxes_are_those_of_the_masks_and_sizes_agree(made) -> None:
    _, manifest, _ = made
    for row in manifest.iter_rows(named=True):
        mask = np.asarray(Image.open(row["mask_path"]))
        assert Image.open(row["image_path"]).size == (200, 150) == mask.shape[::-1]
        assert set(np.unique(mask)) <= {0, 255}
        rows, columns = np.nonzero(mask)
        assert (row["box_left"], row["box_top"]) == (columns.min(), rows.min())
        assert row["box_width"] == columns.max() - columns.min() + 1
        assert row["box_height"] == rows.max() - rows.min() + 1


def test_patients_lesions_and_views(made) -> None:
    _, manifest, truth = made
    assert manifest["patient_id"].n_unique() == 120
    assert manifest.group_by("lesion_id").len()["len"].is_between(1, 3).all()
    lesions = manifest.group_by("patient_id").agg(pl.col("lesion_id").n_unique())["lesion_id"]
    assert lesions.is_between(1, 3).all()
    assert set(lesions) == {1, 2, 3}
    of_a_lesion = ["diagnosis_class", *STRUCTURES, "ita_degrees", "diameter_mm"]
    same = truth.group_by("lesion_id").agg(pl.col(of_a_lesion).n_unique()).drop("lesion_id")
    assert same.max().row(0) == (1,) * len(of_a_lesion)
    assert truth["rotation_degrees"].n_unique() > 300


@pytest.mark.parametrize("seed", range(5))
def test_diagnoses_are_uneven_but_none_has_fewer_than_eight_lesions(seed: int) -> None:
    cases = plan_cases(114, seed, 0.25)
    counts = pl.Series([each.lesion.diagnosis for each in cases]).value_counts().sort("count")
    assert set(counts[""]) == set(HAM7.ids)
    assert counts["count"][0] >= 8
    assert counts[""][-1] == "nv"
    assert counts["count"][-1] > 3 * counts["count"][0]


def test_few_patients_are_no_trouble(tmp_path: Path) -> None:
    manifest = make_phantoms(tmp_path / "one", patients=1, size=(48, 64), planted_duplicates=0)
    assert check_manifest(manifest) == []
    assert manifest["patient_id"].n_unique() == 1


def test_skin_types_and_angles_agree(made) -> None:
    _, manifest, truth = made
    both = manifest.join(truth, on="image_id").drop_nulls("fitzpatrick_skin_type")
    assert set(both["fitzpatrick_skin_type"]) == {"I", "II", "III", "IV", "V", "VI"}
    for skin_type, ita in both.select("fitzpatrick_skin_type", "ita_degrees").iter_rows():
        assert fitzpatrick_of(ita) == skin_type


def test_smartphone_images_are_as_many_as_asked(tmp_path: Path, made) -> None:
    _, manifest, truth = made
    clinical = (manifest["image_type"] == CLINICAL).mean()
    assert 0.15 < clinical < 0.35
    assert (truth["clinical"] == (manifest["image_type"] == CLINICAL)).all()
    assert truth.filter(pl.col("clinical"))["bubbles"].sum() == 0
    for fraction in (0.0, 1.0):
        some = make_phantoms(
            tmp_path / str(fraction),
            patients=4,
            size=(48, 64),
            clinical_fraction=fraction,
            planted_duplicates=0,
        )
        assert (some["image_type"] == CLINICAL).mean() == fraction


def test_records_go_with_the_diagnosis_and_some_facts_are_missing(made) -> None:
    _, manifest, _ = made
    age = dict(manifest.group_by("source_diagnosis").agg(pl.col("age_approx").mean()).iter_rows())
    assert age["phantom nv"] + 8 < age["phantom bcc"]
    assert manifest.filter(pl.col("source_diagnosis") == "phantom mel")[
        "diagnosis_confirm_type"
    ].unique().to_list() == ["histopathology"]
    for column in ("age_approx", "sex", "anatom_site", "fitzpatrick_skin_type"):
        assert 0 < manifest[column].null_count() < 0.25 * len(manifest)
    assert manifest["acquired_at"].null_count() == 0


def test_planted_duplicates_show_the_same_picture_under_another_lesion_and_patient(made) -> None:
    folder, manifest, truth = made
    planted = truth.filter(pl.col("duplicate_of").is_not_null())
    assert len(planted) == 6
    row = {each["image_id"]: each for each in manifest.iter_rows(named=True)}

    def seen(image_id: str) -> np.ndarray:
        grey = np.asarray(Image.open(folder / "images" / f"{image_id}.jpg").convert("L").resize((20, 15)), float)
        return (grey - grey.mean()) / grey.std()

    first_ones = truth.filter(pl.col("duplicate_of").is_null())["image_id"].to_list()
    pictures = np.stack([seen(each) for each in first_ones])
    for each in planted.iter_rows(named=True):
        copy, original = row[each["image_id"]], row[each["duplicate_of"]]
        for column in ("lesion_id", "patient_id"):
            assert copy[column] != original[column]
        assert copy["diagnosis"] == original["diagnosis"]
        assert copy["fitzpatrick_skin_type"] == original["fitzpatrick_skin_type"]
        assert Path(copy["image_path"]).read_bytes() != Path(original["image_path"]).read_bytes()
        picture = seen(each["image_id"])[:, :: -1 if each["mirrored"] else 1]
        likest = first_ones[int((pictures * picture).mean(axis=(1, 2)).argmax())]
        assert row[likest]["lesion_id"] == original["lesion_id"]
    assert planted["cropped_to"].is_between(0.86, 0.97).all()


def test_progress_counts_every_image(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    manifest = make_phantoms(
        tmp_path / "set",
        patients=3,
        size=(48, 64),
        planted_duplicates=1,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(done, len(manifest)) for done in range(1, len(manifest) + 1)]


def test_earlier_phantoms_are_replaced_but_no_other_folder_is(tmp_path: Path) -> None:
    make_phantoms(tmp_path / "set", patients=6, size=(48, 64), planted_duplicates=0)
    manifest = make_phantoms(tmp_path / "set", patients=1, size=(48, 64), planted_duplicates=0)
    assert len(list((tmp_path / "set" / "images").iterdir())) == len(manifest)
    (tmp_path / "set" / "thesis.txt").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(CutisError, match=r"thesis\.txt"):
        make_phantoms(tmp_path / "set", patients=1, size=(48, 64), planted_duplicates=0)
    assert contents(tmp_path) == before


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_phantoms(tmp_path / "set", patients=3, size=(48, 64), planted_duplicates=0, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"patients": 5}, "5 patients cannot have 6 planted duplicates"),
        ({"planted_duplicates": -1}, "-1 planted duplicates"),
        ({"seed": -1}, "seed is -1"),
        ({"size": (20, 200)}, "size is 20 × 200"),
        ({"clinical_fraction": 1.5}, r"clinical_fraction is 1\.5"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, object], told: str) -> None:
    with pytest.raises(CutisError, match=told):
        make_phantoms(tmp_path / "set", **wrong)
    assert not (tmp_path / "set").exists()


# One lesion and one view


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_planted_structure_changes_the_picture_only_where_it_lies(name: str) -> None:
    home = next(each for each in APPEARANCES if APPEARANCES[each].structures.get(name, 0) > 0.3)
    view = PhantomView(ita=45, width_mm=16, seed=5, rotation=30)
    for seed in range(3):
        without = draw_phantom(plain(seed, home), view)
        drawn = draw_phantom(plain(seed, home, structures={name: 0.8}), view)
        change = np.abs(drawn.image.astype(int) - without.image).max(axis=2)
        where = cv2.dilate(drawn.structures[name], np.ones((5, 5), np.uint8)) > 0
        assert change[~where].max(initial=0) <= 10  # the 4 % of an edge that the mask leaves out
        assert change[where].max() > 30
        inside = drawn.structures[name] > 0
        assert inside.sum() > 20
        assert (drawn.mask[inside] > 0).all()
        assert without.structures == {}


@pytest.mark.parametrize("diagnosis", HAM7.ids)
def test_every_diagnosis_has_structures_that_others_rarely_have_and_may_lack_them(diagnosis: str) -> None:
    look = APPEARANCES[diagnosis]
    lesions = [phantom_lesion(diagnosis, seed) for seed in range(300)]
    for name, probability in look.structures.items():
        seen = np.mean([name in each.structures for each in lesions])
        assert abs(seen - probability) < 4 * math.sqrt(probability * (1 - probability) / 300)
        assert probability < 1
    typical = max(look.structures, key=lambda name: look.structures[name])
    others = [each.structures.get(typical, 0) for other, each in APPEARANCES.items() if other != diagnosis]
    assert look.structures[typical] > 3 * max(others)
    assert all(0 < each <= 1 for lesion in lesions for each in lesion.structures.values())
    assert HAM7.assign(shipped_taxonomy().of_isic(look.diagnosis)) == diagnosis


def test_classes_are_exactly_those_of_ham7() -> None:
    assert set(APPEARANCES) == set(HAM7.ids)


@pytest.mark.parametrize("ita", [-55, -35, -10, 5, 20, 35, 48, 65])
@pytest.mark.parametrize("clinical", [False, True])
def test_plainly_lit_skin_measures_the_wanted_typology_angle(ita: float, clinical: bool) -> None:
    image_type = CLINICAL if clinical else "dermoscopic"
    drawn = draw_phantom(plain(), PhantomView(ita=ita, image_type=image_type, width_mm=20, seed=2))
    skin = drawn.image[cv2.dilate(drawn.mask, np.ones((25, 25), np.uint8)) == 0]
    assert len(skin) > 5000
    assert typology_angle(skin) == pytest.approx(ita, abs=2.5)


def test_the_typology_angle_is_that_of_a_measured_colour() -> None:
    # ColorChecker "light skin", sRGB 194 150 130: L* 65.7, a* 18.1, b* 17.8 (BabelColor, D50) give 41°.
    light_skin = np.array([[194, 150, 130]], np.uint8)
    assert typology_angle(light_skin) == pytest.approx(41, abs=3)


@given(st.floats(-89, 89))
def test_every_angle_has_the_type_whose_range_holds_it(ita: float) -> None:
    low, high = ITA_RANGES[fitzpatrick_of(ita)]
    assert low < ita or low == -60
    assert ita <= high or high == 70


def test_limits_between_skin_types_are_the_published_ones() -> None:
    around = {
        55: "II",
        55.1: "I",
        41: "III",
        41.1: "II",
        28: "IV",
        28.1: "III",
        10: "V",
        10.1: "IV",
        -30: "VI",
        -29.9: "V",
    }
    assert {ita: fitzpatrick_of(ita) for ita in around} == around


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(HAM7.ids), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans())
def test_any_lesion_in_any_view_is_seen(diagnosis: str, seed: int, view_seed: int, clinical: bool) -> None:
    view = phantom_view(30, view_seed, clinical=clinical)
    drawn = draw_phantom(phantom_lesion(diagnosis, seed), view, (75, 100))
    assert drawn.image.shape == (75, 100, 3)
    assert drawn.image.dtype == np.uint8
    assert drawn.mask.shape == (75, 100)
    assert 0.001 < (drawn.mask > 0).mean() < 0.9
    assert drawn.image.std() > 2


def test_a_smartphone_shows_more_skin_and_a_smaller_lesion() -> None:
    lesion = plain()
    area = {
        clinical: np.mean(
            [(draw_phantom(lesion, phantom_view(30, seed, clinical=clinical)).mask > 0).mean() for seed in range(8)]
        )
        for clinical in (False, True)
    }
    assert area[True] < area[False] / 2


@pytest.mark.parametrize(
    "artefact",
    [
        {"hairs": 12},
        {"hairs": 12, "light_hair": True},
        {"ruler": True},
        {"bubbles": 6},
        {"dark_corners": 1.0},
        {"gradient": 0.5},
        {"cast": (1.15, 1.0, 0.85)},
        {"blur": 1.5},
        {"noise": 0.03},
    ],
    ids=str,
)
def test_each_artefact_changes_the_picture_and_not_the_truth(artefact: dict[str, object]) -> None:
    lesion, view = plain(4, "bkl", structures={"milia_like_cysts": 1.0}), PhantomView(ita=40, seed=9)
    clean, marred = draw_phantom(lesion, view), draw_phantom(lesion, dataclasses.replace(view, **artefact))
    assert np.abs(clean.image.astype(int) - marred.image).max() > 15
    assert (clean.mask == marred.mask).all()


def test_what_there_is_no_phantom_of_is_named() -> None:
    with pytest.raises(CutisError, match=r"no phantoms of 'wart'.*akiec"):
        phantom_lesion("wart", 1)
    with pytest.raises(CutisError, match=r"no phantom structure is called dots.*globules"):
        plain(structures={"dots": 1.0})
