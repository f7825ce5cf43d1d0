"""Do finer training classes help? Esteva 2017's claim, and Zhao 2019's test of unseen diagnoses, on public images.

HAM10000, ISIC 2017 and the part of PAD-UFES-20 at hand are joined on the tree of diagnoses, each image at the finest
label it has. Every arm has the same recipe, images, steps and seeds; only the classes it is trained on differ.

1. *Fine or coarse.* Trained on the partition of the tree, on Esteva's second-level classes and on benign/malignant;
   measured, out of fold, at the coarse classes, where probabilities of fine classes are summed over descendants.
   Paired difference with an interval from a bootstrap of whole patients and lesions.
2. *Unseen diagnoses.* One diagnosis at a time is left out of training entirely, and its images are graded low, high
   or dangerous by a model that has never met it.

Writes ``results/partition.json`` and ``results/partition.md`` beside this file. Runs that are done are kept: started
again, it goes on where it was stopped.

    python benchmarks/partition.py            some three hours on 2 cores
    python benchmarks/partition.py --seeds 0  a third of it

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root.
"""

import argparse
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cutis.data import source, split
from cutis.evaluation import (
    Clusters,
    Predictions,
    accuracy,
    balanced_accuracy,
    clustered_bootstrap,
    clusters_of,
    confusion_matrix,
    macro_mean,
    one_vs_rest_auc,
    percentile_interval,
    predicted_class,
    read_predictions,
    wilson_interval,
)
from cutis.files import write_json, write_text
from cutis.models import load_bundle, predict_manifest
from cutis.taxonomy import (
    GRADES,
    ClassSet,
    class_labels,
    class_set,
    decide,
    grade_probabilities,
    read_risk_rule,
    risk_grades,
    rollup_classes,
    shipped_taxonomy,
)
from cutis.training import Progress, load_recipe, train, train_folds

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
SECOND_LEVEL = "benign-dermal,benign-epidermal,benign-melanocytic,malignant-epidermal,malignant-melanoma"
ARMS = {"partition": "partition:max=200", "second level": SECOND_LEVEL, "benign/malignant": "benign,malignant"}
TARGETS = {"benign/malignant": "benign,malignant", "second level": SECOND_LEVEL}
FOLDS = 2
# Plain cross entropy on the images as they are, as in the paper: balancing would weigh a coarse class by its number of
# fine ones. Small images and few epochs: what is compared is the classes, at the same budget.
RECIPE = [
    "image.decoded=[90, 120]",
    "image.training=[72, 96]",
    "image.inference=[72, 96]",
    "optimiser.frozen_stages=3",
    "loss.logit_adjustment=0.0",
    "sampling.balance=0.0",
    "schedule.epochs=3",
    "model.patient=[]",
    "ema=0.99",
]
UNSEEN = {
    "actinic keratosis / carcinoma in situ": ("akiec",),
    "basal cell carcinoma": ("basal-cell-carcinoma",),
    "melanoma": ("malignant-melanoma",),
    "benign keratosis": ("benign-epidermal-proliferation",),
    "dermatofibroma": ("dermatofibroma",),
    "vascular lesion": ("benign-vascular-proliferation",),
}


def joined(data: Path) -> pl.DataFrame:
    """The three data sets' images, with folds by patient and lesion."""
    parts = [
        source("ham10000").import_from(data / "ham10000").frame,
        source("isic2017").import_from(data / "isic2017").frame,
        source("pad-ufes-20").import_from(data / "pad_ufes_20").frame,
    ]
    rows = pl.concat(parts, how="diagonal_relaxed").filter(pl.col("image_path").is_not_null())
    rows = rows.unique("image_id", keep="first", maintain_order=True).with_columns(subset=pl.lit(None, dtype=pl.String))
    return split(rows, by=["lesion_id", "patient_id"], folds=FOLDS, seed=0, stratify="diagnosis_node")


def fine_or_coarse(manifest: pl.DataFrame, seeds: list[int], out: Path) -> dict[str, Any]:
    """Every arm's figures at the coarse classes, and the paired differences from the arm trained on them."""
    answers: dict[str, list[Predictions]] = {arm: [] for arm in ARMS}
    for seed in seeds:
        for arm, classes in ARMS.items():
            place = out / f"seed{seed}-{arm.replace('/', '-').replace(' ', '-')}"
            if not (place / "predictions.parquet").exists():
                recipe = load_recipe("default", [*RECIPE, f"seed={seed}", f"classes='{classes}'"])
                train_folds(manifest, recipe, place, resume=True, progress=say)
            fine = load_bundle(place / "fold0").classes
            answers[arm].append(read_predictions(place / "predictions.parquet", classes=fine))
    result: dict[str, Any] = {"images": len(manifest), "classes": {}}
    for arm, each in answers.items():
        result["classes"][arm] = list(each[0].classes.ids)
    for name, spec in TARGETS.items():
        target = class_set(spec)
        usable = {
            arm: [rolled(each, target, manifest) for each in found]
            for arm, found in answers.items()
            if not (name == "second level" and arm == "benign/malignant")
        }
        result[name] = compared(usable, target, manifest, direct=name)
    return result


def rolled(predictions: Predictions, target: ClassSet, manifest: pl.DataFrame) -> np.ndarray:
    """Probabilities at the target's classes, in its order and the manifest's."""
    rollup = rollup_classes(predictions.classes, target)
    place = {image_id: row for row, image_id in enumerate(predictions.image_ids)}
    rows = [place[image_id] for image_id in manifest["image_id"]]
    columns = [rollup.classes.ids.index(each) for each in target.ids]
    return (predictions.probabilities @ rollup.matrix)[rows][:, columns]


def compared(
    arms: dict[str, list[np.ndarray]], target: ClassSet, manifest: pl.DataFrame, direct: str
) -> dict[str, Any]:
    """Mean over seeds of each figure, and its difference from the direct arm's, with clustered intervals."""
    labels = class_labels(target, manifest["diagnosis_node"].to_list(), manifest["source_diagnosis"].to_list()).label
    known = (labels >= 0) & (labels < len(target.ids))
    truth = labels[known]
    clusters = clusters_of(manifest.filter(pl.Series(known))).number

    def statistics(weights: np.ndarray) -> dict[str, np.ndarray]:
        told = {}
        for arm, seeds in arms.items():
            figures = []
            for probabilities in seeds:
                p = probabilities[known]
                confusion = confusion_matrix(truth, predicted_class(p), len(target.ids), weights)
                auc = macro_mean(one_vs_rest_auc(truth, p, weights))
                figures.append(np.stack([auc, balanced_accuracy(confusion), accuracy(confusion)], axis=-1))
            told[arm] = np.mean(figures, axis=0)
        return told | {f"{arm} - direct": told[arm] - told[direct] for arm in arms if arm != direct}

    point = statistics(np.ones((len(truth), 1)))
    spread = clustered_bootstrap(statistics, clusters, resamples=2000, seed=0)
    result = {}
    for name, value in point.items():
        low, high = percentile_interval(spread[name])
        result[name] = {
            figure: {"value": float(value[0][k]), "low": float(low[k]), "high": float(high[k])}
            for k, figure in enumerate(("macro AUC", "balanced accuracy", "accuracy"))
        }
    return {"images": int(known.sum()), "figures": result}


def unseen_diagnoses(manifest: pl.DataFrame, out: Path) -> dict[str, Any]:
    """Each diagnosis graded by a model that never met it; intervals from a bootstrap of whole patients and lesions.

    Where all images of a diagnosis are graded alike, a bootstrap says nothing: Wilson's interval of as many
    independent cases as there are patients and lesions then.
    """
    taxonomy, rule = shipped_taxonomy(), read_risk_rule()
    result = {}
    for name, nodes in UNSEEN.items():
        left_out = pl.Series(
            [any(taxonomy.is_within(each, node) for node in nodes) for each in manifest["diagnosis_node"]]
        )
        grade = taxonomy[nodes[0]].risk
        place = out / f"without-{nodes[0]}"
        seen = split(
            manifest.filter(~left_out).drop("fold", "group", "split_rule"),
            by=["lesion_id", "patient_id"], subsets={"train": 0.95, "val": 0.05}, seed=0, stratify="diagnosis_node",
        )  # fmt: skip
        if not (place / "bundle.json").exists():
            recipe = load_recipe("default", [*RECIPE, "seed=0", "classes='partition:max=200'"])
            train(seen, recipe, place, resume=True, progress=say)
        bundle = load_bundle(place)
        grades = risk_grades(taxonomy, [each.nodes for each in bundle.classes.classes], rule).grades
        # A patient of a test image may have another lesion in training: only the diagnosis is unseen.
        probabilities = predict_manifest(bundle, manifest.filter(left_out)).probabilities
        by_grade = grade_probabilities(probabilities, grades)
        likeliest = [GRADES[each] for each in by_grade.argmax(axis=1)]
        cheapest = decide(by_grade, rule)
        clusters = clusters_of(manifest.filter(left_out))
        found: dict[str, Any] = {"grade": grade, "images": int(left_out.sum()), "lesions": clusters.cases}
        for decision, told in {"most probable grade": likeliest, "least expected cost": cheapest}.items():
            share, low, high = share_right(np.array([each == grade for each in told]), clusters)
            found[decision] = {
                "accuracy": share,
                "low": low,
                "high": high,
                "graded": dict(Counter(told)),
            }
        result[name] = found
    return result


def share_right(right: np.ndarray, clusters: Clusters) -> tuple[float, float, float]:
    """The share of images graded right, and its interval."""
    hits, share = right.astype(np.float64), float(right.mean())
    if share in (0.0, 1.0):
        low, high = wilson_interval(share * clusters.cases, clusters.cases)
        return share, float(low), float(high)

    def statistics(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"right": hits @ weights / weights.sum(axis=0)}

    low, high = percentile_interval(clustered_bootstrap(statistics, clusters.number, resamples=2000, seed=0)["right"])
    return share, float(low), float(high)


def write_results(experiment: dict[str, Any], unseen: dict[str, Any], seeds: list[int]) -> None:
    """JSON with everything, Markdown with the tables of docs/taxonomy.md."""
    write_json(
        RESULTS / "partition.json",
        {"seeds": seeds, "folds": FOLDS, "recipe": RECIPE, "fine or coarse": experiment, "unseen diagnoses": unseen},
    )
    lines = []
    for target in TARGETS:
        found = experiment[target]["figures"]
        lines += [
            f"Measured at {target} ({experiment[target]['images']:,} images, {len(seeds)} seeds):",
            "",
            "| trained on | macro AUC | balanced accuracy | accuracy |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {arm} | {' | '.join(_cell(each, arm) for each in figures.values())} |" for arm, figures in found.items()
        ]
        lines.append("")
    lines += [
        "| unseen diagnosis | grade | images (lesions) | most probable right | least cost right | low, high, dangerous |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, each in unseen.items():
        cells = [
            f"{each[d]['accuracy']:.3f} ({each[d]['low']:.3f}–{each[d]['high']:.3f})"
            for d in ("most probable grade", "least expected cost")
        ]
        graded = each["least expected cost"]["graded"]
        cells.append(", ".join(f"{graded.get(grade, 0):,}" for grade in GRADES))
        lines.append(f"| {name} | {each['grade']} | {each['images']:,} ({each['lesions']:,}) | {' | '.join(cells)} |")
    write_text(RESULTS / "partition.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def _cell(each: dict[str, float], arm: str) -> str:
    sign = "+" if " - " in arm else ""
    return f"{each['value']:{sign}.3f} ({each['low']:{sign}.3f} to {each['high']:{sign}.3f})"


def say(progress: Progress) -> None:
    """A line an epoch, for the log."""
    if progress.epoch_record:
        print(time.strftime("%H:%M:%S"), progress.epoch + 1, progress.epoch_record, flush=True)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "partition")
    arguments = parser.parse_args()
    manifest = joined(Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data")))
    experiment = fine_or_coarse(manifest, arguments.seeds, arguments.out)
    unseen = unseen_diagnoses(manifest, arguments.out)
    write_results(experiment, unseen, arguments.seeds)


if __name__ == "__main__":
    main()
