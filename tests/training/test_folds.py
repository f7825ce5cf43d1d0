"""Cross-validation: one bundle a fold, kept where it is done, several at a time where asked for."""

import json

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from cutis.data import split
from cutis.errors import RecipeError
from cutis.models import load_bundle
from cutis.training import train_folds


def weights(folder):
    return load_file(folder / "model.safetensors")


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


def test_folds_predict_every_image_by_a_model_that_has_not_seen_its_lesion(discs, small_recipe, tmp_path):
    folded = split(discs, by=["lesion_id"], folds=3, stratify="source_diagnosis")
    predictions = train_folds(folded, small_recipe("schedule.epochs=1"), tmp_path / "cv")
    assert sorted(predictions.image_ids) == sorted(discs["image_id"])
    for fold in range(3):
        learnt = load_bundle(tmp_path / "cv" / f"fold{fold}").training_record.filter(pl.col("role") == "train")
        held_out = folded.filter(pl.col("fold") == fold)
        assert not set(learnt["lesion_id"]) & set(held_out["lesion_id"])
    assert (tmp_path / "cv" / "predictions.parquet").exists()


def test_finished_folds_of_another_recipe_are_not_mixed_in(discs, small_recipe, tmp_path):
    folded = split(discs, by=["lesion_id"], folds=2, stratify="source_diagnosis")
    first = train_folds(folded, small_recipe("schedule.epochs=1"), tmp_path / "cv")
    before = weights(tmp_path / "cv" / "fold0")
    again = train_folds(folded, small_recipe("schedule.epochs=1"), tmp_path / "cv", resume=True)
    assert_same(before, weights(tmp_path / "cv" / "fold0"))
    assert (again.probabilities == first.probabilities).all()
    with pytest.raises(RecipeError, match="another recipe or other data"):
        train_folds(folded, small_recipe("schedule.epochs=2"), tmp_path / "cv", resume=True)


def test_folds_of_a_recipe_without_the_newest_fields_are_kept(discs, small_recipe, tmp_path):
    folded = split(discs, by=["lesion_id"], folds=2, stratify="source_diagnosis")
    train_folds(folded, small_recipe("schedule.epochs=1"), tmp_path / "cv")
    for fold in range(2):
        path = tmp_path / "cv" / f"fold{fold}" / "recipe.json"
        fields = json.loads(path.read_text())
        del fields["calibration"]
        path.write_text(json.dumps(fields))
    before = weights(tmp_path / "cv" / "fold0")
    train_folds(folded, small_recipe("schedule.epochs=1"), tmp_path / "cv", resume=True)
    assert_same(before, weights(tmp_path / "cv" / "fold0"))


def test_folds_trained_at_once_are_those_trained_one_by_one(discs, small_recipe, tmp_path):
    folded = split(discs, by=["lesion_id"], folds=2, stratify="source_diagnosis")
    recipe = small_recipe("schedule.epochs=1")
    alone = train_folds(folded, recipe, tmp_path / "alone")
    at_once = train_folds(folded, recipe, tmp_path / "at_once", jobs=2)
    assert at_once.image_ids == alone.image_ids
    # Not to the bit: a process with half the cores sums in another order.
    assert at_once.probabilities == pytest.approx(alone.probabilities, abs=1e-3)


def test_what_a_fold_trained_at_once_raises_is_raised(discs, small_recipe, tmp_path):
    folded = split(discs, by=["lesion_id"], folds=2, stratify="source_diagnosis")
    with pytest.raises(RecipeError, match="frozen_stages is 9"):
        train_folds(folded, small_recipe("optimiser.frozen_stages=9"), tmp_path / "cv", jobs=2)
    with pytest.raises(RecipeError, match="0 folds at a time"):
        train_folds(folded, small_recipe(), tmp_path / "cv", jobs=0)
