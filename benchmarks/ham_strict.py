"""HAM-strict: the default recipe on the 1,503 images on which published foundation models report.

Trains on the images of HAM10000 that share no lesion with those 1,503 and looks at them once, at the end, for every
seed. Whatever a recipe needs to have chosen is chosen beforehand with ``--cross-validate``, which never opens the test
images. Writes ``results/ham_strict.json`` and ``results/ham_strict.md`` beside this file.

    python benchmarks/ham_strict.py --cross-validate       choose: out-of-fold figures on the training images
    python benchmarks/ham_strict.py --seeds 0 1 2          measure
    python benchmarks/ham_strict.py --seeds 0 --ship       also store the first seed's model with the package

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from cutis.audit import audit_images
from cutis.data import read_ids, source, split
from cutis.evaluation import Evaluation, Predictions, evaluate, write_predictions
from cutis.files import write_json, write_text
from cutis.models import (
    Bundle,
    add_onnx,
    load_bundle,
    model_card,
    model_facts,
    predict_files,
    predict_manifest,
    save_bundle,
)
from cutis.training import Progress, calibrate, load_recipe, train, train_folds

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
SHIPPED = ROOT / "src" / "cutis" / "models" / "default"

# shared/data/README.md: linear probes on frozen features, some with the leak that the strict protocol removes
PUBLISHED = [
    {"model": "DermFM-Zero", "parameters": "ViT-L", "balanced accuracy": 0.832, "accuracy": 0.893, "macro AUC": 0.987},
    {"model": "DermLIP-PanDerm", "parameters": "ViT-B", "balanced accuracy": 0.811, "accuracy": 0.884, "macro AUC": 0.976},
    {"model": "PanDerm", "parameters": "ViT-L (300 M)", "balanced accuracy": 0.783, "accuracy": 0.882, "macro AUC": 0.972},
    {"model": "DINOv3-L16", "parameters": "ViT-L (300 M)", "balanced accuracy": 0.748, "accuracy": 0.863, "macro AUC": 0.967},
    {"model": "CLIP-Large", "parameters": "ViT-L", "balanced accuracy": 0.669, "accuracy": 0.846, "macro AUC": 0.968},
]  # fmt: skip


def strict_manifest(data: Path) -> pl.DataFrame:
    """HAM10000 with the published test set; what shares a lesion with it is excluded."""
    ham = source("ham10000").import_from(data / "ham10000").frame
    test_ids = read_ids(data / "ham10000" / "splits" / "published_test_1503.csv")
    return split(ham, by=["lesion_id"], test_ids=test_ids, strict=True, folds=5, seed=0)


def cross_validate(manifest: pl.DataFrame, recipe_name: str, overrides: list[str], out: Path) -> None:
    """Out-of-fold figures on the 7,734 training images: what recipes are chosen by."""
    recipe = load_recipe(recipe_name, overrides)
    training = manifest.filter(pl.col("subset") == "train")
    folder = out / "cross_validation" / "_".join([recipe_name, *[each.replace("/", "-") for each in overrides]])
    predictions = train_folds(training, recipe, folder, resume=True, progress=say)
    evaluation = evaluate(predictions, training.with_columns(subset=pl.lit(None, dtype=pl.String)))
    print(json.dumps({"overrides": overrides, **figures(evaluation)}, indent=2))


def measure(manifest: pl.DataFrame, recipe_name: str, seeds: list[int], out: Path, *, ship: bool) -> None:
    """Train a model a seed, then look at the test images once."""
    bundles = []
    for seed in seeds:
        recipe = load_recipe(recipe_name, [f"seed={seed}"])
        folder = out / f"{recipe_name}-seed{seed}"
        if not (folder / "bundle.json").exists():
            about = {"name": "cutis ham7", "data": "HAM10000 (Tschandl 2018, doi:10.1038/sdata.2018.161)"}
            train(manifest, recipe, folder, resume=True, about=about, progress=say)
        bundles.append(load_bundle(folder))
    test = manifest.filter(pl.col("subset") == "test")
    answers = [predict_manifest(bundle, test) for bundle in bundles]
    evaluations = []
    for seed, each in zip(seeds, answers, strict=True):
        write_predictions(out / f"{recipe_name}-seed{seed}-test.parquet", each)
        evaluations.append(evaluate(each, manifest, subset="test"))
    mean = Predictions(
        answers[0].image_ids,
        np.mean([each.probabilities for each in answers], axis=0),
        answers[0].classes,
        answers[0].seen,
    )
    together = evaluate(mean, manifest, subset="test") if len(seeds) > 1 else None
    clean = without_near_copies(manifest)
    audited = [evaluate(each, clean, subset="test") for each in answers]
    write_results(recipe_name, seeds, bundles, evaluations, together, audited, test)
    if ship:
        store_with_package(bundles[0], manifest, answers[0])


def without_near_copies(manifest: pl.DataFrame) -> pl.DataFrame:
    """Without the test images of which the audit finds a near-copy in training, under another lesion id.

    The protocol keeps lesions apart by their ids alone, and so do the published figures; this says what that hides.
    """
    pairs = audit_images(manifest).pairs.filter(pl.col("verdict") == "same")
    side = dict(manifest.select("image_id", "subset").iter_rows())
    torn = {
        image
        for pair in pairs.select("image_id_a", "image_id_b").iter_rows()
        for image, other in (pair, pair[::-1])
        if (side[image], side[other]) == ("test", "train")
    }
    is_torn = pl.col("image_id").is_in(sorted(torn))
    return manifest.with_columns(subset=pl.when(is_torn).then(pl.lit("excluded")).otherwise("subset"))


def store_with_package(bundle: Bundle, manifest: pl.DataFrame, answers: Predictions) -> None:
    """Keep the model in half precision as the one that comes with cutis; its card has the figures on the test images.

    ``answers`` are its predictions of these. A bundle made before cutis chose thresholds or knew what is familiar gets
    both here, from its own images.
    """
    if bundle.thresholds is None or bundle.familiarity is None:
        learnt, held = (
            manifest.filter(pl.col("image_id").is_in(rows["image_id"].implode()))
            for rows in (bundle.training_record.filter(pl.col("role") == role) for role in ("train", "val"))
        )
        bundle = calibrate(bundle, held.with_columns(subset=pl.lit("val")), training=learnt)
    evaluation = evaluate(answers, manifest, subset="test", thresholds=bundle.thresholds, conformal=bundle.conformal)
    facts = model_facts(
        bundle,
        evaluation=evaluation,
        summary="Tells seven diagnoses of pigmented skin lesions apart on one dermoscopic image. The model that comes with cutis.",
        protocol=(
            "HAM-strict: the 1,503 test images are those on which published foundation models report; every other image of "
            "a lesion shown in them was left out of training (778 images)."
        ),
        license="CC BY-NC 4.0, as the training images; the pretrained weights it began from are Apache-2.0",
        citation=(
            "Tschandl P, Rosendahl C, Kittler H. The HAM10000 dataset. Sci Data 5, 180161 (2018), "
            "doi:10.1038/sdata.2018.161; and cutis (CITATION.cff)."
        ),
    )
    shipped = Bundle(**{**vars(bundle), "card": model_card(facts), "evaluation": evaluation.model_dump(mode="json")})
    save_bundle(shipped, SHIPPED, half=True)
    print(f"model.onnx differs from torch by at most {add_onnx(SHIPPED, load_bundle(SHIPPED)):.1e}")


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """The three headline figures with their intervals."""
    overall = evaluation.overall
    pairs = {
        "balanced accuracy": overall.balanced_accuracy,
        "accuracy": overall.accuracy,
        "macro AUC": overall.macro_auc,
    }
    return {name: {"value": each.value, "low": each.low, "high": each.high} for name, each in pairs.items()}


def milliseconds_an_image(bundle: Bundle, test: pl.DataFrame) -> float:
    """From the file to the probabilities, one image at a time, median of 50 after five to warm up."""
    times = []
    for path in test["image_path"].to_list()[:55]:
        start = time.perf_counter()
        predict_files(bundle, [path])
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[5:]))


def write_results(
    recipe: str,
    seeds: list[int],
    bundles: list[Bundle],
    evaluations: list[Evaluation],
    together: Evaluation | None,
    audited: list[Evaluation],
    test: pl.DataFrame,
) -> None:
    """JSON with everything, Markdown with the table of the README."""
    runs = [
        {
            "seed": seed,
            **figures(evaluation),
            "training minutes": bundle.about["training_seconds"] / 60,
            "training images": bundle.about["training_images"],
        }
        for seed, bundle, evaluation in zip(seeds, bundles, evaluations, strict=True)
    ]
    result = {
        "recipe": bundles[0].recipe,
        "runs": runs,
        "mean of the seeds' probabilities": figures(together) if together else None,
        "test images": evaluations[0].images,
        "without near-copies of training images": {
            "test images": audited[0].images,
            "runs": [{"seed": seed, **figures(each)} for seed, each in zip(seeds, audited, strict=True)],
        },
        "milliseconds an image": milliseconds_an_image(bundles[0], test),
        "peak memory in training, GiB": [bundle.about.get("peak_memory_gib") for bundle in bundles],
        "parameters": sum(each.numel() for each in bundles[0].model.parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "published": PUBLISHED,
    }
    write_json(RESULTS / "ham_strict.json", result)
    lines = ["| model | parameters | balanced accuracy | accuracy | macro AUC |", "| --- | --- | --- | --- | --- |"]
    size = f"{result['parameters'] / 1e6:.1f} M"
    for run in runs:
        lines.append(
            _row(f"cutis `{recipe}`, seed {run['seed']} ({run['training minutes']:.0f} min on a CPU)", size, run)
        )
    if together:
        lines.append(_row(f"cutis `{recipe}`, {len(seeds)} seeds averaged", size, figures(together)))
    left_out = evaluations[0].images - audited[0].images
    lines += [
        _row(f"cutis `{recipe}`, seed {seed}, without {left_out} near-copies", size, figures(each))
        for seed, each in zip(seeds, audited, strict=True)
    ]
    lines += [
        f"| {each['model']} | {each['parameters']} | {each['balanced accuracy']:.3f} | {each['accuracy']:.3f} "
        f"| {each['macro AUC']:.3f} |"
        for each in PUBLISHED
    ]
    write_text(RESULTS / "ham_strict.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def _row(name: str, size: str, row: dict[str, Any]) -> str:
    cells = [
        f"{row[each]['value']:.3f} ({row[each]['low']:.3f}–{row[each]['high']:.3f})"
        for each in ("balanced accuracy", "accuracy", "macro AUC")
    ]
    return f"| {name} | {size} | {' | '.join(cells)} |"


def say(progress: Progress) -> None:
    """A line an epoch, for the log."""
    if progress.epoch_record:
        print(time.strftime("%H:%M:%S"), progress.epoch + 1, progress.epoch_record, flush=True)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cross-validate", action="store_true")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "ham_strict")
    parser.add_argument("--ship", action="store_true")
    arguments = parser.parse_args()
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    manifest = strict_manifest(data)
    if arguments.cross_validate:
        cross_validate(manifest, arguments.recipe, arguments.overrides, arguments.out)
    elif arguments.overrides:
        parser.error("--set goes with --cross-validate: what is measured on the test images is a recipe that ships")
    else:
        measure(manifest, arguments.recipe, arguments.seeds, arguments.out, ship=arguments.ship)


if __name__ == "__main__":
    main()
