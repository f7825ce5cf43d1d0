"""Do 95 % intervals cover 95 %? A simulation with several images a case.

Cases are drawn with a random effect that all their images share, so that the images of a case resemble each other. Each
replicate draws a new data set and makes every interval; the share of replicates whose interval holds the true value is
the coverage. The truth is known exactly: an accuracy set beforehand, and the AUC of two normal distributions. Writes
``results/coverage.json`` and ``results/coverage.md`` beside this file.

    python benchmarks/coverage.py                                      all of it: under 5 minutes on one core
    python benchmarks/coverage.py --replicates 20 --output trial     a short one
"""

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cutis.evaluation.delong import delong_interval
from cutis.evaluation.intervals import clustered_bootstrap, percentile_interval
from cutis.evaluation.metrics import binary_auc
from cutis.evaluation.proportions import clustered_wilson_interval, wilson_interval
from cutis.files import write_json, write_text

RESULTS = Path(__file__).parent / "results"
CONFIDENCE = 0.95
ACCURACY = 0.8
SEPARATION = 1.4  # between positives and negatives, in standard deviations of a score: AUC 0.84
RESAMPLES = 500

# How many cases, how many images each has at least and at most, and how alike those are (intraclass correlation).
DESIGNS: dict[str, dict[str, Any]] = {
    "one image a case": {"cases": 300, "images": (1, 1), "correlation": 0.0},
    "1–3 images a case, as in HAM10000": {"cases": 300, "images": (1, 3), "correlation": 0.6},
    "4–8 images a case": {"cases": 150, "images": (4, 8), "correlation": 0.6},
}
CLUSTERED = ("clustered bootstrap", "clustered Wilson")


def case_of_each_image(design: dict[str, Any], generator: np.random.Generator) -> NDArray[np.int64]:
    low, high = design["images"]
    return np.repeat(np.arange(design["cases"]), generator.integers(low, high + 1, size=design["cases"]))


def right_answers(
    design: dict[str, Any], generator: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Right or wrong by image: each case has its own chance, beta-distributed around the accuracy."""
    case = case_of_each_image(design, generator)
    rho = design["correlation"]
    chance = np.full(design["cases"], ACCURACY)
    if rho:
        strength = 1 / rho - 1
        chance = generator.beta(ACCURACY * strength, (1 - ACCURACY) * strength, size=design["cases"])
    return generator.random(len(case)) < chance[case], case


def disease_and_scores(
    design: dict[str, Any], generator: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
    """A third of the cases is positive; scores are normal, of which the case explains ``correlation``."""
    case = case_of_each_image(design, generator)
    positive = (np.arange(design["cases"]) % 3 == 0)[case]
    rho = design["correlation"]
    shared = np.sqrt(rho) * generator.normal(size=design["cases"])[case]
    return positive, SEPARATION * positive + shared + np.sqrt(1 - rho) * generator.normal(size=len(case)), case


def bootstrapped(statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], clusters: Any, seed: int) -> Any:
    values = clustered_bootstrap(lambda w: {"x": statistic(w)}, list(clusters), resamples=RESAMPLES, seed=seed)["x"]
    return percentile_interval(values, CONFIDENCE)


def accuracy_intervals(design: dict[str, Any], generator: np.random.Generator, seed: int) -> dict[str, Any]:
    right, case = right_answers(design, generator)
    hits = right.astype(np.float64)

    def share(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        answer: NDArray[np.float64] = hits @ weights / weights.sum(axis=0)
        return answer

    clustered = clustered_wilson_interval(right, case.tolist(), confidence=CONFIDENCE)
    return {
        "clustered bootstrap": bootstrapped(share, case.tolist(), seed),
        "clustered Wilson": (clustered.low, clustered.high),
        "bootstrap of single images": bootstrapped(share, range(len(right)), seed),
        "Wilson": wilson_interval(hits.sum(), len(right), confidence=CONFIDENCE),
    }


def auc_intervals(design: dict[str, Any], generator: np.random.Generator, seed: int) -> dict[str, Any]:
    positive, scores, case = disease_and_scores(design, generator)

    def area(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return binary_auc(positive, scores, weights)

    return {
        "clustered bootstrap": bootstrapped(area, case.tolist(), seed),
        "bootstrap of single images": bootstrapped(area, range(len(scores)), seed),
        "DeLong": delong_interval(positive, scores, confidence=CONFIDENCE),
    }


FIGURES = {
    "accuracy": (accuracy_intervals, ACCURACY),
    "AUC": (auc_intervals, float(stats.norm.cdf(SEPARATION / np.sqrt(2)))),
}


def simulate(replicates: int) -> list[dict[str, Any]]:
    rows = []
    for design_name, design in DESIGNS.items():
        for figure, (intervals_of, true) in FIGURES.items():
            held: dict[str, list[bool]] = {}
            width: dict[str, list[float]] = {}
            for replicate in range(replicates):
                generator = np.random.default_rng([replicate, len(rows)])
                for method, (low, high) in intervals_of(design, generator, replicate).items():
                    held.setdefault(method, []).append(bool(low <= true <= high))
                    width.setdefault(method, []).append(float(high - low))
            for method, each in held.items():
                low, high = wilson_interval(sum(each), replicates)
                rows.append(
                    {
                        "design": design_name,
                        "figure": figure,
                        "true": true,
                        "method": method,
                        "coverage": float(np.mean(each)),
                        "coverage_low": float(low),
                        "coverage_high": float(high),
                        "mean_width": float(np.mean(width[method])),
                    }
                )
    return rows


def in_words(result: dict[str, Any]) -> str:
    made = (
        f"{result['replicates']:,} simulated data sets a row, {RESAMPLES} bootstrap resamples each; made by "
        f"`benchmarks/coverage.py` in {result['seconds']:.0f} s on one core. In brackets: what so many replicates leave "
        "open (Wilson)."
    )
    lines = ["# Coverage of 95 % intervals", "", made, ""]
    lines += ["| Data | Figure | Interval | Covers | Mean width |", "|---|---|---|---|---|"]
    for row in result["rows"]:
        bounds = f"{100 * row['coverage_low']:.1f}–{100 * row['coverage_high']:.1f}"
        lines.append(
            f"| {row['design']} | {row['figure']} | {row['method']} | {100 * row['coverage']:.1f} % ({bounds}) "
            f"| {row['mean_width']:.3f} |"
        )
    return "\n".join([*lines, "", result["verdict"], ""])


def verdict(rows: list[dict[str, Any]]) -> str:
    ours = [row for row in rows if row["method"] in CLUSTERED]
    several = [row for row in rows if row["method"] not in CLUSTERED and row["design"] != "one image a case"]

    def span(some: list[dict[str, Any]]) -> str:
        shares = [100 * row["coverage"] for row in some]
        return f"{min(shares):.1f}–{max(shares):.1f} %"

    inside = all(0.93 <= row["coverage"] <= 0.97 for row in ours)
    return (
        f"Clustered intervals cover {span(ours)}: {'all' if inside else 'NOT all'} within 93–97 %. With several images a "
        f"case, intervals that take images as independent cover {span(several)}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    start = time.perf_counter()
    rows = simulate(options.replicates)
    result = {
        "confidence": CONFIDENCE,
        "replicates": options.replicates,
        "resamples": RESAMPLES,
        "designs": DESIGNS,
        "seconds": time.perf_counter() - start,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}",
        "verdict": verdict(rows),
        "rows": rows,
    }
    write_json(options.output / "coverage.json", result)
    write_text(options.output / "coverage.md", in_words(result))
    print(in_words(result))


if __name__ == "__main__":
    main()
