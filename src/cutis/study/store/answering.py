"""Answering: by one reader, or by many who answer at the same time, in one transaction.

When a time limit ends for a whole room, all answers arrive in one moment. Written together they cost a few statements
and one write to the disk, and nobody is told that an answer is kept before it is.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cutis.database import AnyRow, canonical_json
from cutis.study.answers import Answer, check_answer
from cutis.study.design import StudyError
from cutis.study.store.access import (
    Visit,
    lock_sessions,
    no_session,
    start_visit,
    surroundings,
    token_hash,
    write_visits,
)
from cutis.study.store.database import Store
from cutis.study.store.errors import AnswerKeptError, not_before_you, study_closed
from cutis.study.store.steps import (
    has_feedback,
    is_changeable,
    is_overdue,
    leave,
    place_of,
    settle,
    step_by_key,
    steps_by_keys,
)

SentBy = Literal["reader", "time limit"]
"""Who sent an answer, as the browser tells it: the reader, or the browser itself when the time was up. It changes
nothing in what counts."""


class Acknowledgement(NamedTuple):
    """What stands of a step: given once it is on the disk, and the same however often it is asked for.

    ``answer`` is None where the time was up.
    """

    key: str
    outcome: Literal["answered", "timed out"]
    answered_at: datetime | None
    answer: Answer | None


class GivenAnswer(NamedTuple):
    """An answer as it arrived: the token of a session, the step's key, what was answered, and when."""

    token: str
    key: str
    answer: Answer
    at: datetime
    sent_by: SentBy = "reader"


def answer(
    store: Store, token: str, key: str, given: Answer, now: datetime, *, sent_by: SentBy = "reader"
) -> Acknowledgement:
    """Answer the step before the reader. The first answer that arrives in time is kept.

    Where the design lets answers be changed, the last one is kept until the reader moves on or the time is up. An
    answer after the due time and :data:`~cutis.study.store.GRACE` is recorded as timed out, whatever the browser says.

    Raises:
        AccessError: it is no session, or the step is not this reader's or was not shown yet.
        AnswerKeptError: the step was answered otherwise already; the error holds that answer.
        NotNowError: consent was not given, or the study is closed.
        StudyError: it is no answer to the question.
    """
    told = _in_a_transaction(store, [GivenAnswer(token, key, given, now, sent_by)])[0]
    if isinstance(told, StudyError):
        raise told
    return told


def answer_together(store: Store, given: Sequence[GivenAnswer]) -> list[Acknowledgement | Exception]:
    """What :func:`answer` gives, or would raise, for each of several answers, in their order.

    They share a transaction. Where the database refuses it because of one, each has a transaction of its own.

    Raises:
        StoreError: the database cannot be reached, is busy or full: none is kept.
    """
    try:
        return list(_in_a_transaction(store, given))
    except DBAPIError:
        if len(given) == 1:
            raise
    return [_alone(store, each) for each in given]


def _alone(store: Store, given: GivenAnswer) -> Acknowledgement | Exception:
    try:
        return _in_a_transaction(store, [given])[0]
    except (DBAPIError, StudyError) as error:
        return error


def _in_a_transaction(store: Store, given: Sequence[GivenAnswer]) -> list[Acknowledgement | StudyError]:
    def work(connection: Connection) -> list[Acknowledgement | StudyError]:
        told: dict[int, Acknowledgement | StudyError] = {}
        left = list(enumerate(given))
        while left:  # of a double click, the second sees what the first did
            first = {each.token: place for place, each in reversed(left)}
            turn = [(place, each) for place, each in left if first[each.token] == place]
            left = [(place, each) for place, each in left if first[each.token] != place]
            results = _one_each(store, connection, [each for _, each in turn])
            told.update(zip([place for place, _ in turn], results, strict=True))
        return [told[place] for place in range(len(given))]

    return store.write(work)


def _one_each(store: Store, connection: Connection, given: Sequence[GivenAnswer]) -> list[Acknowledgement | StudyError]:
    """Answers of different sessions."""
    sessions = [token_hash(each.token) for each in given]
    readers = lock_sessions(connection, sessions)
    around = surroundings(connection, [each.id for each in readers.values()]) if readers else {}
    steps = steps_by_keys(connection, [each.key for each in given])
    visits: list[Visit] = []
    told: list[Acknowledgement | StudyError] = []
    for each, session in zip(given, sessions, strict=True):
        reader = readers.get(session)
        if reader is None:
            told.append(no_session())
            continue
        try:
            visit = start_visit(store, connection, reader, around[reader.id], each.at)
        except StudyError as error:  # the server's clock went back: nothing of this one is written
            told.append(error)
            continue
        told.append(_answer(visit, steps.get((reader.id, each.key)), each))
        visits.append(visit)
    write_visits(visits)
    return told


def _answer(visit: Visit, step: AnyRow | None, given: GivenAnswer) -> Acknowledgement | StudyError:
    """The rules. An error that is returned refuses; what was done before, such as to record a time out, stands."""
    told = given.answer.model_dump(mode="json")
    if step is None or step.shown_at is None:
        return not_before_you()
    if visit.closed_at is not None and step.outcome is None:
        return study_closed()
    if is_overdue(visit.design, step, visit.now):
        settle(visit, late={"late_answer": told, "sent_by": given.sent_by})
        step = step_by_key(visit.connection, visit.reader.id, given.key)
        assert step is not None
    if step.outcome == "timed out" or (step.outcome and canonical_json(step.answer) == canonical_json(told)):
        kept = None if step.answer is None else Answer.model_validate(step.answer)
        return Acknowledgement(given.key, step.outcome, step.answered_at, kept)
    if step.outcome is not None and (
        step.left_at is not None or visit.closed_at is not None or not is_changeable(visit.design, step)
    ):
        return AnswerKeptError(
            "this case is answered already, and otherwise",
            fix="The first answer stands.",
            kept=Answer.model_validate(step.answer),
        )
    problem = check_answer(visit.design, given.answer)
    if problem is not None:
        return StudyError(f"this is no answer: {problem}", fix="Answer again.")
    _keep(visit, step, told, given.sent_by)
    return Acknowledgement(given.key, "answered", visit.now, given.answer)


def _keep(visit: Visit, step: AnyRow, told: dict[str, Any], sent_by: SentBy) -> None:
    kind: Literal["answered", "changed"] = "answered" if step.outcome is None else "changed"
    visit.log.append(kind, visit.now, {**place_of(step), "answer": told, "sent_by": sent_by})
    kept = {"outcome": "answered", "answered_at": visit.now, "answer": told, "sent_by": sent_by}
    if has_feedback(visit.design, step) or is_changeable(visit.design, step):
        visit.change_step(step.id, **kept)
    else:
        leave(visit, step, visit.now, **kept)
