"""What a paper takes: figures that any drawing program opens, their numbers, and tables that LaTeX sets."""

import csv
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from cutis.data import manifest_frame
from cutis.evaluation import Predictions, evaluate
from cutis.report import write_figures
from cutis.report.bars import subgroup_figure
from cutis.report.drawing import Plot
from cutis.report.latex import escaped
from cutis.taxonomy import class_set, source_classes

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(whole, tmp_path_factory):
    place = tmp_path_factory.mktemp("paper")
    written = write_figures(whole.evaluation, place)
    assert sorted(written) == sorted(path for path in place.rglob("*") if path.is_file())
    return place


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_section_has_its_figures_and_each_figure_its_numbers(folder):
    drawn = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert drawn == {path.stem for path in (folder / "figures").glob("*.csv")}
    ids = class_set("ham7").ids
    assert {f"{kind}_{each}" for kind in ("roc", "precision_recall", "reliability") for each in ids} < drawn
    assert {
        "roc_malignancy",
        "precision_recall_malignancy",
        "reliability_answers",
        "reliability_malignancy",
        "decision_curve",
        "confusion",
        "list_sizes",
        "set_sizes",
        "coverage",
        "subgroups_sex_balanced_accuracy",
        "subgroups_site_malignant_sensitivity",
    } < drawn
    assert not any("image_type" in name for name in drawn)  # one group: nothing to compare


def test_a_figure_stands_alone_and_says_what_it_shows(folder):
    for path in (folder / "figures").glob("*.svg"):
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag == f"{SVG}svg"
        assert root.find(f"{SVG}title").text
        assert root.find(f"{SVG}desc").text
        assert "var(" not in path.read_text(encoding="utf-8")
        width, height = float(root.get("width")), float(root.get("height"))
        for each in root.iter(f"{SVG}text"):
            if each.get("x") is not None:
                assert 0 <= float(each.get("x")) <= width, path.name
                assert 0 <= float(each.get("y")) <= height, path.name


def test_the_numbers_are_those_of_the_evaluation(folder, whole):
    mel = whole.evaluation.by_class[whole.evaluation.classes.ids.index("mel")]
    rows = rows_of(folder / "figures" / "roc_mel.csv")
    curve = [row for row in rows if row["series"] == "curve"]
    assert [float(row["sensitivity"]) for row in curve] == mel.roc.sensitivity
    assert curve[0]["threshold"] == ""
    assert [float(row["low"]) for row in rows if row["series"] == "band"] == mel.roc_band.low
    (answers,) = (row for row in rows if row["series"] == "answers")
    assert float(answers["sensitivity"]) == mel.sensitivity.value

    decisions = rows_of(folder / "figures" / "decision_curve.csv")
    benefit = whole.evaluation.malignancy.decision_curve.model
    assert [float(row["model"]) for row in decisions] == [each.value for each in benefit]
    sizes = rows_of(folder / "figures" / "set_sizes.csv")
    assert [int(row["images"]) for row in sizes] == whole.evaluation.conformal.sizes
    assert sum(int(row["images"]) for row in rows_of(folder / "figures" / "confusion.csv")) == 350
    groups = {row["group"]: row for row in rows_of(folder / "figures" / "subgroups_site_balanced_accuracy.csv")}
    assert groups["Trunk"]["too_few"] == "0"
    assert groups["Oral or genital"]["too_few"] == "1"


def test_a_drawn_curve_has_its_corners_where_the_numbers_are(folder, whole):
    root = ET.fromstring((folder / "figures" / "roc_mel.svg").read_text(encoding="utf-8"))
    (line,) = (each for each in root.iter(f"{SVG}polyline") if each.get("class") == "curve")
    drawn = np.array([[float(each) for each in point.split(",")] for point in line.get("points").split()])
    mel = whole.evaluation.by_class[whole.evaluation.classes.ids.index("mel")]
    np.testing.assert_allclose((drawn[:, 0] - 40) / 200, mel.roc.false_positive_rate, atol=0.0003)
    np.testing.assert_allclose((208 - drawn[:, 1]) / 200, mel.roc.sensitivity, atol=0.0003)


def test_tables_have_as_many_cells_as_columns_and_nothing_latex_would_take_for_a_command(folder, whole):
    tables = {path.stem: path.read_text(encoding="utf-8") for path in (folder / "tables").glob("*.tex")}
    assert {
        "overall",
        "by_class",
        "malignancy",
        "prevalence",
        "confusion",
        "calibration",
        "operating_points",
        "conformal",
        "subgroups_sex",
    } < set(tables)
    for text in tables.values():
        columns = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text).group(1))
        body = [line for line in text.splitlines() if line.endswith(r" \\")]
        assert len(body) > 1
        assert {line.count(" & ") + 1 for line in body} == {columns}
        assert not re.search(r"(?<!\\)[%#$]", "".join(body).replace(r"$\cdot$", ""))
    accuracy = whole.evaluation.overall.accuracy
    told = f"Accuracy, \\% & {100 * accuracy.value:.1f} [{100 * accuracy.low:.1f}--{100 * accuracy.high:.1f}]"
    assert told in tables["overall"]


def test_words_from_files_are_shown_as_they_are():
    assert escaped("a_b & 5% {x} \\ #$~^<") == (
        r"a\_b \& 5\% \{x\} \textbackslash{} \#\$\textasciitilde{}\textasciicircum{}\textless{}"
    )


def test_class_names_with_any_characters_stay_in_the_folder_and_apart(tmp_path):
    words = ["../../a b", "../../a/b", "<b>&"]
    manifest = manifest_frame(
        [{"image_id": f"i{n}", "source": "s", "source_diagnosis": words[n % 3]} for n in range(30)]
    )
    values = np.random.default_rng(0).dirichlet(np.ones(3), size=30)
    predictions = Predictions(manifest["image_id"].to_list(), values, source_classes(words))
    written = write_figures(evaluate(predictions, manifest, resamples=100), tmp_path / "out")
    assert {path.parent for path in written} == {tmp_path / "out" / "figures", tmp_path / "out" / "tables"}
    assert len([path for path in written if path.name.startswith("roc_") and path.suffix == ".svg"]) == 3
    for path in written:
        if path.suffix == ".svg":
            ET.fromstring(path.read_text(encoding="utf-8"))


def test_files_of_other_names_stay(tmp_path, whole):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    write_figures(whole.evaluation, tmp_path)
    assert (tmp_path / "figures" / "mine.svg").read_text() == "mine"


def test_what_lies_outside_a_plot_is_drawn_at_its_edge():
    plot = Plot((0, 1), (0, 1))
    assert plot.x(2) == plot.x(1)
    assert plot.y(-3) == plot.y(0)


def test_too_few_cases_of_one_kind_put_that_kinds_rate_alone_in_doubt(whole):
    result = next(each for each in whole.evaluation.subgroups if each.column == "sex")
    group = result.groups[0].model_copy(update={"warnings": ["female: 7 malignant cases, too few to say."]})
    changed = result.model_copy(update={"groups": [group, *result.groups[1:]]})

    def doubted(figure):
        return [row[-1] for row in subgroup_figure(changed, figure).rows]

    assert doubted("malignant_sensitivity") == [1, 0]
    assert doubted("malignant_specificity") == [0, 0]
    assert doubted("balanced_accuracy") == [0, 0]
