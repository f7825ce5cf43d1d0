"""Corruption error: what a classifier loses, by what a baseline loses (Hendrycks & Dietterich 2019, section 4).

With E the error, here 1 − balanced accuracy, and B the baseline's, at the strengths s of a corruption c:
CE_c = Σ_s E_s,c / Σ_s B_s,c; relative CE_c = Σ_s (E_s,c − E_clean) / Σ_s (B_s,c − B_clean); mCE and relative mCE are
their means over the corruptions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cutis.errors import PredictionsError, listed
from cutis.evaluation.arrays import Floats, ratio
from cutis.evaluation.robustness_result import RobustnessResult


class BaselineErrors(NamedTuple):
    """A baseline's errors: P corruptions × S strengths, and on clean images."""

    corrupted: Floats
    clean: float


def corruption_errors(errors: Floats, baseline: Floats) -> Floats:
    """CE of each corruption: the errors summed over the strengths, by the baseline's; …×P×S and P×S to …×P."""
    return ratio(errors.sum(axis=-1), baseline.sum(axis=-1))


def relative_corruption_errors(errors: Floats, clean: Floats, baseline: BaselineErrors) -> Floats:
    """Relative CE of each corruption: the rise above the clean error, summed, by the baseline's.

    Args:
        errors: …×P×S.
        clean: …, the errors on clean images.
        baseline: its errors.

    Returns:
        …×P; NaN where the baseline loses nothing.
    """
    rise = (errors - clean[..., None, None]).sum(axis=-1)
    return ratio(rise, (baseline.corrupted - baseline.clean).sum(axis=-1))


def baseline_errors(
    baseline: RobustnessResult, names: Sequence[str], strengths: Sequence[int], key: str
) -> BaselineErrors:
    """The errors of a baseline's result, refused where it was measured on other images, corruptions or strengths.

    Raises:
        PredictionsError: it was.
    """
    if baseline.images_key != key:
        raise PredictionsError(
            f"the baseline '{baseline.model}' was measured on other images ({baseline.images:,})",
            fix="Measure it on the same images: the same manifest, subset, number and seed.",
        )
    found = {each.name: {at.strength: at.figures.error.value for at in each.at} for each in baseline.corruptions}
    values = [[found.get(name, {}).get(strength) for strength in strengths] for name in names]
    missing = [
        f"{n} {s}"
        for n, row in zip(names, values, strict=True)
        for s, v in zip(strengths, row, strict=True)
        if v is None
    ]
    if missing or baseline.clean.error.value is None:
        raise PredictionsError(
            f"the baseline '{baseline.model}' has no error for {listed(missing or ['clean images'])}",
            fix="Measure it on the same corruptions and strengths.",
        )
    return BaselineErrors(np.array(values, dtype=np.float64), baseline.clean.error.value)
