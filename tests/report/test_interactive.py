"""A page's curves answer to mouse, finger and keys with the numbers of the CSV; without a script they only stand."""

import csv
import io
import json
import re

import numpy as np
import pytest

from cutis.report import write_report
from cutis.report.figures import curve_figures
from cutis.report.points import points_json

ROC = 'section[aria-labelledby="malignancy"] svg.roc'


def undone(steps):
    """Ten-thousandths from their steps."""
    total, values = 0, []
    for step in steps:
        total += step or 0
        values.append(None if step is None else total / 1e4)
    return values


def test_the_page_holds_the_numbers_of_the_csv(whole):
    kinds = {}
    for figure in curve_figures(whole.evaluation):
        html = figure.__html__()
        (told,) = re.findall(r'<script type="application/json" class="points">(.*?)</script>', html, re.S)
        data = json.loads(told)
        rows = list(csv.DictReader(io.StringIO(figure.csv())))
        curve = [row for row in rows if row.get("series", "curve") == "curve"]
        x, y = {
            "roc": ("false_positive_rate", "sensitivity"),
            "precision_recall": ("recall", "precision"),
            "reliability": ("mean_probability", "share"),
            "decision": ("threshold", "model"),
        }[data["kind"]]
        np.testing.assert_allclose(undone(data["x"]), [float(row[x]) for row in curve], atol=6e-5)
        np.testing.assert_allclose(undone(data["y"]), [float(row[y]) for row in curve], atol=6e-5)
        if data["kind"] == "roc":
            assert data["threshold"][0] is None
            band = [row for row in rows if row["series"] == "band"]
            low = np.interp(
                [float(row[x]) for row in curve], *np.array([(float(r[x]), float(r["low"])) for r in band]).T
            )
            np.testing.assert_allclose(undone(data["low"]), low, atol=6e-5)
            assert 0 < data["prevalence"] < 1
        kinds[data["kind"]] = kinds.get(data["kind"], 0) + 1
    assert kinds == {"roc": 8, "precision_recall": 8, "decision": 1, "reliability": 9}


def test_data_cannot_end_their_script():
    columns = ("series", "name", "recall", "precision", "threshold")
    rows = [("curve", None, 0.0, 1.0, None), ("reader", "</script><b>&", 0.5, 0.5, None)]
    told = points_json(columns, rows, (0, 0, 1, 1, 0, 1, 0, 1))
    assert "<" not in told
    assert json.loads(told)["dots"] == [{"name": "</script><b>&", "x": 5000, "y": 5000}]


def test_a_missing_value_is_stepped_over():
    columns = ("threshold", "model", "model_low", "model_high", "all", "none")
    rows = [(0.1, 0.02, None, None, 0.0, 0.0), (0.2, -0.01, -0.02, 0.0, -0.1, 0.0)]
    data = json.loads(points_json(columns, rows, (0, 0, 1, 1, 0, 1, 0, 1)))
    assert undone(data["y"]) == [0.02, -0.01]
    assert undone(data["low"]) == [None, -0.02]


# ---- in a browser


@pytest.fixture(scope="module")
def address(whole, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    write_report(whole.evaluation, whole.predictions, whole.manifest, file)
    return file.as_uri()


@pytest.fixture
def visit(browser, address):
    """Opens the page; at the end of the test it must have asked for nothing and complained of nothing."""
    contexts, complaints = [], []

    def opened(width=1280, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(60_000)  # a busy machine is no fault of the page
        page = context.new_page()
        page.on("request", lambda each: complaints.append(each.url) if each.url.startswith("http") else None)
        page.on("console", lambda each: complaints.append(each.text))
        page.on("pageerror", lambda each: complaints.append(str(each)))
        page.goto(address)
        return page

    yield opened
    for each in contexts:
        each.close()
    assert complaints == []


def middle(page, place):
    """A place on the screen, by shares of a drawing's width and height."""
    svg = page.locator(ROC)
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    return box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"]


def told(page):
    return page.locator(".tip").inner_text().splitlines()


def test_the_mouse_gets_the_nearest_point_and_takes_the_words_along_when_it_leaves(visit, whole):
    page = visit()
    assert page.locator(".tip").is_hidden()
    page.mouse.move(*middle(page, (0.4, 0.3)))
    threshold, sensitivity, specificity = told(page)
    shown = float(re.search(r"Sensitivity ([\d.]+)% \(band [\d.]+–[\d.]+%\)", sensitivity)[1])
    curve = whole.evaluation.malignancy.roc
    at = np.abs(np.array(curve.sensitivity) - shown / 100).argmin()
    assert f"{100 * curve.sensitivity[at]:.1f}" == f"{shown:.1f}"
    fits = [
        f"Specificity {100 * (1 - x):.1f}%"
        for x, y in zip(curve.false_positive_rate, curve.sensitivity, strict=True)
        if f"{100 * y:.1f}" == f"{shown:.1f}"
    ]
    assert specificity in fits
    assert threshold.startswith("Threshold ")
    assert page.locator(f"{ROC} .marker").get_attribute("visibility") == "visible"
    page.mouse.move(2, 2)
    assert page.locator(".tip").is_hidden()


def test_keys_walk_along_the_curve_and_each_point_is_told_to_a_screen_reader(visit, whole):
    page = visit()
    svg = page.locator(ROC)
    svg.focus()
    page.keyboard.press("Home")
    assert svg.get_attribute("role") == "slider"
    assert svg.get_attribute("aria-valuetext").startswith("Threshold above all: nothing is called, Sensitivity 0.0%")
    page.keyboard.press("ArrowRight")
    assert svg.get_attribute("aria-valuenow") == "2"
    assert svg.get_attribute("aria-valuetext") == ", ".join(told(page))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert svg.get_attribute("aria-valuenow") == "1"
    page.keyboard.press("End")
    assert svg.get_attribute("aria-valuenow") == str(len(whole.evaluation.malignancy.roc.sensitivity) + 1)
    assert told(page)[0] == "The answers"
    page.keyboard.press("Escape")
    assert page.locator(".tip").is_hidden()


def test_a_finger_on_a_phone_gets_words_that_fit_the_screen(visit):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    page.touchscreen.tap(*middle(page, (0.3, 0.4)))
    box = page.locator(".tip").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert told(page)[1].startswith("Sensitivity ")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.touchscreen.tap(195, 5)
    assert page.locator(".tip").is_hidden()


def test_a_threshold_can_be_chosen_and_bayes_rule_holds_at_the_share_typed_in(visit, whole):
    page = visit()
    probe = page.locator('section[aria-labelledby="malignancy"] details.probe')
    probe.locator("summary").click()
    share, slider = probe.locator("input[type=number]"), probe.locator("input[type=range]")
    own = whole.evaluation.malignancy.own_prevalence.prevalence
    assert float(share.input_value()) == pytest.approx(100 * own, abs=0.1)
    share.fill("5")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    words = dict(line.split("\n") for line in probe.locator("output > span").all_inner_texts())
    hit, spared, ppv, npv = (
        float(words[name].rstrip("%")) / 100 for name in ("Sensitivity", "Specificity", "PPV", "NPV")
    )
    assert ppv == pytest.approx(0.05 * hit / (0.05 * hit + 0.95 * (1 - spared)), abs=0.01)
    assert npv == pytest.approx(0.95 * spared / (0.95 * spared + 0.05 * (1 - hit)), abs=0.002)
    assert slider.get_attribute("aria-valuetext") == words["Threshold"]
    assert told(page)[0] == f"Threshold {words['Threshold']}"  # the curve shows the same point
    higher = float(words["Threshold"].rstrip("%"))
    page.keyboard.press("ArrowLeft")
    assert float(slider.get_attribute("aria-valuetext").rstrip("%")) < higher
    share.fill("300")
    assert share.get_attribute("aria-invalid") == "true"
    assert probe.locator("output > span", has_text="PPV").inner_text() == "PPV\n–"


def test_what_reliability_and_decision_curves_tell(visit, whole):
    page = visit()
    page.locator('section[aria-labelledby="calibration"] svg').first.focus()
    page.keyboard.press("Home")
    curve = whole.evaluation.calibration.top_label
    first = told(page)
    assert first[0].endswith(f": {curve.images[0]} images")
    assert first[2].startswith(f"Happened {100 * curve.share[0]:.1f}% (interval {100 * curve.share_low[0]:.1f}–")
    page.locator('section[aria-labelledby="decisions"] svg').focus()
    page.keyboard.press("Home")
    decision = whole.evaluation.malignancy.decision_curve
    assert told(page)[:1] == [f"Threshold {100 * decision.threshold[0]:.0f}%"]
    assert f"Net benefit {decision.model[0].value:.3f} (interval " in told(page)[1].replace("−", "-")


def test_tables_sort_by_number_by_name_and_back(visit, whole):
    page = visit()
    table = page.locator("table.classes")
    names = table.locator("tbody th")
    came = names.all_inner_texts()
    head = table.locator("thead th").nth(2)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    shares = [float(each.split("%")[0]) for each in table.locator("tbody tr td:nth-child(3)").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert names.all_inner_texts() != came
    head.locator("button").click()
    head.locator("button").click()
    assert names.all_inner_texts() == came
    assert head.get_attribute("aria-sort") is None
    table.locator("thead th button").first.click()
    assert names.all_inner_texts() == sorted(came)


def test_print_and_no_script_show_the_static_page(visit):
    page = visit()
    page.locator(ROC).focus()
    page.keyboard.press("ArrowRight")
    page.emulate_media(media="print")
    for made in (".tip", ".probe", ".marker"):
        assert not any(each.is_visible() for each in page.locator(made).all()), made
    page.context.close()
    still = visit(java_script_enabled=False)
    assert still.locator(ROC).is_visible()
    assert still.locator(ROC).get_attribute("role") == "img"
    assert still.locator(".probe, .tip, th button").count() == 0
