import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.special import softmax

from cutis.errors import BundleError
from cutis.evaluation import (
    IsotonicScaling,
    VectorScaling,
    choose_thresholds,
    fit_conformal_sets,
)
from cutis.models import Calibration, load_bundle, save_bundle


def test_a_bundle_comes_back_as_it_went(tmp_path, bundle):
    save_bundle(bundle, tmp_path / "b")
    back = load_bundle(tmp_path / "b")
    images = torch.rand(2, 3, 48, 64)
    torch.testing.assert_close(back.model(images), bundle.model(images))
    assert back.classes == bundle.classes
    assert back.calibration == bundle.calibration
    assert back.training_record.equals(bundle.training_record)
    assert (back.name, back.views, back.card) == ("small", 2, "# small\n")


def test_half_precision_halves_the_file_and_hardly_moves_the_answer(tmp_path, bundle):
    save_bundle(bundle, tmp_path / "full")
    save_bundle(bundle, tmp_path / "half", half=True)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    images = torch.rand(2, 3, 48, 64)
    torch.testing.assert_close(load_bundle(tmp_path / "half").model(images), bundle.model(images), atol=0.01, rtol=0.01)


def test_a_damaged_or_incomplete_bundle_is_refused(tmp_path, bundle):
    for harm, told in (
        (
            lambda b: (b / "model.safetensors").write_bytes((b / "model.safetensors").read_bytes()[:-9]),
            "weights are damaged",
        ),
        (lambda b: (b / "recipe.json").unlink(), "'recipe.json' is missing"),
        (lambda b: (b / "taxonomy.json").write_text("{}"), "is damaged"),
        (lambda b: (b / "bundle.json").write_text("{"), "is damaged"),
        (
            lambda b: (b / "bundle.json").write_text(json.dumps({"format": 99, "weights_sha256": ""})),
            "newer cutis",
        ),
    ):
        save_bundle(bundle, tmp_path / "b")
        harm(tmp_path / "b")
        with pytest.raises(BundleError, match=told):
            load_bundle(tmp_path / "b")
        if not (tmp_path / "b" / "bundle.json").exists():
            raise AssertionError("the marker of a bundle must stay")


def test_what_is_no_bundle_is_said(tmp_path):
    with pytest.raises(BundleError, match="does not exist"):
        load_bundle(tmp_path / "none")
    with pytest.raises(BundleError, match=r"'bundle\.json' is missing"):
        load_bundle(tmp_path)


def test_a_bundle_never_replaces_a_folder_of_something_else(tmp_path, bundle):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(BundleError, match="is not a model bundle"):
        save_bundle(bundle, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "years of work"


def with_decisions(bundle):
    """The bundle with thresholds and sets, as a training makes them."""
    truth = np.arange(140) % 7
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), size=140)
    return dataclasses.replace(
        bundle,
        thresholds=choose_thresholds(truth, probabilities, bundle.classes, chosen_on="clinic"),
        conformal=fit_conformal_sets(truth, probabilities, bundle.classes, calibrated_on="clinic"),
    )


def test_thresholds_and_sets_come_back_and_older_bundles_have_none(tmp_path, bundle):
    save_bundle(bundle, tmp_path / "b")
    assert not (tmp_path / "b" / "thresholds.json").exists()
    assert not (tmp_path / "b" / "conformal.json").exists()
    back = load_bundle(tmp_path / "b")
    assert (back.thresholds, back.conformal) == (None, None)
    decided = with_decisions(bundle)
    save_bundle(decided, tmp_path / "b")
    back = load_bundle(tmp_path / "b")
    assert (back.thresholds, back.conformal) == (decided.thresholds, decided.conformal)


@pytest.mark.parametrize("name", ["thresholds.json", "conformal.json"])
def test_thresholds_and_sets_of_other_classes_or_damaged_are_refused(tmp_path, bundle, name):
    save_bundle(with_decisions(bundle), tmp_path / "b")
    path = tmp_path / "b" / name
    content = path.read_text()
    path.write_text(content.replace('"mel"', '"naevus"'))
    with pytest.raises(BundleError, match=f"'{name}' is of other classes"):
        load_bundle(tmp_path / "b")
    path.write_text(content[:40])
    with pytest.raises(BundleError, match="is damaged"):
        load_bundle(tmp_path / "b")


def test_every_kind_of_calibration_comes_back(tmp_path, bundle):
    logits = np.random.default_rng(0).normal(size=(5, 7))
    for scaling in (
        VectorScaling(scale=(2.0,) * 7, shift=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0)),
        IsotonicScaling(said=((0.0, 0.3, 1.0),) * 7, meant=((0.01, 0.5, 0.9),) * 7),
    ):
        calibration = Calibration(scaling=scaling, prior="training", fitted_on="clinic")
        save_bundle(dataclasses.replace(bundle, calibration=calibration), tmp_path / "b")
        back = load_bundle(tmp_path / "b").calibration
        assert back == calibration
        np.testing.assert_array_equal(back.probabilities(logits), scaling.probabilities(logits))
        np.testing.assert_allclose(back.probabilities(logits).sum(axis=1), 1)


def test_a_calibration_of_format_1_is_temperature_scaling(tmp_path, bundle):
    save_bundle(bundle, tmp_path / "b")
    (tmp_path / "b" / "calibration.json").write_text(
        '{"temperature": 2.0, "prior": "uniform", "fitted_on": "774 validation images"}'
    )
    about = tmp_path / "b" / "bundle.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"format": 1}))
    calibration = load_bundle(tmp_path / "b").calibration
    logits = np.random.default_rng(0).normal(size=(5, 7))
    np.testing.assert_allclose(calibration.probabilities(logits), softmax(logits / 2, axis=1), rtol=1e-12)
    assert calibration.fitted_on == "774 validation images"
    (tmp_path / "b" / "calibration.json").write_text('{"temperature": 2.0, "scaling": null}')
    with pytest.raises(BundleError, match="is damaged"):
        load_bundle(tmp_path / "b")
