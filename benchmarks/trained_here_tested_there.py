"""Trained here, tested there: the model that comes with cutis on HAM10000, ISIC 2017 and PAD-UFES-20.

The model learnt from HAM10000 alone. HAM-strict is its own hospital and camera; ISIC 2017 is dermoscopy from elsewhere
(its official test images, at melanoma, nevus and seborrheic keratosis; the model's other four classes count as
``other``); the part of PAD-UFES-20 at hand is smartphone photographs (ACK and SCC → akiec, SEK → bkl). Nothing was
chosen by any of these images. Writes ``results/trained_here_tested_there.json`` and ``.md`` beside this file, and
one report of all three by ``cutis evaluate`` to ``runs/trained_here_tested_there``, whose making is timed.

    python benchmarks/trained_here_tested_there.py        about five minutes on 2 cores

Whether near-copies of HAM10000 stand in ISIC 2017 under other names is not checked yet.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from cutis.data import read_ids, source, split, write_manifest
from cutis.evaluation import Estimate, Evaluation, Predictions, evaluate, write_predictions
from cutis.files import write_json, write_text
from cutis.models import default_bundle_folder, load_bundle, predict_manifest
from cutis.taxonomy import ClassSet, class_set

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"


def data_sets(data: Path) -> dict[str, tuple[pl.DataFrame, ClassSet | None]]:
    """Name → the manifest to test on, and the classes to measure at (None: the model's own seven)."""
    ham = source("ham10000").import_from(data / "ham10000").frame
    test_ids = read_ids(data / "ham10000" / "splits" / "published_test_1503.csv")
    strict = split(ham, by=["lesion_id"], test_ids=test_ids, strict=True, folds=5, seed=0)
    isic2017 = source("isic2017").import_from(data / "isic2017").frame
    pad = source("pad-ufes-20").import_from(data / "pad_ufes_20").frame
    return {
        "HAM10000, strict test (dermoscopy, as in training)": (strict.filter(pl.col("subset") == "test"), None),
        "ISIC 2017, official test (dermoscopy)": (
            isic2017.filter(pl.col("subset") == "test"),
            class_set("isic2017+other"),
        ),
        "PAD-UFES-20, the part at hand (smartphone)": (pad.filter(pl.col("image_path").is_not_null()), None),
    }


def row(name: str, evaluation: Evaluation) -> dict[str, Any]:
    """The figures of one data set."""
    malignancy = evaluation.malignancy
    melanoma = next(each for each in evaluation.by_class if each.id in ("mel", "melanoma"))
    figures = {
        "balanced accuracy": evaluation.overall.balanced_accuracy,
        "macro AUC": evaluation.overall.macro_auc,
        "melanoma AUC": melanoma.auc,
        "malignancy AUC": malignancy.auc if malignancy else None,
        "calibration error": evaluation.calibration.expected_calibration_error,
    }
    told = {key: each.model_dump() if each else None for key, each in figures.items()}
    return {"data set": name, "images": evaluation.images, "figures": told}


def one_report(parts: list[tuple[pl.DataFrame, Predictions]], folder: Path) -> float:
    """Seconds that ``cutis evaluate`` takes, start and imports included, for one report of all data sets."""
    tables, manifests = [], []
    for number, (manifest, predictions) in enumerate(parts):
        tables.append(folder / f"predictions{number}.parquet")
        manifests.append(folder / f"manifest{number}.parquet")
        write_predictions(tables[-1], predictions)
        # The part of PAD-UFES-20 at hand is in no subset; all of it is tested on.
        write_manifest(manifest.with_columns(subset=pl.lit("test")), manifests[-1])
    on = [word for each in manifests for word in ("--on", str(each))]
    command = [str(Path(sys.executable).with_name("cutis")), "evaluate", *map(str, tables), *on]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--bundle", str(default_bundle_folder()), "-o", str(folder / "report")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def cell(figure: dict[str, Any] | None) -> str:
    """A figure with its interval."""
    if figure is None or figure["value"] is None:
        return "–"
    each = Estimate.model_validate(figure)
    return f"{each.value:.3f} ({each.low:.3f}–{each.high:.3f})"


def main() -> None:
    """Predict, measure and write."""
    bundle = load_bundle()
    rows, parts = [], []
    for name, (manifest, at) in data_sets(Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))).items():
        predictions = predict_manifest(bundle, manifest)
        parts.append((manifest, predictions))
        rows.append(row(name, evaluate(predictions, manifest, at=at)))
        print(rows[-1]["data set"], rows[-1]["images"], flush=True)
    names = list(rows[0]["figures"])
    lines = [f"| tested on | images | {' | '.join(names)} |", f"| --- {'| --- ' * (len(names) + 1)}|"]
    lines += [
        f"| {each['data set']} | {each['images']:,} | {' | '.join(cell(each['figures'][name]) for name in names)} |"
        for each in rows
    ]
    seconds = one_report(parts, ROOT / "runs" / "trained_here_tested_there")
    lines += [
        "",
        f"One report of all {sum(each['images'] for each in rows):,} images by `cutis evaluate`: {seconds:.0f} s.",
    ]
    write_json(
        RESULTS / "trained_here_tested_there.json",
        {"model": bundle.name, "rows": rows, "report": {"seconds": seconds, "processors": os.cpu_count()}},
    )
    write_text(RESULTS / "trained_here_tested_there.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
