"""How long `cutis evaluate` takes with very many rows, and how much memory.

Makes synthetic predictions of seven classes and their manifest (two images of three lesions in five, every column that
subgroups are made by, image paths, the predictions in another order than the manifest), then runs the command itself on
them, each time in a process of its own. Writes ``results/many_rows.json`` and ``results/many_rows.md`` beside this file.
Wall time means something only where nothing else runs.

    python benchmarks/many_rows.py                                  100,000, 1 million and 10 million rows
    python benchmarks/many_rows.py --rows 100000 --output trial     a short one
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from cutis.files import write_json, write_text
from cutis.taxonomy import class_set

RESULTS = Path(__file__).parent / "results"
ROWS = (100_000, 1_000_000, 10_000_000)
COMMAND = "import sys; from cutis.cli import main; main(sys.argv[1:])"
HAM7 = class_set("ham7")
SHARES = (0.033, 0.051, 0.11, 0.011, 0.111, 0.67, 0.014)  # HAM10000's
AT_ONCE = 1_000_000
CHOICES: dict[str, list[str | None]] = {
    "source": ["clinic a", "clinic b"],
    "sex": ["female", "male", "female", "male", None],
    "anatom_site": ["Trunk", "Head and neck:Head:Scalp", "Upper extremity", "Lower extremity:Foot", None],
    "fitzpatrick_skin_type": ["I", "II", "III", "IV", "V", "VI", None, None],
    "image_type": ["dermoscopic", "clinical: close-up"],
    "diagnosis_confirm_type": ["histopathology", "single image expert consensus"],
    "license": ["CC-0", "CC-BY-NC"],
}


def rows_of(part: range, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Some rows of the manifest, and their predictions in another order."""
    generator, images = np.random.default_rng([seed, part.start]), len(part)
    number = np.arange(part.start, part.stop)
    lesion = number - (number % 5 == 1) - (number % 5 == 3)  # two, two and one
    truth = np.searchsorted(np.cumsum(SHARES)[:-1], (lesion * 0.6180339887498949) % 1)
    manifest = pl.DataFrame({"number": number, "lesion": lesion}).select(
        pl.format("IMAGE_{}", "number").alias("image_id"),
        pl.format("photographs/of_the_clinic/IMAGE_{}.jpg", "number").alias("image_path"),
        pl.format("LESION_{}", "lesion").alias("lesion_id"),
        pl.Series("diagnosis_node", np.array([each.nodes[0] for each in HAM7.classes])[truth]),
        pl.Series("source_diagnosis", np.array(HAM7.ids)[truth]),
        pl.Series("age_approx", generator.integers(4, 18, size=images) * 5),
        pl.lit("test").alias("subset"),
        *[pl.Series(name, pick(words, lesion), dtype=pl.String) for name, words in CHOICES.items()],
    )
    logits = generator.normal(size=(images, len(HAM7.ids)))
    logits[np.arange(images), truth] += 2.5
    odds = np.exp(logits)
    order = generator.permutation(images)
    predictions = pl.DataFrame((odds / odds.sum(axis=1, keepdims=True))[order], schema=list(HAM7.ids))
    told = manifest["image_id"].gather(order), pl.lit("no").alias("seen_in_training")
    return manifest, predictions.select(told[0], pl.all(), told[1])


def pick(words: list[str | None], lesion: np.ndarray) -> pl.Series:
    return pl.Series(words, dtype=pl.String).gather((lesion * 2654435761 // 7919) % len(words))


def make(rows: int, folder: Path, csv: bool) -> None:
    """``manifest.parquet`` and ``predictions.parquet`` (or ``.csv``), a million rows at a time."""
    parts = [range(start, min(start + AT_ONCE, rows)) for start in range(0, rows, AT_ONCE)]
    for name, side, order in (("manifest", 0, parts), ("predictions", 1, parts[::-1])):
        first = rows_of(order[0], 0)[side].to_arrow()
        if csv and side:
            with (folder / "predictions.csv").open("w") as file:
                for part in order:
                    rows_of(part, 0)[side].write_csv(file, include_header=part is order[0])
            continue
        with pq.ParquetWriter(folder / f"{name}.parquet", first.schema) as writer:
            for part in order:
                writer.write_table(rows_of(part, 0)[side].to_arrow())


def run(arguments: list[str]) -> dict[str, float]:
    """What a Python process takes: seconds, processor seconds and its peak memory in GiB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments[:3])} failed")
    return {
        "seconds": time.perf_counter() - start,
        "processor seconds": used.ru_utime + used.ru_stime,
        "peak memory, GiB": used.ru_maxrss / 2**20,
    }


def measured(rows: int, csv: bool, resamples: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run([__file__, "--make", str(rows), "--folder", name, *(["--csv"] if csv else [])])
        predictions = folder / ("predictions.csv" if csv else "predictions.parquet")
        told = run(
            ["-c", COMMAND, "evaluate", str(predictions), "--on", str(folder / "manifest.parquet"), "-o",
             str(folder / "out"), "--resamples", str(resamples)]
        )  # fmt: skip
        made = pl.read_json((folder / "out" / "evaluation.json").read_bytes(), infer_schema_length=None)
        largest = max(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file())
        size = sum(path.stat().st_size for path in folder.glob("*.*"))
    return {
        "rows": rows,
        "predictions": predictions.suffix[1:],
        "resamples asked": resamples,
        "resamples made": made["intervals"].struct.field("resamples").item(),
        **told,
        "input, GiB": size / 2**30,
        "largest file written, KiB": largest / 2**10,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--csv", action="store_true", help="predictions as CSV")
    parser.add_argument("--output", type=Path, default=RESULTS / "many_rows")
    parser.add_argument("--make", type=int, help="only make this many rows, in --folder")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.make:
        make(options.make, options.folder, options.csv)
        return
    runs = []
    for rows in options.rows:
        runs.append(measured(rows, options.csv, options.resamples))
        print(runs[-1], flush=True)
    write_json(options.output.with_suffix(".json"), {"classes": 7, "cores": os.cpu_count(), "runs": runs})
    lines = [
        f"`cutis evaluate` of 7 classes: figures, intervals and report of synthetic data, on {os.cpu_count()} cores.",
        "",
        "| rows | predictions | resamples | seconds | processor seconds | peak memory, GiB | largest file written, KiB |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
        *[
            f"| {each['rows']:,} | {each['predictions']} | {each['resamples made']:,} | {each['seconds']:.0f} | "
            f"{each['processor seconds']:.0f} | {each['peak memory, GiB']:.2f} | "
            f"{each['largest file written, KiB']:.0f} |"
            for each in runs
        ],
    ]
    write_text(options.output.with_suffix(".md"), "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
