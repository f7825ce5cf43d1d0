"""What a reader does, and its rules: consent, the next case, an answer, a pause.

Every function takes the token of the reader's session and the server's time, and is one transaction. Each may be
called again with the same arguments, by a reload, a double click, a second tab or a browser that got no reply: it then
changes nothing and gives the same.
"""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from cutis.study.answers import Answer, check_answer
from cutis.study.design import StudyError
from cutis.study.store.access import Visit, as_reader
from cutis.study.store.database import Store
from cutis.study.store.errors import AccessError, AnswerKeptError, NotNowError
from cutis.study.store.models import AnyRow, canonical_json
from cutis.study.store.steps import (
    GRACE,
    change_step,
    has_feedback,
    is_changeable,
    is_overdue,
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


class Acknowledgement(NamedTuple):
    """What stands of a step: given once it is on the disk, and the same however often it is asked for.

    ``answer`` is None where the time was up.
    """

    key: str
    outcome: Literal["answered", "timed out"]
    answered_at: datetime | None
    answer: Answer | None


def consent(store: Store, token: str, now: datetime) -> None:
    """The reader agrees to take part.

    Raises:
        AccessError: it is no session, or one that was ended.
        NotNowError: the study is closed.
    """

    def act(visit: Visit) -> StudyError | None:
        if visit.closed_at is not None:
            return _closed()
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
            return _closed()
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
        NotNowError: consent or instructions are missing, the reader pauses or has finished, the wash-out is not over,
            or the study is closed.
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
        opens = opens_at(visit.connection, visit.reader.id, step.period, visit.design)
        if opens is not None and visit.now < opens:
            return NotNowError(
                f"part {step.period + 1} opens on {opens:%Y-%m-%d at %H:%M} UTC", fix="Come back then; nothing is lost."
            )
        _show(visit, step)
        return None

    as_reader(store, token, now, act)


def answer(store: Store, token: str, key: str, given: Answer, now: datetime) -> Acknowledgement:
    """Answer the step before the reader. The first answer that arrives in time is kept.

    Where the design lets answers be changed, the last one is kept until the reader moves on or the time is up. An
    answer after the due time and :data:`~cutis.study.store.GRACE` is recorded as timed out, whatever the browser says.

    Raises:
        AccessError: it is no session, or the step is not this reader's or was not shown yet.
        AnswerKeptError: the step was answered otherwise already; the error holds that answer.
        NotNowError: consent was not given, or the study is closed.
        StudyError: it is no answer to the question.
    """
    told = given.model_dump(mode="json")

    def act(visit: Visit) -> Acknowledgement | StudyError:
        step = step_by_key(visit.connection, visit.reader.id, key)
        if step is None or step.shown_at is None:
            return _not_before_you()
        if visit.closed_at is not None and step.outcome is None:
            return _closed()
        if is_overdue(visit.design, step, visit.now):
            settle(visit, late_answer=told)
            step = step_by_key(visit.connection, visit.reader.id, key)
            assert step is not None
        if step.outcome == "timed out" or (step.outcome and canonical_json(step.answer) == canonical_json(told)):
            kept = None if step.answer is None else Answer.model_validate(step.answer)
            return Acknowledgement(key, step.outcome, step.answered_at, kept)
        if step.outcome is not None and (
            step.left_at is not None or visit.closed_at is not None or not is_changeable(visit.design, step)
        ):
            return AnswerKeptError(
                "this case is answered already, and otherwise",
                fix="The first answer stands.",
                kept=Answer.model_validate(step.answer),
            )
        problem = check_answer(visit.design, given)
        if problem is not None:
            return StudyError(f"this is no answer: {problem}", fix="Answer again.")
        _keep(visit, step, told)
        return Acknowledgement(key, "answered", visit.now, given)

    return as_reader(store, token, now, act)


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
            return _not_before_you()
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
            return _not_before_you()
        if step.left_at is not None or visit.closed_at is not None or visit.log.head.sequence >= MOST_EVENTS:
            return False
        visit.log.append(kind, visit.now, {**place_of(step), "browser": details})
        return True

    return as_reader(store, token, now, act)


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
    change_step(
        visit.connection,
        step.id,
        shown_at=visit.now,
        due_at=due,
        accepted_until=None if due is None else due + GRACE,
    )
    details = {**place_of(step), "arm": step.arm, "case": step.case, "due_at": None if due is None else due.isoformat()}
    visit.log.append("shown", visit.now, details)


def _keep(visit: Visit, step: AnyRow, told: dict[str, Any]) -> None:
    kind: Literal["answered", "changed"] = "answered" if step.outcome is None else "changed"
    visit.log.append(kind, visit.now, {**place_of(step), "answer": told})
    kept = {"outcome": "answered", "answered_at": visit.now, "answer": told}
    if has_feedback(visit.design, step) or is_changeable(visit.design, step):
        change_step(visit.connection, step.id, **kept)
    else:
        leave(visit, step, visit.now, **kept)


def _not_reading(visit: Visit) -> StudyError | None:
    if visit.closed_at is not None:
        return _closed()
    if visit.reader.consented_at is None:
        return NotNowError("there is no consent yet", fix="Agree to take part first.")
    if visit.reader.instructed_at is None:
        return NotNowError("the instructions are not confirmed yet", fix="Read them first.")
    return None


def _closed() -> StudyError:
    return NotNowError("the study is closed", fix="Ask whoever runs it.")


def _not_before_you() -> StudyError:
    return AccessError("this case is not before you", fix="Go on with the case that is shown.")
