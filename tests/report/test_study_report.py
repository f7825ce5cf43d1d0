"""The report of a reader study: what stands in it, that page and PDF hold the same, and what is said to be missing."""

import csv
import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest
from pypdf import PdfReader

from cutis.data import manifest_frame
from cutis.evaluation import Estimate, Predictions
from cutis.report import write_study_report
from cutis.report.report_table import Column, ReportTable, told
from cutis.report.study_report import report_sections
from cutis.report.study_report_blocks import Tabled
from cutis.study import (
    Model,
    StudyRecord,
    analyze,
    check_readings,
    endpoint,
    record_of_readings,
    study_findings,
)
from cutis.taxonomy import source_classes

NOW = datetime(2031, 3, 1, tzinfo=UTC)
GROUPS = {"R1": "expert", "R2": "expert", "R3": "GP", "R4": "GP", "R5": "GP", "R6": "trainee"}
CASES = 40


def readings(*, arms=("unaided", "aided"), missing=0, seed=0, binary=False):
    generator = np.random.default_rng(seed)
    skill = dict(zip(GROUPS, (1.8, 1.5, 1.0, 0.8, 0.9, 0.4), strict=True))
    rows = []
    for reader, arm, k in ((r, a, k) for r in GROUPS for a in arms for k in range(CASES)):
        ill = k % 2
        mind = (skill[reader] + 0.6 * (arm == "aided")) * (2 * ill - 1) + generator.normal(0, 1.5)
        rows.append((reader, arm, f"c{k}", ill, int(mind > 0) if binary else int(np.clip(np.round(mind + 3), 1, 5))))
    rows = rows[missing:]
    return check_readings(pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row"))


def record(**given):
    settings = {"title": "Lesions", "threshold": 4, "groups": GROUPS}
    made = readings(**{name: given.pop(name) for name in ("arms", "missing", "seed", "binary") if name in given})
    return record_of_readings(made, **{**settings, **given})


def network():
    generator = np.random.default_rng(3)
    ids = [f"c{k}" for k in range(CASES)]
    truth = np.arange(CASES) % 2
    chance = 1 / (1 + np.exp(-(2 * truth - 1 + generator.normal(0, 1, CASES))))
    rows = [{"image_id": each, "source": "s", "source_diagnosis": ("well", "ill")[k % 2]} for k, each in enumerate(ids)]
    classes = source_classes(["ill", "well"])
    return Model("Net", Predictions(ids, np.c_[chance, 1 - chance], classes, ["no"] * CASES), manifest_frame(rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    found = study_findings(record(), model=network(), positive="ill", resamples=100)
    return found, folder, write_study_report(found, folder, now=NOW)


def table_of(folder, name):
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_part_is_there_and_every_file_is_named(made):
    found, folder, written = made
    assert [each.name for each in written.files[:2]] == ["report.html", "report.pdf"]
    assert sorted(written.files) == sorted(each for each in folder.rglob("*") if each.is_file())
    assert found.missing == []
    anchors = re.findall(r'<h2 id="(\w+)"', (folder / "report.html").read_text(encoding="utf-8"))
    assert anchors == [
        "short", "studied", "answered", "readers", "compared", "confusion", "aid", "agreement", "limits", "methods",
        "missing",
    ]  # fmt: skip
    for figure in (folder / "figures").glob("*.svg"):
        ET.fromstring(figure.read_text(encoding="utf-8"))
        assert figure.with_suffix(".csv").is_file()
        assert len(PdfReader(figure.with_suffix(".pdf")).pages) == 1
    for table in (folder / "tables").glob("*.tex"):
        assert table.read_text(encoding="utf-8").count(r"\begin{tabular}") == 1


def test_the_page_is_one_file_that_asks_for_nothing(made):
    _, folder, _ = made
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "default-src &#39;none&#39;" in html
    assert not re.findall(r"https?://", html)
    assert "not a medical device" in html


def test_page_and_pdf_tell_the_same(made):
    _, folder, _ = made
    html = (folder / "report.html").read_text(encoding="utf-8")
    told_by_page = re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)
    text = "".join(page.extract_text() for page in PdfReader(folder / "report.pdf").pages)
    squeezed = re.sub(r"\s+", "", text)
    cells = re.findall(r"<td[^>]*>([^<]+)", told_by_page)
    assert len(cells) > 200
    for cell in cells:
        assert re.sub(r"\s+", "", cell.replace("&lt;", "<").replace("&gt;", ">")) in squeezed
    for title in re.findall(r"<h2[^>]*>([^<]+)", html):
        assert re.sub(r"\s+", "", title) in squeezed


def test_the_main_result_is_the_analysis_by_obuchowski_and_rockette(made):
    found, folder, _ = made
    result = analyze(found.record.readings, endpoint("auc", found.record.readings), reference="unaided")
    (row,) = (each for each in table_of(folder, "differences") if each["endpoint"].endswith("(AUC)"))
    assert float(row["difference"]) == pytest.approx(result.differences[0].difference)
    assert float(row["difference_low"]) == pytest.approx(result.differences[0].low)
    assert float(row["p"]) == pytest.approx(result.differences[0].p)
    assert found.choice.method == "or"
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "Obuchowski and Rockette" in html
    assert f"{abs(result.differences[0].difference):.3f} higher in “aided” than in “unaided”" in html


def test_the_papers_table_holds_groups_by_arm_and_the_network(made):
    found, folder, _ = made
    rows = table_of(folder, "groups")
    assert [(each["group"], each["arm"]) for each in rows] == [
        ("GP", "unaided"), ("GP", "aided"), ("expert", "unaided"), ("expert", "aided"), ("trainee *", "unaided"),
        ("trainee *", "aided"), ("All readers", "unaided"), ("All readers", "aided"), ("Net", "alone"),
    ]  # fmt: skip
    by_reader = {(each.reader, each.arm): each for each in found.readers}
    hits = [by_reader[reader, "aided"].found / by_reader[reader, "aided"].positives for reader in ("R1", "R2")]
    assert float(rows[3]["sensitivity_tpr"]) == pytest.approx(np.mean(hits))
    for row in rows:
        s, p = float(row["sensitivity_tpr"]), float(row["specificity_tnr"])
        assert float(row["balanced_accuracy"]) == pytest.approx((s + p) / 2)
        assert float(row["geometric_mean"]) == pytest.approx((s * p) ** 0.5)
        assert float(row["geometric_mean_low"]) < float(row["geometric_mean"]) < float(row["geometric_mean_high"])


def test_each_reader_is_a_point_at_their_own_figures(made):
    found, folder, _ = made
    with (folder / "figures" / "readers_aided.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    points = {each["name"]: each for each in rows if each["series"] == "reader"}
    assert set(points) == set(GROUPS)
    for each in found.readers:
        if each.arm == "aided":
            assert float(points[each.reader]["sensitivity"]) == pytest.approx(each.found / each.positives)
            assert float(points[each.reader]["false_positive_rate"]) == pytest.approx(1 - each.spared / each.negatives)
    means = {each["name"]: each for each in rows if each["series"] == "mean ± SD"}
    assert set(means) == {"expert", "GP", "trainee"}
    assert means["trainee"]["low"] == ""
    assert {each["series"] for each in rows} == {"reader", "mean ± SD", "curve", "model"}


def test_the_network_s_wrong_answers_tell_automation_bias(made):
    found, folder, _ = made
    (aid,) = found.aid
    rows = table_of(folder, "switches_aided")
    assert [each["reader"] for each in rows] == [*GROUPS, "All: GP", "All: expert", "All: trainee", "All"]
    last = rows[-1]
    assert int(last["wrong_to_right"]) == sum(int(each["wrong_to_right"]) for each in rows[:6])
    assert int(last["of_these_misled"]) == aid.switches[-1].misled
    assert aid.ai == "Net"
    odds = {each["model"]: each for each in table_of(folder, "odds_ratios_aided")}
    assert float(odds["Mixed: one reader on one case"]["odds_ratio"]) == pytest.approx(aid.mixed.odds_ratio)
    assert len(odds) == 3


def test_missing_reads_choose_u_statistics_and_say_so():
    found = study_findings(record(missing=7), resamples=100)
    assert found.choice.method == "u-statistics"
    assert {each.method for each in found.analyses} == {"u-statistics"}
    text = words(found)
    assert "7 readings of a complete table are not there" in text
    assert "U-statistics [1]" in text
    assert "Obuchowski NA" not in text
    complete = words(study_findings(record(), resamples=100))
    assert "U-statistics [" not in complete


def test_a_table_of_readings_alone_says_what_is_missing():
    bare = record(threshold=None, groups=None, arms=("CT", "MRI"))
    found = study_findings(bare, resamples=100)
    sections = {each.anchor for each in report_sections(found, "1")}
    assert sections == {
        "short",
        "studied",
        "answered",
        "readers",
        "compared",
        "agreement",
        "limits",
        "methods",
        "missing",
    }
    text = words(found)
    for option in ("--threshold", "--groups", "--predictions", "--unaided"):
        assert option in text
    assert [each.endpoint for each in found.analyses] == ["auc"]


def test_binary_answers_of_one_arm_and_one_reader():
    one = readings(arms=("photo",), binary=True).only(readers=["R1"])
    found = study_findings(record_of_readings(one, title="One", groups={"R1": "expert"}), resamples=100)
    assert found.choice.readers == "fixed"
    assert [each.endpoint for each in found.analyses] == ["balanced_accuracy", "sensitivity", "specificity"]
    text = words(found)
    assert "An arm has one reader only" in text
    assert "A comparison of arms: there is one." in text


def test_what_has_no_solution_is_told_and_the_rest_stands():
    made = readings(binary=True).frame
    right = made.with_columns(
        rating=pl.when(pl.col("modality") == "aided").then(pl.col("truth").cast(pl.Float64)).otherwise(pl.col("rating"))
    )
    found = study_findings(record_of_readings(check_readings(right), title="Perfect"), resamples=100)
    assert any("all answers in 'aided' are right" in why for _, why in found.missing)
    assert "all answers in" in words(found)
    assert found.aid[0].mixed is None
    assert found.aid[0].switches[-1].right_to_wrong == 0


def test_names_cannot_become_markup_or_leave_the_folder(tmp_path):
    attack = "</h1><img src=x>../../x_%"
    frame = readings().frame.with_columns(
        reader=pl.when(pl.col("reader") == "R1").then(pl.lit(attack)).otherwise(pl.col("reader")),
        modality=pl.when(pl.col("modality") == "aided").then(pl.lit(attack)).otherwise(pl.col("modality")),
    )
    made = record_of_readings(check_readings(frame), title=attack, threshold=4, unaided="unaided")
    written = write_study_report(study_findings(made, resamples=100), tmp_path / "out", now=NOW)
    html = written.files[0].read_text(encoding="utf-8")
    assert "<img" not in html
    assert {each.parent for each in written.files} == {tmp_path / "out" / each for each in (".", "figures", "tables")}
    assert r"x\_\%" in (tmp_path / "out" / "tables" / "readers.tex").read_text(encoding="utf-8")


def test_letters_that_the_pdf_lacks_are_told(tmp_path):
    written = write_study_report(study_findings(record(title="読影"), resamples=100), tmp_path, now=NOW)
    assert written.notes == ["report.pdf has no letter for 影 読: print report.html instead."]


def test_the_same_findings_give_the_same_files(made, tmp_path):
    found, folder, _ = made
    again = write_study_report(found, tmp_path, now=NOW)
    for path in again.files:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes(), path.name


def test_a_record_knows_pairs_and_groups():
    made = record()
    assert made.pairs == [("unaided", "aided")]
    assert made.group_names == ["GP", "expert", "trainee"]
    assert made.of_group("GP") == ["R3", "R4", "R5"]
    assert record(arms=("a", "b")).pairs == []
    assert record(arms=("a", "b"), unaided="b").pairs == [("b", "a")]
    assert isinstance(made, StudyRecord)


@pytest.mark.parametrize(
    ("value", "kind", "main", "beside"),
    [
        (Estimate(value=0.8213, low=0.76, high=0.874), "percent", "82.1", "76.0–87.4"),
        (Estimate(value=-0.044, low=-0.088, high=0.0004), "difference", "−0.044", "−0.088 to +0.000"),
        (Estimate(value=0.5, low=None, high=None), "decimal", "0.500", ""),
        (Estimate(value=0.1, low=-0.02, high=0.2), "coefficient", "0.10", "−0.02 to 0.20"),
        (0.0517, "p", "0.052", ""),
        (0.00001, "p", "< 0.001", ""),
        (None, "count", "–", ""),
        (1234, "count", "1,234", ""),
        (0.001535, "small", "0.00153", ""),
    ],
)
def test_cells_in_words(value, kind, main, beside):
    assert told(value, kind) == (main, beside)


def test_a_table_as_latex_and_as_numbers():
    rows = [["a_b", Estimate(value=-0.5, low=-1, high=0.25)], ["all", 0.125]]
    table = ReportTable("t", "Caption.", [Column("Reader"), Column("Gap, %", "difference")], rows)
    assert table.csv().splitlines() == ["reader,gap,gap_low,gap_high", "a_b,-0.5,-1.0,0.25", "all,0.125,,"]
    assert r"a\_b & --0.500 [--1.000 to +0.250] \\" in table.tex()


def words(found):
    """All texts of a report."""
    texts = []
    for section in report_sections(found, "1"):
        for block in section.blocks:
            for value in vars(block).values():
                if isinstance(value, str):
                    texts.append(value)
                elif not isinstance(block, Tabled):
                    texts += [str(each) for each in value] if isinstance(value, list | tuple) else []
    return "\n".join(texts)
