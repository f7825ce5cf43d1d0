"""Percentile intervals by a bootstrap that resamples whole clusters (patients, lesions).

Images of one lesion resemble each other: resampling them one by one would make the interval too narrow. Here
each resample draws as many clusters as there are, with replacement, and takes all images of each (Field &
Welsh 2007). A resample is written as a weight an image, so that every statistic is computed for many
resamples in one array operation.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np

from cutis.evaluation.arrays import Floats, Ints

_CELLS_AT_ONCE = 1_000_000  # 8 MB of weights: near the size of a processor's cache


def bootstrap_weights(
    clusters: Sequence[Hashable] | Ints, resamples: int, seed: int, width: int = 1
) -> Iterator[Floats]:
    """How often each image stands in each resample, N×r at a time, until ``resamples`` columns were given.

    Args:
        clusters: the cluster of each of N images.
        resamples: how many resamples in all.
        seed: the same seed gives the same resamples.
        width: how many numbers a resample the caller makes of them, where that is more than N: fewer then come at once.
    """
    member = cluster_numbers(clusters)
    count = int(member.max(initial=-1)) + 1
    generator = np.random.default_rng(seed)
    at_once = max(1, min(resamples, _CELLS_AT_ONCE // max(1, width, len(member))))
    for start in range(0, resamples, at_once):
        columns = min(at_once, resamples - start)
        drawn = generator.integers(count, size=(columns, count)) * columns + np.arange(columns)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * columns).reshape(count, columns)
        yield times.astype(np.float64)[member]


def cluster_numbers(clusters: Sequence[Hashable] | Ints) -> Ints:
    """N clusters as numbers 0, 1, … in the order in which they first appear; such numbers are left as they are."""
    if isinstance(clusters, np.ndarray):
        first, place = np.unique(clusters, return_index=True, return_inverse=True)[1:]
        order: Ints = np.argsort(np.argsort(first)).astype(np.int64)
        return order[place]
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(each, len(numbers)) for each in clusters], dtype=np.int64)


def clustered_bootstrap(
    statistics: Callable[[Floats], Mapping[str, Floats]],
    clusters: Sequence[Hashable] | Ints,
    *,
    resamples: int = 2000,
    seed: int = 0,
    width: int = 1,
) -> dict[str, Floats]:
    """The values of statistics over the resamples.

    Args:
        statistics: from weights N×r to named arrays r×…; NaN where a statistic is not defined in a resample.
        clusters: the cluster of each of N images.
        resamples: how many, 1 or more.
        seed: the same seed gives the same values.
        width: as in :func:`bootstrap_weights`.

    Returns:
        Each statistic's values, R×….
    """
    parts = [statistics(weights) for weights in bootstrap_weights(clusters, resamples, seed, width)]
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
