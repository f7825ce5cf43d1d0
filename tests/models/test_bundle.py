import json

import pytest
import torch

from cutis.errors import BundleError
from cutis.models import load_bundle, save_bundle


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
