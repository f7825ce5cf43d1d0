"""The report's section on strange images, and its figures for a paper."""

import csv
import re

import numpy as np
import polars as pl
import pytest

from cutis.evaluation import Predictions, evaluate
from cutis.report import write_figures, write_report
from cutis.report.unfamiliar import refusal_figure, refusals


@pytest.fixture(scope="module")
def strange(whole):
    """The small evaluation's images from two data sets, some of diagnoses it does not know, with scores."""
    frame = whole.manifest.with_columns(
        source=pl.when(pl.int_range(pl.len()) < 200).then(pl.lit("clinic")).otherwise(pl.lit("phone"))
    ).with_columns(
        [
            pl.when(pl.int_range(pl.len()) >= 340).then(pl.lit(value)).otherwise(name).alias(name)
            for name, value in (("diagnosis_node", "acne"), ("source_diagnosis", "<i>acne</i>"))
        ]
    )
    generator = np.random.default_rng(1)
    scores = generator.normal(0, 0.5, 350) + np.where(np.arange(350) >= 200, 1.2, 0)
    predictions = with_scores(whole.predictions, scores)
    evaluation = evaluate(predictions, frame, resamples=100)
    return evaluation, predictions, frame


def with_scores(plain, scores):
    return Predictions(plain.ids, plain.probabilities, plain.classes, plain.seen_column, unfamiliarity=scores)


def page(strange, folder):
    evaluation, predictions, frame = strange
    write_report(evaluation, predictions, frame, folder / "report.html")
    html = (folder / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<section aria-labelledby="unfamiliarity">.*?</section>', html, re.DOTALL)
    return html, "" if found is None else found.group(0)


def words(html):
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def test_the_section_says_how_many_were_strange_and_what_refusing_them_is_worth(strange, tmp_path):
    html, section = page(strange, tmp_path)
    told = words(section)
    overall = strange[0].unfamiliarity.overall
    assert '<li><a href="#unfamiliarity">Strange images</a></li>' in html
    assert f"Here it warned of {overall.beyond_images} images of 340:" in told
    assert "These images are not of the kind the model was validated on" in told
    assert section.count("<figure>") == 3  # all, and each data set
    for each in refusals(strange[0]):
        assert f"{each.strangest_first.area.value:.3f}" in told


def test_diagnoses_the_model_does_not_know_are_named_and_escaped(strange, tmp_path):
    _, section = page(strange, tmp_path)
    unseen = strange[0].unfamiliarity.unseen
    assert "10 images show diagnoses that are none of the 7:" in words(section)
    assert "&lt;i&gt;acne&lt;/i&gt; (10)." in section
    assert f"{unseen.by_unfamiliarity.auroc.value:.3f}" in section
    assert f"{unseen.by_probability.auroc.value:.3f}" in section


def test_where_none_is_unknown_it_says_so(whole, tmp_path):
    predictions = with_scores(whole.predictions, np.linspace(-1, 0.9, 350))
    evaluation = evaluate(predictions, whole.manifest, resamples=100)
    told = words(page((evaluation, predictions, whole.manifest), tmp_path)[1])
    assert "Here it warned of 0 images of 350: 0.0%" in told
    assert "No evaluated image shows a diagnosis outside the 7" in told
    assert "not of the kind" not in told


def test_without_scores_there_is_no_section_and_no_figure(whole, tmp_path):
    html, section = page((whole.evaluation, whole.predictions, whole.manifest), tmp_path)
    assert section == ""
    assert "#unfamiliarity" not in html
    assert not any("refusal" in path.name for path in write_figures(whole.evaluation, tmp_path))


def test_a_paper_gets_the_curves_and_their_numbers(strange, tmp_path):
    written = {path.name: path for path in write_figures(strange[0], tmp_path)}
    assert {f"refusal{name}.{kind}" for name in ("", "_clinic", "_phone") for kind in ("svg", "csv")} <= set(written)
    with written["refusal.csv"].open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    curve = strange[0].unfamiliarity.overall.strangest_first
    first = [row for row in rows if row["series"] == "strangest_first"]
    assert [float(row["refused"]) for row in first] == curve.refused
    assert [float(row["accuracy"]) for row in first] == [each.value for each in curve.accuracy]
    assert len(rows) == 2 * len(curve.refused)


def test_the_drawn_curve_goes_where_the_numbers_are(strange):
    refusal = strange[0].unfamiliarity.overall
    figure = refusal_figure(refusal)
    points = re.search(r'<polyline class="curve" points="([^"]+)"', figure.body).group(1).split()
    x, y = np.array([[float(each) for each in point.split(",")] for point in points]).T
    np.testing.assert_allclose((x - 40) / 280 * 0.95, refusal.strangest_first.refused, atol=0.001)
    # the axis begins at a round share below all that is drawn; its top is 100 %
    share = np.array([each.value for each in refusal.strangest_first.accuracy])
    slope = np.polyfit(share, y, 1)
    np.testing.assert_allclose(np.polyval(slope, share), y, atol=0.1)
    assert np.polyval(slope, 1.0) == pytest.approx(8, abs=0.2)


def test_of_one_image_a_level_line_without_width_is_drawn(whole):
    first = whole.manifest[:1]
    one = Predictions(["i0"], whole.predictions.probabilities[:1], whole.predictions.classes, unfamiliarity=np.zeros(1))
    figure = refusal_figure(evaluate(one, first, resamples=100).unfamiliarity.overall)
    around = re.search(r'<polygon class="area" points="([^"]+)"', figure.body).group(1).split()
    assert len({point.split(",")[1] for point in around}) == 1
