"""What the tests of the pages share: an evaluation that has every section, and a browser."""

import shutil
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from cutis.data import manifest_frame
from cutis.evaluation import Evaluation, Predictions, choose_thresholds, evaluate, fit_conformal_sets
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


@dataclass(frozen=True)
class Whole:
    """An evaluation with what it was made from."""

    evaluation: Evaluation
    predictions: Predictions
    manifest: pl.DataFrame


@pytest.fixture(scope="session")
def whole() -> Whole:
    """350 images of as many lesions in HAM10000's classes, with sex, site and age; thresholds and prediction sets."""
    generator = np.random.default_rng(0)
    truth = np.arange(350) % 7
    manifest = manifest_frame(
        [
            {
                "image_id": f"i{n}",
                "lesion_id": f"l{n}",
                "source": "test",
                "diagnosis_node": HAM7.classes[k].nodes[0],
                "source_diagnosis": HAM7.ids[k],
                "age_approx": int(generator.integers(20, 90)),
                "sex": "female" if n % 3 else "male",
                "anatom_site": "Trunk" if n > 5 else "Oral or genital",
                "image_type": "dermoscopic",
            }
            for n, k in enumerate(truth)
        ]
    )
    values = generator.dirichlet(np.full(7, 0.5), size=350)
    values[np.arange(350), truth] += generator.uniform(0, 1.2, 350)
    values /= values.sum(axis=1, keepdims=True)
    predictions = Predictions(manifest["image_id"].to_list(), values, HAM7, ["no"] * 350)
    evaluation = evaluate(
        predictions,
        manifest,
        thresholds=choose_thresholds(truth, values, HAM7, chosen_on="other images"),
        conformal=fit_conformal_sets(truth, values, HAM7, calibrated_on="other images"),
        resamples=100,
    )
    return Whole(evaluation, predictions, manifest)


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium; none is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()
