"""What is known of a reader study when it is reported: readings, and of a study run in the browser all else.

A table of readings tells who read what and how it was rated. Groups, time limits, answers that came too late, repeats
and the AI's own answers are known of a study in a store (:func:`cutis.study.record_of_study`) alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import polars as pl

from cutis.errors import listed
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign
from cutis.study.readings import Readings, ReadingsError

UNAIDED = "unaided"
"""A modality of this name is taken to be without an aid."""


class ReportedArm(NamedTuple):
    """An arm, or a modality of a table of readings. ``aided``: whether it has an aid; None where nobody said."""

    id: str
    title: str
    aided: bool | None


class ReaderState(NamedTuple):
    """How far one reader came: ``done`` of ``cases``, training cases and repeats among them."""

    reader: str
    group: str
    state: str
    done: int
    cases: int
    timed_out: int


@dataclass(frozen=True)
class StudyRecord:
    """A study as far as it is known.

    Attributes:
        title: its name.
        readings: how suspect each case was thought; larger is more suspect.
        threshold: a rating this high or higher calls a case positive; None where nobody said.
        arms: those that have readings, those without an aid first.
        groups: each reader's group; empty where there are none.
        positive: what is looked for, in words.
        negative: what it is told from.
        design: None for a table of readings, as are all that follow.
        cases: with the truth, training cases too.
        correct: a right answer rated as the truth, a wrong one as its opposite, where there are more than two answers.
        named: which option was chosen, as a number, likewise.
        options: their names, in the order of these numbers.
        right_options: each case's right option, as a number; a case without one is not in it.
        repeats: of cases shown twice, each arm two modalities, ``"ARM, first"`` and ``"ARM, again"``.
        answers: every step that was shown, as :func:`cutis.study.store.answers_table` gives it.
        states: of all readers, those who withdrew too.
        closed: whether the study is; None where that is not known.
        ai_right: of each case, whether what the AI showed was right; None where that cannot be told.
        notes: what must be known of the record, in words.
    """

    title: str
    readings: Readings
    threshold: float | None
    arms: Sequence[ReportedArm]
    groups: Mapping[str, str]
    positive: str = "positive"
    negative: str = "negative"
    design: StudyDesign | None = None
    cases: Sequence[StudyCase] = ()
    correct: Readings | None = None
    named: Readings | None = None
    options: Sequence[str] = ()
    right_options: Mapping[str, int] = field(default_factory=dict)
    repeats: Readings | None = None
    answers: pl.DataFrame | None = None
    states: Sequence[ReaderState] = ()
    closed: bool | None = None
    ai_right: Mapping[str, bool] | None = None
    notes: Sequence[str] = ()

    @cached_property
    def called(self) -> Readings | None:
        """The readings as answers of 1 (positive) and 0; None without a threshold, where ratings are not 0 and 1."""
        return called_at(self.readings, self.threshold)

    @property
    def judged(self) -> Readings | None:
        """Answers that are right where the rating, 0 or 1, is the truth: of the diagnosis, else of positive or not."""
        return self.correct or self.called

    @property
    def group_names(self) -> list[str]:
        """The groups of those who read, in the design's order or by name."""
        here = {self.groups[each] for each in self.readings.readers if each in self.groups}
        known = [] if self.design is None else list(self.design.readers_groups)
        return [each for each in known if each in here] + sorted(here - set(known))

    def of_group(self, group: str | None) -> list[str]:
        """Who of this group read; everybody for None."""
        return [each for each in self.readings.readers if group is None or self.groups.get(each) == group]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each arm with an aid beside the first without."""
        without = [each.id for each in self.arms if each.aided is False]
        return [(without[0], each.id) for each in self.arms if each.aided] if without else []

    def arm_title(self, arm: str) -> str:
        """An arm's name in words."""
        return next((each.title for each in self.arms if each.id == arm), arm)

    def quoted(self, arm: str) -> str:
        """An arm's name as it stands in a sentence."""
        return f"“{self.arm_title(arm)}”"


def called_at(readings: Readings, threshold: float | None) -> Readings | None:
    """Ratings of 1 (``threshold`` or more) and 0; None where there is no threshold and ratings are not 0 and 1."""
    if threshold is None:
        return readings if readings.binary else None
    return Readings(readings.frame.with_columns((pl.col("rating") >= threshold).cast(pl.Float64)))


def record_of_readings(
    readings: Readings,
    *,
    title: str,
    threshold: float | None = None,
    groups: Mapping[str, str] | None = None,
    unaided: str | None = None,
) -> StudyRecord:
    """The record of a table of readings.

    Args:
        readings: of one modality or more.
        title: the study's name.
        threshold: a rating this high or higher calls a case positive.
        groups: each reader's group; readers it names beyond those of the readings are passed over.
        unaided: the modality without an aid; the others then have one. None takes ``"unaided"``, where there is one.

    Raises:
        ReadingsError: there is no such modality, or a reader has no group.
    """
    known = dict(groups or {})
    lacking = [each for each in readings.readers if known and each not in known]
    if lacking:
        raise ReadingsError(f"readers have no group: {listed(lacking)}", fix="Name their groups, or give no groups.")
    if unaided is not None and unaided not in readings.modalities:
        raise ReadingsError(
            f"there is no modality '{unaided}'", fix=f"The modalities are {', '.join(readings.modalities)}."
        )
    if unaided is None and UNAIDED in readings.modalities:
        unaided = UNAIDED
    arms = [
        ReportedArm(each, _title(each), None if unaided is None else each != unaided)
        for each in sorted(readings.modalities, key=lambda each: each != unaided)
    ]
    return StudyRecord(
        title=title,
        readings=readings,
        threshold=threshold,
        arms=arms,
        groups={each: known[each] for each in readings.readers if each in known},
    )


def _title(modality: str) -> str:
    """A modality's name as it can stand in a sentence."""
    return f"arm {modality}" if modality.replace(".", "").isdecimal() else modality
