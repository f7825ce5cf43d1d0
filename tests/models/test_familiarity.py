"""The score of unfamiliarity in a bundle: its scale, its files, and that both networks give it."""

import dataclasses
import json
import shutil

import numpy as np
import onnx
import pytest
from PIL import Image

from cutis.errors import BundleError, PredictionsError
from cutis.evaluation import fit_neighbours
from cutis.files import write_json
from cutis.models import add_onnx, load_bundle, load_onnx_bundle, predict_files, save_bundle
from cutis.models.familiarity import FEATURES_FILE, FEWEST_IMAGES, FILE, NEIGHBOURS, measured_familiarity
from cutis.models.onnx_network import sha256


def familiar(dimensions, seed=0):
    """A score fitted on random features, measured on others."""
    generator = np.random.default_rng(seed)
    learnt = fit_neighbours(generator.normal(size=(60, dimensions)) + 1, NEIGHBOURS)
    distances = learnt.scores(generator.normal(size=(200, dimensions)) + 1)
    return measured_familiarity(learnt, distances, fitted_on="clinic, training", measured_on="clinic, validation")


@pytest.fixture
def knowing(bundle):
    """The small bundle with a score for its own features."""
    return dataclasses.replace(bundle, familiarity=familiar(bundle.model.image_width))


@pytest.fixture
def photographs(tmp_path):
    """Files of noise; two are the same picture."""
    generator, paths = np.random.default_rng(0), []
    for n in range(3):
        paths.append(tmp_path / f"{n}.png")
        Image.fromarray(generator.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(paths[-1])
    return [*paths, shutil.copy(paths[0], tmp_path / "again.png")]


def test_the_scale_is_that_of_the_validation_images():
    known = familiar(8)
    facts = known.facts
    raw = np.random.default_rng(1).normal(size=(500, 8)) + 1
    distances = known.learnt.scores(raw)
    np.testing.assert_allclose(
        known.scores(raw), (distances - facts.median) / (facts.limit_95 - facts.median), rtol=1e-12
    )
    at = known.scaled(np.array([facts.median, facts.limit_95, facts.limit_99]))
    np.testing.assert_allclose(at[:2], [0, 1])
    assert [known.stranger_than(each) for each in (0.0, 1.0, 1.0001, at[2], at[2] + 1e-9)] == [None, None, 95, 95, 99]


def test_the_limits_are_kept_by_as_many_validation_images_as_they_say():
    learnt = fit_neighbours(np.eye(12), NEIGHBOURS)
    distances = np.random.default_rng(0).permutation(np.linspace(0.5, 1.5, 200))
    facts = measured_familiarity(learnt, distances, fitted_on="x", measured_on="y").facts
    for limit, share in ((facts.median, 0.5), (facts.limit_95, 0.95), (facts.limit_99, 0.99)):
        assert (distances <= limit).mean() == pytest.approx(share)


def test_too_few_or_equal_validation_images_set_no_scale():
    learnt = fit_neighbours(np.eye(12), NEIGHBOURS)
    assert measured_familiarity(learnt, np.arange(FEWEST_IMAGES - 1), fitted_on="x", measured_on="y") is None
    assert measured_familiarity(learnt, np.ones(50), fitted_on="x", measured_on="y") is None


def test_features_of_another_network_are_refused():
    with pytest.raises(PredictionsError, match="features have 9 dimensions, 8 were learned"):
        familiar(8).scores(np.ones((1, 9)))


def test_it_comes_back_with_the_bundle_and_older_bundles_have_none(tmp_path, bundle, knowing, photographs):
    save_bundle(bundle, tmp_path / "b")
    assert load_bundle(tmp_path / "b").familiarity is None
    assert predict_files(bundle, photographs).unfamiliarity is None
    save_bundle(knowing, tmp_path / "b")
    back = load_bundle(tmp_path / "b")
    assert back.familiarity.facts == knowing.familiarity.facts
    scores = predict_files(back, photographs).unfamiliarity
    np.testing.assert_allclose(scores, predict_files(knowing, photographs).unfamiliarity, atol=0.01)
    assert scores[0] == pytest.approx(scores[3], abs=1e-6)  # an equal picture is equally strange
    save_bundle(bundle, tmp_path / "b")  # and nothing of it stays behind
    assert load_bundle(tmp_path / "b").familiarity is None


def test_the_patient_makes_no_photograph_strange(knowing, photographs):
    young, unknown = (predict_files(knowing, photographs, patient) for patient in ({"age_approx": 20}, None))
    np.testing.assert_array_equal(young.unfamiliarity, unknown.unfamiliarity)
    assert np.abs(young.probabilities - unknown.probabilities).max() > 1e-6


def test_onnx_gives_the_same_score_and_files_of_before_none(tmp_path, knowing, photographs):
    folder = tmp_path / "b"
    save_bundle(knowing, folder)
    full = load_bundle(folder)
    add_onnx(folder, full)
    np.testing.assert_allclose(
        predict_files(load_onnx_bundle(folder), photographs).unfamiliarity,
        predict_files(full, photographs).unfamiliarity,
        atol=0.05,
    )

    model = onnx.load(folder / "model.onnx")  # as it was made before: logits alone
    del model.graph.output[1]
    onnx.save(model, folder / "model.onnx")
    about = json.loads((folder / "bundle.json").read_text())
    write_json(folder / "bundle.json", about | {"onnx_sha256": sha256(folder / "model.onnx")})
    with pytest.raises(BundleError, match=r"'model\.onnx' gives no features.*add_onnx"):
        load_onnx_bundle(folder)
    for name in (FILE, FEATURES_FILE):
        (folder / name).unlink()
    older = load_onnx_bundle(folder)
    assert predict_files(older, photographs).unfamiliarity is None
    with pytest.raises(BundleError, match=r"'model\.onnx' gives no features"):
        older.logits([], None, read_features=print)


@pytest.mark.parametrize(
    ("name", "harm", "told"),
    [
        ("familiarity.safetensors", None, "'familiarity.safetensors' is missing"),
        ("familiarity.safetensors", lambda content: content[:-20], "is damaged"),
        ("familiarity.json", lambda _: b"{", "is damaged"),
        ("familiarity.json", lambda content: content.replace(b'"limit_95"', b'"limit"'), "is damaged"),
        ("familiarity.json", lambda content: content.replace(b'"neighbours": 10', b'"neighbours": 99'), "cannot be"),
    ],
)
def test_damaged_files_are_refused(tmp_path, knowing, name, harm, told):
    save_bundle(knowing, tmp_path / "b")
    path = tmp_path / "b" / name
    content = path.read_bytes()
    if harm is None:
        path.unlink()
    else:
        path.write_bytes(harm(content))
        assert path.read_bytes() != content
    with pytest.raises(BundleError, match=told):
        load_bundle(tmp_path / "b")
