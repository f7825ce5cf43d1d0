"""How many answers were given and how long they took, by arm and group."""

from typing import NamedTuple

import numpy as np
import polars as pl
import scipy

from cutis.study.readings import Readings
from cutis.study.study_record import StudyRecord


class AnswerCounts(NamedTuple):
    """What was asked of a group in an arm, training cases and repeats not counted.

    Attributes:
        group: None where readers have none.
        arm: which.
        readers: who was shown a case.
        cases: different ones.
        asked: cases shown; of a table of readings, those of a complete one.
        answered: in time.
        timed_out: not in time; None where that is not known.
        open: neither yet; of a table of readings, not there.
        enlarged: of those answered, how many were enlarged; None where that is not known.
        at_limit: of those answered, how many the browser sent when the time was up; None where that is not known.
    """

    group: str | None
    arm: str
    readers: int
    cases: int
    asked: int
    answered: int
    timed_out: int | None
    open: int
    enlarged: int | None
    at_limit: int | None


class AnswerTimes(NamedTuple):
    """Seconds from showing to answer; quartiles over answers, and the mean over readers of each reader's median."""

    group: str | None
    arm: str
    readers: int
    answers: int
    lower: float
    median: float
    upper: float
    reader_mean: float


class TimeDifference(NamedTuple):
    """Second arm less first, mean over readers of the difference of their medians; paired t-test over readers."""

    first: str
    second: str
    readers: int
    seconds: float
    low: float | None
    high: float | None
    p: float | None


def answer_counts(record: StudyRecord) -> list[AnswerCounts]:
    """A row for each group and arm, groups in their order."""
    groups: list[str | None] = list(record.group_names) or [None]
    rows = []
    for group in groups:
        for arm in record.arms:
            if record.answers is not None:
                shown = _main(record.answers, arm.id, group)
                rows.append(_shown(shown, group, arm.id))
            else:
                rows.append(_read(record.readings, record.of_group(group), group, arm.id))
    return [each for each in rows if each.asked]


def answer_times(record: StudyRecord) -> list[AnswerTimes]:
    """A row for each arm of all readers, then for each group; empty where no times are known.

    Answers that timed out have no time, so that with a time limit figures are of those that came within it.
    """
    if record.answers is None:
        return []
    groups: list[str | None] = [None, *(record.group_names if len(record.group_names) > 1 else [])]
    rows = []
    for group in groups:
        for arm in record.arms:
            answered = _answered(_main(record.answers, arm.id, group))
            if not len(answered):
                continue
            seconds = answered["seconds"].to_numpy()
            lower, median, upper = (float(each) for each in np.percentile(seconds, (25, 50, 75)))
            medians = answered.group_by("reader").agg(pl.col("seconds").median())["seconds"]
            rows.append(
                AnswerTimes(
                    group, arm.id, len(medians), len(seconds), lower, median, upper, float(medians.to_numpy().mean())
                )
            )
    return rows


def time_difference(record: StudyRecord, first: str, second: str, *, confidence: float = 0.95) -> TimeDifference | None:
    """How much longer readers took in the second arm; None where nobody answered in both, or no times are known."""
    if record.answers is None:
        return None
    medians = [
        dict(_answered(_main(record.answers, arm, None)).group_by("reader").agg(pl.col("seconds").median()).iter_rows())
        for arm in (first, second)
    ]
    both = sorted(set(medians[0]) & set(medians[1]))
    if not both:
        return None
    apart = np.array([medians[1][each] - medians[0][each] for each in both])
    mean, low, high, p = float(apart.mean()), None, None, None
    error = float(apart.std(ddof=1)) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
    if error > 0:
        t = scipy.stats.t(len(apart) - 1)
        half = float(t.ppf((1 + confidence) / 2)) * error
        low, high, p = mean - half, mean + half, float(2 * t.sf(abs(mean) / error))
    return TimeDifference(first, second, len(both), mean, low, high, p)


def reader_medians(record: StudyRecord) -> dict[tuple[str, str], float]:
    """By reader and arm the median seconds of an answer; empty where no times are known."""
    if record.answers is None:
        return {}
    answered = _answered(record.answers.filter(pl.col("part") == "main"))
    rows = answered.group_by("reader", "arm").agg(pl.col("seconds").median())
    return {(reader, arm): float(seconds) for reader, arm, seconds in rows.iter_rows()}


def timed_out(record: StudyRecord) -> dict[tuple[str, str], int]:
    """By reader and arm how many cases that count timed out; empty where that is not known."""
    if record.answers is None:
        return {}
    late = record.answers.filter((pl.col("part") == "main") & (pl.col("outcome") == "timed out"))
    return {(reader, arm): int(count) for reader, arm, count in late.group_by("reader", "arm").len().iter_rows()}


def _main(answers: pl.DataFrame, arm: str, group: str | None) -> pl.DataFrame:
    shown = answers.filter((pl.col("part") == "main") & (pl.col("arm") == arm))
    return shown if group is None else shown.filter(pl.col("group") == group)


def _answered(shown: pl.DataFrame) -> pl.DataFrame:
    return shown.filter((pl.col("outcome") == "answered") & pl.col("seconds").is_not_null())


def _shown(shown: pl.DataFrame, group: str | None, arm: str) -> AnswerCounts:
    outcome = shown["outcome"]
    answered = shown.filter(pl.col("outcome") == "answered")
    return AnswerCounts(
        group=group,
        arm=arm,
        readers=shown["reader"].n_unique(),
        cases=shown["case"].n_unique(),
        asked=len(shown),
        answered=len(answered),
        timed_out=int((outcome == "timed out").sum()),
        open=int(outcome.is_null().sum()),
        enlarged=int((answered["zoomed"] > 0).sum()),
        at_limit=int((answered["sent_by"] == "time limit").sum()),
    )


def _read(readings: Readings, readers: list[str], group: str | None, arm: str) -> AnswerCounts:
    made = readings.frame.filter((pl.col("modality") == arm) & pl.col("reader").is_in(readers))
    count, cases = made["reader"].n_unique(), made["case"].n_unique()
    asked = len(made) if readings.design == "cases in readers" else count * cases
    return AnswerCounts(group, arm, count, cases, asked, len(made), None, asked - len(made), None, None)
