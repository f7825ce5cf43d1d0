"""A study in a store as it is reported: its answers as readings, and all that a table of readings cannot tell."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from sqlalchemy import Connection

from cutis.errors import TaxonomyError
from cutis.study.ai_outputs import NamedProbability
from cutis.study.answer_readings import AnsweredStep, readings_from_answers, repeated_readings
from cutis.study.answers import options, right_choice
from cutis.study.cases import StudyCase
from cutis.study.design import Question, StudyDesign, StudyError
from cutis.study.readings import Readings, ReadingsError
from cutis.study.store import (
    ChainError,
    Store,
    answered_steps,
    answers_table,
    list_studies,
    progress,
    study_design,
    verify_chain,
)
from cutis.study.store.kept_cases import kept_case
from cutis.study.study_record import ReaderState, ReportedArm, StudyRecord
from cutis.taxonomy import GRADES, Risk, shipped_taxonomy


def record_of_study(
    store: Store,
    study_id: int,
    now: datetime,
    *,
    positive: Sequence[str] | None = None,
    at: Risk = "high",
    first: int = 1,
    withdrawn: bool = False,
) -> StudyRecord:
    """The record of a study in a store.

    Args:
        store: the open database.
        study_id: the study's.
        now: the server's time.
        positive: nodes that count as positive; see :func:`cutis.study.readings_from_answers`, as for the next two.
        at: of a question of risk.
        first: of a ranked question; so many first places call a case positive, too.
        withdrawn: whether readers who withdrew are in it.

    Raises:
        StoreError: there is no such study.
        StudyError: it cannot be told whether a case or a choice is positive.
        ReadingsError: nothing was answered, or on positive (or negative) cases alone.
    """
    design = study_design(store, study_id)
    question = design.question
    cases, steps = answered_steps(store, study_id, withdrawn=withdrawn)
    readings = readings_from_answers(design, cases, steps, positive=positive, at=at, first=first)
    several = question.kind not in ("malignant", "biopsy")
    correct = None
    if several:
        correct = readings_from_answers(design, cases, steps, measured="correct", positive=positive, at=at, first=first)
    notes = []
    try:
        verify_chain(store, study_id)
    except ChainError as error:
        notes.append(f"The event log is broken: {error} What follows may not be what readers answered.")
    ids = [each.id for each in options(question)]
    right = {each.image_id: right_choice(question, each.node) for each in cases if each.part == "main"}
    made = readings.modalities
    info = next(each for each in list_studies(store) if each.id == study_id)
    return StudyRecord(
        title=design.title,
        readings=readings,
        threshold=_threshold(question, at, first),
        arms=sorted(
            (ReportedArm(each.id, each.title, bool(each.aid)) for each in design.arms if each.id in made),
            key=lambda each: bool(each.aided),
        ),
        groups={each.name: each.group for each in progress(store, study_id, now)},
        **_words(question, positive, at),
        design=design,
        cases=cases,
        correct=correct,
        named=_named(steps, readings, ids) if several else None,
        options=[each.name for each in options(question)],
        right_options={case: ids.index(each) for case, each in right.items() if each is not None},
        repeats=_repeats(design, steps, positive, at, store, study_id),
        answers=answers_table(store, study_id, withdrawn=withdrawn),
        states=[
            ReaderState(each.name, each.group, each.state, each.done, each.cases, each.timed_out)
            for each in progress(store, study_id, now)
        ],
        closed=info.closed_at is not None,
        ai_right=_ai_right(store, study_id, question, cases),
        notes=notes,
    )


def _threshold(question: Question, at: Risk, first: int) -> float:
    """The rating from which an answer calls a case positive, as :func:`readings_from_answers` rates it."""
    if question.kind == "risk":
        return float([str(each) for each in GRADES].index(at))
    if question.kind == "ranked":
        return float(max(question.most - first + 1, 1))
    return 1.0


def _words(question: Question, positive: Sequence[str] | None, at: Risk) -> dict[str, str]:
    if question.kind == "risk":
        return {"positive": f"of {at} risk or more" if at != GRADES[-1] else at, "negative": "of less risk"}
    if positive is not None:
        name = " or ".join(shipped_taxonomy()[each].name for each in positive)
        return {"positive": name, "negative": f"not {name}"}
    return {"positive": "malignant or premalignant", "negative": "benign"}


def _named(steps: Sequence[AnsweredStep], readings: Readings, ids: Sequence[str]) -> Readings:
    truth = dict(readings.frame.select("case", "truth").unique().iter_rows())
    rows = [
        (each.reader, each.arm, each.case, truth[each.case], float(ids.index(each.answer.choices[0])))
        for each in steps
        if each.part == "main" and each.answer is not None
    ]
    return Readings(pl.DataFrame(rows, schema=readings.frame.schema, orient="row"))


def _repeats(
    design: StudyDesign,
    steps: Sequence[AnsweredStep],
    positive: Sequence[str] | None,
    at: Risk,
    store: Store,
    study_id: int,
) -> Readings | None:
    if not design.repeated_cases or not any(each.part == "repeat" for each in steps):
        return None
    cases, _ = answered_steps(store, study_id)
    try:
        return repeated_readings(design, cases, steps, positive=positive, at=at)
    except (StudyError, ReadingsError):  # none was answered twice, or all of one kind: there is nothing to compare
        return None


def _ai_right(store: Store, study_id: int, question: Question, cases: Sequence[StudyCase]) -> dict[str, bool] | None:
    """By case whether the AI's first diagnosis, or its grade, is the right answer; None where it cannot be told."""

    def work(connection: Connection) -> dict[str, bool] | None:
        found = {}
        for each in cases:
            if each.part != "main":
                continue
            _, shown = kept_case(connection, study_id, each.image_id)
            wanted = right_choice(question, each.node)
            if shown is not None and question.kind == "risk" and shown.risk is not None:
                found[each.image_id] = shown.risk == wanted
                continue
            node = None if shown is None or not shown.differential else _node_of(shown.differential[0])
            if node is None:
                return None
            found[each.image_id] = right_choice(question, node) == wanted
        return found

    return store.read(work)


def _node_of(named: NamedProbability) -> str | None:
    """The node that an AI's class is; None for a class of several nodes, or of the AI's own words."""
    for word in (named.id, named.name):
        try:
            return shipped_taxonomy().find(word)
        except TaxonomyError:  # the next word may be known, and None says that none is
            continue
    return None
