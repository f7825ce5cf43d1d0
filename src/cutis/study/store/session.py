"""What a reader does, and its rules: consent, the next case, a pause, signing out. Answers: :mod:`~.answering`.

Every function takes the token of the reader's session and the server's time, and is one transaction. Each may be
called again with the same arguments, by a reload, a double click, a second tab or a browser that got no reply: it then
changes nothing and gives the same.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from cutis.database import AnyRow, canonical_json
from cutis.study.design import StudyError
from cutis.study.store.access import Visit, as_reader
from cutis.study.store.database import Store
from cutis.study.store.errors import NotNowError, not_before_you, study_closed
from cutis.study.store.steps import (
    GRACE,
    leave,
    next_step,
    opens_at,
    place_of,
    settle,
    step_by_key,
)

LONGEST_DETAILS = 1000
"""Characters of JSON that a browser may send with an event."""

MOST_EVENTS = 50_000
"""Events a reader: far more than a study makes; a browser gone wild fills no disk."""


def consent(store: Store, token: str, now: datetime) -> None:
    """The reader agrees to take part.

    Raises:
        AccessError: it is no session, or one that was ended.
        NotNowError: the study is closed.
    """

    def act(visit: Visit) -> StudyError | None:
        if visit.closed_at is not None:
            return study_closed()
        if visit.reader.consented_at is None:
            visit.set(consented_at=visit.now)
            visit.log.append("consented", visit.now)
        return None

    as_reader(store, token, now, act)


def confirm_instructions(store: Store, token: str, now: datetime) -> None:
    """The reader has read the instructions.

    Raises:
        AccessError: it is no session, or one that was ended.
        NotNowError: there is no consent, or the study is closed.
    """

    def act(visit: Visit) -> StudyError | None:
        if visit.closed_at is not None:
            return study_closed()
        if visit.reader.consented_at is None:
            return NotNowError("there is no consent yet", fix="Agree to take part first.")
        if visit.reader.instructed_at is None:
            visit.set(instructed_at=visit.now)
            visit.log.append("instructed", visit.now)
        return None

    as_reader(store, token, now, act)


def show_next(store: Store, token: str, now: datetime) -> None:
    """Show the next step and start its clock; where one is before the reader already, that one stays.

    Raises:
        AccessError: it is no session, or one that was ended.
        NotNowError: consent or instructions are missing, the reader or the whole study pauses, the reader has
            finished, the wash-out is not over, or the study is closed.
    """

    def act(visit: Visit) -> StudyError | None:
        here = settle(visit)
        refused = _not_reading(visit)
        if refused is not None or here is not None:
            return refused
        if visit.reader.paused_at is not None:
            return NotNowError("the study is paused", fix="Resume it first.")
        step = next_step(visit.connection, visit.reader.id)
        if step is None:
            return NotNowError("there is no further case: all are done")
        if visit.study_paused_at is not None and step.number == 0:  # a case that was begun is finished
            return NotNowError("the whole study is paused", fix="Come back later; nothing is lost.")
        opens = opens_at(visit.connection, visit.reader.id, step.period, visit.design)
        if opens is not None and visit.now < opens:
            return NotNowError(
                f"part {step.period + 1} opens on {opens:%Y-%m-%d at %H:%M} UTC", fix="Come back then; nothing is lost."
            )
        _show(visit, step)
        return None

    as_reader(store, token, now, act)


def move_on(store: Store, token: str, key: str, now: datetime) -> None:
    """Leave a step that is answered, or timed out, and still on the screen: its feedback, or an answer to be changed.

    Raises:
        AccessError: it is no session, or the step is not this reader's or was not shown yet.
        NotNowError: the step has no answer yet.
    """

    def act(visit: Visit) -> StudyError | None:
        settle(visit)
        step = step_by_key(visit.connection, visit.reader.id, key)
        if step is None or step.shown_at is None:
            return not_before_you()
        if step.outcome is None:
            return NotNowError("this case has no answer yet", fix="Answer it first.")
        if step.left_at is None:
            visit.log.append("moved on", visit.now, place_of(step))
            leave(visit, step, visit.now)
        return None

    as_reader(store, token, now, act)


def pause(store: Store, token: str, now: datetime) -> None:
    """Pause; possible between cases only, since a clock that runs is not stopped.

    Raises:
        AccessError: it is no session, or one that was ended.
        NotNowError: a case is before the reader or is not finished, or all are done.
    """

    def act(visit: Visit) -> StudyError | None:
        here = settle(visit)
        refused = _not_reading(visit)
        if refused is not None or visit.reader.paused_at is not None:
            return refused
        step = next_step(visit.connection, visit.reader.id)
        if here is not None or (step is not None and step.number > 0):
            return NotNowError("a case is open", fix="Finish it, then pause.")
        if step is None:
            return NotNowError("there is no further case: all are done")
        visit.set(paused_at=visit.now)
        visit.log.append("paused", visit.now)
        return None

    as_reader(store, token, now, act)


def resume(store: Store, token: str, now: datetime) -> None:
    """End a pause.

    Raises:
        AccessError: it is no session, or one that was ended.
        NotNowError: the study is closed.
    """

    def act(visit: Visit) -> StudyError | None:
        refused = _not_reading(visit)
        if refused is None and visit.reader.paused_at is not None:
            visit.set(paused_at=None)
            visit.log.append("resumed", visit.now)
        return refused

    as_reader(store, token, now, act)


def note(
    store: Store,
    token: str,
    key: str,
    kind: Literal["displayed", "zoomed", "hidden"],
    details: dict[str, Any],
    now: datetime,
) -> bool:
    """Record what the browser saw: the image displayed (with sizes of window and image), zoomed, the page hidden.

    Returns:
        Whether it was recorded: not if the step is not before the reader any more.

    Raises:
        AccessError: it is no session, or the step is not this reader's or was not shown yet.
        StudyError: the details are no JSON, or longer than 1,000 characters.
    """
    try:
        fits = len(canonical_json(details)) <= LONGEST_DETAILS
    except (TypeError, ValueError, RecursionError) as error:
        raise StudyError("the details of the event are no JSON", fix="Send an object of numbers and words.") from error
    if not fits or kind not in ("displayed", "zoomed", "hidden"):
        raise StudyError("the event is none that a browser records", fix="Send less, of a kind that is known.")

    def act(visit: Visit) -> bool | StudyError:
        settle(visit)
        step = step_by_key(visit.connection, visit.reader.id, key)
        if step is None or step.shown_at is None:
            return not_before_you()
        if step.left_at is not None or visit.closed_at is not None or visit.log.head.sequence >= MOST_EVENTS:
            return False
        visit.log.append(kind, visit.now, {**place_of(step), "browser": details})
        return True

    return as_reader(store, token, now, act)


def sign_out(store: Store, token: str, now: datetime) -> None:
    """End this session, on a computer that others use too. A clock that runs goes on; an invitation lets them in again.

    Raises:
        AccessError: it is no session, or one that was ended.
    """

    def act(visit: Visit) -> None:
        settle(visit)
        visit.set(session_sha256=None)
        visit.log.append("signed out", visit.now)

    as_reader(store, token, now, act)


def withdraw(store: Store, token: str, now: datetime) -> None:
    """The reader withdraws: the session ends, nothing more is asked, and exports leave them out.

    Raises:
        AccessError: it is no session, or one that was ended.
    """
    as_reader(store, token, now, lambda visit: withdraw_visitor(visit, "reader"))


def withdraw_visitor(visit: Visit, by: str) -> None:
    """End everything of a reader but what is kept."""
    if visit.reader.withdrawn_at is None:
        settle(visit)
        visit.set(withdrawn_at=visit.now, invitation_sha256=None, session_sha256=None)
        visit.log.append("withdrawn", visit.now, {"by": by})


def _show(visit: Visit, step: AnyRow) -> None:
    seconds = visit.design.seconds_per_case
    due = None if seconds is None else visit.now + timedelta(seconds=seconds)
    visit.change_step(
        step.id,
        shown_at=visit.now,
        due_at=due,
        accepted_until=None if due is None else due + GRACE,
    )
    details = {**place_of(step), "arm": step.arm, "case": step.case, "due_at": None if due is None else due.isoformat()}
    visit.log.append("shown", visit.now, details)


def _not_reading(visit: Visit) -> StudyError | None:
    if visit.closed_at is not None:
        return study_closed()
    if visit.reader.consented_at is None:
        return NotNowError("there is no consent yet", fix="Agree to take part first.")
    if visit.reader.instructed_at is None:
        return NotNowError("the instructions are not confirmed yet", fix="Read them first.")
    return None
