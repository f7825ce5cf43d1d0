"""Very many rows: what each costs in memory, measured on the command itself in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cutis.evaluation import Evaluation, roc_curve, roc_points
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")
FEW, MANY = 60_000, 300_000
MOST_BYTES_A_ROW = 900
COMMAND = """
import sys
from pathlib import Path
from cutis.cli import main
try:
    main(sys.argv[1:])
finally:
    status = Path("/proc/self/status").read_text()
    print("peak", status.split("VmHWM:")[1].split()[0])
"""


def write_rows(folder: Path, rows: int, suffix: str) -> list[str]:
    """A manifest with columns that no evaluation needs, and predictions in another order."""
    generator, number = np.random.default_rng(rows), pl.int_range(rows, eager=True).alias("n")
    truth = generator.choice(7, size=rows, p=[0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02])
    unread = [
        pl.format("a long text about image {} alone, which nobody reads", "n").alias(f"note_{k}") for k in range(4)
    ]
    manifest = number.to_frame().select(
        pl.format("ISIC_{}", pl.col("n") + 10**7).alias("image_id"),
        pl.format("photographs/clinic/ISIC_{}.jpg", "n").alias("image_path"),
        pl.format("l{}", pl.col("n") // 2).alias("lesion_id"),
        pl.Series("source_diagnosis", np.array(HAM7.ids)[truth]),
        pl.Series("diagnosis_node", np.array([each.nodes[0] for each in HAM7.classes])[truth]),
        pl.Series("sex", np.array(["female", "male"])[generator.integers(2, size=rows)]),
        pl.lit("clinic").alias("source"),
        *unread,
    )
    logits = generator.normal(size=(rows, 7))
    logits[np.arange(rows), truth] += 2
    odds = np.exp(logits)
    predictions = pl.DataFrame(odds / odds.sum(axis=1, keepdims=True), schema=list(HAM7.ids))
    predictions = predictions.insert_column(0, manifest["image_id"]).sample(fraction=1, shuffle=True, seed=0)
    manifest.write_parquet(folder / "m.parquet")
    if suffix == "csv":
        predictions.write_csv(folder / "p.csv")
    else:
        predictions.write_parquet(folder / "p.parquet")
    return [str(folder / f"p.{suffix}"), "--on", str(folder / "m.parquet"), "-o", str(folder / "out")]


def peak_bytes(arguments: list[str]) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "evaluate", *arguments, "--resamples", "100"],
        capture_output=True,
        text=True,
        check=True,
    )
    return 1024 * int(done.stdout.rsplit("peak", 1)[1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's peak memory")
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_row_costs_little_memory_and_what_is_written_does_not_grow(tmp_path, suffix):
    peaks, sizes = [], []
    for rows in (FEW, MANY):
        folder = tmp_path / str(rows)
        folder.mkdir()
        peaks.append(peak_bytes(write_rows(folder, rows, suffix)))
        evaluation = Evaluation.model_validate_json((folder / "out" / "evaluation.json").read_bytes())
        assert evaluation.images == rows
        assert evaluation.intervals.clusters == {"lesion": rows // 2}
        sizes.append(sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file()))
    assert (peaks[1] - peaks[0]) / (MANY - FEW) < MOST_BYTES_A_ROW
    assert sizes[1] < 1.1 * sizes[0]


def test_the_points_of_a_curve_of_many_rows_are_few_and_lie_on_it():
    generator = np.random.default_rng(0)
    positive = generator.random(200_000) < 0.1
    scores = generator.normal(size=200_000) + 1.5 * positive
    kept, curve = roc_points(positive, scores), roc_curve(positive, scores)
    assert len(kept.sensitivity) <= 200
    assert (kept.false_positive_rate[0], kept.sensitivity[0], kept.threshold[0]) == (0, 0, None)
    assert (kept.false_positive_rate[-1], kept.sensitivity[-1]) == (1, 1)
    points = zip(kept.false_positive_rate[1:], kept.sensitivity[1:], kept.threshold[1:], strict=True)
    for x, y, threshold in points:
        called = scores >= threshold
        assert x == pytest.approx((called & ~positive).sum() / (~positive).sum(), abs=1e-12)
        assert y == pytest.approx((called & positive).sum() / positive.sum(), abs=1e-12)
    # Between the points, a hundredth of the way from corner to corner apart, the drawn line keeps to the curve.
    drawn = np.interp(curve.false_positive_rate, kept.false_positive_rate, kept.sensitivity)
    assert np.abs(drawn - curve.sensitivity).max() < 5e-3
