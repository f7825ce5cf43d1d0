"""The manifest as an evaluation reads it: the same figures, the same refusals, less of it held."""

import json

import numpy as np
import polars as pl
import pytest

from cutis.data import manifest_frame, read_manifest, write_manifest
from cutis.errors import ManifestError
from cutis.evaluation import (
    Predictions,
    choose_thresholds,
    evaluate,
    fit_conformal_sets,
    image_paths,
    manifest_rows,
    read_evaluated_manifest,
)
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


def manifest_of(images: int = 150, prefix: str = "i") -> pl.DataFrame:
    rows = [
        {
            "image_id": f"{prefix}{n}",
            "image_path": f"photographs/{prefix}{n}.jpg" if n % 2 else None,
            "lesion_id": f"l{n // 2}" if n % 5 else None,
            "source": ["one", "other", None][n % 3],
            "license": "CC0",
            "diagnosis_node": HAM7.classes[(n // 2) % 7].nodes[0] if n % 11 else "acne",
            "source_diagnosis": HAM7.ids[(n // 2) % 7] if n % 11 else "pimple",
            "age_approx": 5 * (n % 17) or None,
            "sex": ["female", "male", None][n % 3],
            "anatom_site": ["Head and neck:Head:Scalp", "Trunk", "Head and neck", None][n % 4],
            "fitzpatrick_skin_type": ["I", "V", None][n % 3],
            "subset": "test" if n % 4 else None,
            "box_left": 3,
            "ward": f"ward {n % 2}",
        }
        for n in range(images)
    ]
    return manifest_frame(pl.DataFrame(rows, infer_schema_length=None))


def predictions_for(manifest: pl.DataFrame) -> Predictions:
    values = np.random.default_rng(0).dirichlet(np.ones(7), size=len(manifest))
    return Predictions(manifest["image_id"].reverse(), values, HAM7, ["no"] * len(manifest))


@pytest.fixture
def in_parts(monkeypatch):
    monkeypatch.setattr(manifest_rows, "_ROWS_AT_ONCE", 40)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_figures_are_those_of_the_whole_manifest(tmp_path, in_parts, suffix):
    path = tmp_path / f"m{suffix}"
    write_manifest(manifest_of(), path)
    whole, small = read_manifest(path), read_evaluated_manifest(path)
    assert small["image_id"].to_list() == whole["image_id"].to_list()
    assert "box_left" not in small.columns
    assert small.schema["sex"] == pl.Categorical
    assert small["sex"].cast(pl.String).to_list() == whole["sex"].to_list()
    predictions = predictions_for(whole)
    truth = np.arange(140) % 7
    values = predictions.probabilities[:140]
    rules = {
        "thresholds": choose_thresholds(truth, values, HAM7, chosen_on="others"),
        "conformal": fit_conformal_sets(truth, values, HAM7, calibrated_on="others"),
    }
    found = [
        json.loads(evaluate(predictions, each, resamples=100, **rules).model_dump_json()) | {"evaluated_at": ""}
        for each in (whole, small)
    ]
    assert found[0] == found[1]
    assert found[0]["outside_classes"]["words"] == {"pimple": 10}


def test_a_column_of_ones_own_is_read_when_it_is_named(tmp_path, in_parts):
    write_manifest(manifest_of(), tmp_path / "m.parquet")
    assert "ward" not in read_evaluated_manifest(tmp_path / "m.parquet").columns
    named = read_evaluated_manifest(tmp_path / "m.parquet", columns=["ward", "skin_type"])
    assert named["ward"].unique().sort().to_list() == ["ward 0", "ward 1"]


def test_several_are_joined_and_an_image_in_two_is_refused(tmp_path, in_parts):
    write_manifest(manifest_of(), tmp_path / "a.parquet")
    write_manifest(manifest_of(30, "j"), tmp_path / "b.csv")
    assert len(read_evaluated_manifest(tmp_path / "a.parquet", tmp_path / "b.csv")) == 180
    with pytest.raises(ManifestError, match="150 image_id stand more than once"):
        read_evaluated_manifest(tmp_path / "a.parquet", tmp_path / "a.parquet")


def test_bad_manifests_are_refused_as_ever_and_rows_named_by_their_place_in_the_file(tmp_path, in_parts):
    good = manifest_of()
    for change, told in (
        (good.drop("image_id"), "'image_id' is missing"),
        (good.head(0), "holds no rows"),
        (good.with_columns(pl.lit("much").alias("age_approx")), r"'age_approx' holds .*row 1: 'much'"),
        (
            good.with_columns(pl.when(pl.int_range(150) == 99).then(pl.lit("old")).alias("age_approx")),
            "row 100: 'old'",
        ),
        (
            good.with_columns(pl.when(pl.int_range(150) != 61).then("image_id").alias("image_id")),
            "image_id is missing in 1 rows: row 62",
        ),
    ):
        change.write_parquet(tmp_path / "m.parquet")
        with pytest.raises(ManifestError, match=told):
            read_evaluated_manifest(tmp_path / "m.parquet")
    for path in (tmp_path / "none.parquet", tmp_path):
        with pytest.raises(ManifestError):
            read_evaluated_manifest(path)
    with pytest.raises(ManifestError, match="no manifest named"):
        read_evaluated_manifest()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_files_of_a_few_images_are_found(tmp_path, suffix):
    write_manifest(manifest_of(), tmp_path / f"m{suffix}")
    write_manifest(manifest_of(3, "j").drop("image_path"), tmp_path / f"n{suffix}")
    files = image_paths([tmp_path / f"m{suffix}", tmp_path / f"n{suffix}"], ["i1", "i2", "i7", "j1"])
    whole = read_manifest(tmp_path / f"m{suffix}")
    expected = dict(whole.select("image_id", "image_path").iter_rows())
    assert files == {each: expected[each] for each in ("i1", "i7")}
