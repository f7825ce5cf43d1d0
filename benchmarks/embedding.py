"""Maps and similar cases on HAM10000: how long t-SNE takes, what the map keeps, and how good the cases found are.

The library is what the built-in model was trained on; queries are its validation images and the test images of HAM-strict,
which share no lesion with it. Writes ``results/embedding.json`` and ``results/embedding.md`` beside this file.

    python benchmarks/embedding.py                a quarter of an hour on 2 cores, most of it to look at 10,015 images
    python benchmarks/embedding.py --images 300   to try the script: so many of the images, and nothing is written

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cutis.data import read_ids, source
from cutis.explanation import CaseLibrary, case_library, embed_library, measure_map
from cutis.files import write_json, write_text
from cutis.models import fastest_bundle

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
CASES = 5
RESAMPLES = 1000


def timed(work: Any) -> tuple[Any, dict[str, float]]:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, {"seconds": time.perf_counter() - wall, "processor seconds": time.process_time() - processor}


def retrieval(library: CaseLibrary, queries: CaseLibrary) -> tuple[dict[str, Any], dict[str, float]]:
    """Precision of the five cases found, by diagnosis, with chance: five lesions drawn at random from the library."""
    found, spent = timed(lambda: library.nearest(queries, CASES))
    theirs = np.array([*library.cases["named_diagnosis"].to_list(), None], dtype=object)[found.row]
    own = queries.cases["named_diagnosis"].to_numpy()
    precision = (theirs == own[:, None]).mean(axis=1)
    lesions = library.cases.unique(["lesion_id"])["named_diagnosis"].value_counts(normalize=True)
    chance = dict(lesions.iter_rows())
    rows = queries.cases.select("lesion_id", diagnosis="named_diagnosis", precision=pl.Series(precision))
    by_diagnosis = {
        name: {"images": len(group), "precision": float(group["precision"].mean()), "chance": chance.get(name, 0.0)}
        for (name,), group in rows.group_by("diagnosis", maintain_order=True)
    }
    by_diagnosis = dict(sorted(by_diagnosis.items(), key=lambda each: -each[1]["images"]))
    low, high = mean_interval(rows)
    told = {
        "library": len(library),
        "queries": len(queries),
        "by diagnosis": by_diagnosis,
        "mean over diagnoses": {
            "precision": float(np.mean([each["precision"] for each in by_diagnosis.values()])),
            "low": low,
            "high": high,
            "chance": float(np.mean([each["chance"] for each in by_diagnosis.values()])),
        },
        "all images": {
            "precision": float(precision.mean()),
            "chance": float(np.mean([chance.get(name, 0.0) for name in own])),
        },
    }
    return told, spent


def mean_interval(rows: pl.DataFrame) -> tuple[float, float]:
    """95 % interval of the mean over diagnoses, lesions drawn with replacement within each diagnosis."""
    rng = np.random.default_rng(0)
    means = []
    for _, group in rows.group_by("diagnosis", maintain_order=True):
        lesions = group.group_by("lesion_id").agg(pl.col("precision").sum(), pl.len())
        drawn = rng.integers(0, len(lesions), (RESAMPLES, len(lesions)))
        total, images = lesions["precision"].to_numpy(), lesions["len"].to_numpy()
        means.append(total[drawn].sum(axis=1) / images[drawn].sum(axis=1))
    low, high = np.quantile(np.mean(means, axis=0), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int)
    few = parser.parse_args().images
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    bundle = fastest_bundle()
    role = bundle.training_record.select("image_id", "role")
    ham = source("ham10000").import_from(data / "ham10000").frame
    test = read_ids(data / "ham10000" / "splits" / "published_test_1503.csv")
    ham = ham.join(role, on="image_id", how="left", maintain_order="left").with_columns(
        role=pl.when(pl.col("image_id").is_in(sorted(test))).then(pl.lit("test")).otherwise("role")
    )
    if few:
        ham = ham.sample(min(few, len(ham)), seed=0)
    library, looking = timed(lambda: case_library(bundle, ham))
    parts = {
        part: library.chosen(np.flatnonzero((library.cases["role"] == part).fill_null(value=False).to_numpy()))
        for part in ("train", "val", "test")
    }
    speed: dict[str, Any] = {"features of the images": looking}
    quality, maps = {}, {}
    for dimensions in (2, 3):
        maps[dimensions], speed[f"t-SNE in {dimensions} dimensions"] = timed(
            lambda dimensions=dimensions: embed_library(library, dimensions=dimensions)
        )
    for name, part in (("all images", library), ("test images", parts["test"])):
        embedded = maps[2] if part is library else embed_library(part)
        nearest, spent = timed(lambda part=part: part.nearest(part, 10))
        measured, more = timed(lambda embedded=embedded, nearest=nearest: measure_map(embedded, nearest))
        quality[name] = measured.model_dump(mode="json")
        if part is library:
            speed["ten nearest of each image"], speed["measuring the map"] = spent, more
    found = {}
    for name in ("val", "test"):
        found[name], speed[f"five cases for each of the {name} images"] = retrieval(parts["train"], parts[name])
    shape = {"images": len(library), "features": library.features.shape[1], "cores": os.cpu_count()}
    result = shape | {"speed": speed, "retrieval": found, "maps": quality}
    lines = page(result)
    print("\n".join(lines))
    if not few:
        write_json(RESULTS / "embedding.json", result)
        write_text(RESULTS / "embedding.md", "\n".join(lines) + "\n")


def page(result: dict[str, Any]) -> list[str]:
    lines = [
        f"{result['images']:,} images of HAM10000, {result['features']:,} features each, on {result['cores']} cores.",
        "",
        "| | seconds | processor seconds |",
        "| --- | ---: | ---: |",
        *[
            f"| {name} | {each['seconds']:.1f} | {each['processor seconds']:.1f} |"
            for name, each in result["speed"].items()
        ],
    ]
    for name, each in result["retrieval"].items():
        lines += [
            "",
            f"Precision of the {CASES} most similar of {each['library']:,} training images, for {each['queries']:,} {name} images",
            "that share no lesion with them. Chance: lesions of the training images drawn at random.",
            "",
            "| diagnosis | images | precision | chance |",
            "| --- | ---: | ---: | ---: |",
        ]
        for diagnosis, figures in each["by diagnosis"].items():
            lines.append(
                f"| {diagnosis} | {figures['images']:,} | {figures['precision']:.3f} | {figures['chance']:.3f} |"
            )
        mean, whole = each["mean over diagnoses"], each["all images"]
        lines.append(
            f"| mean over diagnoses | | {mean['precision']:.3f} ({mean['low']:.3f}–{mean['high']:.3f}) | {mean['chance']:.3f} |"
        )
        lines.append(f"| all images | {each['queries']:,} | {whole['precision']:.3f} | {whole['chance']:.3f} |")
    lines += [
        "",
        "Of an image's ten nearest, the share with its diagnosis, and the trustworthiness of the map in two dimensions.",
        "",
        "| map of | by the features | on the map | by chance | trustworthiness |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, each in result["maps"].items():
        shares = each["agreement"]
        lines.append(
            f"| {name} | {shares['in_features']:.3f} | {shares['on_map']:.3f} | {shares['by_chance']:.3f} "
            f"| {each['trustworthiness']:.3f} |"
        )
    return lines


if __name__ == "__main__":
    main()
