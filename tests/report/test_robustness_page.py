"""The robustness page: its verdict says what the figures say, all is escaped, nothing is asked from outside."""

import re

import numpy as np
import pytest

from cutis.data import PhantomView, draw_phantom, manifest_frame, phantom_lesion
from cutis.evaluation import Estimate, Predictions, evaluate_robustness
from cutis.report import write_robustness_figures, write_robustness_page
from cutis.report.robustness_page import by_cost, example_grid, points, verdict
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    import cv2

    folder = tmp_path_factory.mktemp("pictures")
    rows = []
    for n in range(84):
        word = HAM7.ids[(n // 2) % 7]
        path = folder / f"i{n % 14}.png"
        if n < 14:
            picture = draw_phantom(phantom_lesion(word, n), PhantomView(ita=40, seed=n)).image
            cv2.imwrite(str(path), picture[..., ::-1])
        rows.append(
            {
                "image_id": f"i{n}<b>",
                "image_path": str(path),
                "lesion_id": f"l{n // 2}",
                "source": "test",
                "diagnosis_node": HAM7.classes[(n // 2) % 7].nodes[0],
                "source_diagnosis": word,
            }
        )
    return manifest_frame(rows)


def answers(manifest, wrong):
    """Rightly answered but for a share, which is called nv."""
    truth = np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])
    nv = HAM7.ids.index("nv")
    told = np.where(np.random.default_rng(1).random(len(truth)) < wrong, nv, truth)
    values = np.full((len(truth), 7), 0.01)
    values[np.arange(len(truth)), told] = 0.94
    return Predictions(manifest["image_id"].to_list(), values, HAM7, ["no"] * len(truth))


@pytest.fixture(scope="module")
def result(manifest):
    corrupted = {("rotation", s): answers(manifest, 0.1) for s in (1, 3, 5)}
    corrupted |= {("blur", s): answers(manifest, 0.1 + 0.15 * s) for s in (1, 3, 5)}
    return evaluate_robustness(answers(manifest, 0.1), corrupted, manifest, model="ours & <theirs>", resamples=100)


def page(result, manifest, tmp_path, **options):
    write_robustness_page(result, manifest, tmp_path / "r.html", **options)
    return (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_verdict_says_what_costs_most_and_where_malignant_lesions_are_missed(result):
    assert [each.name for each in by_cost(result)] == ["blur", "rotation"]
    told = " ".join(verdict(result))
    assert "Most is lost by blur: −" in told
    assert "Least by rotation: 0.0 points" in told
    first = next(at.strength for at in result.corruptions[1].at if _falls(result, at))
    assert f"by blur from strength {first}; not by rotation." in told
    low = result.corruptions[1].at[-1].figures.malignant_sensitivity.value
    assert f"The lowest is {100 * low:.1f}% (blur, strength 5" in told
    assert "corruption error" not in told


def _falls(result, at):
    return at.figures.malignant_sensitivity.value < result.clean.malignant_sensitivity.value - 0.1


def test_the_verdict_where_nothing_is_lost(manifest):
    clean = answers(manifest, 0.1)
    same = evaluate_robustness(clean, {("jpeg", 1): clean}, manifest, resamples=100)
    told = " ".join(verdict(same))
    assert "No corruption takes this below" in told
    assert "Most is lost" not in told
    assert "In 0% of cases the answer is not that of the clean image" in told


def test_the_verdict_with_a_baseline(result, manifest):
    corrupted = {(n, s): answers(manifest, 0.1) for n in ("rotation", "blur") for s in (1, 3, 5)}
    better = evaluate_robustness(answers(manifest, 0.1), corrupted, manifest, baseline=result, resamples=100)
    told = " ".join(verdict(better))
    assert "The mean corruption error is 0." in told
    assert "fewer errors than the baseline, ours & <theirs>" in told


def test_points_are_signed_and_turned():
    change = Estimate(value=0.0421, low=0.023, high=0.0601)
    assert points(change) == "+4.2 points, +2.3 to +6.0"
    assert points(change, -1) == "−4.2 points, −6.0 to −2.3"
    assert points(Estimate(value=-0.0001, low=None, high=None)) == "0.0 points"
    assert points(Estimate(value=None, low=None, high=None)) == "–"


def test_one_page_with_everything_inside(result, manifest, tmp_path):
    html = page(result, manifest, tmp_path, title="A & B", about={"Model": "x<y"})
    assert "A &amp; B" in html
    assert "x&lt;y" in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert "<script" not in html
    assert "<b>,<" not in html
    assert "i2&lt;b&gt;" in html  # the id of the example
    assert html.count('src="data:image/jpeg;base64,') == 2 * (1 + 3)
    assert html.count("<svg") == 2
    assert "There is no mean corruption error" in html
    assert "No leak found" in html
    assert "SYNTHETIC" not in html
    assert "not a medical device" in html
    assert "0.0134" in html  # the scale of blur
    assert "ImageNet-C" in html
    assert len(html) < 400_000


def test_the_table_with_a_baseline(result, manifest, tmp_path):
    corrupted = {(n, s): answers(manifest, 0.2) for n in ("rotation", "blur") for s in (1, 3, 5)}
    told = evaluate_robustness(answers(manifest, 0.1), corrupted, manifest, baseline=result, resamples=100)
    html = page(told, manifest, tmp_path)
    assert "Relative CE" in html
    assert "ours &amp; &lt;theirs&gt;" in html


def test_the_example_is_the_first_malignant_image_that_can_be_read(result, manifest):
    first = manifest["source_diagnosis"].is_in(["bcc", "mel"]).arg_max()
    image_id, clean, rows = example_grid(result, manifest, 0)
    assert image_id == manifest["image_id"][first]
    assert clean.startswith("data:image/jpeg;base64,")
    assert [[strength for strength, _ in row.pictures] for row in rows] == [[1, 3, 5]] * 2
    gone = manifest.with_columns(image_path=np.array(["nowhere.png"] * len(manifest)))
    assert example_grid(result, gone, 0) == (None, None, [])


def test_without_pictures_the_page_says_nothing_of_them(result, manifest, tmp_path):
    gone = manifest.with_columns(image_path=np.array(["nowhere.png"] * len(manifest)))
    assert "What the corruptions look like" not in page(result, gone, tmp_path)


def test_figures_have_their_numbers_beside_them(result, tmp_path):
    written = write_robustness_figures(result, tmp_path)
    assert [path.name for path in written] == [
        f"robustness_{name}.{kind}" for name in ("rotation", "blur") for kind in ("svg", "csv")
    ]
    lines = (tmp_path / "figures" / "robustness_blur.csv").read_text().splitlines()
    assert lines[0] == "series,strength,value,low,high"
    assert len(lines) == 1 + 2 * 4
    series, strength, value, *_ = lines[4].split(",")
    assert (series, strength) == ("balanced_accuracy", "5")
    assert float(value) == pytest.approx(1 - result.corruptions[1].at[-1].figures.error.value)
