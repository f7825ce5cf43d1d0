"""``cutis explain``: a folder of maps with its page, a table or JSON, and what is refused before any work."""

import json
from functools import partial

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from cutis.cli.explain import explain_verb
from cutis.data import make_phantoms, write_manifest
from cutis.errors import BundleError, CutisError, ImageError, TaxonomyError
from cutis.explanation import lime


@pytest.fixture
def manifest(tmp_path):
    """A few phantom lesions with their masks, four of them in the subset val."""
    frame = make_phantoms(tmp_path / "phantoms", patients=5, seed=0, size=(48, 64), planted_duplicates=0)
    subset = pl.Series(["val"] * 4 + ["train"] * (len(frame) - 4))
    write_manifest(frame.with_columns(subset=subset), tmp_path / "phantoms" / "manifest.parquet")
    return tmp_path / "phantoms" / "manifest.parquet"


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("explain")(explain_verb)
    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def test_one_photograph_gets_a_map_and_a_page(run, bundle, photo, tmp_path):
    out = tmp_path / "why"
    result = run(bundle, photo, "-o", out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.rglob("*")) == [
        "explanations.parquet",
        "images",
        "index.html",
        "photo.png.gradcam.png",
    ]
    assert "1 images explained" not in result.output
    assert "1 image explained" in result.output
    assert "Grad-CAM" in result.output
    assert "where the network looked, not why. Research software, not a medical device." in result.output
    assert str(out / "index.html") in result.output
    table = pl.read_parquet(out / "explanations.parquet")
    assert table.select("image_id", "method", "seen_in_training").rows() == [("photo.png", "gradcam", "no")]
    assert not (tmp_path / "cache").exists(), "nothing is kept of a single photograph"
    assert "small on photo.png" in (out / "index.html").read_text(encoding="utf-8")


def test_the_patient_is_heard(run, bundle, photo, tmp_path):
    told = [
        json.loads(run(bundle, photo, "-o", tmp_path / "why", "--age", age, "--node", "mel", "--json").stdout)
        for age in (10, 80)
    ]
    young, old = (each["explanations"][0] for each in told)
    assert young["probability"] != old["probability"]
    assert young["target_name"] == "Melanoma"
    assert told[0]["written"] == [str(tmp_path / "why" / each) for each in ("index.html", "explanations.parquet")]


def test_a_manifest_by_several_methods_with_the_maps_kept(run, bundle, manifest, tmp_path):
    out = tmp_path / "why"
    methods = ("--method", "saliency", "--method", "gradcam", "--method", "saliency")
    result = run(bundle, manifest, "-o", out, *methods, "--subset", "val", "--maps")
    assert "4 images explained" in result.output
    table = pl.read_parquet(out / "explanations.parquet")
    assert table.select("image_id", "method").rows() == [
        (image_id, method)
        for image_id in pl.read_parquet(manifest)["image_id"].head(4)
        for method in ("saliency", "gradcam")
    ]
    assert (table["answer"] == table["target"]).all()
    with np.load(out / "maps.npz") as maps:
        assert maps[table["map"][1]].shape == (32, 40)
        assert len(maps.files) == 8
    assert len(list((out / "images").iterdir())) == 8
    assert set(table["lesion"]) == {"recorded"}
    assert "SYNTHETIC DATA" in (out / "index.html").read_text(encoding="utf-8")


def test_a_site_is_looked_for_only_for_a_diagnosis_that_is_named(run, bundle, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(lime, "explain_superpixels", partial(lime.explain_superpixels, samples=50))
    with pytest.raises(CutisError, match="--biopsy needs --node: what the biopsy is to confirm or rule out"):
        run(bundle, photo, "-o", tmp_path / "why", "--biopsy")
    told = json.loads(run(bundle, photo, "-o", tmp_path / "why", "--biopsy", "--node", "mel", "--json").stdout)
    assert [each["method"] for each in told["explanations"]] == ["gradcam", "lime"]
    assert [each["image_id"] for each in told["sites"]] == ["photo.png"]
    assert told["sites"][0]["told"]
    assert str(tmp_path / "why" / "biopsy.parquet") in told["written"]
    assert "Suggested sites for a biopsy are untested" in (tmp_path / "why" / "index.html").read_text(encoding="utf-8")


def test_refused_before_any_work(run, bundle, photo, truncated, manifest, tmp_path):
    out = tmp_path / "why"
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("keep")
    for arguments, kind, message in (
        ([bundle, photo, "-o", out, "--method", "gradcm"], CutisError, "Did you mean 'gradcam'"),
        ([bundle, photo, "-o", out, "--node", "melanomma"], TaxonomyError, "melanomma"),
        ([bundle, photo, "-o", out, "--node", "eczema"], TaxonomyError, "holds no class"),
        ([bundle, photo, "-o", folder], CutisError, r"holds something else than explanations: notes\.txt"),
        ([bundle, photo, "-o", photo], CutisError, "is a file"),
        ([bundle, photo, "-o", photo / "why"], CutisError, "cannot be written|is a file|Not a directory"),
        ([bundle, "-o", out], ImageError, "no image or manifest named"),
        ([bundle, tmp_path / "gone.jpg", "-o", out], ImageError, "does not exist: .*gone.jpg"),
        ([bundle, photo, manifest, "-o", out], ImageError, "named together"),
        ([bundle, manifest, "-o", out, "--age", 40], CutisError, "go with single images"),
        ([bundle, photo, "-o", out, "--subset", "test"], CutisError, "--subset goes with manifests"),
        ([bundle, manifest, "-o", out, "--subset", "nightly"], CutisError, "no row is in the subset 'nightly'"),
        ([bundle, photo, truncated, tmp_path / "m.parquet.jpg", "-o", out], ImageError, "does not exist"),
        ([bundle, photo, truncated, "-o", out], ImageError, "1 of 2 images cannot be read: .*truncated.jpg"),
    ):
        with pytest.raises(kind, match=message):
            run(*arguments)
        assert not out.exists(), arguments
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_bad_images_of_a_manifest_are_named_together(run, bundle, rows, write, tmp_path):
    for n in (3, 9):
        (tmp_path / f"disc{n}.png").write_bytes(b"no image %d" % n)
    with pytest.raises(ImageError, match="2 of 16 images cannot be read") as caught:
        run(bundle, write(rows), "-o", tmp_path / "why")
    assert "disc3.png" in str(caught.value)
    assert "disc9.png" in str(caught.value)
    assert not (tmp_path / "why").exists()


def test_a_bundle_without_torch_weights_is_told(run, bundle, photo, tmp_path):
    (bundle / "model.safetensors").unlink()
    with pytest.raises(BundleError, match="has no weights for torch"):
        run(bundle, photo, "-o", tmp_path / "why")


def test_help_shows_examples(run):
    text = " ".join(run("--help").output.split())
    assert "cutis explain photo.jpg -o why --method gradcam --method lime" in text
    assert "not a medical device" in text
