"""Does the MRMC test reject 5 % of studies in which nothing differs? A simulation after Roe & Metz (1997).

2,000 studies of each of the twelve null models of the paper, 5 readers, 25 and 100 cases of each kind (and other sizes
for one model): Obuchowski & Rockette's test of equal AUCs for random readers and random cases, Hillis'
degrees of freedom. Studies are simulated and tested many at once. Writes ``results/mrmc_null.json`` and
``results/mrmc_null.md`` beside this file.

    python benchmarks/mrmc_null.py                                   all of it: under 5 minutes on two cores
    python benchmarks/mrmc_null.py --trials 50 --output trial      a short one
"""

import argparse
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from cutis.evaluation import clopper_pearson_interval
from cutis.files import write_json, write_text
from cutis.study import roe_metz_structures, simulated_tests

RESULTS = Path(__file__).parent / "results"
LEVEL = 0.05
BOUNDS = (0.04, 0.06)
# Readers, cases with and cases without the disease.
SIZES = ((5, 25, 25), (5, 100, 100))
OTHER_SIZES = ((3, 50, 50), (10, 50, 50), (5, 50, 50), (5, 20, 80))
OTHER_SIZES_OF = "HH1.5"


def measured(name: str, size: tuple[int, int, int], trials: int, seed: int, *, unbiased: bool) -> dict[str, Any]:
    started = time.perf_counter()
    readers, positives, negatives = size
    model = roe_metz_structures()[name]
    tests = simulated_tests(
        model, readers=readers, positives=positives, negatives=negatives, trials=trials, seed=seed, unbiased=unbiased
    )
    rejected = int((tests.p < LEVEL).sum())
    low, high = clopper_pearson_interval(rejected, trials)
    return {
        "model": name,
        "auc": model.true_auc[0],
        "covariance": "unbiased" if unbiased else "jackknife",
        "readers": readers,
        "positives": positives,
        "negatives": negatives,
        "trials": trials,
        "rejected": rejected,
        "rate": rejected / trials,
        "low": float(low),
        "high": float(high),
        "undefined": int(np.isnan(tests.p).sum()),
        "seconds": time.perf_counter() - started,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    plans = [(name, size, False) for size in SIZES for name in roe_metz_structures()]
    plans += [(OTHER_SIZES_OF, size, False) for size in OTHER_SIZES]
    plans += [(OTHER_SIZES_OF, size, True) for size in SIZES]
    rows = []
    for number, (name, size, unbiased) in enumerate(plans):
        rows.append(measured(name, size, arguments.trials, arguments.seed + number, unbiased=unbiased))
        print(f"{name} {size}: {rows[-1]['rate']:.4f} in {rows[-1]['seconds']:.1f} s", flush=True)
    outside = [row for row in rows if not BOUNDS[0] <= row["rate"] <= BOUNDS[1]]
    pooled = sum(row["rejected"] for row in rows) / sum(row["trials"] for row in rows)
    write_json(
        arguments.output / "mrmc_null.json",
        {
            "level": LEVEL,
            "rows": rows,
            "pooled_rate": pooled,
            "outside_4_to_6_percent": len(outside),
            "seconds": sum(row["seconds"] for row in rows),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
    )
    lines = [
        "# Rejection rate of the MRMC test where nothing differs",
        "",
        f"Roe & Metz (1997) null models, {arguments.trials:,} studies a row, two-sided level {100 * LEVEL:g} %,",
        f"random readers and random cases. Together {100 * pooled:.2f} %; {len(outside)} of {len(rows)} rows lie outside",
        "4–6 %.",
        "Made by `benchmarks/mrmc_null.py`. The interval is Clopper and Pearson's.",
        "",
        "| model | AUC | readers | cases with / without | covariance | rejected | 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['model']} | {row['auc']:.3f} | {row['readers']} | {row['positives']} / {row['negatives']} | "
        f"{row['covariance']} | {100 * row['rate']:.2f} % | {100 * row['low']:.2f}–{100 * row['high']:.2f} % |"
        for row in rows
    ]
    write_text(arguments.output / "mrmc_null.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
