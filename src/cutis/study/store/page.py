"""What a reader's page may show: all of it, and nothing else leaves the store for a reader.

It never holds an image's id or path, another reader's data, the truth (but as feedback on a training case, after the
answer) or the AI's output in a step without it. Nor does it tell a repeated case from another.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, bindparam, func, select

from cutis.database import AnyRow
from cutis.study.ai_outputs import AiOutput, NamedProbability
from cutis.study.answers import Answer
from cutis.study.cases import StudyCase
from cutis.study.design import Aid, Question, Shown, StudyDesign
from cutis.study.feedback import training_feedback
from cutis.study.store.access import as_reader, find_reader
from cutis.study.store.database import Store
from cutis.study.store.errors import not_before_you
from cutis.study.store.kept_cases import kept_case
from cutis.study.store.models import Case, Item, Step, Study
from cutis.study.store.steps import (
    has_feedback,
    is_changeable,
    is_overdue,
    next_step,
    opens_at,
    settle,
    step_by_key,
    step_on_screen,
)
from cutis.taxonomy import Risk

State = Literal[
    "consent",
    "instructions",
    "ready",
    "case",
    "feedback",
    "paused",
    "study paused",
    "wash-out",
    "finished",
    "closed",
]
"""``ready``: between two steps; the next one is shown, and its clock started, when the reader asks for it."""


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShownAid(_Shown):
    """What the AI says, as far as the arm shows it; fields as in :class:`cutis.study.AiOutput`.

    ``heatmap``: there is one, see :func:`heatmap`. ``unfamiliar`` is told with whatever is shown.
    """

    differential: tuple[NamedProbability, ...] | None = None
    above: bool | None = None
    risk: Risk | None = None
    risk_probabilities: tuple[float, float, float] | None = None
    unfamiliar: bool | None = None
    heatmap: bool = False


class ShownCase(_Shown):
    """The step before the reader.

    ``key`` names it in answers and picture addresses. ``facts``: what the design shows of the patient, where known.
    ``seconds_left``: until the due time, by the server's clock; None without a limit. ``answer``: the one that is kept
    and may be changed. ``earlier_answer``: in the second step of a sequential study, the reader's own from the first.
    """

    key: str
    step: int
    steps: int
    facts: dict[str, str | int]
    aid: ShownAid | None
    question: Question
    zoom: bool
    shown_at: datetime
    due_at: datetime | None
    seconds_left: float | None
    answer: Answer | None
    earlier_answer: Answer | None


class ShownFeedback(_Shown):
    """After a training case: what was right, and what the reader answered.

    ``right``, ``right_choice`` and ``diagnosis`` are those of :func:`cutis.study.training_feedback`.
    """

    key: str
    question: Question
    facts: dict[str, str | int]
    aid: ShownAid | None
    outcome: Literal["answered", "timed out"]
    answer: Answer | None
    right: bool
    right_choice: str
    diagnosis: str


class Progress(_Shown):
    """How far the reader is in this period: cases done, training cases and repeats among them."""

    period: int
    periods: int
    done: int
    cases: int
    part: Literal["training", "main"] | None
    """Of the case before the reader, or the next one."""


class Coming(_Shown):
    """What is known of the next step before it is shown: what will be told, and for how long.

    ``step`` of ``steps``: above 0 it is the same case again, with the AI. ``aid``: what of the AI. ``seconds``: None
    without a limit.
    """

    step: int
    steps: int
    shown: tuple[Shown, ...]
    aid: tuple[Aid, ...]
    seconds: int | None


class Page(_Shown):
    """All that a page may show; ``state`` says which of the rest is given."""

    state: State
    title: str
    language: str
    consent: str | None = None
    instructions: str | None = None
    progress: Progress | None = None
    case: ShownCase | None = None
    feedback: ShownFeedback | None = None
    coming: Coming | None = None
    opens_at: datetime | None = None


_STUDY = select(Study.closed_at, Study.paused_at).where(Study.id == bindparam("study"))
_PROGRESS = (
    select(func.count(Step.id), func.count(Step.left_at))
    .join(Item, Item.id == Step.item_id)
    .where(Step.reader_id == bindparam("reader"), Item.period == bindparam("period"), Step.number == bindparam("last"))
)


def shown_now(store: Store, token: str, now: datetime) -> Page:
    """What the reader has before them. It starts no clock: reload, back and a second tab give the same.

    Raises:
        AccessError: it is no session, or one that was ended.
    """
    page = store.read(lambda connection: _page(store, connection, token, now))
    if page is None:  # the time is up, and nobody has recorded it yet
        as_reader(store, token, now, lambda visit: settle(visit) and None)
        page = store.read(lambda connection: _page(store, connection, token, now))
        assert page is not None
    return page


def picture(store: Store, token: str, key: str, now: datetime) -> Path:
    """The image file of the step before the reader; to be sent without its name, and not to be cached.

    Raises:
        AccessError: it is no session, or the step is not before this reader now.
    """
    return Path(store.read(lambda connection: _before(store, connection, token, key, now)).image_path)


def heatmap(store: Store, token: str, key: str, now: datetime) -> Path:
    """The AI's heatmap for the step before the reader, in an arm that shows it.

    Raises:
        AccessError: it is no session, the step is not before this reader now, or its arm shows no heatmap.
    """

    def work(connection: Connection) -> str | None:
        row = _before(store, connection, token, key, now)
        if "heatmap" not in store.design(connection, row.study_id).arm(row.arm).aid:
            return None
        path: str | None = row.heatmap_path
        return path

    path = store.read(work)
    if path is None:
        raise not_before_you()
    return Path(path)


def _page(store: Store, connection: Connection, token: str, now: datetime) -> Page | None:
    """The page; None where a step's time is up and not recorded."""
    reader = find_reader(connection, token)
    design = store.design(connection, reader.study_id)
    study = connection.execute(_STUDY, {"study": reader.study_id}).one()
    told: dict[str, Any] = {"title": design.title, "language": design.language}
    if study.closed_at is not None:
        return Page(state="closed", **told)
    if reader.consented_at is None:
        return Page(state="consent", consent=design.consent, **told)
    told["instructions"] = design.instructions
    if reader.instructed_at is None:
        return Page(state="instructions", **told)
    step = step_on_screen(connection, reader.id)
    if step is not None and is_overdue(design, step, now):
        return None
    here = step if step is not None else next_step(connection, reader.id)
    told["progress"] = _progress(connection, reader.id, design, here)
    if here is None:
        return Page(state="finished", **told)
    if step is not None:
        case, ai = kept_case(connection, reader.study_id, step.case)
        if step.outcome is not None and has_feedback(design, step):
            return Page(state="feedback", feedback=_feedback(design, step, case, ai), **told)
        return Page(state="case", case=_case(connection, design, step, case, ai, now), **told)
    opens = opens_at(connection, reader.id, here.period, design)
    waits = opens is not None and now < opens
    if study.paused_at is not None and here.number == 0 and not waits:
        return Page(state="study paused", **told)
    if reader.paused_at is not None:
        return Page(state="paused", **told)
    if waits:
        return Page(state="wash-out", opens_at=opens, **told)
    return Page(state="ready", coming=_coming(design, here), **told)


def _coming(design: StudyDesign, step: AnyRow) -> Coming:
    return Coming(
        step=step.number,
        steps=2 if design.reading == "sequential" else 1,
        shown=design.shown,
        aid=design.arm(step.arm).aid,
        seconds=design.seconds_per_case,
    )


def _case(
    connection: Connection, design: StudyDesign, step: AnyRow, case: StudyCase, ai: AiOutput | None, now: datetime
) -> ShownCase:
    earlier = None
    if step.number > 0:
        earlier = connection.execute(
            select(Step.answer).where(Step.item_id == step.item_id, Step.number == step.number - 1)
        ).scalar_one()
    left = None
    if step.due_at is not None:  # a server clock that was set back shows no more than the whole time
        left = max(0.0, (step.due_at - max(now, step.shown_at)).total_seconds())
    return ShownCase(
        key=step.key,
        step=step.number,
        steps=2 if design.reading == "sequential" else 1,
        facts=_facts(design, case),
        aid=_aid(design, step, ai),
        question=design.question,
        zoom=design.zoom,
        shown_at=step.shown_at,
        due_at=step.due_at,
        seconds_left=left,
        answer=_answer(step.answer) if is_changeable(design, step) else None,
        earlier_answer=_answer(earlier),
    )


def _feedback(design: StudyDesign, step: AnyRow, case: StudyCase, ai: AiOutput | None) -> ShownFeedback:
    answer = _answer(step.answer)
    told = training_feedback(design, case, answer)
    return ShownFeedback(
        key=step.key,
        question=design.question,
        facts=_facts(design, case),
        aid=_aid(design, step, ai),
        outcome=step.outcome,
        answer=answer,
        right=told.right,
        right_choice=told.choice,
        diagnosis=told.diagnosis,
    )


def _facts(design: StudyDesign, case: StudyCase) -> dict[str, str | int]:
    known: dict[Shown, str | int | None] = {"age": case.age, "sex": case.sex, "site": case.site}
    return {name: value for name in design.shown if (value := known[name]) is not None}


def _aid(design: StudyDesign, step: AnyRow, ai: AiOutput | None) -> ShownAid | None:
    shown = design.arm(step.arm).aid
    if not shown or ai is None:
        return None
    listed, graded = "differential" in shown, "risk" in shown
    return ShownAid(
        differential=ai.differential if listed else None,
        above=ai.above if listed else None,
        risk=ai.risk if graded else None,
        risk_probabilities=ai.risk_probabilities if graded else None,
        unfamiliar=ai.unfamiliar,
        heatmap="heatmap" in shown,
    )


def _answer(kept: dict[str, Any] | None) -> Answer | None:
    return None if kept is None else Answer.model_validate(kept)


def _progress(connection: Connection, reader_id: int, design: StudyDesign, here: AnyRow | None) -> Progress:
    period = design.periods - 1 if here is None else here.period
    last = 1 if design.reading == "sequential" else 0
    row = connection.execute(_PROGRESS, {"reader": reader_id, "period": period, "last": last}).one()
    part = None if here is None else "training" if here.part == "training" else "main"
    return Progress(period=period, periods=design.periods, done=row[1], cases=row[0], part=part)


def _before(store: Store, connection: Connection, token: str, key: str, now: datetime) -> AnyRow:
    """Image, AI output and arm of the step of this key, if it is before the reader and its time is not up."""
    reader = find_reader(connection, token)
    step = step_by_key(connection, reader.id, key)
    if step is None or step.shown_at is None or step.left_at is not None:
        raise not_before_you()
    if step.outcome is None and is_overdue(store.design(connection, reader.study_id), step, now):
        raise not_before_you()
    row = connection.execute(
        select(Case.image_path, Case.heatmap_path, Step.arm, Case.study_id)
        .join(Item, (Item.study_id == Case.study_id) & (Item.case_id == Case.case_id))
        .join(Step, Step.item_id == Item.id)
        .join(Study, Study.id == Case.study_id)
        .where(Step.id == step.id, Study.closed_at.is_(None))
    ).one_or_none()
    if row is None:
        raise not_before_you()
    return row
