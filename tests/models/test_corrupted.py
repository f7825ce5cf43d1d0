"""Predictions of corrupted images: the right pixels, the same calibration, and a run that goes on where it stopped."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cutis.data import corrupt, manifest_frame
from cutis.errors import BundleError, ImageError
from cutis.models import (
    fastest_bundle,
    load_bundle,
    predict_corrupted,
    predict_manifest,
    predict_under_corruptions,
    save_bundle,
)


@pytest.fixture
def saved(tmp_path, bundle):
    save_bundle(bundle, tmp_path / "bundle")
    return load_bundle(tmp_path / "bundle")


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = []
    for n in range(4):
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
        rows.append({"image_id": f"i{n}", "image_path": str(tmp_path / f"{n}.png"), "source": "clinic"})
    rows[1]["lesion_id"] = "seen lesion"
    return manifest_frame(rows)


def test_it_is_the_prediction_of_the_corrupted_pixels(saved, manifest, tmp_path):
    answered = predict_corrupted(saved, manifest, "hair", 4, seed=7)
    for n, path in enumerate(manifest["image_path"]):  # at the decoded size already: corrupt, save, predict as usual
        spoilt = corrupt(np.asarray(Image.open(path)), "hair", 4, 7)
        Image.fromarray(spoilt).save(tmp_path / f"spoilt{n}.png")
    by_hand = manifest.with_columns(image_path=np.array([str(tmp_path / f"spoilt{n}.png") for n in range(4)]))
    np.testing.assert_allclose(answered.probabilities, predict_manifest(saved, by_hand).probabilities, atol=1e-9)
    assert answered.image_ids == ["i0", "i1", "i2", "i3"]
    assert answered.seen == ["no", "lesion", "no", "no"]  # the file is known by its content, corrupted or not
    assert np.abs(answered.probabilities - predict_manifest(saved, manifest).probabilities).max() > 1e-6


def test_unknown_corruptions_are_refused(saved, manifest):
    with pytest.raises(ImageError, match="no corruption 'fog'"):
        predict_corrupted(saved, manifest, "fog", 1)


def run(bundle, manifest, folder, **options):
    done = []
    told = predict_under_corruptions(
        bundle,
        manifest,
        folder,
        **{"corruptions": ["blur", "jpeg"], "strengths": [1, 5], "progress": done.append, **options},
    )
    assert sum(done) == len(manifest) * (1 + len(told[1]))
    return told


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_predictions_are_kept_and_not_made_again(saved, manifest, tmp_path):
    clean, corrupted = run(saved, manifest, tmp_path / "kept")
    assert list(corrupted) == [("blur", 1), ("blur", 5), ("jpeg", 1), ("jpeg", 5)]
    before = stamps(tmp_path / "kept")
    assert set(before) == {"key.json", "clean.parquet"} | {f"{n}-{s}.parquet" for n, s in corrupted}
    again_clean, again = run(saved, manifest, tmp_path / "kept")
    assert stamps(tmp_path / "kept") == before
    np.testing.assert_array_equal(again_clean.probabilities, clean.probabilities)
    assert again_clean.seen == clean.seen == ["no", "lesion", "no", "no"]
    for at, each in corrupted.items():
        np.testing.assert_array_equal(again[at].probabilities, each.probabilities)
    # More strengths add to what is there.
    run(saved, manifest, tmp_path / "kept", strengths=[1, 3])
    assert {name: at for name, at in stamps(tmp_path / "kept").items() if name in before} == before


def test_an_interrupted_run_goes_on(saved, manifest, tmp_path):
    def stop(done, seen=[0]):  # noqa: B006 - counts over calls
        seen[0] += done
        if seen[0] > 2 * len(manifest):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_under_corruptions(
            saved, manifest, tmp_path / "kept", corruptions=["blur", "jpeg"], strengths=[1, 5], progress=stop
        )
    before = stamps(tmp_path / "kept")
    assert set(before) == {"key.json", "clean.parquet", "blur-1.parquet"}
    run(saved, manifest, tmp_path / "kept")
    after = stamps(tmp_path / "kept")
    assert {name: after[name] for name in before} == before
    assert len(after) == 6


@pytest.mark.parametrize("what", ["seed", "images", "weights", "age"])
def test_predictions_of_something_else_are_replaced(saved, manifest, tmp_path, what):
    run(saved, manifest, tmp_path / "kept")
    before = stamps(tmp_path / "kept")
    options = {}
    if what == "seed":
        options["seed"] = 1
    elif what == "images":
        manifest = manifest[:3]
    elif what == "age":
        manifest = manifest.with_columns(age_approx=np.array([40, 50, 60, 70], dtype=np.int64))
    else:
        saved.about["weights_sha256"] = "0" * 64
    run(saved, manifest, tmp_path / "kept", **options)
    after = stamps(tmp_path / "kept")
    assert set(after) == set(before)
    assert all(after[name] > before[name] for name in before)


def test_a_bundle_without_a_hash_is_refused(bundle, manifest, tmp_path):
    with pytest.raises(BundleError, match="its weights have no hash"):
        run(bundle, manifest, tmp_path / "kept")


def test_with_onnx_it_imports_no_torch_and_answers_the_same(manifest, tmp_path):
    manifest = manifest[:2]
    np.testing.assert_allclose(
        predict_corrupted(fastest_bundle(), manifest, "noise", 3).probabilities,
        predict_corrupted(load_bundle(), manifest, "noise", 3).probabilities,
        atol=1e-3,
    )
    manifest.write_parquet(tmp_path / "m.parquet")
    program = (
        "import sys\n"
        "from cutis.data import read_manifest\n"
        "from cutis.models import fastest_bundle, predict_corrupted\n"
        f"predict_corrupted(fastest_bundle(), read_manifest({str(tmp_path / 'm.parquet')!r}), 'blur', 2)\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
