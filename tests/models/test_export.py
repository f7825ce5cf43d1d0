"""Exports as a whole: what they measure, which images they look at, what serves afterwards, what is refused."""

import errno
import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from cutis.data import content_key, manifest_frame
from cutis.errors import BundleError, CutisError, LeakError, ManifestError
from cutis.models import (
    add_onnx,
    fastest_bundle,
    load_bundle,
    load_onnx_bundle,
    manifest_outputs,
    onnx_network,
    predict_files,
    save_bundle,
)
from cutis.models import export as export_module
from cutis.models.export import export_onnx, objections
from cutis.models.export_images import CALIBRATION_IMAGES, training_rows, validation_rows
from cutis.models.export_page import difference_in_words
from cutis.models.onnx_network import OnnxBundle

TRAIN, VAL, TEST = range(24), range(24, 36), range(36, 40)
NODES = {"nv": "benign-melanocytic-proliferation", "mel": "malignant-melanoma", "bcc": "basal-cell-carcinoma"}
COLOURS = {"nv": (150, 100, 80), "mel": (60, 40, 50), "bcc": (210, 150, 140)}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Where the one network of these tests is kept once torch has exported it, which takes seconds."""
    return tmp_path_factory.mktemp("network") / "network.onnx"


@pytest.fixture(autouse=True)
def exported_once(monkeypatch, networks):
    real = export_module.export_network

    def export_network(bundle, path):
        if not networks.exists():
            real(bundle, networks)
        shutil.copy(networks, path)

    monkeypatch.setattr(export_module, "export_network", export_network)
    monkeypatch.setattr(onnx_network, "export_network", export_network)


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """Forty images of twenty lesions in three diagnoses: training, validation, test."""
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(3)
    rows = []
    for n in range(40):
        word = list(COLOURS)[n // 2 % 3]
        shown = list(COLOURS)[n // 2 % 3 - (n // 2 in (13, 17))]  # two validation lesions look like another diagnosis
        path = tmp_path / f"i{n}.png"
        coarse = np.clip(rng.normal(COLOURS[shown], 40, (6, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(coarse).resize((80, 60), Image.Resampling.BICUBIC).save(path)
        rows.append(
            {
                "image_id": f"i{n}",
                "image_path": str(path),
                "source": "clinic",
                "lesion_id": f"l{n // 2}",
                "source_diagnosis": word,
                "diagnosis_node": NODES[word],
                "age_approx": 40 + n,
                "subset": "test" if n in TEST else "train",
            }
        )
    return manifest_frame(rows)


@pytest.fixture
def folder(tmp_path, bundle, manifest):
    """A saved bundle that was trained and validated on the manifest's images, as its record says."""
    record = manifest.select(
        "source", "image_id", "lesion_id", "patient_id", "group", role=pl.lit("train")
    ).with_columns(
        content_key=pl.Series([content_key(each) for each in manifest["image_path"]]),
        role=pl.Series(["train" if n in TRAIN else "val" for n in range(40)]),
    )[: VAL.stop]
    answer_by_class_means(bundle, manifest[: TRAIN.stop])
    save_bundle(replace(bundle, training_record=record), tmp_path / "bundle")
    return tmp_path / "bundle"


def answer_by_class_means(bundle, rows):
    """Set the untrained network's head so that it tells the three diagnoses apart by the means of their features."""
    parts = []
    manifest_outputs(bundle, rows, read_features=parts.append)
    features, word = np.concatenate(parts), rows["source_diagnosis"].to_numpy()
    head, middle = bundle.model.head, features.mean(axis=0)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(-9)
        for k, class_id in enumerate(bundle.classes.ids):
            if class_id in COLOURS:
                towards = features[word == class_id].mean(axis=0) - middle
                towards *= 4 / (features @ towards).std()
                head.weight[k, : len(middle)] = torch.from_numpy(towards)
                head.bias[k] = -float(middle @ towards)


def export(folder, output, manifest, **more):
    return export_onnx(folder, output, manifest, threads=1, timed_images=3, **more)


def test_every_precision_answers_as_torch_does_and_says_by_how_much(folder, tmp_path, manifest):
    told = export(folder, tmp_path / "e", manifest)
    assert [each.precision for each in told.precisions] == ["fp32", "fp16", "int8"]
    assert (told.images, told.cases) == (len(VAL), {"lesion": 6})
    single, half, whole = told.precisions
    assert single.largest_difference < 1e-5
    assert half.largest_difference < 5e-3
    assert whole.largest_difference < 0.1
    assert single.balanced_accuracy == told.balanced_accuracy
    assert told.balanced_accuracy.value == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert single.change.value == 0
    assert single.same_first_diagnosis == 1
    for each in told.precisions:
        path = tmp_path / "e" / each.file
        assert each.bytes == path.stat().st_size
        assert [timing.views for timing in each.timings] == [2, 1]
        assert all(0 < timing.p50 <= timing.p99 for timing in each.timings)
        assert each.timings[0].photograph == (60, 80)
    assert half.bytes < 0.7 * single.bytes
    assert json.loads((tmp_path / "e" / "export.json").read_text()) == told.model_dump(mode="json")
    page = (tmp_path / "e" / "EXPORT.md").read_text()
    assert "not a medical device" in page
    assert "12 validation images" in page
    assert told.calibration.images == 24
    assert f"| int8 | {difference_in_words(whole.largest_difference)} |" in page
    assert 10 * single.largest_difference < half.largest_difference < whole.largest_difference


def test_the_largest_difference_is_that_of_predictions_made_apart(folder, tmp_path, manifest):
    """The figure is recomputed from two sets of predictions, through another path."""
    told = export(folder, tmp_path / "e", manifest, precisions=["fp16"], serve="fp16")
    paths = manifest["image_path"].to_list()[VAL.start : VAL.stop]
    difference = 0.0
    for n, path in zip(VAL, paths, strict=True):
        patient = {"age_approx": 40 + n}
        ours = predict_files(fastest_bundle(tmp_path / "e"), [path], patient).probabilities
        torchs = predict_files(load_bundle(folder), [path], patient).probabilities
        difference = max(difference, float(np.abs(ours - torchs).max()))
    assert told.precisions[0].largest_difference == pytest.approx(difference, abs=1e-6)


def test_what_serves_is_what_was_asked_for_and_nothing_else(folder, tmp_path, manifest):
    quiet = export(folder, tmp_path / "quiet", manifest, precisions=["fp32"])
    assert quiet.serves == "torch"
    assert "serves" not in json.loads((tmp_path / "quiet" / "bundle.json").read_text())
    assert not isinstance(fastest_bundle(tmp_path / "quiet"), OnnxBundle)
    export(folder, tmp_path / "e", manifest, precisions=["fp32", "int8"], serve="int8")
    loaded = fastest_bundle(tmp_path / "e")
    assert isinstance(loaded, OnnxBundle)
    assert (loaded.file, loaded.precision) == ("model.int8.onnx", "int8")
    again = export(tmp_path / "e", tmp_path / "again", manifest, precisions=["fp32"])
    assert again.serves == "torch"  # a choice is not handed on unasked
    assert not (tmp_path / "again" / "model.int8.onnx").exists()


def test_an_export_may_take_the_place_of_its_bundle(folder, manifest):
    export(folder, folder, manifest, precisions=["fp32"], serve="fp32")
    assert load_onnx_bundle(folder).file == "model.fp32.onnx"
    assert load_bundle(folder).name == "small"


def test_one_that_differs_too_much_does_not_serve_unless_told_so(folder, tmp_path, manifest):
    refused = export(folder, tmp_path / "e", manifest, precisions=["fp16"], serve="fp16", limit=0.0)
    assert refused.serves == "torch"
    assert "largest difference" in refused.not_served[0]
    assert not isinstance(fastest_bundle(tmp_path / "e"), OnnxBundle)
    forced = export(folder, tmp_path / "f", manifest, precisions=["fp16"], serve="fp16", limit=0.0, despite=True)
    assert forced.serves == "model.fp16.onnx"
    assert forced.served_despite == refused.not_served
    assert "**It serves although" in (tmp_path / "f" / "EXPORT.md").read_text()


def test_one_that_answers_worse_than_chance_explains_does_not_serve(folder, tmp_path, manifest):
    told = export(folder, tmp_path / "e", manifest, precisions=["fp32"])
    parity, torchs = told.precisions[0], told.balanced_accuracy
    worse = parity.model_copy(update={"balanced_accuracy": torchs.model_copy(update={"value": torchs.low - 0.001})})
    assert objections(parity, torchs, 0.1) == []
    assert "below the interval of fp32" in objections(worse, torchs, 0.1)[0]


def test_validation_and_calibration_images_are_those_of_the_record(folder, manifest):
    facts = load_bundle(folder)
    assert validation_rows(facts, manifest).frame["image_id"].to_list() == [f"i{n}" for n in VAL]
    calibration = training_rows(facts, manifest, None).frame
    assert set(calibration["image_id"]) == {f"i{n}" for n in TRAIN}
    assert set(calibration["source_diagnosis"][:3]) == set(COLOURS)  # in turn
    renamed = manifest.with_columns(image_id=pl.concat_str(pl.lit("other "), "image_id"), source=pl.lit("elsewhere"))
    assert len(validation_rows(facts, renamed).frame) == len(VAL)  # by content


def test_no_more_images_are_calibrated_on_than_needed_and_every_diagnosis_counts(folder, manifest):
    facts = load_bundle(folder)
    many = pl.concat([manifest[: TRAIN.stop].with_columns(image_id=pl.col("image_id") + f"-{n}") for n in range(20)])
    many = many.with_columns(
        pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("df")).otherwise("source_diagnosis").alias("source_diagnosis")
    )
    chosen = training_rows(facts, many, None).frame
    assert len(chosen) == CALIBRATION_IMAGES
    assert chosen.filter(pl.col("source_diagnosis") == "df").height == 5


def test_int8_is_calibrated_on_nothing_but_training_images(folder, tmp_path, manifest):
    with pytest.raises(ManifestError, match="are 4 unknown images, 12 validation images"):
        export(folder, tmp_path / "e", manifest, calibrate_on=manifest)
    with pytest.raises(ManifestError, match="int8 needs training images"):
        export(folder, tmp_path / "e", manifest[TRAIN.stop :])
    marked = manifest.with_columns(subset=pl.lit("test"))
    with pytest.raises(ManifestError, match="12 validation images of the model stand in subset test"):
        export(folder, tmp_path / "e", marked)
    assert not (tmp_path / "e").exists()


def test_without_validation_images_there_is_nothing_to_compare(folder, tmp_path, manifest):
    with pytest.raises(ManifestError, match="none of the 4 images is one that the model was validated on"):
        export(folder, tmp_path / "e", manifest[TEST.start :])


def test_a_validation_image_that_was_learnt_from_is_a_leak(folder, tmp_path, manifest):
    paths = manifest["image_path"].to_list()
    copied = [*paths[: VAL.start], paths[0], *paths[VAL.start + 1 :]]
    with pytest.raises(LeakError, match="learnt from 1 image that counts as validation image: i24"):
        export(folder, tmp_path / "e", manifest.with_columns(image_path=pl.Series(copied)))


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_an_export_that_was_cut_off(folder, tmp_path, manifest, monkeypatch, failure):
    def fail(*_):
        raise failure

    export(folder, tmp_path / "e", manifest, precisions=["fp32"])
    before = {path: path.read_bytes() for path in (tmp_path / "e").rglob("*") if path.is_file()}
    names = {each.name for each in tmp_path.iterdir()}
    monkeypatch.setattr(export_module, "write_half_precision", fail)
    with pytest.raises((CutisError, KeyboardInterrupt)) as stopped:
        export(folder, tmp_path / "e", manifest, precisions=["fp16"])
    assert isinstance(stopped.value, KeyboardInterrupt) or "No space left" in str(stopped.value)
    assert {path: path.read_bytes() for path in (tmp_path / "e").rglob("*") if path.is_file()} == before
    assert {each.name for each in tmp_path.iterdir()} == names


def test_other_things_are_not_overwritten(folder, tmp_path, manifest):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"x")
    with pytest.raises(BundleError, match="exists and is not a model bundle"):
        export(folder, tmp_path / "photos", manifest)
    with pytest.raises(BundleError, match="lies within the bundle"):
        export(folder, folder / "exported", manifest)
    with pytest.raises(BundleError, match="does not exist"):
        export(tmp_path / "none", tmp_path / "e", manifest)


def test_a_missing_package_is_named(folder, tmp_path, manifest, monkeypatch):
    monkeypatch.setattr(export_module, "find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(CutisError, match=r"needs the package onnx. Run `pip install 'cutis\[export\]'`"):
        export(folder, tmp_path / "e", manifest)


@pytest.fixture
def serving(folder, tmp_path, manifest):
    """An export that serves int8, and its bundle.json as it may be changed."""
    export(folder, tmp_path / "e", manifest, precisions=["fp32", "int8"], serve="int8")
    path = tmp_path / "e" / "bundle.json"

    def change(**told):
        about = json.loads(path.read_text())
        path.write_text(json.dumps(about | {"serves": about["serves"] | told}))

    return tmp_path / "e", change


def test_a_file_that_serves_must_be_there_and_whole(serving):
    folder, change = serving
    kept = (folder / "model.int8.onnx").read_bytes()
    (folder / "model.int8.onnx").write_bytes(kept[:-1])
    with pytest.raises(BundleError, match=r"'model.int8.onnx' is damaged"):
        fastest_bundle(folder)
    (folder / "model.int8.onnx").unlink()
    with pytest.raises(BundleError, match=r"'model.int8.onnx' is missing, and bundle.json says that it serves"):
        fastest_bundle(folder)
    change(file="../model.int8.onnx")
    with pytest.raises(BundleError, match="does not say rightly what serves"):
        fastest_bundle(folder)


def test_a_processor_that_computes_otherwise_is_told(serving):
    folder, change = serving
    expected = np.array(json.loads((folder / "bundle.json").read_text())["serves"]["logits"])
    change(logits=(expected + 0.01).tolist())  # the same probabilities
    assert fastest_bundle(folder).precision == "int8"
    change(logits=(expected * -1 + np.arange(7)).tolist())
    with pytest.raises(
        BundleError, match="on this processor 'model.int8.onnx' .int8. gives a probability that differs"
    ):
        fastest_bundle(folder)
    change(logits=expected[:, :3].tolist())
    with pytest.raises(BundleError, match="answers of another shape"):
        fastest_bundle(folder)


def test_a_new_model_onnx_serves_from_then_on(serving):
    folder, _ = serving
    add_onnx(folder, load_bundle(folder))
    assert load_onnx_bundle(folder).file == "model.onnx"
