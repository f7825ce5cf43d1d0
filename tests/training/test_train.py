import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from cutis.data import split, write_manifest
from cutis.errors import BundleError, ImageError, ManifestError, RecipeError, SplitError
from cutis.models import LesionClassifier, load_bundle, predict_manifest
from cutis.training import calibrate, train, train_folds


def weights(folder):
    return load_file(folder / "model.safetensors")


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


@pytest.fixture
def divided(discs):
    return split(discs, by=["lesion_id"], subsets={"train": 0.6, "val": 0.2, "test": 0.2}, stratify="source_diagnosis")


def test_a_network_learns_what_the_images_show(divided, small_recipe, tmp_path):
    bundle = train(divided, small_recipe("schedule.epochs=25"), tmp_path / "b")
    test = divided.filter(pl.col("subset") == "test")
    predictions = predict_manifest(bundle, test)
    answers = [predictions.classes.ids[k] for k in predictions.probabilities.argmax(axis=1)]
    right = sum(a == w for a, w in zip(answers, test["source_diagnosis"], strict=True))
    assert right >= 0.8 * len(test)
    assert predictions.seen == ["no"] * len(test)


def test_the_bundle_holds_what_it_saw_and_how_it_went(divided, small_recipe, tmp_path):
    train(divided, small_recipe("schedule.epochs=2"), tmp_path / "b")
    bundle = load_bundle(tmp_path / "b")
    seen = bundle.training_record
    assert set(seen["image_id"]) == set(divided.filter(pl.col("subset").is_in(["train", "val"]))["image_id"])
    assert seen.filter(pl.col("role") == "val").height == bundle.about["validation_images"]
    lines = [json.loads(line) for line in (tmp_path / "b" / "log" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert list((tmp_path / "b" / "log" / "tensorboard").iterdir())
    assert not (tmp_path / "b.run").exists()
    assert predict_manifest(bundle, divided.filter(pl.col("subset") == "train")).seen == ["image"] * (
        divided.filter(pl.col("subset") == "train").height
    )


def test_without_a_split_validation_lesions_are_set_aside(discs, small_recipe, tmp_path):
    train(discs, small_recipe("schedule.epochs=1", "validation=0.25"), tmp_path / "b")
    record = load_bundle(tmp_path / "b").training_record
    held = set(record.filter(pl.col("role") == "val")["lesion_id"])
    assert held
    assert not held & set(record.filter(pl.col("role") == "train")["lesion_id"])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(divided, small_recipe, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(divided, small_recipe("schedule.epochs=2", f"seed={seed}"), tmp_path / name)
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    with pytest.raises(AssertionError):
        assert_same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_interrupted_at_any_step_and_resumed_it_ends_with_the_same_weights(divided, small_recipe, tmp_path):
    recipe = small_recipe("schedule.epochs=3", "augmentation.mixup=0.4")
    train(divided, recipe, tmp_path / "whole")
    for stop_at in (1, 4, 5):

        def interrupt(progress, stop_at=stop_at):
            if progress.step == stop_at:
                os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C

        place = tmp_path / f"cut{stop_at}"
        with pytest.raises(KeyboardInterrupt):
            train(divided, recipe, place, progress=interrupt)
        assert not place.exists()
        assert (tmp_path / f"cut{stop_at}.run" / "checkpoint.pt").exists()
        train(divided, recipe, place, resume=True)
        assert_same(weights(tmp_path / "whole"), weights(place))


def test_killed_in_mid_epoch_and_resumed_it_ends_with_the_same_weights(divided, small_recipe, tmp_path):
    """SIGKILL: no handler runs, what is on the disk is all there is."""
    write_manifest(divided, tmp_path / "m.parquet")
    recipe = small_recipe("schedule.epochs=40")
    train(divided, recipe, tmp_path / "whole")
    program = (
        "import sys, json\n"
        "from cutis.data import read_manifest\n"
        "from cutis.training import parse_recipe, train\n"
        "recipe = parse_recipe(json.load(open(sys.argv[2])))\n"
        "train(read_manifest(sys.argv[1]), recipe, sys.argv[3], checkpoint_seconds=0)\n"
    )
    (tmp_path / "recipe.json").write_text(json.dumps(recipe.model_dump(mode="json")))
    checkpoint = tmp_path / "cut.run" / "checkpoint.pt"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            program,
            *[str(tmp_path / each) for each in ("m.parquet", "recipe.json", "cut")],
        ],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not (tmp_path / "cut").exists()
    train(divided, recipe, tmp_path / "cut", resume=True)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_a_checkpoint_of_another_recipe_is_not_resumed(divided, small_recipe, tmp_path):
    def interrupt(progress):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(divided, small_recipe("schedule.epochs=2"), tmp_path / "b", progress=interrupt)
    with pytest.raises(RecipeError, match="another recipe or other data"):
        train(divided, small_recipe("schedule.epochs=3"), tmp_path / "b", resume=True)
    (tmp_path / "b.run" / "checkpoint.pt").write_bytes(b"garbage")
    with pytest.raises(RecipeError, match="cannot be read"):
        train(divided, small_recipe("schedule.epochs=2"), tmp_path / "b", resume=True)


def test_an_interrupted_run_is_not_thrown_away_in_silence(divided, small_recipe, tmp_path):
    def interrupt(progress):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(divided, small_recipe("schedule.epochs=2"), tmp_path / "b", progress=interrupt)
    with pytest.raises(RecipeError, match="an interrupted run lies there.*--resume"):
        train(divided, small_recipe("schedule.epochs=2"), tmp_path / "b")
    assert (tmp_path / "b.run" / "checkpoint.pt").exists()


def test_what_is_the_users_in_the_runs_folder_is_kept(divided, small_recipe, tmp_path):
    (tmp_path / "b.run").mkdir()
    (tmp_path / "b.run" / "notes.txt").write_text("mine")
    train(divided, small_recipe("schedule.epochs=1"), tmp_path / "b")
    assert [each.name for each in (tmp_path / "b.run").iterdir()] == ["notes.txt"]


def test_early_stopping_stops_and_best_is_kept(divided, small_recipe, tmp_path):
    recipe = small_recipe(
        "schedule.epochs=40",
        "schedule.stop_after=2",
        "schedule.keep=best",
        "optimiser.learning_rate=1e-9",
        "ema=0",
    )
    train(divided, recipe, tmp_path / "b")
    lines = (tmp_path / "b" / "log" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) < 40


def test_frozen_stages_stay_as_they_were_and_the_rest_learns(divided, small_recipe, tmp_path):
    frozen = small_recipe("optimiser.frozen_stages=2", "schedule.epochs=1", "ema=0")
    torch.manual_seed(frozen.seed)
    before = LesionClassifier(frozen.model, 3, frozen.image.training).state_dict()
    after = train(divided, frozen, tmp_path / "bundle").model.state_dict()
    # test_efficientnet's first two stages are its stem and its first block, batch statistics included.
    still = [name for name in before if name.startswith(("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0."))]
    assert len(still) == 12
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not moved.intersection(still)
    assert {"backbone.blocks.1.0.conv_exp.weight", "backbone.blocks.1.0.bn1.running_mean", "head.weight"} <= moved


def test_more_frozen_stages_than_there_are_is_an_error(divided, small_recipe, tmp_path):
    with pytest.raises(RecipeError, match=r"frozen_stages is 9, but backbone test_efficientnet has 6 stages"):
        train(divided, small_recipe("optimiser.frozen_stages=9"), tmp_path / "bundle")


def test_a_bundle_is_calibrated_on_its_validation_images(divided, small_recipe, tmp_path):
    recipe = small_recipe("schedule.epochs=2", "calibration=vector", "views=2")
    made = train(divided, recipe, tmp_path / "b")
    bundle = load_bundle(tmp_path / "b")
    validation = divided.filter(pl.col("subset") == "val")
    assert bundle.calibration.scaling.kind == "vector"
    assert bundle.calibration.fitted_on == f"discs, validation, {len(validation)} images"
    assert bundle.thresholds.chosen_on == bundle.calibration.fitted_on
    assert bundle.thresholds.classes.keys() == set(bundle.classes.ids)
    assert bundle.conformal is None  # five lesions promise nothing
    assert bundle.evaluation["subset"] == "val"
    again = calibrate(bundle, validation)  # on the very images: nothing moves
    assert (again.calibration, again.thresholds) == (made.calibration, made.thresholds)


def test_too_few_validation_lesions_for_the_calibration_are_told_before_any_training(divided, small_recipe, tmp_path):
    one_red = (pl.col("subset") == "val") & (pl.col("source_diagnosis") == "red")
    thin = divided.with_columns(subset=pl.when(one_red).then(pl.lit("train")).otherwise("subset"))
    with pytest.raises(ManifestError, match=r"calibration 'isotonic' needs two .* of red"):
        train(thin, small_recipe("calibration=isotonic"), tmp_path / "b")
    assert not (tmp_path / "b.run").exists()


def test_a_leaking_split_is_refused_before_any_work(discs, small_recipe, tmp_path):
    torn = discs.with_columns(subset=pl.Series(["train", "val"] * 24))
    with pytest.raises(SplitError, match="l0"):
        train(torn, small_recipe(), tmp_path / "b")
    assert not (tmp_path / "b.run").exists()


def test_bad_input_is_told_before_any_training(divided, discs, small_recipe, tmp_path):
    no_train = divided.with_columns(subset=pl.lit("test"))
    with pytest.raises(ManifestError, match="no train"):
        train(no_train, small_recipe(), tmp_path / "b")
    with pytest.raises(ManifestError, match="no image has a diagnosis of the class set 'ham7'"):
        train(divided, small_recipe("classes=ham7"), tmp_path / "b")
    with pytest.raises(ManifestError, match="no folds"):
        train_folds(divided, small_recipe(), tmp_path / "b")
    broken = divided.filter(pl.col("subset") == "train")["image_path"][0]
    Path(broken).write_bytes(b"")
    with pytest.raises(ImageError, match="1 of"):
        train(divided, small_recipe(), tmp_path / "b")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(BundleError, match="not a model bundle"):
        train(divided, small_recipe(), tmp_path / "mine")
    assert not (tmp_path / "b").exists()
