"""Percentile intervals by a bootstrap that resamples whole clusters (patients, lesions).

Images of one lesion resemble each other: resampling them one by one would make the interval too narrow. Here
each resample draws as many clusters as there are, with replacement, and takes all images of each (Field &
Welsh 2007). A resample is written as a weight an image, so that every statistic is computed for many
resamples in one array operation. Weights are whole and small: as bytes, those of millions of images fit in memory.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np

from cutis.evaluation.arrays import Counts, Floats, Ints

_CELLS_AT_ONCE = 1_000_000  # 8 MB of weights: near the size of a processor's cache
_COUNTS_AT_ONCE = 320_000_000  # 320 MB: a batch of 32 resamples of 10 million images
_MOST_COLUMNS = 128  # at once: more gain nothing
_FIGURES_AT_ONCE = 4_000_000  # of all resamples of a batch together


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
    at_once = max(1, min(resamples, _CELLS_AT_ONCE // max(1, width, len(member))))
    for counts in _drawn(member, resamples, seed, at_once):
        yield counts.astype(np.float64)


def bootstrap_counts(member: Ints, resamples: int, seed: int, width: int = 1) -> Iterator[Counts]:
    """The same resamples as of :func:`bootstrap_weights`, as bytes and in batches that millions of images allow.

    Args:
        member: the cluster of each of N images, 0, 1, … in the order in which they first appear.
        resamples: how many resamples in all.
        seed: the same seed gives the same resamples.
        width: how many numbers a resample the caller makes of them.
    """
    most = min(_COUNTS_AT_ONCE // max(1, len(member)), _FIGURES_AT_ONCE // max(1, width), _MOST_COLUMNS)
    yield from _drawn(member, resamples, seed, max(1, min(resamples, most)))


def _drawn(member: Ints, resamples: int, seed: int, at_once: int) -> Iterator[Counts]:
    count = int(member.max(initial=-1)) + 1
    alone = count == len(member)  # every image is a cluster of its own, and they are numbered in order
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, at_once):
        columns = min(at_once, resamples - start)
        # A cluster is drawn 255 times only where the chance of it is below 1e-500.
        times = np.empty((count, columns), dtype=np.uint8)
        for column in range(columns):
            times[:, column] = np.bincount(generator.integers(count, size=count), minlength=count)
        yield times if alone else np.take(times, member, axis=0)


def cluster_numbers(clusters: Sequence[Hashable] | Ints) -> Ints:
    """N clusters as numbers 0, 1, … in the order in which they first appear; such numbers are left as they are."""
    if isinstance(clusters, np.ndarray):
        if _in_order(clusters):
            return clusters
        first, place = np.unique(clusters, return_index=True, return_inverse=True)[1:]
        order: Ints = np.argsort(np.argsort(first)).astype(np.int64)
        return order[place]
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(each, len(numbers)) for each in clusters], dtype=np.int64)


def _in_order(numbers: Ints) -> bool:
    """Whether numbers are 0, 1, … in the order in which they first appear."""
    if len(numbers) == 0 or numbers.dtype != np.int64 or numbers[0] != 0 or numbers.min() < 0:
        return False
    return bool((np.diff(np.maximum.accumulate(numbers)) <= 1).all())


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
    return joined_resamples([statistics(weights) for weights in bootstrap_weights(clusters, resamples, seed, width)])


def joined_resamples(parts: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """The values of named statistics over batches of resamples, as one array each."""
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
