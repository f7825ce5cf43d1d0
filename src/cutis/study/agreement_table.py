"""Agreement in a study: of readers with each other by arm and group, and with themselves on repeated cases."""

import itertools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from cutis.evaluation import Estimate, cohen_kappa
from cutis.study.agreement import Agreement, Scale, agreement_between_readers, agreement_within_readers
from cutis.study.readings import Floats, Readings
from cutis.study.study_record import StudyRecord, called_at

Measured = Literal["called", "diagnosis", "rating"]


class BetweenReaders(NamedTuple):
    """Agreement of the readers of an arm on one thing.

    Attributes:
        group: None for all readers.
        arm: which.
        measured: ``called``: positive or not; ``diagnosis``: the option chosen first; ``rating``: how suspect, ordinal.
        readers: how many.
        cases: read by any of them.
        alpha: Krippendorff's.
        fleiss: Fleiss' kappa; not defined with missing reads or an ordinal scale.
        cohen: mean of Cohen's kappa over pairs of readers; None where no pair has one.
        cohen_range: the least and the largest.
    """

    group: str | None
    arm: str
    measured: Measured
    readers: int
    cases: int
    alpha: Estimate
    fleiss: Estimate
    cohen: float | None
    cohen_range: tuple[float, float] | None


class WithinReader(NamedTuple):
    """One reader's two answers to the same cases: the share that is the same, and Cohen's kappa."""

    reader: str
    arm: str
    cases: int
    same: float
    kappa: Estimate


def agreement_between(
    record: StudyRecord, *, resamples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> list[BetweenReaders]:
    """A row for each arm, thing and group of two readers or more; of all readers first."""
    measured: list[tuple[Measured, Readings | None, Scale]] = [
        ("diagnosis", record.named, "nominal"),
        ("called", record.called, "nominal"),
        ("rating", None if record.readings.binary or record.named is not None else record.readings, "ordinal"),
    ]
    groups: list[str | None] = [None, *(record.group_names if len(record.group_names) > 1 else [])]
    rows = []
    for (name, readings, scale), arm, group in itertools.product(measured, record.arms, groups):
        if readings is None:
            continue
        here = {reader for reader, at in readings.frame.select("reader", "modality").iter_rows() if at == arm.id}
        readers = [each for each in record.of_group(group) if each in here]
        if len(readers) < 2:
            continue
        own = readings.only(readers=readers, modalities=[arm.id])
        rows.append(_between(own, group, arm.id, name, scale, resamples, seed, confidence))
    return rows


def agreement_within(
    record: StudyRecord, *, resamples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> list[WithinReader]:
    """A row for each reader and arm with repeated cases that were answered twice; empty where there are none."""
    called = None if record.repeats is None else called_at(record.repeats, record.threshold)
    if called is None:
        return []
    rows = []
    for arm in record.arms:
        names = [f"{arm.id}, {which}" for which in ("first", "again")]
        if not set(names) <= set(called.modalities):
            continue
        found = agreement_within_readers(called, *names, resamples=resamples, seed=seed, confidence=confidence)
        grid = called.only(modalities=names).grid(first_modality=names[0])
        for reader, told in found.items():
            first, again = grid.rating[:, grid.readers.index(reader)]
            both = ~np.isnan(first) & ~np.isnan(again)
            if both.any():
                same = float((first[both] == again[both]).mean())
                rows.append(WithinReader(reader, arm.id, int(both.sum()), same, _estimate(told)))
    return rows


def _between(
    own: Readings,
    group: str | None,
    arm: str,
    measured: Measured,
    scale: Scale,
    resamples: int,
    seed: int,
    confidence: float,
) -> BetweenReaders:
    ratings = own.grid().rating[0]
    alpha = agreement_between_readers(own, scale=scale, resamples=resamples, seed=seed, confidence=confidence)
    fleiss = Estimate(value=None, low=None, high=None)
    if scale == "nominal" and not np.isnan(ratings).any():
        fleiss = _estimate(
            agreement_between_readers(own, coefficient="fleiss", resamples=resamples, seed=seed, confidence=confidence)
        )
    kappas = _pairs(ratings) if scale == "nominal" else []
    return BetweenReaders(
        group,
        arm,
        measured,
        len(own.readers),
        len(own.cases),
        _estimate(alpha),
        fleiss,
        float(np.mean(kappas)) if kappas else None,
        (min(kappas), max(kappas)) if kappas else None,
    )


def _pairs(ratings: Floats) -> list[float]:
    """Cohen's kappa of each pair of readers, where it is defined."""
    levels = np.unique(ratings[~np.isnan(ratings)])
    which = ratings[:, :, None] == levels  # readers × cases × levels
    found = [
        float(cohen_kappa(np.asarray([first[both].T.astype(float) @ second[both]]))[0])
        for first, second in itertools.combinations(which, 2)
        if (both := first.any(axis=1) & second.any(axis=1)).any()
    ]
    return [each for each in found if not np.isnan(each)]


def _estimate(told: Agreement) -> Estimate:
    ends: Sequence[float | None] = [None if np.isnan(each) else float(each) for each in told[:3]]
    return Estimate(value=ends[0], low=ends[1], high=ends[2])
