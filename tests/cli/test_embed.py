"""``cutis embed`` and ``cutis similar`` from manifests to files, and what they refuse."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.data import read_manifest, write_manifest
from cutis.explanation.embedding import read_map

FILES = {"index.html", "embedding.parquet", "embedding.json", "embedding.svg", "embedding.pdf", "embedding.png"}


def mapped(cutis, bundle, manifest, folder, *more):
    status, out, err = cutis("embed", bundle, manifest, "-o", folder, *more)
    assert status == 0, err
    return out


def test_a_map_is_written_with_all_that_goes_with_it(cutis, bundle, manifest, tmp_path):
    told = json.loads(mapped(cutis, bundle, manifest, tmp_path / "out", "--json"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | {"map"}
    assert told["map"]["images"] == 16
    assert told["map"]["perplexity"] == pytest.approx(5)
    assert told["quality"]["agreement"]["images"] == 16
    table = pl.read_parquet(tmp_path / "out" / "embedding.parquet")
    assert table["image_id"].to_list() == read_manifest(manifest)["image_id"].to_list()
    assert np.isfinite(table.select("x", "y").to_numpy()).all()
    assert {"named_diagnosis", "subset"} <= set(table.columns)
    np.testing.assert_array_equal(read_map(tmp_path / "out" / "map").coordinates, table.select("x", "y").to_numpy())


def test_it_says_in_words_how_far_to_trust_it(cutis, bundle, manifest, tmp_path):
    out = mapped(cutis, bundle, manifest, tmp_path / "out", "--dimensions", "3", "--colour-by", "subset")
    assert "16 images mapped; trustworthiness" in out
    assert "distances between far groups mean nothing" in out
    assert "note: perplexity 5.0, the most that so few images allow." in out
    assert "z" in pl.read_parquet(tmp_path / "out" / "embedding.parquet").columns


def test_new_cases_are_placed_into_a_map(cutis, bundle, manifest, rows, tmp_path):
    mapped(cutis, bundle, manifest, tmp_path / "out")
    whole = pl.read_parquet(tmp_path / "out" / "embedding.parquet")
    new = read_manifest(manifest).head(2)
    write_manifest(new, tmp_path / "new.parquet")
    out = mapped(cutis, bundle, tmp_path / "new.parquet", tmp_path / "placed", "--into", tmp_path / "out" / "map")
    assert "2 images placed" in out
    assert "2 of the new cases are on the map already" in out
    assert {path.name for path in (tmp_path / "placed").iterdir()} == FILES
    placed = pl.read_parquet(tmp_path / "placed" / "embedding.parquet")
    assert placed.select("image_id", "x", "y").rows() == whole.head(2).select("image_id", "x", "y").rows()
    assert "2 new cases" in (tmp_path / "placed" / "index.html").read_text()


def test_a_map_of_another_model_is_refused_before_the_work(cutis, fails, bundle, manifest, tmp_path):
    mapped(cutis, bundle, manifest, tmp_path / "out")
    facts = tmp_path / "out" / "map" / "map.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"weights_sha256": "b" * 64}))
    asked = ["embed", bundle, manifest, "-o", tmp_path / "placed", "--into", tmp_path / "out" / "map"]
    assert "Use the bundle that made the map" in fails(*asked)
    assert "Use the bundle that made the map" in fails(
        "similar", tmp_path / "out" / "map", tmp_path / "disc1.png", "--bundle", bundle
    )


def test_what_cannot_be_is_told_in_a_line(fails, bundle, manifest, tmp_path):
    to = ["-o", tmp_path / "out"]
    assert "no manifest named" in fails("embed", bundle, *to)
    assert "column colour is missing" in fails("embed", bundle, manifest, *to, "--colour-by", "colour")
    assert "no image is in subset 'test'" in fails("embed", bundle, manifest, *to, "--subset", "test")
    assert "is not a map" in fails("embed", bundle, manifest, *to, "--into", tmp_path / "nowhere")
    both = ["--into", tmp_path / "nowhere", "--perplexity", "5"]
    assert "Leave one of them out" in fails("embed", bundle, manifest, *to, *both)
    (tmp_path / "out" / "map").mkdir(parents=True)
    (tmp_path / "out" / "map" / "mine.txt").write_text("mine")
    assert "exists and is not a map" in fails("embed", bundle, manifest, *to)


def test_unreadable_images_are_named_before_the_work(fails, bundle, rows, truncated, write, tmp_path):
    rows[3]["image_path"] = "truncated.jpg"
    assert "truncated.jpg" in fails("embed", bundle, write(rows), "-o", tmp_path / "out")


def test_cases_like_a_photograph_are_listed(cutis, bundle, manifest, photo, tmp_path):
    status, out, err = cutis("similar", manifest, photo, "--bundle", bundle, "-k", "3", "-o", tmp_path / "s.html")
    assert status == 0, err
    assert out.count("photo.png") == 1
    assert sum(word in out for word in ("red", "blue")) >= 1
    assert "not a medical device" in out
    page = (tmp_path / "s.html").read_text()
    assert page.count("similarity") >= 3
    assert "photo.png" in page


def test_a_query_is_never_its_own_neighbour(cutis, bundle, manifest, tmp_path):
    mapped(cutis, bundle, manifest, tmp_path / "out")
    library = tmp_path / "out" / "map"
    status, out, err = cutis("similar", library, manifest, "--bundle", bundle, "-k", "7", "--json")
    assert status == 0, err
    lesion = dict(read_manifest(manifest).select("image_id", "lesion_id").iter_rows())
    found = json.loads(out)["similar"]
    assert len(found) == 16 * 7  # of the seven other lesions one image each
    assert all(lesion[row["query"]] != row["lesion_id"] for row in found)
    assert len({(row["query"], row["lesion_id"]) for row in found}) == 16 * 7
    # The same file under another name is the same image.
    Image.open(tmp_path / "disc4.png").save(tmp_path / "again.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "disc4.png").read_bytes())
    status, out, _ = cutis("similar", library, tmp_path / "copy.png", "--bundle", bundle, "-k", "16", "--json")
    assert "d4" not in [row["image_id"] for row in json.loads(out)["similar"]]


def test_a_table_of_similar_cases(cutis, bundle, manifest, tmp_path):
    asked = ["similar", manifest, manifest, "--bundle", bundle, "-k", "2", "-o", tmp_path / "s.parquet"]
    status, out, err = cutis(*asked)
    assert status == 0, err
    assert "16 images compared with 16" in out
    assert len(pl.read_parquet(tmp_path / "s.parquet")) == 32


def test_what_similar_refuses(fails, bundle, manifest, photo, truncated, tmp_path):
    assert ".html, .parquet or .csv" in fails("similar", manifest, photo, "-o", tmp_path / "s.txt")
    assert "does not exist" in fails("similar", tmp_path / "nothing.parquet", photo)
    assert "named together" in fails("similar", manifest, photo, manifest)
    assert "truncated.jpg" in fails("similar", manifest, truncated, "--bundle", bundle)
