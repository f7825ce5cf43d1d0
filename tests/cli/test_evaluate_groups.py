"""`cutis evaluate --thresholds-by`: thresholds of groups' own, chosen on validation predictions."""

import json

import numpy as np
import pytest

from cutis.data import manifest_frame, write_manifest
from cutis.evaluation import Predictions, write_predictions
from cutis.taxonomy import source_classes

CLASSES = source_classes(["ill", "well"])


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        {
            "image_id": f"i{n}",
            "lesion_id": f"l{n}",
            "source": "s",
            "source_diagnosis": "ill" if n % 3 == 0 else "well",
            "fitzpatrick_skin_type": "II" if n % 2 else "V",
            "subset": "val" if n < 160 else "test",
        }
        for n in range(260)
    ]
    write_manifest(manifest_frame(rows), tmp_path / "m.parquet")
    score = np.array([2.0 * (n % 3 == 0) + 1.5 * (n % 2) for n in range(260)]) + generator.normal(size=260)
    chance = 1 / (1 + np.exp(-(score - 1.5)))
    for name, part in (("val", range(160)), ("test", range(160, 260))):
        values = np.c_[chance, 1 - chance][list(part)]
        ids = [f"i{n}" for n in part]
        write_predictions(tmp_path / f"{name}.parquet", Predictions(ids, values, CLASSES))
    return tmp_path


def run(cutis, files, *arguments):
    return cutis(
        "evaluate", files / "test.parquet", "--on", files / "m.parquet", "-o", files / "out", "--resamples", "100",
        "--classes", "source", *arguments,
    )  # fmt: skip


def test_gains_by_group_are_in_the_result_and_in_the_report(cutis, files):
    status, out, err = run(cutis, files, "--thresholds-by", "skin_type", "--chosen-on", files / "val.parquet", "--json")
    assert status == 0, err
    section = json.loads(out)["evaluation"]["group_thresholds"]
    assert [each["group"] for each in section["groups"]] == ["II", "V"]
    assert section["groups"][0]["validation_images"] == 80
    assert section["youden_gain"]["low"] is not None
    html = (files / "out" / "report.html").read_text(encoding="utf-8")
    assert "What thresholds of a group’s own would gain" in html
    assert "Groups by Fitzpatrick skin type" in html
    assert (files / "out" / "checklist_tripod_ai.csv").is_file()


def test_the_options_belong_together(cutis, files):
    status, _, err = run(cutis, files, "--thresholds-by", "skin_type")
    assert (status, "belong together" in err) == (2, True)
    status, _, err = run(cutis, files, "--chosen-on-manifest", files / "m.parquet")
    assert (status, "needs --chosen-on" in err) == (2, True)
    status, _, err = run(cutis, files, "--thresholds-by", "colour", "--chosen-on", files / "val.parquet")
    assert (status, "no column 'colour'" in err) == (2, True)
    assert not (files / "out").exists()
