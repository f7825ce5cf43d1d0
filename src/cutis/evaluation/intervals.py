"""Percentile intervals by a bootstrap that resamples whole clusters (patients, lesions).

Images of one lesion resemble each other: resampling them one by one would make the interval too narrow. Here
each resample draws as many clusters as there are, with replacement, and takes all images of each (Field &
Welsh 2007). A resample is written as a weight an image, so that every statistic is computed for many
resamples in one array operation.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CELLS_AT_ONCE = 1_000_000  # 8 MB of weights: near the size of a processor's cache


def bootstrap_weights(clusters: Sequence[Hashable], resamples: int, seed: int) -> Iterator[Floats]:
    """How often each image stands in each resample, N×r at a time, until ``resamples`` columns were given.

    Args:
        clusters: the cluster of each of N images.
        resamples: how many resamples in all.
        seed: the same seed gives the same resamples.
    """
    numbers: dict[Hashable, int] = {}
    member = np.array([numbers.setdefault(each, len(numbers)) for each in clusters], dtype=np.int64)
    count = len(numbers)
    generator = np.random.default_rng(seed)
    at_once = max(1, min(resamples, _CELLS_AT_ONCE // max(1, len(member))))
    for start in range(0, resamples, at_once):
        columns = min(at_once, resamples - start)
        drawn = generator.integers(count, size=(columns, count)) * columns + np.arange(columns)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * columns).reshape(count, columns)
        yield times.astype(np.float64)[member]


def clustered_bootstrap(
    statistics: Callable[[Floats], Mapping[str, Floats]],
    clusters: Sequence[Hashable],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Floats]:
    """The values of statistics over the resamples.

    Args:
        statistics: from weights N×r to named arrays r×…; NaN where a statistic is not defined in a resample.
        clusters: the cluster of each of N images.
        resamples: how many, 1 or more.
        seed: the same seed gives the same values.

    Returns:
        Each statistic's values, R×….
    """
    parts = [statistics(weights) for weights in bootstrap_weights(clusters, resamples, seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def percentile_interval(values: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The central ``confidence`` of bootstrap values, R×… to two arrays ….

    Resamples in which the statistic is not defined are left out; NaN where none is left.
    """
    flat = values.reshape(len(values), -1)
    ends = np.full((2, flat.shape[1]), np.nan)
    for column in range(flat.shape[1]):
        defined = flat[:, column][~np.isnan(flat[:, column])]
        if len(defined):
            ends[:, column] = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = ends.reshape(2, *values.shape[1:])
    return low, high
