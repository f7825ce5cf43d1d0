import dataclasses

import numpy as np
import pytest
from PIL import Image

from cutis.data import content_key, manifest_frame
from cutis.errors import ImageError
from cutis.models import predict_files, predict_manifest


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    paths = []
    for n in range(5):
        path = tmp_path / f"{n}.png"
        Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)).save(path)
        paths.append(str(path))
    return paths


def manifest_of(paths, **columns):
    rows = [{"image_id": f"i{n}", "image_path": path, "source": "clinic"} for n, path in enumerate(paths)]
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return manifest_frame(rows)


def test_files_and_manifest_get_the_same_probabilities(bundle, photographs):
    from_files = predict_files(bundle, photographs)
    from_manifest = predict_manifest(bundle, manifest_of(photographs))
    np.testing.assert_allclose(from_files.probabilities, from_manifest.probabilities, atol=1e-6)
    np.testing.assert_allclose(from_files.probabilities.sum(axis=1), 1)


def test_two_views_make_the_answer_independent_of_handedness(bundle, photographs, tmp_path):
    Image.fromarray(np.asarray(Image.open(photographs[0]))[:, ::-1]).save(tmp_path / "mirror.png")
    answers = predict_files(bundle, [photographs[0], str(tmp_path / "mirror.png")]).probabilities
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-4)


def test_patient_metadata_changes_the_answer(bundle, photographs):
    young, old = (predict_files(bundle, photographs[:1], {"age_approx": age}).probabilities for age in (20, 80))
    assert np.abs(young - old).max() > 1e-6


def test_what_the_model_has_seen_is_said_of_each_row(bundle, photographs):
    manifest = manifest_of(
        photographs,
        lesion_id=["seen lesion", "new", None, "x", "y"],
        patient_id=["seen patient", "seen patient", None, "p", "q"],
    )
    assert predict_manifest(bundle, manifest).seen == ["lesion", "patient", "no", "no", "no"]


def test_the_same_picture_under_another_name_is_recognised(bundle, photographs):
    record = bundle.training_record.with_columns(content_key=np.array([content_key(photographs[2])]))
    knowing = dataclasses.replace(bundle, training_record=record)
    assert predict_files(knowing, photographs[:3]).seen == ["no", "no", "image"]


def test_equal_ids_of_different_sources_are_not_the_same_lesion(bundle, photographs):
    manifest = manifest_of(photographs, lesion_id=["seen lesion"] * 5).with_columns(source=np.array(["elsewhere"] * 5))
    assert predict_manifest(bundle, manifest).seen == ["no"] * 5


def test_bad_files_are_named_together(bundle, photographs, tmp_path):
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:100])
    with pytest.raises(ImageError, match="2 of 3 images cannot be read") as caught:
        predict_files(bundle, [photographs[0], str(tmp_path / "cut.png"), str(tmp_path / "gone.png")])
    assert "cut.png" in str(caught.value)
    assert "gone.png" in str(caught.value)
