"""What blur, noise, JPEG, colour casts, exposure, zoom, rotation and hair cost the model that comes with cutis.

On 500 of HAM-strict's 1,503 test images (whole lesions, drawn with seed 0), each corruption at five strengths: a
measurement, by which nothing was chosen. The mean corruption error needs a baseline to divide by, as AlexNet is for
ImageNet-C. Here it is a colour histogram (6 × 6 × 6 bins, square roots) with logistic regression, trained on HAM-strict's
7,734 training images: a weak classifier that sees no shape, so that blur, rotation and zoom cost it next to nothing.
Writes ``results/robustness.json`` and ``.md`` beside this file; predictions are kept, a run that was stopped goes on.

    python benchmarks/robustness.py                        about 25 minutes of processor time
    python benchmarks/robustness.py --strengths 1 3 5      the same with three of the five strengths

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root.
"""

import argparse
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.linear_model import LogisticRegression

from cutis.data import CORRUPTIONS, STRENGTHS, Pixels, decode_images, image_paths, read_ids, source, split
from cutis.evaluation import (
    Estimate,
    Predictions,
    RobustnessResult,
    draw_cases,
    evaluate_robustness,
    write_robustness,
)
from cutis.files import write_json, write_text
from cutis.models import CorruptedImages, fastest_bundle, predict_under_corruptions
from cutis.taxonomy import class_set

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
BINS = 6
SIZE = (150, 200)
HAM7 = class_set("ham7")


def strict_manifest(data: Path) -> pl.DataFrame:
    ham = source("ham10000").import_from(data / "ham10000").frame
    test_ids = read_ids(data / "ham10000" / "splits" / "published_test_1503.csv")
    return split(ham, by=["lesion_id"], test_ids=test_ids, strict=True, folds=5, seed=0)


def histograms(images: Iterable[Pixels]) -> npt.NDArray[np.float64]:
    """N × BINS³: the square root of the share of pixels of each colour."""
    rows = []
    for image in images:
        red, green, blue = (np.asarray(image).reshape(-1, 3).astype(np.int64) * BINS // 256).T
        counts = np.bincount((red * BINS + green) * BINS + blue, minlength=BINS**3)
        rows.append(np.sqrt(counts / counts.sum()))
    return np.array(rows)


def baseline_predictions(
    manifest: pl.DataFrame, test: pl.DataFrame, strengths: list[int]
) -> tuple[Predictions, dict[tuple[str, int], Predictions]]:
    """Train the baseline on the training images and let it answer as the model does."""
    train = manifest.filter(pl.col("subset") == "train")
    features = histograms(decode_images(image_paths(train), *SIZE))
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=500)
    model.fit(features, [HAM7.ids.index(each) for each in train["source_diagnosis"]])
    assert len(model.classes_) == len(HAM7.ids)
    decoded = decode_images(image_paths(test), *SIZE)

    def answered(images: Iterable[Pixels]) -> Predictions:
        values = model.predict_proba(histograms(images))
        return Predictions(test["image_id"].to_list(), values, HAM7, ["no"] * len(test))

    corrupted = {
        (name, strength): answered(CorruptedImages(decoded, name, strength, 0))
        for name in CORRUPTIONS
        for strength in strengths
    }
    return answered(decoded), corrupted


def table(result: RobustnessResult, baseline: RobustnessResult) -> str:
    """A row a corruption: the balanced accuracy at each strength, and what it costs."""

    def of(estimate: Estimate, form: str = ".3f") -> str:
        if estimate.value is None:
            return "–"
        if estimate.low is None or estimate.high is None:
            return f"{estimate.value:{form}}"
        to = " to " if form.startswith("+") else "–"
        return f"{estimate.value:{form}} ({estimate.low:{form}}{to}{estimate.high:{form}})"

    strengths = " | ".join(str(each) for each in result.strengths)
    clean = result.clean
    told = (
        f"{result.images} images of {result.lesions} lesions. Clean: balanced accuracy "
        f"{1 - (clean.error.value or 0):.3f}, sensitivity for malignancy {of(clean.malignant_sensitivity)}, AUC "
        f"{of(clean.malignant_auc)}; baseline: balanced accuracy {1 - (baseline.clean.error.value or 0):.3f}.\n\n"
        "Balanced accuracy at each strength, the mean rise of the error, the mean change of the sensitivity for malignancy, "
        "and the share of answers that change:"
    )
    lines = [
        told,
        "",
        f"| corruption | {strengths} | rise of the error | change of sensitivity | answers changed | CE | relative CE |",
        f"| --- {'| --- ' * (len(result.strengths) + 5)}|",
    ]
    for each in result.corruptions:
        values = " | ".join(f"{1 - (at.figures.error.value or 0):.3f}" for at in each.at)
        lines.append(
            f"| {each.name} | {values} | {of(each.mean_change.error, '+.3f')} | "
            f"{of(each.mean_change.malignant_sensitivity, '+.3f')} | {of(each.mean_flipped, '.2f')} | "
            f"{of(each.corruption_error, '.2f')} | {of(each.relative_corruption_error, '.2f')} |"
        )
    blank = "| " * len(result.strengths)
    lines.append(
        f"| **mean** {blank}| {of(result.mean_change.error, '+.3f')} | {of(result.mean_change.malignant_sensitivity, '+.3f')} "
        f"| {of(result.mean_flipped, '.2f')} | {of(result.mean_corruption_error, '.2f')} "
        f"| {of(result.relative_mean_corruption_error, '.2f')} |"
    )
    return "\n".join(lines) + "\n"


def summary(result: RobustnessResult) -> dict[str, Any]:
    """The result without its classes and the figures that the table does not need."""
    return result.model_dump(mode="json", exclude={"classes", "sources"})


def main() -> None:
    """Predict, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--strengths", type=int, nargs="+", choices=STRENGTHS, default=list(STRENGTHS))
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "robustness")
    arguments = parser.parse_args()
    start = time.perf_counter()
    manifest = strict_manifest(Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data")))
    test = draw_cases(manifest, arguments.images, subset="test", seed=0)
    of_test = manifest.filter((pl.col("subset") != "test") | pl.col("image_id").is_in(test["image_id"].implode()))
    baseline_clean, baseline_corrupted = baseline_predictions(manifest, test, arguments.strengths)
    baseline = evaluate_robustness(
        baseline_clean, baseline_corrupted, of_test, model="colour histogram and logistic regression", subset="test"
    )
    print(f"{time.perf_counter() - start:.0f} s, baseline {baseline.clean.error}", flush=True)
    done = 0

    def say(images: int) -> None:
        nonlocal done
        if (done + images) // 1000 > done // 1000:
            print(f"{time.perf_counter() - start:.0f} s, {done + images:,} images", flush=True)
        done += images

    bundle = fastest_bundle()
    clean, corrupted = predict_under_corruptions(
        bundle,
        test,
        arguments.out / "predictions",
        corruptions=list(CORRUPTIONS),
        strengths=arguments.strengths,
        progress=say,
    )
    result = evaluate_robustness(clean, corrupted, of_test, model=bundle.name, subset="test", baseline=baseline)
    write_robustness(result, arguments.out / "robustness.json")
    write_robustness(baseline, arguments.out / "baseline.json")
    minutes = round((time.perf_counter() - start) / 60, 1)
    write_json(
        RESULTS / "robustness.json",
        {"model": summary(result), "baseline": summary(baseline), "minutes": minutes},
    )
    write_text(RESULTS / "robustness.md", table(result, baseline))
    print(table(result, baseline))
    for warning in result.warnings:
        print(warning)


if __name__ == "__main__":
    main()
