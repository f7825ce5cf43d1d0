"""The front door: explanations come in the manifest's order, a batch at a time, and tell what `cutis predict` tells."""

import numpy as np
import pytest
import torch
from PIL import Image

from cutis.data import manifest_frame, network_input
from cutis.errors import CutisError, ImageError, PredictionsError, TaxonomyError
from cutis.explanation.explain import explain_images, explanation_methods
from cutis.explanation.methods import METHODS
from cutis.explanation.target import TargetScore, explained_target
from cutis.models import (
    Architecture,
    Bundle,
    Calibration,
    ImageSize,
    LesionClassifier,
    patient_codes,
    predict_manifest,
    to_input,
)
from cutis.taxonomy import class_set

ARCHITECTURE = Architecture(backbone="test_efficientnet", patient=("age",), patient_width=8)
IMAGE = ImageSize(decoded=(60, 80), training=(48, 64), inference=(48, 64))


@pytest.fixture(scope="module")
def bundle():
    """An untrained one, with a head that does not answer the same to all."""
    torch.manual_seed(0)
    model = LesionClassifier(ARCHITECTURE, 7, IMAGE.inference).eval()
    with torch.no_grad():
        model.head.weight.mul_(60)
    import polars as pl

    columns = ("source", "image_id", "lesion_id", "patient_id", "group", "content_key", "role")
    return Bundle(
        model=model,
        classes=class_set("ham7"),
        recipe={"model": ARCHITECTURE.model_dump(mode="json"), "image": IMAGE.model_dump(mode="json"), "views": 2},
        calibration=Calibration(),
        training_record=pl.DataFrame(schema=dict.fromkeys(columns, pl.String)),
    )


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """Five photographs of five people."""
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = []
    for n in range(5):
        path = tmp_path / f"{n}.png"
        colour = rng.integers(40, 215, 3)
        pixels = np.clip(rng.normal(colour, 30, (90, 120, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        rows.append({"image_id": f"i{n}", "image_path": str(path), "source": "clinic", "age_approx": 10 + 20 * n})
    return manifest_frame(rows)


def test_each_explanation_is_of_its_image_and_its_answer(bundle, manifest):
    predictions = predict_manifest(bundle, manifest)
    told = list(explain_images(bundle, manifest, methods=["gradcam", "saliency"], batch_size=2))
    assert [each.image_id for each in told] == manifest["image_id"].to_list()
    for each, row in zip(told, predictions.probabilities, strict=True):
        assert each.answer == bundle.classes.ids[row.argmax()]
        assert each.target.node == each.answer
        assert each.probability == pytest.approx(row.max())
        assert list(each.maps) == ["gradcam", "saliency"]
        assert each.pixels.shape == (48, 64, 3)
        for one in each.maps.values():
            assert one.shape == (48, 64)
            assert one.dtype == np.float32
            assert np.isfinite(one).all()
            assert one.std() > 0
    assert len({each.answer for each in told}) > 1, "a test of several answers needs several"


def test_a_map_is_that_of_the_method_for_this_image_and_patient_alone(bundle, manifest):
    told = list(explain_images(bundle, manifest, methods=["gradcam"], node="mel", batch_size=3))
    codes = patient_codes(manifest, ARCHITECTURE.patient)
    target = explained_target(bundle.classes, "mel")
    for row in (0, 4):
        score = TargetScore(bundle.model, target, torch.from_numpy(codes[row : row + 1]))
        alone = METHODS["gradcam"].attribute(score, to_input([told[row].pixels], torch.device("cpu")))[0]
        np.testing.assert_allclose(told[row].maps["gradcam"], alone, rtol=1e-3, atol=1e-5 * np.abs(alone).max())


def test_a_node_is_explained_as_the_sum_of_its_classes(bundle, manifest):
    probabilities = predict_manifest(bundle, manifest).probabilities
    told = list(explain_images(bundle, manifest, methods=["gradcam"], node="malignant-epidermal"))
    inside = told[0].target.inside
    assert 1 < inside.sum() < 7
    for each, row in zip(told, probabilities, strict=True):
        assert each.target is told[0].target
        assert each.probability == pytest.approx(row[inside].sum())
        assert each.answer == bundle.classes.ids[row.argmax()]


def test_no_more_than_a_batch_is_read_ahead(bundle, manifest):
    read = []

    class Watched(list):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    images = Watched([np.full((60, 80, 3), 30 * n, dtype=np.uint8) for n in range(5)])
    steps = []
    coming = explain_images(bundle, manifest, methods=["saliency"], images=images, batch_size=2, progress=steps.append)
    first = next(coming)
    assert sorted(set(read)) == [0, 1]
    np.testing.assert_array_equal(first.pixels, network_input(images[0], 48, 64))
    list(coming)
    assert sum(steps) == 5


def test_a_names_list_becomes_methods():
    assert [each.name for each in explanation_methods(["all"])] == list(METHODS)
    assert [each.name for each in explanation_methods(["lime", "gradcam", "lime"])] == ["lime", "gradcam"]
    with pytest.raises(CutisError, match=r"no method is called 'grad-cam'\. Did you mean 'gradcam'\?"):
        explanation_methods(["saliency", "grad-cam"])
    with pytest.raises(CutisError, match="no method is called 'zebra'. There are saliency"):
        explanation_methods(["zebra"])
    with pytest.raises(CutisError, match="no method is named"):
        explanation_methods([])


def test_what_cannot_be_explained_is_refused_when_called_not_when_asked_for(bundle, manifest, tmp_path):
    with pytest.raises(TaxonomyError, match="no-such-thing"):
        explain_images(bundle, manifest, methods=["gradcam"], node="no-such-thing")
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "3.png").unlink()
    with pytest.raises(ImageError, match="2 of 5 images cannot be read"):
        explain_images(bundle, manifest, methods=["gradcam"])


def test_predictions_of_other_rows_are_refused(bundle, manifest):
    turned = predict_manifest(bundle, manifest.reverse())
    with pytest.raises(PredictionsError, match="not of the same rows"):
        explain_images(bundle, manifest, methods=["gradcam"], predictions=turned)
