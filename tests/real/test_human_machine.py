"""The Van Dyke readers' points, with simulated scores in a model's place: only the readers are real here."""

from pathlib import Path

import numpy as np
import pytest

from cutis.data import manifest_frame
from cutis.evaluation import Predictions
from cutis.study import compare_with_readers, read_readings
from cutis.taxonomy import source_classes


@pytest.mark.parametrize(
    ("modality", "published"),
    [("0", (0.8889, 0.7778, 0.8222, 0.9333, 0.6889)), ("1", (0.9778, 0.8222, 0.9111, 1, 0.8889))],
)
def test_readers_points_are_the_published_sensitivities(real_data: Path, modality: str, published) -> None:
    file = real_data / "van_dyke" / "van_dyke.csv"
    if not file.is_file():
        pytest.skip(f"no {file}")
    readings = read_readings(file)
    truth = dict(readings.frame.select("case", "truth").unique().iter_rows())
    manifest = manifest_frame(
        [
            {"image_id": case, "source": "van dyke", "source_diagnosis": "dissection" if truth[case] else "none"}
            for case in readings.cases
        ]
    )
    scores = np.random.default_rng(0).normal([1.8 * truth[case] for case in readings.cases])
    chance = 1 / (1 + np.exp(-scores))
    simulated = Predictions(readings.cases, np.c_[chance, 1 - chance], source_classes(["dissection", "none"]))
    found = compare_with_readers(
        simulated, manifest, readings, positive="dissection", modality=modality, threshold=3, resamples=100
    )
    assert (found.cases, found.positives) == (114, 45)
    assert [each.sensitivity.value for each in found.readers] == [pytest.approx(x, abs=5e-5) for x in published]
    assert found.on_or_above + found.below == 5
