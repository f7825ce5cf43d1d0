"""Each reader in each arm: AUC, sensitivity, specificity and right answers with intervals; and confusion matrices."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cutis.evaluation import Estimate, wilson_interval
from cutis.study.analysis import Analysis
from cutis.study.answering import reader_medians, timed_out
from cutis.study.readings import Bools, Readings
from cutis.study.study_record import StudyRecord


class ReaderRow(NamedTuple):
    """One reader in one arm. Shares have Wilson's intervals, over cases.

    Attributes:
        reader: who.
        group: None where readers have none.
        arm: which.
        cases: read.
        late: timed out; None where that is not known.
        auc: where ratings are finer than 0 and 1.
        sensitivity: None without a threshold, as specificity.
        found: positive cases called positive, of ``positives``.
        positives: how many were read.
        specificity: see sensitivity.
        spared: negative cases called negative, of ``negatives``.
        negatives: how many were read.
        right: share of right answers, where there are more than two to choose from.
        seconds: median time of an answer; None where times are not known.
    """

    reader: str
    group: str | None
    arm: str
    cases: int
    late: int | None
    auc: Estimate | None
    sensitivity: Estimate | None
    found: int
    positives: int
    specificity: Estimate | None
    spared: int
    negatives: int
    right: Estimate | None
    seconds: float | None


def reader_rows(record: StudyRecord, analyses: Sequence[Analysis], confidence: float) -> list[ReaderRow]:
    """A row for each arm and reader; AUCs with the intervals of their analysis, if it is among ``analyses``."""
    areas = {
        (each.reader, each.modality): Estimate(value=each.estimate, low=each.low, high=each.high)
        for analysis in analyses
        if analysis.endpoint == "auc"
        for each in analysis.reader_figures
    }
    medians, late = reader_medians(record), timed_out(record)
    called, correct = _by_reader(record.called), _by_reader(record.correct)
    rows = []
    for arm in record.arms:
        for reader, truth, rating in sorted(
            ((key[0], *value) for key, value in _by_reader(record.readings).items() if key[1] == arm.id),
            key=lambda each: record.readings.readers.index(each[0]),
        ):
            key = (reader, arm.id)
            hit = spared = 0
            shares: list[Estimate | None] = [None, None]
            if record.called is not None:
                _, said = called[key]
                hit, spared = int((said[truth] == 1).sum()), int((said[~truth] == 0).sum())
                shares = [_share(hit, int(truth.sum()), confidence), _share(spared, int((~truth).sum()), confidence)]
            right = None
            if record.correct is not None:
                known, answer = correct[key]
                right = _share(int((answer == known).sum()), len(known), confidence)
            rows.append(
                ReaderRow(
                    reader=reader,
                    group=record.groups.get(reader),
                    arm=arm.id,
                    cases=len(rating),
                    late=late.get(key, 0) if record.answers is not None else None,
                    auc=areas.get(key),
                    sensitivity=shares[0],
                    found=hit,
                    positives=int(truth.sum()),
                    specificity=shares[1],
                    spared=spared,
                    negatives=int((~truth).sum()),
                    right=right,
                    seconds=medians.get(key),
                )
            )
    return rows


def _by_reader(readings: Readings | None) -> dict[tuple[str, str], tuple[Bools, np.ndarray]]:
    if readings is None:
        return {}
    parts = readings.frame.sort("case").partition_by("reader", "modality", as_dict=True)
    return {
        (str(key[0]), str(key[1])): (part["truth"].to_numpy(), part["rating"].to_numpy()) for key, part in parts.items()
    }


class Confusions(NamedTuple):
    """Options of the truth × options chosen: by arm, and by reader and arm."""

    by_arm: dict[str, np.ndarray]
    by_reader: dict[tuple[str, str], np.ndarray]


def confusions(record: StudyRecord) -> Confusions:
    """Of the options chosen first; of positive (first) and negative, where no options are known; else empty."""
    named = record.named
    found = Confusions({}, {})
    if named is not None:
        size, right = len(record.options), record.right_options
        said = [(r, m, right[case], int(value)) for r, m, case, _, value in named.frame.iter_rows() if case in right]
    elif record.called is not None:
        size = 2
        said = [(r, m, int(not truth), int(value != 1)) for r, m, _, truth, value in record.called.frame.iter_rows()]
    else:
        return found
    for reader, arm, truth, answer in said:
        for table in (
            found.by_arm.setdefault(arm, np.zeros((size, size), dtype=int)),
            found.by_reader.setdefault((reader, arm), np.zeros((size, size), dtype=int)),
        ):
            table[truth, answer] += 1
    return found


def _share(count: int, of: int, confidence: float) -> Estimate:
    if not of:
        return Estimate(value=None, low=None, high=None)
    low, high = (float(end) for end in wilson_interval(count, of, confidence=confidence))
    return Estimate(value=count / of, low=low, high=high)
