"""The step before a reader: which it is, when its time is up, when it is left."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, select
from sqlalchemy.orm import aliased

from cutis.database import AnyRow
from cutis.study.design import StudyDesign
from cutis.study.store.access import Visit, write_visits
from cutis.study.store.models import Item, Reader, Step, Study

GRACE = timedelta(seconds=2)
"""How long after its due time an answer still counts: it was on its way. The reader is told the due time alone."""

_KEY = re.compile(r"[A-Za-z0-9_-]{22}")  # 128 random bits

_Later = aliased(Step)
_STEP = (
    Step.id,
    Step.reader_id,
    Step.key,
    Step.number,
    Step.arm,
    Step.shown_at,
    Step.due_at,
    Step.accepted_until,
    Step.outcome,
    Step.answered_at,
    Step.answer,
    Step.left_at,
    Item.id.label("item_id"),
    Item.position,
    Item.period,
    Item.part,
    Item.case_id.label("case"),
    (~exists().where(_Later.reader_id == Step.reader_id, _Later.place > Step.place)).label("last"),
)
_STEPS_OF_ALL = select(*_STEP).join(Item, Item.id == Step.item_id)
_STEPS = _STEPS_OF_ALL.where(Step.reader_id == bindparam("reader"))
_ON_SCREEN = _STEPS.where(Step.shown_at.is_not(None), Step.left_at.is_(None))
_OF_KEYS = _STEPS_OF_ALL.where(Step.key.in_(bindparam("keys", expanding=True)))
_NEXT = _STEPS.where(Step.shown_at.is_(None)).order_by(Step.place).limit(1)


def step_on_screen(connection: Connection, reader_id: int) -> AnyRow | None:
    """The step that was shown and not left; a unique index allows one a reader."""
    return connection.execute(_ON_SCREEN, {"reader": reader_id}).one_or_none()


def step_by_key(connection: Connection, reader_id: int, key: str) -> AnyRow | None:
    """A step of this reader; None for any other's, and for what is no key at all."""
    return steps_by_keys(connection, [key]).get((reader_id, key))


def steps_by_keys(connection: Connection, keys: Sequence[str]) -> dict[tuple[int, str], AnyRow]:
    """Steps by their reader and key; what is no key at all is left out."""
    whole = [each for each in keys if _KEY.fullmatch(each)]  # PostgreSQL takes no NUL, not even to look for it
    if not whole:
        return {}
    return {(row.reader_id, row.key): row for row in connection.execute(_OF_KEYS, {"keys": whole})}


def next_step(connection: Connection, reader_id: int) -> AnyRow | None:
    """The first step that was not shown yet."""
    return connection.execute(_NEXT, {"reader": reader_id}).one_or_none()


def opens_at(connection: Connection, reader_id: int, period: int, design: StudyDesign) -> datetime | None:
    """When a period opens: ``washout_days`` after the last step of the one before; None for at once."""
    if period == 0 or not design.washout_days:
        return None
    ended: datetime | None = connection.execute(
        select(func.max(Step.left_at))
        .join(Item, Item.id == Step.item_id)
        .where(Step.reader_id == reader_id, Item.period == period - 1)
    ).scalar_one()
    return None if ended is None else ended + timedelta(days=design.washout_days)


def has_feedback(design: StudyDesign, step: AnyRow) -> bool:
    """Whether the truth follows the answer: of a training case, after its last step."""
    return step.part == "training" and is_last_of_case(design, step)


def is_last_of_case(design: StudyDesign, step: AnyRow) -> bool:
    """Whether no step of the same case follows."""
    return bool(step.number == (1 if design.reading == "sequential" else 0))


def is_changeable(design: StudyDesign, step: AnyRow) -> bool:
    """Whether its answer may be changed while it is on the screen: never after the truth was shown."""
    return design.change_answers and not has_feedback(design, step)


def is_overdue(design: StudyDesign, step: AnyRow, now: datetime) -> bool:
    """Whether its time is up and that is not recorded yet."""
    if step.accepted_until is None or now <= step.accepted_until or step.left_at is not None:
        return False
    return step.outcome is None or is_changeable(design, step)


def settle(visit: Visit, late: dict[str, Any] | None = None) -> AnyRow | None:
    """Record it if the time of the step before the reader is up. Whatever touches the reader calls this first.

    What is recorded does not depend on when that is: a step whose time is up is left at ``accepted_until``. In a closed
    study nothing is recorded any more.

    Args:
        visit: the reader's.
        late: the answer that came too late, if it is one that found this out, and who sent it: for the log only.

    Returns:
        The step that is still before the reader, if any.
    """
    step = step_on_screen(visit.connection, visit.reader.id)
    if step is None or visit.closed_at is not None or not is_overdue(visit.design, step, visit.now):
        return step
    if step.outcome is None:
        told = {**place_of(step), "due_at": step.due_at.isoformat(), **(late or {})}
        visit.log.append("timed out", visit.now, told)
        visit.change_step(step.id, outcome="timed out")
    feedback = has_feedback(visit.design, step)
    if not feedback:
        leave(visit, step, step.accepted_until)
    write_visits([visit])  # what follows reads the steps anew
    return step_by_key(visit.connection, visit.reader.id, step.key) if feedback else None


def leave(visit: Visit, step: AnyRow, at: datetime, **values: Any) -> None:
    """The step is over, and other columns of its row change with that; with the last one the reader has finished."""
    visit.change_step(step.id, left_at=at, **values)
    if step.last:
        visit.set(finished_at=at)
        visit.log.append("finished", visit.now)


def place_of(step: AnyRow) -> dict[str, Any]:
    """How events name a step."""
    return {"position": step.position, "step": step.number}


def overdue_readers(connection: Connection, study_id: int | None, now: datetime) -> list[int]:
    """The readers before whom a step lies whose time is up, by their ids."""
    query = (
        select(Step.reader_id)
        .join(Reader, Reader.id == Step.reader_id)
        .join(Study, Study.id == Reader.study_id)
        .where(Step.shown_at.is_not(None), Step.left_at.is_(None), Step.accepted_until < now)
        .where(Study.closed_at.is_(None), Reader.withdrawn_at.is_(None))
        .order_by(Step.reader_id)
    )
    if study_id is not None:
        query = query.where(Reader.study_id == study_id)
    return list(connection.execute(query).scalars())
