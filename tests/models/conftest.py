"""A small bundle, quickly made: untrained, with a record of what it claims to have seen."""

import polars as pl
import pytest
import torch

from cutis.evaluation import TemperatureScaling
from cutis.models import Architecture, Bundle, Calibration, ImageSize, LesionClassifier
from cutis.taxonomy import class_set

ARCHITECTURE = Architecture(backbone="test_efficientnet", patient=("age",), patient_width=8)
IMAGE = ImageSize(decoded=(60, 80), training=(48, 64), inference=(48, 64))


@pytest.fixture
def bundle():
    torch.manual_seed(0)
    record = pl.DataFrame(
        {
            "source": ["clinic"],
            "image_id": ["seen image"],
            "lesion_id": ["seen lesion"],
            "patient_id": ["seen patient"],
            "group": [None],
            "content_key": ["0" * 32],
            "role": ["train"],
        },
        schema_overrides={"group": pl.String},
    )
    return Bundle(
        model=LesionClassifier(ARCHITECTURE, 7, IMAGE.inference).eval(),
        classes=class_set("ham7"),
        recipe={
            "model": ARCHITECTURE.model_dump(mode="json"),
            "image": IMAGE.model_dump(mode="json"),
            "views": 2,
        },
        calibration=Calibration(scaling=TemperatureScaling(temperature=1.5)),
        training_record=record,
        about={"name": "small"},
        card="# small\n",
    )
