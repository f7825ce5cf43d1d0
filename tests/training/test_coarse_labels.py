"""Images labelled above the classes are learnt from, and are neither right nor wrong in figures."""

import polars as pl
import pytest

from cutis.data import split
from cutis.errors import ManifestError
from cutis.models import predict_manifest
from cutis.training import train

NODES = {"red": "nevus-blue", "brown": "nevus-congenital", "blue": "melanoma"}


@pytest.fixture
def labelled(discs):
    """The discs as two kinds of nevus and melanoma; of every third lesion only "nevus" or "malignant" is known."""
    fine = pl.col("source_diagnosis").replace_strict(NODES)
    above = pl.when(fine == "melanoma").then(pl.lit("malignant")).otherwise(pl.lit("nevus"))
    coarse = pl.col("lesion_id").str.slice(1).cast(pl.Int64) // 3 % 3 == 0
    frame = discs.with_columns(diagnosis_node=pl.when(coarse).then(above).otherwise(fine))
    return split(frame, by=["lesion_id"], subsets={"train": 0.7, "val": 0.3}, stratify="diagnosis_node")


def test_coarse_labels_are_learnt_from_and_not_scored(labelled, small_recipe, tmp_path):
    recipe = small_recipe("classes='nevus-blue,nevus-congenital,melanoma'", "schedule.epochs=12")
    bundle = train(labelled, recipe, tmp_path / "bundle")
    learnt = bundle.training_record.filter(pl.col("role") == "train")["image_id"]
    assert set(learnt) == set(labelled.filter(pl.col("subset") == "train")["image_id"])
    validation = labelled.filter(pl.col("subset") == "val")
    unsure = validation.filter(pl.col("diagnosis_node").is_in(["nevus", "malignant"]))
    assert len(unsure) > 0
    assert bundle.evaluation["images"] == len(validation) - len(unsure)
    # What is known of them was learnt: a nevus of unknown kind is called one kind of nevus or the other.
    coarse = labelled.filter(pl.col("diagnosis_node") == "nevus")
    probabilities = predict_manifest(bundle, coarse).probabilities
    assert (probabilities[:, :2].sum(axis=1) > 0.5).mean() > 0.9


def test_other_diseases_need_a_class_of_their_own(labelled, small_recipe, tmp_path):
    with pytest.raises(ManifestError, match=r"outside the classes 'nevus-blue,nevus-congenital'.*\+other"):
        train(labelled, small_recipe("classes='nevus-blue,nevus-congenital'"), tmp_path / "bundle")
    recipe = small_recipe("classes='nevus+other'", "schedule.epochs=12")
    bundle = train(labelled, recipe, tmp_path / "other")
    assert bundle.classes.ids == ("nevus", "other")
    assert bundle.evaluation["overall"]["accuracy"]["value"] > 0.8
