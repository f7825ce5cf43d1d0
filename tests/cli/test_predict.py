"""``cutis predict`` as a user meets it: what it says of a photograph, what it writes, and what it refuses."""

import json
import shutil
from importlib import resources

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.evaluation import (
    ClassThreshold,
    ConformalSets,
    ThresholdRule,
    Thresholds,
    fit_neighbours,
    read_predictions,
)
from cutis.files import write_json
from cutis.models import load_bundle
from cutis.models.familiarity import Familiarity, FamiliarityFacts
from cutis.taxonomy import class_set

HAM7 = class_set("ham7").ids


def test_a_photograph_gives_seven_probabilities_and_the_warning(cutis, bundle, photo):
    status, out, err = cutis("predict", bundle, photo)
    assert (status, err) == (0, "")
    lines = [line for line in out.splitlines() if any(f" {class_id} " in line for class_id in HAM7)]
    shown = [float(line.replace("│", " ").replace("|", " ").split()[-1]) for line in lines]
    assert len(shown) == 7
    assert sum(shown) == pytest.approx(1, abs=0.004)  # seven numbers rounded to 0.001
    assert shown == sorted(shown, reverse=True)
    assert "photo.png" in out
    assert "Research software, not a medical device" in out
    assert "trained on" not in out


def decide(bundle, thresholds, limits):
    """Put thresholds and conformal sets into a bundle's folder; a limit of None puts the class into every set."""
    classes = {
        each: ClassThreshold(value=thresholds[each], sensitivity=0.9, specificity=0.8, images=20, others=80)
        for each in HAM7
    }
    write_json(
        bundle / "thresholds.json", Thresholds(rule=ThresholdRule(), chosen_on="x", classes=classes).model_dump()
    )
    write_json(
        bundle / "conformal.json",
        ConformalSets(
            score="lac",
            coverage=0.9,
            class_conditional=True,
            limits=limits,
            calibration_images=dict.fromkeys(HAM7, 20),
            calibrated_on="x",
        ).model_dump(),
    )


def every(value, **others):
    return dict.fromkeys(HAM7, value) | others


def test_one_photograph_gets_its_differential_list_and_its_set(cutis, bundle, photo):
    assert "differential" not in cutis("predict", bundle, photo)[1]
    # mel's threshold is the lower of the two that are reached, so it stands first whatever the probabilities
    decide(bundle, every(1.0, mel=1e-9, nv=1e-3), every(0.0, mel=0.9999, nv=0.9999))
    status, out, err = cutis("predict", bundle, photo)
    assert (status, err) == (0, "")
    told = " ".join(out.split())
    assert "differential list Melanoma (malignant), Melanocytic nevus (benign) at or above their own thresholds" in told
    assert "holds the diagnosis in 90% of images like those it was calibrated on" in told
    assert "90% set " in told
    shown = told.split("90% set ")[1]
    assert "Melanoma (malignant)" in shown
    assert "Melanocytic nevus (benign)" in shown
    assert "Dermatofibroma" not in shown
    assert out.index("differential list") < out.index("Research software")


def test_where_nothing_reaches_its_threshold_the_nearest_is_named(cutis, bundle, photo):
    decide(bundle, every(1.0, mel=0.9999), every(0.0))
    told = " ".join(cutis("predict", bundle, photo)[1].split())
    assert "differential list none: no diagnosis reaches its own threshold; nearest is " in told
    assert "90% set empty: unlike the images of every diagnosis it was calibrated on" in told


def test_what_every_set_holds_is_said(cutis, bundle, photo):
    decide(bundle, every(1.0), every(0.0, df=None))
    told = " ".join(cutis("predict", bundle, photo)[1].split())
    assert "90% set Dermatofibroma (benign) holds the diagnosis" in told
    assert "always holds Dermatofibroma, of which it saw too few images" in told


def test_of_many_photographs_lists_and_sets_are_columns(cutis, bundle, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    decide(bundle, every(1.0, mel=1e-9), every(0.0, nv=None))
    many = [shutil.copy(photo, tmp_path / f"view{n:02}.png") for n in range(4)]
    _, out, _ = cutis("predict", bundle, *many)
    assert "differential list" in out
    lines = [line.replace("│", " ").split() for line in out.splitlines() if "view" in line]
    assert [line[-2:] for line in lines] == [["mel", "nv"]] * 4


def test_what_is_written_and_json_are_the_probabilities_alone(cutis, bundle, photo, manifest, tmp_path):
    plain = json.loads(cutis("predict", bundle, photo, "--json")[1])
    cutis("predict", bundle, manifest, "-o", tmp_path / "plain.csv")
    decide(bundle, every(0.1), every(0.9))
    assert json.loads(cutis("predict", bundle, photo, "--json")[1]) == plain
    assert cutis("predict", bundle, manifest, "-o", tmp_path / "p.csv")[0] == 0
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
    np.testing.assert_allclose(read_predictions(tmp_path / "p.csv").probabilities.sum(axis=1), 1)


def test_json_is_one_object_with_probabilities_that_sum_to_1(cutis, bundle, photo, tmp_path):
    other = tmp_path / "other.jpg"
    Image.new("RGB", (64, 48), "pink").save(other)
    status, out, err = cutis("predict", bundle, photo, other, "--json")
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["model"] == "small"
    assert told["written"] is None
    assert set(told["images"]) == {"photo.png", "other.jpg"}
    for answer in told["images"].values():
        assert set(answer) == set(HAM7)
        assert sum(answer.values()) == pytest.approx(1)


def test_the_patient_changes_the_answer(cutis, bundle, photo):
    def answer(*more):
        return json.loads(cutis("predict", bundle, photo, "--json", *more)[1])["images"]["photo.png"]

    assert answer("--age", 80) != answer()
    assert answer("--age", 80, "--sex", "male", "--site", "scalp") == answer("--age", 80)  # it was given age alone


def test_a_seen_image_is_said_to_be_seen(cutis, bundle, photo, tmp_path):
    seen = tmp_path / "a copy under another name.png"
    shutil.copy(tmp_path / "seen.png", seen)
    _, out, _ = cutis("predict", bundle, photo, seen)
    told = " ".join(out.split())
    assert f"{seen.name}: the model was trained on this image; its answer proves nothing." in told
    assert "photo.png: the model" not in told


def test_json_says_that_an_image_was_seen(cutis, bundle, photo, tmp_path):
    told = json.loads(cutis("predict", bundle, photo, tmp_path / "seen.png", "--json")[1])
    assert told["seen_in_training"] == {"photo.png": "no", "seen.png": "image"}


def test_a_file_name_is_shown_as_it_is(cutis, bundle, photo):
    odd = photo.rename(photo.with_name("[bold]left[cheek].png"))
    shutil.copy(photo.with_name("seen.png"), photo.with_name("[red]seen.png"))
    _, out, _ = cutis("predict", bundle, odd, photo.with_name("[red]seen.png"))
    assert "[bold]left[cheek].png" in out
    assert "[red]seen.png: the model" in out


def test_every_image_of_many_is_shown_whole(cutis, bundle, photo, tmp_path):
    many = [shutil.copy(photo, tmp_path / f"view{n:02}.png") for n in range(12)]
    _, out, _ = cutis("predict", bundle, *many)
    assert all(f"view{n:02}.png" in out for n in range(12))
    assert sum(line.count("0.") >= 7 for line in out.splitlines()) == 12


@pytest.mark.parametrize("name", ["p.csv", "deep/p.parquet"])
def test_a_manifest_is_predicted_into_a_table(cutis, bundle, manifest, tmp_path, name):
    status, out, err = cutis("predict", bundle, manifest, "-o", tmp_path / name)
    assert status == 0, err
    assert out.splitlines() == ["16 images predicted by small", f"written: {tmp_path / name}"]
    predictions = read_predictions(tmp_path / name)
    assert predictions.image_ids == pl.read_parquet(manifest)["image_id"].to_list()
    assert predictions.classes.ids == HAM7


def test_json_of_a_manifest_is_one_object(cutis, bundle, manifest, tmp_path):
    status, out, err = cutis("predict", bundle, manifest, "-o", tmp_path / "p.csv", "--json")
    assert status == 0, err
    assert json.loads(out) == {"model": "small", "written": str(tmp_path / "p.csv")}


def test_wrong_images_are_told(fails, bundle, photo, truncated, tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "words.txt").write_text("no image")
    (tmp_path / "folder").mkdir()
    for name, told in {
        "nowhere.jpg": "does not exist",
        "empty.jpg": "is empty",
        "words.txt": "is not an image",
        "folder": "is a folder",
        truncated.name: "is truncated",
    }.items():
        message = fails("predict", bundle, photo, tmp_path / name)
        assert name in message
        assert told in message


def test_all_bad_images_are_told_together(fails, bundle, photo, truncated, tmp_path):
    (tmp_path / "empty.jpg").touch()
    message = fails("predict", bundle, photo, truncated, tmp_path / "empty.jpg")
    assert "2 of 3 images cannot be read" in message


def test_images_of_one_name_are_refused(fails, bundle, photo, tmp_path):
    (tmp_path / "b").mkdir()
    shutil.copy(photo, tmp_path / "b")
    assert "several files are called photo.png" in fails("predict", bundle, photo, tmp_path / "b" / photo.name)


def test_images_and_manifests_together_are_refused(fails, bundle, photo, manifest, tmp_path):
    for inputs in ((photo, manifest), (manifest, photo)):
        assert "images and manifests are named together" in fails("predict", bundle, *inputs, "-o", tmp_path / "p.csv")


def test_labels_without_images_are_refused(fails, bundle, rows, write, tmp_path):
    path = write([{**row, "image_path": None} for row in rows])
    assert "16 of 16 rows have no image file" in fails("predict", bundle, path, "-o", tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "predictions of a manifest need a file"),
        (("-o", "{}/p.txt"), "does not end in .parquet or .csv"),
        (("-o", "{}/p.csv", "--age", "61"), "--age, --sex and --site go with single images"),
        (("-o", "{}/m.parquet/p.csv"), "cannot be written"),
        (("-o", "{}/bundle"), "does not end in .parquet or .csv"),
    ],
)
def test_options_that_do_not_fit_a_manifest_are_refused(fails, bundle, manifest, tmp_path, more, told):
    assert told in fails("predict", bundle, manifest, *[each.format(tmp_path) for each in more])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--sex", "unknown"), "--sex takes female or male, not 'unknown'"),
        (("--site", "the moon"), "--site 'the moon' is no anatomical site"),
    ],
)
def test_a_patient_in_other_words_is_refused(fails, bundle, photo, more, told):
    assert told in fails("predict", bundle, photo, *more)


def test_a_folder_that_is_no_bundle_is_refused(fails, photo, tmp_path):
    (tmp_path / "photos").mkdir()
    assert "photos: 'bundle.json' is missing" in fails("predict", tmp_path / "photos", photo)


def test_a_bundle_alone_is_refused(fails, bundle):
    assert "no image or manifest named" in fails("predict", bundle)


@pytest.mark.parametrize(
    "damage",
    [
        ("model.safetensors", None),
        ("model.safetensors", b""),
        ("model.safetensors", b"no weights"),
        ("bundle.json", b""),
        ("bundle.json", b"[]"),
        ("bundle.json", b"{}"),
        ("bundle.json", b"\xff\xfe\x00"),
        ("bundle.json", b'{"format": "one", "weights_sha256": ""}'),
        ("bundle.json", b'{"format": 99, "weights_sha256": ""}'),
        ("recipe.json", b"{"),
        ("recipe.json", b"[]"),
        ("recipe.json", b'{"model": {"backbone": "nonesuch"}, "image": {}, "views": 1}'),
        ("taxonomy.json", b"{}"),
        ("taxonomy.json", None),
        ("calibration.json", b'{"temperature": -1}'),
        ("thresholds.json", b"{"),
        ("conformal.json", b'{"score": "lac"}'),
        ("evaluation.json", b"{"),
        ("training_record.parquet", b"no table"),
        ("training_record.parquet", None),
        ("MODEL_CARD.md", None),
    ],
    ids=lambda each: f"{each[0]}-{each[1]!r:.20}",
)
def test_a_damaged_bundle_is_refused(fails, bundle, photo, damage):
    name, content = damage
    if content is None:
        (bundle / name).unlink()
    else:
        (bundle / name).write_bytes(content)
    assert str(bundle) in fails("predict", bundle, photo)


def test_a_training_record_of_another_kind_is_refused(fails, bundle, photo):
    pl.DataFrame({"x": [1]}).write_parquet(bundle / "training_record.parquet")
    assert str(bundle) in fails("predict", bundle, photo)


def test_without_a_bundle_the_built_in_model_answers(cutis, photo):
    if not (resources.files("cutis.models") / "default").is_dir():
        pytest.skip("this checkout has no built-in model (src/cutis/models/default)")
    status, out, err = cutis("predict", photo, "--json")
    assert (status, err) == (0, "")
    (answer,) = json.loads(out)["images"].values()
    assert set(answer) == set(HAM7)
    assert sum(answer.values()) == pytest.approx(1)


def test_without_a_built_in_model_it_says_so(fails, photo, tmp_path, monkeypatch):
    monkeypatch.setattr("cutis.models.bundle.resources.files", lambda _: tmp_path)
    assert "this installation has no built-in model" in fails("predict", photo)


def know(bundle, limit_95, limit_99):
    """Give a bundle a score of unfamiliarity with these limits."""
    network = load_bundle(bundle)
    learnt = fit_neighbours(np.random.default_rng(0).normal(size=(30, network.model.image_width)), 10)
    facts = FamiliarityFacts(
        neighbours=10, fitted_on="x", measured_on="y", median=1e-9, limit_95=limit_95, limit_99=limit_99
    )
    Familiarity(learnt, facts).write(bundle)


def test_a_strange_photograph_is_said_to_be_strange(cutis, bundle, photo):
    def told():
        return " ".join(cutis("predict", bundle, photo)[1].split())

    assert "stranger" not in told()
    know(bundle, 2.0, 2.0)  # no distance is larger than 2
    assert "stranger" not in told()
    know(bundle, 1e-3, 2.0)
    warning = "photo.png: stranger to the model than 95% of the images it was validated on; be wary of its answer."
    assert warning in told()
    know(bundle, 1e-3, 2e-3)
    assert "photo.png: stranger to the model than 99% of the images it was validated on; unlike what it was" in told()
    assert "do not rely on its answer. Research software" in told()


def test_json_says_how_strange_a_photograph_is(cutis, bundle, photo):
    assert "unfamiliarity" not in json.loads(cutis("predict", bundle, photo, "--json")[1])
    know(bundle, 1e-3, 2e-3)
    (told,) = json.loads(cutis("predict", bundle, photo, "--json")[1])["unfamiliarity"].values()
    assert told["stranger_than_percent"] == 99
    assert told["score"] > 2
    know(bundle, 2.0, 2.0)
    (told,) = json.loads(cutis("predict", bundle, photo, "--json")[1])["unfamiliarity"].values()
    assert told["stranger_than_percent"] is None


def test_the_table_of_a_manifest_has_the_score(cutis, bundle, manifest, tmp_path):
    know(bundle, 1e-3, 2e-3)
    out = cutis("predict", bundle, manifest, "-o", tmp_path / "p.csv")[1]
    assert "16 of them are stranger to it than 95% of the images it was validated on" in out
    assert (read_predictions(tmp_path / "p.csv").unfamiliarity > 1).all()


def test_a_dicom_file_is_answered_with_the_age_and_sex_that_it_holds(cutis, bundle, photo, tmp_path):
    from cutis.clinic import Patient, dicom_bytes, dicom_picture, photograph

    taken = photograph(photo.read_bytes(), photo.name)
    path = tmp_path / "lesion.dcm"
    path.write_bytes(dicom_bytes(dicom_picture(taken, Patient(age=70, sex="male"))))
    _, told, _ = cutis("predict", bundle, path, "--json")
    _, expected, _ = cutis("predict", bundle, photo, "--age", "70", "--sex", "male", "--json")
    _, other, _ = cutis("predict", bundle, path, "--age", "20", "--json")
    shown = json.loads(told)["images"]["lesion.dcm"]
    assert shown == pytest.approx(json.loads(expected)["images"]["photo.png"], abs=1e-6)
    assert shown != pytest.approx(json.loads(other)["images"]["lesion.dcm"], abs=1e-6)
