"""How the audit's neighbour search grows: 10 thousand, 100 thousand and a million embeddings of 512 dimensions.

The embeddings are made, not photographed. 200 classes, each a curved sheet of 12 dimensions in 512 (a random linear map
of 12 normal numbers and their products, tanh, a little noise), as embeddings of real photographs lie on few dimensions;
a twentieth of the rows are near-copies of another row (cosine about 0.97), as an audit looks for. All are of unit
length. Each size runs in a process of its own, so that its peak memory is its own.

Measured: time and peak resident memory of ``nearest_neighbours`` (k = 10) with the input in memory; recall of the true
10 nearest on 500 random rows against an exact search by numpy; how many near-copies are among the neighbours of their
originals. Beside it, at 10 thousand, scikit-learn's brute-force search of the same rows.

    python benchmarks/neighbours.py                 all sizes (a million: about a quarter of an hour on 2 cores)
    python benchmarks/neighbours.py --sizes 10000   some; the others' last results are kept

Writes ``results/neighbours.json`` and ``results/neighbours.md`` beside this file.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cutis.audit.neighbours import EXACT_TO, nearest_neighbours
from cutis.files import write_json, write_text

RESULTS = Path(__file__).parent / "results"
SIZES = (10_000, 100_000, 1_000_000)
WIDTH, CLASSES, SHEET, COPIES = 512, 200, 12, 0.05
K, SAMPLE = 10, 500


def embeddings(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit rows × 512 float32, the rows that are near-copies, and the row each is a copy of."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CLASSES, WIDTH)).astype(np.float32)
    linear = rng.standard_normal((CLASSES, SHEET, WIDTH)).astype(np.float32) / np.sqrt(SHEET)
    curved = rng.standard_normal((CLASSES, SHEET, WIDTH)).astype(np.float32) / np.sqrt(2 * SHEET)
    made = np.empty((rows, WIDTH), dtype=np.float32)
    of_class = rng.integers(0, CLASSES, rows)
    for each in range(CLASSES):
        here = np.flatnonzero(of_class == each)
        place = rng.standard_normal((len(here), SHEET)).astype(np.float32)
        noise = 0.1 * rng.standard_normal((len(here), WIDTH), dtype=np.float32)
        bent = place * np.roll(place, 1, axis=1)
        made[here] = centres[each] + 1.5 * np.tanh(place @ linear[each] + bent @ curved[each]) + noise
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    mixed = rng.permutation(rows)
    copies, originals = np.split(mixed[: 2 * int(COPIES * rows)], 2)
    made[copies] = made[originals] + 0.25 / np.sqrt(WIDTH) * rng.standard_normal((len(copies), WIDTH), dtype=np.float32)
    made[copies] /= np.linalg.norm(made[copies], axis=1, keepdims=True)
    return made, copies, originals


def measured(rows: int) -> dict[str, Any]:
    """One size, in this process."""
    made, copies, originals = embeddings(rows)
    before = _peak()
    started, used = time.perf_counter(), time.process_time()
    found = nearest_neighbours(made, K)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    result: dict[str, Any] = {
        "rows": rows,
        "search": "exact" if rows <= EXACT_TO else "inverted file",
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_gb": _peak(),
        "peak_gb_before": before,
        "recall_reported": found.recall,
        "copies_found": float((found.row[originals] == copies[:, None]).any(axis=1).mean()),
    }
    sample = np.sort(np.random.default_rng(1).choice(rows, SAMPLE, replace=False))
    true = made[sample] @ made.T
    true[np.arange(SAMPLE), sample] = -np.inf
    tenth = -np.partition(-true, K - 1, axis=1)[:, K - 1]
    result["recall"] = float((found.similarity[sample] >= tenth[:, None] - 1e-5).mean())
    if rows == min(SIZES):
        result["scikit_learn_seconds"] = _scikit_learn(made)
    return result


def _scikit_learn(made: np.ndarray) -> float:
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415 - its memory is not ours

    started = time.perf_counter()
    NearestNeighbors(n_neighbors=K + 1, algorithm="brute", metric="cosine").fit(made).kneighbors(made)
    return time.perf_counter() - started


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def write_results(found: dict[int, dict[str, Any]]) -> None:
    """JSON with all figures, Markdown with the table."""
    rows = [found[size] for size in sorted(found)]
    write_json(RESULTS / "neighbours.json", rows)
    lines = [
        "| rows × 512 | search | seconds | CPU seconds | peak memory, GB | recall of the 10 nearest | near-copies found | growth of CPU time |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for before, each in zip([None, *rows], rows, strict=False):
        growth = "" if before is None else f"× {each['cpu_seconds'] / before['cpu_seconds']:.0f}"
        lines.append(
            f"| {each['rows']:,} | {each['search']} | {each['seconds']:.1f} | {each['cpu_seconds']:.1f} | {each['peak_gb']:.1f} "
            f"| {each['recall']:.3f} | {each['copies_found']:.3f} | {growth} |"
        )
    for each in rows:
        if "scikit_learn_seconds" in each:
            ratio = each["scikit_learn_seconds"] / each["seconds"]
            lines.append(
                f"\nscikit-learn's brute-force search of the {each['rows']:,} rows, in the same process: "
                f"{each['scikit_learn_seconds']:.1f} s, {ratio:.1f} times ours."
            )
    lines += ["", f"{os.cpu_count()} cores. CPU seconds are told beside seconds because other work shared them."]
    write_text(RESULTS / "neighbours.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", type=int, help="measure this size in this process and print it as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one)))
        return
    place = RESULTS / "neighbours.json"
    found = {each["rows"]: each for each in json.loads(place.read_text())} if place.exists() else {}
    for size in options.sizes:
        told = subprocess.run([sys.executable, __file__, "--one", str(size)], check=True, stdout=subprocess.PIPE)
        found[size] = json.loads(told.stdout)
    write_results(found)


if __name__ == "__main__":
    main()
