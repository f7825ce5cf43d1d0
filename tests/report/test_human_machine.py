"""The page of readers and a model: one file, the figures with their numbers, nothing that comes unescaped."""

import csv
import json
import re
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest

from cutis.data import manifest_frame
from cutis.evaluation import Predictions
from cutis.report import write_human_machine
from cutis.study import check_readings, compare_with_readers
from cutis.taxonomy import class_set, source_classes

SVG = "{http://www.w3.org/2000/svg}"


def comparison(readers=("anna", "ben", "cem"), name="Net"):
    generator = np.random.default_rng(0)
    truth = np.arange(60) % 3 == 0
    manifest = manifest_frame(
        [{"image_id": f"i{n}", "source": "s", "source_diagnosis": "ill" if truth[n] else "well"} for n in range(60)]
    )
    chance = 1 / (1 + np.exp(-(2.5 * truth - 1.2 + generator.normal(size=60))))
    model = Predictions(
        [f"i{n}" for n in range(60)], np.c_[chance, 1 - chance], source_classes(["ill", "well"]), ["no"] * 60
    )
    rows = [
        (reader, "photo", f"i{n}", int(truth[n]), int(2 * truth[n] - 1 + generator.normal() > 0))
        for reader in readers
        for n in range(60)
    ]
    table = pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row")
    return compare_with_readers(model, manifest, check_readings(table), positive="ill", name=name, resamples=100)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    compared = comparison()
    return compared, folder, write_human_machine(compared, folder)


def test_all_is_written_and_named(made):
    _, folder, written = made
    assert [path.name for path in written[:2]] == ["human_machine.html", "human_machine.json"]
    assert sorted(written) == sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.stem for path in written[2:]}
    assert names == {
        "roc_readers",
        "confusion_Net",
        *(f"confusion_{each}" for each in ("All_readers", "anna", "ben", "cem")),
    }


def test_the_plot_has_a_dot_for_each_reader_where_the_numbers_are(made):
    compared, folder, _ = made
    with (folder / "figures" / "roc_readers.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    readers = [row for row in rows if row["series"] == "reader"]
    assert [row["name"] for row in readers] == ["anna", "ben", "cem"]
    assert [float(row["sensitivity"]) for row in readers] == [each.sensitivity.value for each in compared.readers]
    root = ET.fromstring((folder / "figures" / "roc_readers.svg").read_text(encoding="utf-8"))
    dots = [each for each in root.iter(f"{SVG}circle") if "reader" in each.get("class")]
    drawn = np.array([[(float(each.get("cx")) - 40) / 320, (328 - float(each.get("cy"))) / 320] for each in dots])
    there = [[1 - each.specificity.value, each.sensitivity.value] for each in compared.readers]
    np.testing.assert_allclose(drawn, there, atol=0.0003)
    (mean,) = (row for row in rows if row["series"] == "mean")
    assert float(mean["high"]) - float(mean["sensitivity"]) == pytest.approx(compared.mean.sensitivity_sd)
    assert float(mean["right"]) - float(mean["false_positive_rate"]) == pytest.approx(compared.mean.specificity_sd)


def test_the_page_tells_the_figures_and_asks_for_nothing(made):
    compared, folder, _ = made
    html = (folder / "human_machine.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert set(re.findall(r"https?://[^\"']+", html)) == {"http://www.w3.org/2000/svg"}
    for each in compared.readers:
        assert f"{100 * each.sensitivity.value:.1f}%" in html
    assert html.count('class="plot matrix"') == 5
    assert "not a medical device" in html
    assert json.loads((folder / "human_machine.json").read_text())["on_or_above"] == compared.on_or_above


def test_names_of_readers_cannot_become_markup_or_leave_the_folder(tmp_path):
    attack = "</script><script>alert(1)</script>../../x"
    compared = comparison(readers=(attack, "b"), name=attack)
    written = write_human_machine(compared, tmp_path / "out")
    html = written[0].read_text(encoding="utf-8")
    assert html.count("<script>") == 1
    assert "alert(1)</script>" not in html
    assert {path.parent for path in written} == {tmp_path / "out", tmp_path / "out" / "figures"}
    for path in written:
        if path.suffix == ".svg":
            ET.fromstring(path.read_text(encoding="utf-8"))


def test_one_reader_has_a_point_and_no_sd(tmp_path):
    compared = comparison(readers=("only",))
    assert compared.mean.sensitivity_sd is None
    html = write_human_machine(compared, tmp_path)[0].read_text(encoding="utf-8")
    assert "1 reader and Net" in html
    assert "± SD" not in html


def test_matrices_of_seven_classes_number_their_columns(tmp_path):
    ham7 = class_set("ham7")
    manifest = manifest_frame(
        [{"image_id": f"i{n}", "source": "s", "diagnosis_node": ham7.classes[n % 7].nodes[0]} for n in range(42)]
    )
    values = np.random.default_rng(1).dirichlet(np.ones(7), size=42)
    ids = [f"i{n}" for n in range(42)]
    readers = {"a": Predictions(ids, np.eye(7)[values.argmin(axis=1)], ham7)}
    compared = compare_with_readers(Predictions(ids, values, ham7), manifest, readers, resamples=100)
    write_human_machine(compared, tmp_path)
    root = ET.fromstring((tmp_path / "figures" / "confusion_a.svg").read_text(encoding="utf-8"))
    assert len(list(root.iter(f"{SVG}rect"))) == 49
    words = [each.text for each in root.iter(f"{SVG}text")]
    assert words.count("7") >= 1
    assert any(word.startswith("1 ") for word in words)
