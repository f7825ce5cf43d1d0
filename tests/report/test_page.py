"""The report: one file, nothing from outside, all escaped, and its warnings where nobody can miss them."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.data import manifest_frame
from cutis.errors import CutisError
from cutis.evaluation import Estimate, OtherDiseases, Predictions, evaluate
from cutis.report import write_report
from cutis.report.inline import content_hash
from cutis.taxonomy import class_set, source_classes

HAM7 = class_set("ham7")
BETWEEN = ("overall", "classes", "confusion", "calibration", "decisions", "operating", "conformal")
LAST = ("examples", "data", "done", "checklists", "glossary")
CSS = Path(__file__).parents[2] / "src/cutis/report/templates/report.css"


def manifest_of(folder: Path, images: int = 56, source: str = "test") -> pl.DataFrame:
    rows = []
    for n in range(images):
        path = folder / f"i{n}.jpg"
        cv2.imwrite(str(path), np.full((60, 80, 3), 4 * n, np.uint8))
        rows.append(
            {
                "image_id": f"i{n}",
                "image_path": str(path),
                "lesion_id": f"l{n // 2}",
                "source": source,
                "diagnosis_node": HAM7.classes[(n // 2) % 7].nodes[0],
                "source_diagnosis": HAM7.ids[(n // 2) % 7],
                "age_approx": None if n == 0 else 40 + n,
                "sex": "female" if n % 4 else "male",
                "image_type": "dermoscopic",
                "license": "CC-0",
            }
        )
    return manifest_frame(rows)


def predictions_for(manifest: pl.DataFrame, seen: str | None = "no") -> Predictions:
    """Every third image is answered with the next class, the others rightly."""
    truth = np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])
    values = np.full((len(truth), 7), 0.02)
    answers = np.where(np.arange(len(truth)) % 3 == 0, (truth + 1) % 7, truth)
    values[np.arange(len(truth)), answers] = 0.88
    return Predictions(manifest["image_id"].to_list(), values, HAM7, None if seen is None else [seen] * len(truth))


def report(folder: Path, manifest: pl.DataFrame, predictions: Predictions, **options) -> str:
    evaluation = evaluate(predictions, manifest, resamples=100)
    write_report(evaluation, predictions, manifest, folder / "report.html", **options)
    return (folder / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Checks nesting, and collects what a test asks for."""

    VOID = ("meta", "img", "br", "link", "line", "circle", "polyline", "polygon")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_it_is_one_wellformed_file_with_its_own_script_alone_and_nothing_from_outside(tmp_path):
    manifest = manifest_of(tmp_path)
    html = report(tmp_path, manifest, predictions_for(manifest))
    page = Page(html)
    assert [each for each in page.all("script") if each.get("type") != "application/json"] == [{}]
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    script = html[html.rindex("<script>") + 8 : html.rindex("</script>")]
    assert content_hash(script) in policy
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not page.all("link")
    for attributes in page.all("img"):
        assert attributes["src"].startswith("data:image/jpeg;base64,")
    assert all(each["href"].startswith("#") for each in page.all("a"))
    assert set(re.findall(r"https?://[^\"']+|url\(|@import", html)) == {"http://www.w3.org/2000/svg"}  # SVG's name


def test_it_can_be_read_by_a_screen_reader(tmp_path):
    manifest = manifest_of(tmp_path)
    page = Page(report(tmp_path, manifest, predictions_for(manifest)))
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert all(each.get("alt") for each in page.all("img"))
    assert all(each.get("role") == "img" and each.get("aria-label") for each in page.all("svg"))
    assert all(each.get("scope") in ("col", "row") for each in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    named = [each["aria-describedby"] for each in page.all("table")]
    assert named
    assert set(named) <= set(ids)


def test_it_tells_the_figures_the_rows_and_what_was_done(tmp_path):
    manifest = manifest_of(tmp_path)
    predictions = predictions_for(manifest)
    page = Page(
        report(
            tmp_path,
            manifest,
            predictions,
            title="Ours",
            about={"Recipe": "default", "Data": {"name": "X", "images": 7734}, "Views": [1, 2], "Half": True},
        )
    )
    evaluation = evaluate(predictions, manifest, resamples=100)
    text = page.text
    assert f"{100 * evaluation.overall.accuracy.value:.1f}%" in text
    assert "56 images of 28 lesions" in text
    for each in evaluation.by_class:
        assert each.name in text
    for fact in (
        "Recipe default",
        "name: X; images: 7,734",
        "Views 1, 2",
        "Half yes",
        "Random seed 0",
        "28 lesions",
    ):
        assert fact in text
    assert "not a medical device" in text
    assert len([each for each in page.all("svg") if each["class"] == "roc"]) == 1 + 7  # malignancy, and each class


def test_the_verdict_on_leaks_stands_before_the_figures(tmp_path):
    manifest = manifest_of(tmp_path)
    known = Page(report(tmp_path, manifest, predictions_for(manifest))).text
    assert known.index("No leak found") < known.index("Balanced accuracy")
    unknown = Page(report(tmp_path, manifest, predictions_for(manifest, seen=None))).text
    assert "No leak found" not in unknown
    assert unknown.index("It is not known whether the model has seen") < unknown.index("Balanced accuracy")


def test_synthetic_data_are_shouted_and_real_ones_are_not(tmp_path):
    phantoms = manifest_of(tmp_path, source="phantom")
    text = Page(report(tmp_path, phantoms, predictions_for(phantoms))).text
    assert text.index("SYNTHETIC DATA No image here is a photograph") < text.index("Balanced accuracy")
    real = manifest_of(tmp_path)
    assert "SYNTHETIC" not in report(tmp_path, real, predictions_for(real))
    mixed = real.with_columns(source=pl.when(pl.int_range(56) < 10).then(pl.lit("phantom")).otherwise("source"))
    assert "Of the 56 images here, 10 are no photographs" in Page(report(tmp_path, mixed, predictions_for(mixed))).text


def test_names_from_files_cannot_become_markup(tmp_path):
    attack = "<script>alert(1)</script>\"'&"
    manifest = manifest_of(tmp_path).with_columns(source=pl.lit(attack), image_type=pl.lit(attack), diagnosis_node=None)
    words = {each: f"{each}{attack}" for each in HAM7.ids}
    manifest = manifest.with_columns(pl.col("source_diagnosis").replace(words))
    classes = source_classes(list(words.values()))
    predictions = Predictions(manifest["image_id"].to_list(), np.full((56, 7), 1 / 7), classes)
    html = report(tmp_path, manifest, predictions, title=attack, about={attack: attack})
    scripts = Page(html).all("script")
    assert {each.get("type") for each in scripts} == {"application/json", None}
    assert sum("type" not in each for each in scripts) == 1
    assert html.count("&lt;script&gt;") > 20


def test_images_that_could_not_be_scored_are_said_twice(tmp_path):
    manifest = manifest_of(tmp_path)
    strange = manifest.with_columns(
        diagnosis_node=pl.when(pl.int_range(56) < 4).then(None).otherwise("diagnosis_node"),
        source_diagnosis=pl.when(pl.int_range(56) < 4).then(pl.lit("scar")).otherwise("source_diagnosis"),
    )
    text = Page(report(tmp_path, strange, predictions_for(manifest))).text
    assert "4 further images could not be scored" in text
    assert "scar (4)" in text


def test_examples_show_dangerous_misses_first_and_one_image_a_lesion(tmp_path):
    manifest = manifest_of(tmp_path)
    html = report(tmp_path, manifest, predictions_for(manifest))
    first, second, third = (
        html.index(each)
        for each in (
            "Malignant and premalignant lesions called benign",
            "<h3>Other errors",
            "<h3>Right answers",
        )
    )
    assert first < second < third
    dangerous = re.findall(r"Truth: <strong>([^<]+)", html[first:second])
    # Of the malignant classes, mel → nv and bcc → bkl are wrong and benign; akiec → bcc is wrong but suspect.
    assert set(dangerous) == {"Melanoma", "Basal cell carcinoma"}
    shown = [manifest.filter(image_id=each)["lesion_id"][0] for each in re.findall(r'quiet">(i\d+)</span>', html)]
    assert len(shown) == len(set(shown)) > 10
    assert "Wrong" not in html[third : html.index('id="data"')]


def test_the_picture_shown_is_the_image(tmp_path):
    manifest = manifest_of(tmp_path)
    html = report(tmp_path, manifest, predictions_for(manifest))
    for source, number in re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="i(\d+),', html):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
        assert pixels.shape == (60, 80, 3)
        assert abs(float(pixels.mean()) - 4 * int(number)) < 3


def test_missing_and_broken_images_are_said_where_they_would_stand(tmp_path):
    manifest = manifest_of(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    broken = manifest.with_columns(image_path=pl.lit(str(tmp_path / "broken.jpg")))
    assert "The image file is not an image." in report(tmp_path, broken, predictions_for(manifest))
    none = manifest.with_columns(image_path=pl.lit(None, dtype=pl.String))
    assert "The manifest names no image file." in report(tmp_path, none, predictions_for(manifest))


def test_absent_classes_and_a_single_lesion_make_a_report_too(tmp_path):
    manifest = manifest_of(tmp_path).head(2)
    text = Page(report(tmp_path, manifest, predictions_for(manifest))).text
    assert "none: a single case cannot be resampled" in text
    assert "No image shows" in text


def whole_page(whole, folder: Path, **changes) -> Page:
    evaluation = whole.evaluation.model_copy(update=changes)
    write_report(evaluation, whole.predictions, whole.manifest, folder / "whole.html")
    return Page((folder / "whole.html").read_text(encoding="utf-8"))


def test_every_section_is_there_in_order_and_named_in_the_contents(whole, tmp_path):
    page = whole_page(whole, tmp_path)
    sections = [each["aria-labelledby"] for each in page.all("section")]
    assert sections == ["short", "malignancy", *BETWEEN, "subgroups", "challenge", *LAST]
    assert [each["href"] for each in page.all("a")] == [f"#{each}" for each in sections[1:]]
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert all(each.get("aria-label") for each in page.all("svg"))
    shown = [each["class"] for each in page.all("svg") if each["class"] != "estimate"]
    assert len(shown) == 2 + 7 + 7 + 2 + 7 + 1 + 1 + 2  # malignancy, ROC, PR, calibration, decisions, lists, sets


def test_sections_without_data_are_left_out(whole, tmp_path):
    nothing = dict.fromkeys(("malignancy", "operating_points", "conformal", "challenge"))
    page = whole_page(whole, tmp_path, subgroups=[], **nothing)
    sections = [each["aria-labelledby"] for each in page.all("section")]
    assert sections == ["short", *BETWEEN[:4], *LAST]
    assert [each["href"] for each in page.all("a")] == [f"#{each}" for each in sections[1:]]


def test_the_figures_of_every_section_are_told(whole, tmp_path):
    text = whole_page(whole, tmp_path).text
    evaluation = whole.evaluation
    malignancy, conformal = evaluation.malignancy, evaluation.conformal
    lists = evaluation.operating_points.differential
    for told in (
        f"AUC of the summed probability {malignancy.auc.value:.3f}",
        f"these images {100 * malignancy.own_prevalence.positive_predictive_value.value:.0f}%",
        f"Brier score 0 to 2 {evaluation.calibration.brier_score.value:.3f}",
        f"in the list of {100 * lists.truth_listed.value:.0f}%",
        "other images; rule: largest sum of sensitivity and specificity (Youden)",
        f"held it in {100 * conformal.overall.coverage.value:.1f}%",
        f"entries are ranked: {evaluation.challenge.balanced_accuracy:.3f}",
        f"Cohen’s kappa {evaluation.overall.kappa.value:.3f}",
        "Oral or genital: 6 cases are too few to say.",
        "kind of image (dermoscopic only)",
        "Not recorded for any image, so nobody can say: Fitzpatrick skin type",
    ):
        assert told in text, told
    gap = next(each for each in evaluation.subgroups if each.column == "sex").gaps[0]
    assert f"largest gap {100 * gap.difference.value:.1f} points" in text


def test_sections_that_cannot_say_say_so(tmp_path):
    manifest = manifest_of(tmp_path)
    benign = manifest.filter(pl.col("source_diagnosis").is_in(["nv", "df"]))
    kept = set(benign["image_id"])
    every = predictions_for(manifest)
    rows = [n for n, each in enumerate(every.image_ids) if each in kept]
    predictions = Predictions(benign["image_id"].to_list(), every.probabilities[rows], HAM7, ["no"] * len(rows))
    text = Page(report(tmp_path, benign, predictions)).text
    assert "Too little to tell the two apart" in text
    assert "Too few images to say" in text
    assert "No two groups are large enough for a gap." in text
    assert "Would acting on it" not in text


def test_a_broken_promise_of_prediction_sets_is_a_warning(whole, tmp_path):
    conformal = whole.evaluation.conformal
    broken = conformal.model_copy(
        update={"overall": conformal.overall.model_copy(update={"warning": "covered less often than promised"})}
    )
    assert "The promise is not kept here" not in whole_page(whole, tmp_path).text
    assert "The promise is not kept here" in whole_page(whole, tmp_path, conformal=broken).text


def test_other_diseases_are_told_with_what_the_class_costs(whole, tmp_path):
    share = Estimate(value=0.5, low=0.4, high=0.6)
    other = OtherDiseases(
        id="other",
        images=40,
        called_other=share,
        malignant_without=20,
        malignant_with=8,
        false_alarms_saved=12,
        share_without=share,
        share_with=share,
        share_saved=Estimate(value=0.3, low=0.2, high=0.4),
        cancers=60,
        cancers_called_other=1,
        sensitivity_lost=Estimate(value=0.017, low=0.0, high=0.05),
    )
    text = whole_page(whole, tmp_path, other=other).text
    assert "It saves 12 false alarms, 30% of these images (interval 20–40%)." in text
    assert "1 was called other, and 1.7% (interval 0.0–5.0%)" in text
    none = other.model_copy(update={"images": 0, "called_other": Estimate(value=None, low=None, high=None)})
    assert "what the class saves cannot be said" in whole_page(whole, tmp_path, other=none).text


def test_an_interrupted_or_refused_report_leaves_the_old_one(tmp_path):
    manifest = manifest_of(tmp_path)
    predictions = predictions_for(manifest)
    evaluation = evaluate(predictions, manifest, resamples=100)
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(CutisError):
        write_report(evaluation, predictions, manifest.head(10), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "old"


def _luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_has_the_contrast_of_wcag_aa(scheme):
    blocks = dict(zip(("light", "dark", "print"), re.findall(r":root \{(.*?)\}", CSS.read_text(), re.S), strict=True))
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme]))
    pairs = [(text, page) for text in ("text", "quiet", "accent") for page in ("page", "raised")]
    pairs += [(text, f"{each}-page") for each in ("warn", "danger", "good") for text in (each, "text")]
    pairs += [("danger", "page"), ("good", "page")]
    for text, page in pairs:
        lighter, darker = sorted((_luminance(colours[text]), _luminance(colours[page])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, page)
