"""``cutis export`` as a user meets it. What an export measures is tested in tests/models/test_export.py."""

import json
import shutil
from dataclasses import replace

import polars as pl
import pytest

from cutis.data import content_key, read_manifest, write_manifest
from cutis.models import export as export_module
from cutis.models import load_bundle, save_bundle

NODES = {"red": "malignant-melanoma", "blue": "benign-melanocytic-proliferation"}


@pytest.fixture
def labelled(manifest):
    """The manifest with diagnoses that the bundle knows."""
    frame = read_manifest(manifest)
    nodes = pl.Series("diagnosis_node", [NODES[each] for each in frame["source_diagnosis"]])
    write_manifest(frame.with_columns(nodes), manifest)
    return manifest


@pytest.fixture
def trained(bundle, labelled):
    """The bundle with the manifest's images in its record."""
    rows = read_manifest(labelled)
    record = rows.select("source", "image_id", "lesion_id", "patient_id", "group", role="subset").with_columns(
        content_key=pl.Series([content_key(each) for each in rows["image_path"]])
    )
    save_bundle(replace(load_bundle(bundle), training_record=record), bundle)
    return bundle


@pytest.fixture
def network(tmp_path_factory, monkeypatch):
    """Torch exports the one network of these tests once, which takes seconds."""
    kept = tmp_path_factory.getbasetemp() / "cli-network.onnx"
    real = export_module.export_network

    def export_network(bundle, path):
        if not kept.exists():
            real(bundle, kept)
        shutil.copy(kept, path)

    monkeypatch.setattr(export_module, "export_network", export_network)
    timed = export_module.timed
    monkeypatch.setattr(export_module, "timed", lambda *given, **told: timed(*given, **told | {"images": 3}))


def test_an_export_is_a_bundle_that_answers_in_the_precision_asked_for(
    cutis, trained, labelled, network, tmp_path, photo
):
    status, out, err = cutis(
        "export", trained, "--on", labelled, "-o", tmp_path / "e", "--serve", "int8", "--to", "onnx"
    )
    assert (status, err) == (0, "")
    for word in ("fp32", "fp16", "int8", "4 validation images", "serves: model.int8.onnx", "EXPORT.md"):
        assert word in out
    said = json.loads(cutis("predict", tmp_path / "e", photo, "--json")[1])["images"]["photo.png"]
    torchs = json.loads(cutis("predict", trained, photo, "--json")[1])["images"]["photo.png"]
    assert said == pytest.approx(torchs, abs=0.05)
    assert said != torchs


def test_json_is_what_is_written(cutis, trained, labelled, network, tmp_path):
    status, out, _ = cutis(
        "export", trained, "--on", labelled, "-o", tmp_path / "e", "--precision", "fp32,fp16", "--json"
    )
    assert status == 0
    assert json.loads(out) == json.loads((tmp_path / "e" / "export.json").read_text())
    assert [each["precision"] for each in json.loads(out)["precisions"]] == ["fp32", "fp16"]


def test_one_that_differs_too_much_is_refused_and_the_figures_are_kept(cutis, trained, labelled, network, tmp_path):
    asked = ("export", trained, "--on", labelled, "-o", tmp_path / "e", "--precision", "fp16", "--serve", "fp16")
    status, out, err = cutis(*asked, "--limit", 0)
    assert status == 2
    assert "serves: torch" in out or "torch answers" in out
    assert "fp16 does not serve: its largest difference of a probability" in err
    assert (tmp_path / "e" / "export.json").exists()
    status, out, err = cutis(*asked, "--limit", 0, "--serve-despite-differences")
    assert (status, err) == (0, "")
    assert "note: it serves although its largest difference" in out


def test_what_cannot_be_exported_is_told_in_a_line(fails, trained, labelled, tmp_path):
    to = ("-o", tmp_path / "e")
    assert "--to does not know tflite" in fails("export", trained, "--on", labelled, *to, "--to", "tflite")
    assert "--precision does not know fp64" in fails("export", trained, "--on", labelled, *to, "--precision", "fp64")
    assert "Add it to the precisions" in fails(
        "export", trained, "--on", labelled, *to, "--precision", "fp32", "--serve", "int8"
    )
    assert "does not exist" in fails("export", tmp_path / "none", "--on", labelled, *to)
    assert "Missing option '--on'" in fails("export", trained, *to)


def test_without_validation_images_of_the_bundle_it_is_refused(fails, bundle, labelled, tmp_path):
    told = fails("export", bundle, "--on", labelled, "-o", tmp_path / "e")
    assert "none of the 16 images is one that the model was validated on" in told
