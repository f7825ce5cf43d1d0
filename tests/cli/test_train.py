"""``cutis train`` as a user meets it: what it prints and writes, what it refuses, and Ctrl-C."""

import json
import signal
import subprocess
import sys
import time

import pytest

from cutis.cli.train import TrainingTask
from cutis.models import load_bundle

SETTINGS = [
    "name=small",
    "classes=source",
    "weights=none",
    "model.backbone=test_efficientnet",
    "model.patient=[]",
    "image.decoded=[32, 40]",
    "image.training=[32, 40]",
    "image.inference=[32, 40]",
    "optimiser.batch_size=4",
    "schedule.epochs=1",
    "precision=float32",
]


def overrides(*more):
    return [word for setting in (*SETTINGS, *more) for word in ("--set", setting)]


def test_it_writes_a_bundle_and_prints_a_table_and_its_place(cutis, manifest, tmp_path):
    status, out, err = cutis("train", manifest, *overrides(), "-o", tmp_path / "b")
    assert status == 0, err
    assert load_bundle(tmp_path / "b").classes.ids == ("blue", "red")
    assert "validation balanced accuracy" in out
    assert out.splitlines()[-1] == f"written: {tmp_path / 'b'}"
    assert "training: epoch 1/1, loss" in err
    assert not (tmp_path / "b.run").exists()


def test_json_is_one_object_and_an_old_bundle_is_replaced(cutis, manifest, bundle):
    status, out, err = cutis("train", manifest, *overrides(), "-o", bundle, "--json")
    assert status == 0, err
    told = json.loads(out)
    assert (told["training images"], told["validation images"]) == (12, 4)
    assert 0 <= told["validation balanced accuracy"] <= 1
    assert told["written"] == [str(bundle)]
    assert load_bundle(bundle).name == "small"


def test_folds_give_a_bundle_each_and_the_predictions(cutis, rows, write, tmp_path):
    folded = [{**row, "subset": None, "fold": n // 4 % 2} for n, row in enumerate(rows)]
    status, out, err = cutis("train", write(folded), *overrides(), "--folds", "-o", tmp_path / "cv", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["images predicted out of fold"] == 16
    assert told["written"] == [str(tmp_path / "cv" / name) for name in ("predictions.parquet", "fold0", "fold1")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--recipe", "nonesuch"), "no recipe is called 'nonesuch'. Use one of default"),
        (("--recipe", "nowhere.toml"), "nowhere.toml: does not exist"),
        (("--set", "schedule.epochs"), "--set takes key=value, not 'schedule.epochs'"),
        (("--set", "=3"), "--set takes key=value"),
        (("--set", "schedule.epochs=few"), "'schedule.epochs': Input should be a valid integer"),
        (("--set", "schedule.epochs=0"), "'schedule.epochs'"),
        (("--set", "schedule.nonesuch=1"), "'schedule.nonesuch'"),
        (("--set", "seed.of.doubt=1"), "'seed'"),
        (("--set", "classes=ham8"), "no class set is called 'ham8'"),
        (("--set", "classes=ham7"), "class"),
        (("--set", "model.backbone=nonesuch"), "nonesuch"),
        (("--set", "weights=nowhere.safetensors"), "nowhere.safetensors"),
        (("--set", "model.patient=['shoe size']"), "model.patient"),
        (("--folds",), "the manifest has no folds"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(fails, manifest, tmp_path, arguments, told):
    given = [] if arguments[0] == "--recipe" else overrides()
    assert told in fails("train", manifest, *given, *arguments, "-o", tmp_path / "b")


def test_a_recipe_file_that_is_no_toml_is_refused(fails, manifest, tmp_path):
    (tmp_path / "recipe.toml").write_text("name = \n\nseed == 3\n")
    message = fails("train", manifest, "--recipe", tmp_path / "recipe.toml", "-o", tmp_path / "b")
    assert "recipe.toml: is not valid TOML" in message
    (tmp_path / "folder.toml").mkdir()
    assert "folder.toml" in fails("train", manifest, "--recipe", tmp_path / "folder.toml", "-o", tmp_path / "b")


def test_labels_without_images_cannot_be_trained_on(fails, rows, write, tmp_path):
    path = write([{**row, "image_path": None} for row in rows])
    assert "16 of 16 rows have no image file" in fails("train", path, *overrides(), "-o", tmp_path / "b")


def test_bad_images_are_told_together(fails, rows, write, tmp_path, truncated):
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.png").write_text("no image")
    for row, name in zip(rows, (truncated.name, "empty.png", "words.png", "nowhere.png", "cache"), strict=False):
        row["image_path"] = name
    message = fails("train", write(rows), *overrides(), "-o", tmp_path / "b")
    assert "5 of 16 images cannot be read" in message
    for told in ("truncated.jpg: is truncated", "empty.png: is empty", "words.png: is not an image", "nowhere.png"):
        assert told in message


def test_a_split_that_leaks_is_refused(fails, rows, write, tmp_path):
    rows[1]["subset"] = "val"  # the other image of the lesion is in train
    assert "l0" in fails("train", write(rows), *overrides(), "-o", tmp_path / "b")


def test_a_class_without_training_images_is_refused(fails, rows, write, tmp_path):
    for row in rows:
        if row["subset"] == "val":
            row["source_diagnosis"] = "green"
    assert "no training image shows green" in fails("train", write(rows), *overrides(), "-o", tmp_path / "b")


@pytest.mark.parametrize("more", [(), ("--folds",)], ids=["one", "folds"])
@pytest.mark.parametrize("place", ["taken", "taken/b"])
def test_a_file_in_the_way_is_told(fails, rows, write, tmp_path, place, more):
    (tmp_path / "taken").write_text("mine")
    path = write([{**row, "fold": n // 4 % 2} if more else row for n, row in enumerate(rows)])
    assert "taken" in fails("train", path, *overrides(), *more, "-o", tmp_path / place)


def test_a_folder_of_something_else_is_not_overwritten(fails, manifest, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_text("mine")
    message = fails("train", manifest, *overrides(), "-o", tmp_path / "photos")
    assert "photos: exists and is not a model bundle" in message


def test_a_fold_that_would_overwrite_something_else_is_told_before_any_training(fails, rows, write, tmp_path):
    (tmp_path / "cv" / "fold1").mkdir(parents=True)
    (tmp_path / "cv" / "fold1" / "holiday.jpg").write_text("mine")
    path = write([{**row, "fold": n // 4 % 2} for n, row in enumerate(rows)])
    message = fails("train", path, *overrides(), "--folds", "-o", tmp_path / "cv")
    assert "fold1: exists and is not a model bundle" in message


def test_a_file_where_the_checkpoint_goes_is_told(fails, manifest, tmp_path):
    (tmp_path / "b.run").write_text("mine")
    assert "b.run" in fails("train", manifest, *overrides(), "-o", tmp_path / "b")


def test_the_folder_one_stands_in_cannot_be_the_bundle(fails, manifest, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert "the folder one stands in" in fails("train", manifest, *overrides(), "-o", ".")


@pytest.fixture
def interrupted(cutis, manifest, tmp_path, monkeypatch):
    """A run that met Ctrl-C after its second step of six: what main gave, and the bundle's place."""
    step = TrainingTask.step

    def interrupt(self, progress):
        step(self, progress)
        if progress.step == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingTask, "step", interrupt)
        answer = cutis("train", manifest, *overrides("schedule.epochs=2"), "-o", tmp_path / "b")
    return answer, tmp_path / "b"


def test_after_ctrl_c_resume_finishes(interrupted, cutis, manifest):
    (status, out, err), place = interrupted
    assert (status, out) == (130, "")
    assert err.splitlines()[-1] == "cutis: interrupted"
    assert not place.exists()
    assert place.with_name("b.run").joinpath("checkpoint.pt").exists()
    status, out, err = cutis("train", manifest, *overrides("schedule.epochs=2"), "-o", place, "--resume")
    assert status == 0, err
    assert load_bundle(place).about["training_images"] == 12
    assert not place.with_name("b.run").exists()
    lines = (place / "log" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [3, 6]


def test_another_recipe_or_a_damaged_checkpoint_is_not_resumed(interrupted, cutis, manifest):
    _, place = interrupted
    checkpoint = place.with_name("b.run") / "checkpoint.pt"
    kept = checkpoint.read_bytes()
    for setting, content, told in (
        ("seed=9", kept, "the checkpoint belongs to another recipe or other data"),
        ("schedule.epochs=2", kept[:99], "the checkpoint cannot be read"),
    ):
        checkpoint.write_bytes(content)
        status, out, err = cutis("train", manifest, *overrides("schedule.epochs=2", setting), "-o", place, "--resume")
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert told in err
        assert checkpoint.read_bytes() == content
        assert not place.exists()


def test_a_real_ctrl_c_leaves_a_checkpoint_and_no_traceback(manifest, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from cutis.cli import main; main()",
            "train",
            manifest,
            *overrides("schedule.epochs=100000"),
            "-o",
            tmp_path / "b",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoint = tmp_path / "b.run" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, ""), err
    assert err.splitlines()[-1] == "cutis: interrupted"
    assert "Traceback" not in err
    assert checkpoint.exists()
    assert not (tmp_path / "b").exists()
