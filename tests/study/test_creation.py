"""Making a study: its cases, pictures without metadata, the AI's answers and maps, all or nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from cutis.data import content_key, fit_image, manifest_frame, read_image, read_manifest, write_manifest
from cutis.errors import ImageError
from cutis.evaluation import ClassThreshold, Predictions, ThresholdRule, Thresholds, write_predictions
from cutis.models import Architecture, Bundle, Calibration, ImageSize, LesionClassifier, load_bundle, save_bundle
from cutis.study.allocation import allocate
from cutis.study.case_pictures import MOST_SIDE, case_picture, map_on_photograph
from cutis.study.creation import kept_outputs, make_study, plan_study, study_home
from cutis.study.design import StudyError, parse_design
from cutis.study.store import answered_steps, list_studies, open_store, verify_chain
from cutis.study.store.kept_cases import kept_case
from cutis.study.study_folder import begin_study_folder, check_pictures, opened_study_folder
from cutis.taxonomy import class_set

NOW = datetime(2031, 3, 1, 9, 0, tzinfo=UTC)
NODES = {"malignant-melanoma": "mel", "nevus": "nv"}
AIDED = {"id": "aided", "aid": ["differential", "risk", "heatmap"]}


def silent(_name, _total):
    return lambda _done: None


@pytest.fixture
def manifest(tmp_path):
    """Ten photographs, upright and lying, that tell the truth in their names and metadata."""
    rows = []
    for k in range(10):
        node = list(NODES)[k % 2]
        path = tmp_path / "data" / f"{node}-{k}.jpg"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(k).integers(0, 255, (60, 80, 3), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x010E] = f"SECRET {node}"
        exif[0x0112] = 6 if k % 3 else 1
        Image.fromarray(pixels).save(path, exif=exif, quality=95)
        rows.append({"image_id": f"SECRET-{node}-{k}", "image_path": str(path), "diagnosis_node": node})
    write_manifest(manifest_frame(rows), tmp_path / "data" / "m.parquet")
    return tmp_path / "data" / "m.parquet"


def design_of(manifest, **more):
    given = {
        "title": "t",
        "instructions": "i",
        "consent": "c",
        "manifest": str(manifest),
        "seed": 8,
        "question": {"kind": "malignant"},
        "cases": [{"node": each, "number": 3} for each in NODES],
        "training_cases": 2,
        **more,
    }
    return parse_design(given)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "study"
    path.mkdir()
    begin_study_folder(path)
    with opened_study_folder(path, new=True) as opened:
        yield opened


def made(folder, design):
    return make_study(folder.store, folder.path, plan_study(design), NOW, stage=silent)


def test_pictures_are_pixels_and_nothing_else_and_the_folder_can_be_moved(folder, manifest, tmp_path):
    study = made(folder, design_of(manifest))
    kept, _ = answered_steps(folder.store, study)
    assert len(kept) == 8
    for case in folder.cases(study):
        picture = Image.open(case.image_path)
        assert not picture.getexif()
        assert not picture.info
        original = next(
            each for each in read_manifest(manifest).iter_rows(named=True) if each["image_id"] == case.image_id
        )
        np.testing.assert_array_equal(np.asarray(picture), read_image(original["image_path"]))
    names = " ".join(str(each.relative_to(folder.path)) for each in folder.path.rglob("*"))
    assert not any(word in names for word in ("SECRET", "melanoma", "nevus"))
    assert not any(each.image_path.startswith("/") for each in kept)
    folder.store.close()
    folder.path.rename(tmp_path / "moved")
    with opened_study_folder(tmp_path / "moved") as moved:
        check_pictures(moved)
        verify_chain(moved.store, study)
        home = study_home(moved.path, answered_steps(moved.store, study)[0])
        assert {each.name for each in home.iterdir()} == {"pictures", "design.toml", "notes.txt"}
        next((home / "pictures").iterdir()).unlink()
        with pytest.raises(StudyError, match="1 pictures are missing"):
            check_pictures(moved)


def test_shortages_of_all_strata_are_told_together_and_nothing_is_written(manifest, tmp_path):
    design = design_of(manifest, cases=[{"node": each, "number": 30} for each in NODES])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StudyError, match=r"melanoma\): 30.*5 found.*Nevus: 30") as told:
        plan_study(design)
    assert "too few cases" in str(told.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("breaks", ["photographs", "the store"])
def test_what_fails_leaves_neither_a_study_nor_pictures(folder, manifest, breaks, monkeypatch):
    planned = plan_study(design_of(manifest))
    if breaks == "photographs":
        (manifest.parent / planned.cases[-1].image_path).write_bytes(b"damaged")
    else:
        monkeypatch.setattr("cutis.study.creation.create_study", lambda *_a, **_k: 1 / 0)
    with pytest.raises((ImageError, ZeroDivisionError)):
        make_study(folder.store, folder.path, planned, NOW, stage=silent)
    assert list_studies(folder.store) == []
    assert not [each for each in folder.path.rglob("*") if each.suffix in (".png", ".jpg")]


@pytest.fixture
def bundle(tmp_path, manifest):
    """Untrained; it says that it was trained on the file of one case."""
    torch.manual_seed(0)
    image = ImageSize(decoded=(24, 32), training=(24, 32), inference=(32, 48), aspect="stretch")
    architecture = Architecture(backbone="test_efficientnet")
    first = read_manifest(manifest)["image_path"][0]
    record = pl.DataFrame(
        {
            "source": ["x"],
            "image_id": ["x"],
            "lesion_id": ["x"],
            "patient_id": ["x"],
            "group": [None],
            "content_key": [content_key(first)],
            "role": ["train"],
        },
        schema_overrides={"group": pl.String},
    )
    recipe = {"model": architecture.model_dump(mode="json"), "image": image.model_dump(mode="json"), "views": 1}
    model = LesionClassifier(architecture, 7, image.inference).eval()
    made = Bundle(
        model=model,
        classes=class_set("ham7"),
        recipe=recipe,
        calibration=Calibration(),
        training_record=record,
        about={"name": "small"},
        card="# small\n",
    )
    save_bundle(made, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_bundle_gives_its_list_its_grade_and_maps_and_what_it_has_seen_is_left_out(
    folder, manifest, bundle, tmp_path, monkeypatch
):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    design = design_of(manifest, ai=str(bundle), arms=[{"id": "unaided"}, AIDED], reading="sequential")
    planned = plan_study(design)
    assert "SECRET-malignant-melanoma-0" not in [each.image_id for each in planned.cases]
    assert planned.found() == [(3, 1), (3, 1)]
    study = make_study(folder.store, folder.path, planned, NOW, stage=silent)
    cases = folder.cases(study)
    home = study_home(folder.path, answered_steps(folder.store, study)[0])
    outputs = kept_outputs(home)
    assert outputs is not None
    assert set(outputs) == {each.image_id for each in cases}
    for each in cases:
        assert [len(outputs[each.image_id].differential), outputs[each.image_id].risk is None] == [3, False]
        assert outputs[each.image_id].above is None  # it has no thresholds
        heatmap = Image.open(home / "heatmaps" / each.image_path.rsplit("/", 1)[-1])
        assert heatmap.size == Image.open(each.image_path).size  # in the photograph's own frame, upright ones too
    told = json.loads((home / "ai.json").read_text())
    assert told == {image_id: each.model_dump(mode="json") for image_id, each in outputs.items()}
    assert kept_in(folder, study) == outputs
    assert allocate(design, cases, 0, "expert")


def kept_in(folder, study):
    """What the store holds of the AI."""
    case_ids = [each.image_id for each in folder.cases(study)]
    return folder.store.read(lambda connection: {each: kept_case(connection, study, each)[1] for each in case_ids})


def test_a_bundle_with_thresholds_lists_what_reaches_its_own(folder, manifest, bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    rates = {"sensitivity": 0.5, "specificity": 0.5, "images": 1, "others": 1}
    values = dict.fromkeys(class_set("ham7").ids, 1.0) | {"mel": 0.0, "nv": 0.0}
    classes = {each: ClassThreshold(value=value, **rates) for each, value in values.items()}
    save_bundle(
        replace(load_bundle(bundle), thresholds=Thresholds(rule=ThresholdRule(), chosen_on="test", classes=classes)),
        tmp_path / "with",
    )
    arms = [{"id": "aided", "aid": ["differential"]}]
    study = made(folder, design_of(manifest, ai=str(tmp_path / "with"), arms=arms))
    for output in kept_in(folder, study).values():
        assert output.above
        assert {each.id for each in output.differential} == {"mel", "nv"}
        shares = [each.probability for each in output.differential]
        assert shares == sorted(shares, reverse=True)


def test_another_systems_predictions_aid_but_show_no_map(folder, manifest, tmp_path):
    ids = read_manifest(manifest)["image_id"].to_list()
    shares = np.full((len(ids), 12), 0.02)
    shares[:, 7] = 1 - 0.02 * 11
    table = tmp_path / "p.parquet"
    write_predictions(table, Predictions(ids, shares, class_set("han12"), ["no"] * len(ids)))
    arms = [{"id": "aided", "aid": ["differential"]}]
    study = made(folder, design_of(manifest, ai=str(table), arms=arms))
    outputs = kept_outputs(study_home(folder.path, answered_steps(folder.store, study)[0]))
    assert outputs is not None
    assert {each.differential[0].name for each in outputs.values()} == {"Lentigo"}
    with pytest.raises(StudyError, match="a table of predictions has none"):
        plan_study(design_of(manifest, ai=str(table), arms=[AIDED]))
    write_predictions(table, Predictions(ids, shares, class_set("han12"), ["lesion"] * len(ids)))
    with pytest.raises(StudyError, match="seen by the AI in training"):
        plan_study(design_of(manifest, ai=str(table), arms=arms))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(40, 90), st.integers(40, 90)),
    st.sampled_from([(24, 32), (32, 24), (30, 30)]),
    st.sampled_from(["stretch", "crop", "pad"]),
    st.floats(0.35, 0.65),
    st.floats(0.35, 0.65),
)
def test_a_map_lies_where_the_network_saw(size, decoded, aspect, down, right):
    """A bright spot in the photograph, seen by the network, comes back to where it was."""
    photograph = np.zeros((*size, 3), dtype=np.uint8)
    centre = round(down * size[0]), round(right * size[1])
    photograph[centre[0] - 4 : centre[0] + 5, centre[1] - 4 : centre[1] + 5] = 255
    seen = fit_image(photograph, *decoded, aspect)[..., 0].astype(np.float32)
    back = map_on_photograph(seen, size, decoded, aspect)
    assert back.shape == size
    weight = back / back.sum()
    found = (weight.sum(axis=1) @ np.arange(size[0]), weight.sum(axis=0) @ np.arange(size[1]))
    assert np.hypot(found[0] - centre[0], found[1] - centre[1]) < 3


def test_a_picture_is_in_srgb_and_of_bounded_size(tmp_path):
    Image.new("RGB", (MOST_SIDE + 600, 300), (10, 200, 30)).save(tmp_path / "large.png")
    assert max(case_picture(tmp_path / "large.png").size) == MOST_SIDE
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (20, 20), (10, 200, 30)).save(tmp_path / "s.png", icc_profile=profile)
    same = case_picture(tmp_path / "s.png")
    assert same.getpixel((3, 3)) == (10, 200, 30)
    assert not same.info


def test_a_password_is_not_kept_and_a_lost_database_is_not_made_anew(tmp_path):
    begin_study_folder(tmp_path, "postgresql://nurse:hush@db.test/study?password=hush")
    assert "hush" not in (tmp_path / "cutis-study.toml").read_text()
    assert "nurse@db.test" in (tmp_path / "cutis-study.toml").read_text()
    begin_study_folder(tmp_path)
    with pytest.raises(StudyError, match="does not exist"), opened_study_folder(tmp_path):
        pass
    assert not (tmp_path / "study.db").exists()
    with pytest.raises(StudyError, match="is no study folder"), opened_study_folder(tmp_path / "elsewhere"):
        pass
    open_store(tmp_path / "study.db").close()
    with opened_study_folder(tmp_path) as opened, pytest.raises(StudyError, match="holds no study yet"):
        opened.study()
