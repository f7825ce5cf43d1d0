"""Which images each epoch shows, in what order: a function of seed and epoch alone, so that a run can be resumed."""

import numpy as np
import numpy.typing as npt

from cutis.training.recipe import Sampling

Labels = npt.NDArray[np.int64]


def class_frequencies(labels: Labels, classes: int) -> npt.NDArray[np.float64]:
    """Share of each class among the labels: K values that sum to 1."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    return np.asarray(counts / counts.sum())


def sampled_prior(labels: Labels, classes: int, sampling: Sampling) -> npt.NDArray[np.float64]:
    """Share of each class among the images an epoch shows: what logit adjustment must be told."""
    weights = class_frequencies(labels, classes)
    present = weights > 0
    weights[present] **= 1 - sampling.balance
    return np.asarray(weights / weights.sum())


def class_prior(label_shares: npt.NDArray[np.float64], candidates: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Share of each class, K values, when images labelled above the classes are counted in.

    A label that stands for several classes is divided among them as the images labelled with those classes are;
    evenly where there are none.

    Args:
        label_shares: share of each label, G values that sum to 1.
        candidates: the classes each label stands for, G × K; the first K labels are the classes themselves.
    """
    classes = candidates.shape[1]
    own = label_shares[:classes]
    prior = own.copy()
    for share, below in zip(label_shares[classes:], candidates[classes:], strict=True):
        within = np.where(below, own, 0.0)
        if not within.any():
            within = below.astype(np.float64)
        prior += share * within / within.sum()
    return prior


def epoch_order(labels: Labels, classes: int, sampling: Sampling, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The indices that epoch ``epoch`` shows, in order.

    Without balance every image comes once (or, with ``epoch_images``, the epochs together go round all images before
    any comes again). With balance, each class gets its share of places and its images take turns in them, so that no
    image of a class comes twice before every other has come once.

    Args:
        labels: N class indices.
        classes: number of classes K.
        sampling: the recipe's rule.
        seed: the recipe's seed.
        epoch: from 0.
    """
    wanted = sampling.epoch_images or len(labels)
    rng = np.random.default_rng([seed, epoch, 1])
    if sampling.balance == 0:
        chosen = _turns(np.arange(len(labels)), epoch * wanted, wanted, [seed, 0])
    else:
        prior = sampled_prior(labels, classes, sampling)
        # Cumulative rounding: after any number of epochs each class has had its share to within one place.
        start, stop = (
            np.round(prior * wanted * epoch).astype(int),
            np.round(prior * wanted * (epoch + 1)).astype(int),
        )
        chosen = np.concatenate(
            [
                _turns(np.flatnonzero(labels == k), int(start[k]), int(stop[k] - start[k]), [seed, k])
                for k in range(classes)
                if prior[k] > 0
            ]
        )
    return np.asarray(rng.permutation(chosen))


def _turns(pool: Labels, start: int, count: int, seed: list[int]) -> Labels:
    """Places ``start`` to ``start + count`` of an endless row of shuffles of ``pool``."""
    rounds = range(start // len(pool), (start + count - 1) // len(pool) + 1)
    row = np.concatenate([np.random.default_rng([*seed, each, 2]).permutation(pool) for each in rounds] or [pool[:0]])
    skip = start - rounds.start * len(pool) if rounds else 0
    return np.asarray(row[skip : skip + count])
