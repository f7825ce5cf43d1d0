"""`cutis data audit` on phantoms with planted leaks of each kind, and what refuses them: split and evaluate."""

import json
import shutil
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.audit import Decision, Decisions, audit_findings, read_audit, write_decisions
from cutis.data import make_phantoms, read_manifest, write_manifest
from cutis.evaluation import Predictions, write_predictions
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")
TEST = ["file", "copy", "moment", "lesion", "patient"]
"""The planted test images, named by what ties each to a training image."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A manifest of phantoms of different patients, to five of which another image is tied; and its audit's folder."""
    folder = tmp_path_factory.mktemp("planted")
    whole = make_phantoms(folder / "phantoms", patients=30, planted_duplicates=0, clinical_fraction=0)
    rows = whole.unique("patient_id", keep="first", maintain_order=True).with_columns(subset=pl.lit("train"))
    ids = rows["image_id"].to_list()

    def path(image_id):
        return rows.row(by_predicate=pl.col("image_id") == image_id, named=True)["image_path"]

    shutil.copy(path(ids[0]), folder / "file.jpg")
    copy = Image.open(path(ids[1])).transpose(Image.Transpose.ROTATE_90).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    copy.resize((130, 173)).save(folder / "copy.jpg", quality=60)
    for source, target in ((ids[2], "of_moment.jpg"), (ids[20], "moment.jpg")):
        exif = Image.Exif()
        exif.update({271: "Maker", 272: "Camera"})
        exif.get_ifd(0x8769)[36867] = "2024:03:05 10:11:12"
        Image.open(path(source)).save(folder / target, exif=exif, quality=90)
    for source, target in ((ids[21], "lesion.jpg"), (ids[22], "patient.jpg")):
        shutil.copy(path(source), folder / target)
    rows = rows.filter(~pl.col("image_id").is_in(ids[20:23])).with_columns(
        image_path=pl.when(pl.col("image_id") == ids[2])
        .then(pl.lit(str(folder / "of_moment.jpg")))
        .otherwise("image_path")
    )
    shared = whole.filter(pl.col("image_id").is_in(ids[3:5])).rows_by_key("image_id", named=True, unique=True)
    extra = [
        {
            "image_id": name,
            "image_path": str(folder / f"{name}.jpg"),
            "source": rows["source"][0],
            "subset": "test",
            "diagnosis_node": rows["diagnosis_node"][0],
            "source_diagnosis": rows["source_diagnosis"][0],
            "lesion_id": shared[ids[3]]["lesion_id"] if name == "lesion" else f"lesion of {name}",
            # Photographs of one moment whose patients are known to differ are only suspected.
            "patient_id": shared[ids[4]]["patient_id"] if name == "patient" else None,
        }
        for name in TEST
    ]
    rows = rows.with_columns(patient_id=pl.when(pl.col("image_id") != ids[2]).then("patient_id"))
    table = pl.concat([rows.drop("mask_path"), pl.DataFrame(extra)], how="diagonal_relaxed")
    write_manifest(table, folder / "m.parquet")
    return folder, dict(zip(TEST, ids[:5], strict=True))


@pytest.fixture(scope="module")
def audited(planted, tmp_path_factory):
    from cutis.cli import main

    folder, _ = planted
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUTIS_CACHE", str(tmp_path_factory.mktemp("cache")))
        with pytest.raises(SystemExit) as stop:
            main(["data", "audit", str(folder / "m.parquet"), "-o", str(folder / "audit"), "--json"])
    assert stop.value.code == 0
    return folder / "audit"


def test_every_planted_leak_is_found_and_named(planted, audited):
    _, tied = planted
    result = read_audit(audited).result
    found = {leak.images[1]: (leak.kind, leak.images[0]) for leak in result.leaks}
    assert found == {
        "file": ("same file", tied["file"]),
        "copy": ("near-copy", tied["copy"]),
        "moment": ("same moment", tied["moment"]),
        "lesion": ("lesion_id", tied["lesion"]),
        "patient": ("patient_id", tied["patient"]),
    }
    assert result.leaks_total == 5
    page = (audited / "audit.html").read_text()
    assert all(leak.told.replace("'", "&#39;") in page for leak in result.leaks)


def test_a_split_that_tears_what_the_audit_found_is_refused(planted, audited, fails, cutis, tmp_path):
    folder, _ = planted
    (tmp_path / "test.txt").write_text("\n".join(TEST))
    manifest, asked = folder / "m.parquet", ["--by", "lesion_id,patient_id", "--test-ids", tmp_path / "test.txt"]
    told = fails("split", manifest, *asked, "--audit", audited, "-o", tmp_path / "s.parquet")
    assert "5 groups are in the test set and outside it (5 rows outside)" in told
    status, _, err = cutis("split", manifest, *asked, "--audit", audited, "--strict", "-o", tmp_path / "s.parquet")
    assert status == 0, err
    assert (read_manifest(tmp_path / "s.parquet")["subset"] == "excluded").sum() == 5


def test_a_split_without_an_audit_says_that_copies_were_not_looked_for(planted, cutis, tmp_path):
    folder, _ = planted
    asked = ["--by", "patient_id", "--subsets", "train=.8,test=.2", "-o", tmp_path / "s.parquet"]
    status, out, _ = cutis("split", folder / "m.parquet", *asked)
    assert status == 0
    assert "near-copies were not looked for" in out


def test_unfit_images_leave_the_test_set_and_stay_in_training(planted, audited, fails, cutis, tmp_path):
    folder, tied = planted
    shutil.copytree(audited, tmp_path / "audit")
    table = pl.read_parquet(audited / "quality.parquet")
    unfit = pl.col("image_id").is_in(["file", tied["copy"]])
    blurred = pl.when(unfit).then(pl.lit(["blurred"])).otherwise("reasons")
    table.with_columns(reasons=blurred).write_parquet(tmp_path / "audit" / "quality.parquet")
    rows = read_manifest(folder / "m.parquet").filter(pl.col("image_id").is_in(["file", tied["copy"], tied["moment"]]))
    write_manifest(rows, tmp_path / "m.parquet")
    (tmp_path / "test.txt").write_text("file")
    asked = ["split", tmp_path / "m.parquet", "--by", "image_id", "--test-ids", tmp_path / "test.txt"]
    asked += ["--leave-out-unfit", "-o", tmp_path / "s.parquet"]
    assert "needs to know what is unfit" in fails(*asked)
    status, _, err = cutis(*asked, "--audit", tmp_path / "audit")
    assert status == 0, err
    sides = dict(read_manifest(tmp_path / "s.parquet").select("image_id", "subset").iter_rows())
    assert sides == {"file": "excluded", tied["copy"]: "train", tied["moment"]: "train"}


@pytest.fixture
def predictions(planted, tmp_path):
    values = np.random.default_rng(0).dirichlet(np.ones(7), size=len(TEST))
    write_predictions(tmp_path / "p.parquet", Predictions(TEST, values, HAM7, ["no"] * len(TEST)))
    return tmp_path / "p.parquet"


def test_figures_on_a_leak_are_refused_unless_it_is_allowed(planted, audited, predictions, fails, cutis, tmp_path):
    folder, _ = planted
    # The ids alone do not leak here: what only the images tell must be enough.
    rows = read_manifest(folder / "m.parquet").filter(~pl.col("image_id").is_in(["lesion", "patient"]))
    write_manifest(rows, tmp_path / "m.parquet")
    table = pl.read_parquet(predictions).filter(~pl.col("image_id").is_in(["lesion", "patient"]))
    table.write_parquet(predictions)
    evaluate = ["evaluate", predictions, "--on", tmp_path / "m.parquet", "-o", tmp_path / "out", "--audit", audited]
    told = fails(*evaluate, "--classes", "ham7")
    assert "3 groups of images stand on both sides by the audit" in told
    assert "same file" in told
    assert "near-copy" in told
    allowed = [*evaluate, "--classes", "ham7", "--allow-leak", "to see how much it flatters", "--resamples", "100"]
    status, _, err = cutis(*allowed)
    assert status == 0, err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "LEAK ALLOWED" in page
    assert "“to see how much it flatters”" in page


def test_an_outside_set_is_compared_with_what_a_model_learned_from(planted, audited, cutis, tmp_path, monkeypatch):
    folder, tied = planted
    rows = read_manifest(folder / "m.parquet")
    write_manifest(rows.filter(pl.col("subset") == "train").with_columns(subset=None), tmp_path / "train.parquet")
    outside = rows.filter(pl.col("image_id").is_in(["file", "copy"])).with_columns(
        source=pl.lit("elsewhere"), subset=None
    )
    write_manifest(outside, tmp_path / "outside.parquet")
    where = ["-o", tmp_path / "overlap", "--json"]
    status, out, err = cutis(
        "data", "audit", tmp_path / "outside.parquet", "--against", tmp_path / "train.parquet", *where
    )
    assert status == 0, err
    leaks = json.loads(out)["audit"]["leaks"]
    assert [leak["images"] for leak in leaks] == [[tied["file"], "file"], [tied["copy"], "copy"]]


def test_a_decision_is_obeyed(planted, audited, cutis, tmp_path):
    folder, tied = planted
    source = read_manifest(folder / "m.parquet")["source"][0]
    apart = Decision(
        a=(source, tied["copy"]), b=(source, "copy"), same=False, decided_at=datetime(2026, 1, 2, tzinfo=UTC)
    )
    write_decisions(Decisions(decisions=(apart,)), tmp_path / "decisions.json")
    asked = ["--decisions", tmp_path / "decisions.json", "-o", tmp_path / "again", "--json"]
    status, out, err = cutis("data", "audit", folder / "m.parquet", *asked)
    assert status == 0, err
    told = json.loads(out)["audit"]
    assert told["decided"] == 1
    assert told["leaks_total"] == 4


def test_what_is_no_audit_is_told_in_a_line(planted, predictions, fails, tmp_path):
    folder, _ = planted
    split = ["split", folder / "m.parquet", "--by", "lesion_id", "--folds", "2", "-o", tmp_path / "s.parquet"]
    assert "holds no audit" in fails(*split, "--audit", tmp_path / "nowhere")
    labels = read_manifest(folder / "m.parquet").with_columns(image_path=None)
    write_manifest(labels, tmp_path / "labels.parquet")
    assert "no row of the manifest has an image file" in fails(
        "data", "audit", tmp_path / "labels.parquet", "-o", tmp_path / "a"
    )
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((folder / "file.jpg").read_bytes()[:500])
    one = read_manifest(folder / "m.parquet").head(1).with_columns(image_path=pl.lit(str(broken)))
    write_manifest(one, tmp_path / "one.parquet")
    assert "broken.jpg" in fails("data", "audit", tmp_path / "one.parquet", "-o", tmp_path / "a")


def test_a_manifest_without_a_split_is_all_test(planted, audited):
    folder, _ = planted
    audit = read_audit(audited)
    outside = read_manifest(folder / "m.parquet").filter(pl.col("subset") == "test").with_columns(subset=None)
    assert len(audit_findings(audit, outside).leaks) == 5
