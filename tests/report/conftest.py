"""One small evaluation that has every section, made once."""

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
