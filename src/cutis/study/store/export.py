"""A study's answers for analysis: as a table with all times, and as the house's readings."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, select

from cutis.database import AnyRow, canonical_json
from cutis.files import replacing
from cutis.study.answer_readings import AnsweredStep, Measured, readings_from_answers
from cutis.study.answers import Answer, right_choice
from cutis.study.cases import StudyCase
from cutis.study.readings import Readings
from cutis.study.store.database import Store
from cutis.study.store.kept_cases import kept_cases
from cutis.study.store.models import Case, Event, Item, Reader, Step
from cutis.taxonomy import Risk

_TIME = pl.Datetime("us", "UTC")
ANSWER_COLUMNS: dict[str, Any] = {
    "reader": pl.String,
    "group": pl.String,
    "position": pl.Int64,
    "period": pl.Int64,
    "part": pl.String,
    "case": pl.String,
    "step": pl.Int64,
    "arm": pl.String,
    "outcome": pl.String,
    "shown_at": _TIME,
    "due_at": _TIME,
    "answered_at": _TIME,
    "sent_by": pl.String,
    "seconds": pl.Float64,
    "choices": pl.String,
    "confidence": pl.String,
    "truth": pl.String,
    "right_choice": pl.String,
    "zoomed": pl.Int64,
    "hidden": pl.Int64,
    "displayed": pl.String,
}
"""Columns of :func:`answers_table`."""


def answers_table(store: Store, study_id: int, *, withdrawn: bool = False) -> pl.DataFrame:
    """Every step that was shown, a row each, in each reader's order.

    ``outcome`` is empty where a step is open, or was when the study was closed. ``seconds`` runs from showing to the
    answer that is kept. ``sent_by`` is ``reader`` or ``time limit``: the browser sent what was chosen when the time was
    up; empty where it was not recorded. ``choices`` are option ids with ``|`` between, the likeliest first. ``zoomed``
    and ``hidden`` count what the browser told, ``displayed`` is what it last told of the sizes of window and image, as
    JSON.

    Args:
        store: the open database.
        study_id: the study's.
        withdrawn: whether readers who withdrew are in it.

    Raises:
        StoreError: there is no such study.
    """

    def work(connection: Connection) -> list[tuple[Any, ...]]:
        design = store.design(connection, study_id)
        told = _told_by_browsers(connection, study_id)
        right: dict[str, str | None] = {}
        rows = []
        for row in _shown_steps(connection, study_id, withdrawn):
            if row.truth not in right:
                right[row.truth] = right_choice(design.question, row.truth)
            answer = None if row.answer is None else Answer.model_validate(row.answer)
            browser = told.get((row.reader_number, row.position, row.step), Counter())
            rows.append(
                (
                    row.reader,
                    row.group,
                    row.position,
                    row.period,
                    row.part,
                    row.case,
                    row.step,
                    row.arm,
                    row.outcome,
                    row.shown_at,
                    row.due_at,
                    row.answered_at,
                    row.sent_by,
                    None if row.answered_at is None else (row.answered_at - row.shown_at).total_seconds(),
                    None if answer is None else "|".join(answer.choices),
                    None if answer is None or answer.confidence is None else str(answer.confidence),
                    row.truth,
                    right[row.truth],
                    browser["zoomed"],
                    browser["hidden"],
                    browser.get("displayed"),
                )
            )
        return rows

    return pl.DataFrame(store.read(work), schema=ANSWER_COLUMNS, orient="row")


def write_answers(store: Store, study_id: int, path: str | Path, *, withdrawn: bool = False) -> None:
    """Write :func:`answers_table` as CSV; times are UTC, ISO 8601.

    Raises:
        StoreError: there is no such study.
        CutisError: the file cannot be written.
    """
    table = answers_table(store, study_id, withdrawn=withdrawn)
    with replacing(path) as temporary:
        table.write_csv(temporary, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")


def answered_steps(
    store: Store, study_id: int, *, withdrawn: bool = False
) -> tuple[list[StudyCase], list[AnsweredStep]]:
    """A study's cases, and every step that was answered or timed out: for :func:`cutis.study.readings_from_answers`
    and :func:`cutis.study.repeated_readings`.

    Raises:
        StoreError: there is no such study.
    """

    def work(connection: Connection) -> tuple[list[StudyCase], list[AnsweredStep]]:
        store.design(connection, study_id)
        steps = [
            AnsweredStep(
                row.reader,
                row.arm,
                row.case,
                row.part,
                None if row.answer is None else Answer.model_validate(row.answer),
            )
            for row in _shown_steps(connection, study_id, withdrawn)
            if row.outcome is not None
        ]
        return kept_cases(connection, study_id), steps

    return store.read(work)


def study_readings(
    store: Store,
    study_id: int,
    *,
    measured: Measured = "positive",
    positive: Sequence[str] | None = None,
    at: Risk = "high",
    first: int = 1,
    withdrawn: bool = False,
) -> Readings:
    """The readings of a study; arguments, ratings and errors as of :func:`cutis.study.readings_from_answers`.

    Raises:
        StoreError: there is no such study.
        StudyError: it cannot be told whether a case or a choice is positive.
        ReadingsError: nothing was answered, or on positive (or negative) cases alone.
    """
    cases, steps = answered_steps(store, study_id, withdrawn=withdrawn)
    design = store.read(lambda connection: store.design(connection, study_id))
    return readings_from_answers(design, cases, steps, measured=measured, positive=positive, at=at, first=first)


def _shown_steps(connection: Connection, study_id: int, withdrawn: bool) -> Sequence[AnyRow]:
    query = (
        select(
            Reader.name.label("reader"),
            Reader.reader_group.label("group"),
            Reader.number.label("reader_number"),
            Item.position,
            Item.period,
            Item.part,
            Item.case_id.label("case"),
            Step.number.label("step"),
            Step.arm,
            Step.outcome,
            Step.shown_at,
            Step.due_at,
            Step.answered_at,
            Step.answer,
            Step.sent_by,
            Case.truth,
        )
        .join(Item, Item.reader_id == Reader.id)
        .join(Step, Step.item_id == Item.id)
        .join(Case, (Case.study_id == Item.study_id) & (Case.case_id == Item.case_id))
        .where(Reader.study_id == study_id, Step.shown_at.is_not(None))
        .order_by(Reader.number, Step.place)
    )
    if not withdrawn:
        query = query.where(Reader.withdrawn_at.is_(None))
    return connection.execute(query).all()


def _told_by_browsers(connection: Connection, study_id: int) -> dict[tuple[int, int, int], Any]:
    """By reader's number, position and step: counts of zooms and hidings, and the last sizes."""
    told: dict[tuple[int, int, int], Any] = {}
    for row in connection.execute(
        select(Event.chain, Event.kind, Event.details)
        .where(Event.study_id == study_id, Event.kind.in_(("displayed", "zoomed", "hidden")))
        .order_by(Event.chain, Event.sequence)
    ):
        step = told.setdefault((row.chain, row.details["position"], row.details["step"]), Counter())
        if row.kind == "displayed":
            step["displayed"] = canonical_json(row.details["browser"])
        else:
            step[row.kind] += 1
    return told
