"""The study nurse's overview: all studies, and one with its readers. It tells no truth of a case, and no answer."""

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from fastapi import APIRouter, Response

from cutis.study import design_in_words, strata_in_words, study_home
from cutis.study.store import (
    STUDY_CHAIN,
    ChainError,
    LoggedEvent,
    ReaderProgress,
    Store,
    answered_steps,
    answers_table,
    close_study,
    list_studies,
    pause_study,
    progress,
    read_events,
    resume_study,
    seal,
    study_design,
    verify_chain,
)
from cutis.web.study.nurse_desk import HOME, NurseVisit, Posted, Problem, Seen, go, problems_told

nurse_studies_router = APIRouter(prefix=HOME)


class ReaderRow(NamedTuple):
    """A reader in the overview. ``median``: seconds an answer took; ``seen``: how long ago, in words."""

    reader: ReaderProgress
    median: float | None
    seen: str


@nurse_studies_router.get("")
def studies_page(visit: Seen) -> Response:
    """All studies."""
    with problems_told():
        studies = list_studies(visit.store)
        counts = {each.id: _states(progress(visit.store, each.id, visit.now)) for each in studies}
    return visit.page("studies", studies=studies, counts=counts, making=visit.desk.making.state)


@nurse_studies_router.get("/studies/{study_id}")
def study_page(visit: Seen, study_id: int, notice: str = "") -> Response:
    """One study: how far its readers are."""
    info = visit.study(study_id)
    with problems_told():
        design = study_design(visit.store, study_id)
        readers = reader_rows(visit, study_id)
        notes = _notes(visit, study_id)
    return visit.page(
        "study",
        info=info,
        design=design,
        said=design_in_words(design),
        strata=strata_in_words(design),
        readers=readers,
        states=_states([each.reader for each in readers]),
        notes=notes,
        notice=notice if notice in ("closed", "withdrawn", "made", "paused", "resumed") else "",
    )


@nurse_studies_router.post("/studies/{study_id}/pause")
def pause(visit: Posted, study_id: int) -> Response:
    """No new case is shown to anybody."""
    visit.study(study_id)
    back = f"{HOME}/studies/{study_id}"
    with problems_told(back):
        pause_study(visit.store, study_id, visit.now)
    return go(f"{back}?notice=paused")


@nurse_studies_router.post("/studies/{study_id}/resume")
def resume(visit: Posted, study_id: int) -> Response:
    """The study goes on."""
    visit.study(study_id)
    back = f"{HOME}/studies/{study_id}"
    with problems_told(back):
        resume_study(visit.store, study_id, visit.now)
    return go(f"{back}?notice=resumed")


@nurse_studies_router.get("/studies/{study_id}/close")
def ask_to_close(visit: Seen, study_id: int) -> Response:
    """Whether the nurse means it."""
    info = visit.study(study_id)
    with problems_told():
        states = _states(progress(visit.store, study_id, visit.now))
    return visit.page("close", info=info, states=states)


@nurse_studies_router.post("/studies/{study_id}/close")
def close(visit: Posted, study_id: int) -> Response:
    """End the study."""
    visit.study(study_id)
    back = f"{HOME}/studies/{study_id}"
    if visit.form.get("sure") != "yes":
        raise Problem("Nothing was changed: tick the box if you mean to close the study.", back=f"{back}/close")
    with problems_told(back):
        close_study(visit.store, study_id, visit.now)
    return go(f"{back}?notice=closed")


@nurse_studies_router.get("/studies/{study_id}/events")
def events_page(visit: Seen, study_id: int) -> Response:
    """Whether the event log is whole."""
    return _events(visit, study_id, None)


@nurse_studies_router.post("/studies/{study_id}/events")
def seal_events(visit: Posted, study_id: int) -> Response:
    """Bind the log together, for a hash to be written down elsewhere."""
    visit.study(study_id)
    with problems_told(f"{HOME}/studies/{study_id}"):
        sealed = seal(visit.store, study_id, visit.now)
    return _events(visit, study_id, sealed)


def reader_rows(visit: NurseVisit, study_id: int) -> list[ReaderRow]:
    """Every reader of a study, by number."""
    medians = _medians(visit.store, study_id)
    return [
        ReaderRow(each, medians.get(each.name), ago(each.last_seen, visit.now))
        for each in progress(visit.store, study_id, visit.now)
    ]


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in words."""
    passed = now - moment
    if passed < timedelta(minutes=1):
        return "just now"
    for name, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        number = passed // size
        if number:
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return "just now"


def _medians(store: Store, study_id: int) -> dict[str, float]:
    table = answers_table(store, study_id, withdrawn=True).filter(
        (pl.col("part") != "training") & (pl.col("outcome") == "answered")
    )
    return dict(table.group_by("reader").agg(pl.col("seconds").median()).iter_rows())


def _states(readers: list[ReaderProgress]) -> dict[str, int]:
    counts = Counter[str](each.state for each in readers)
    return {
        "readers": len(readers),
        "to be invited": counts["to be invited"],
        "invited": counts["invited"],
        "reading": sum(counts[each] for each in ("joined", "reading", "paused", "wash-out")),
        "finished": counts["finished"],
        "withdrawn": counts["withdrawn"],
        "done": sum(each.done for each in readers if each.state != "withdrawn"),
        "cases": sum(each.cases for each in readers if each.state != "withdrawn"),
        "timed out": sum(each.timed_out for each in readers if each.state != "withdrawn"),
    }


def _notes(visit: NurseVisit, study_id: int) -> list[str]:
    cases, _ = answered_steps(visit.store, study_id)
    file = study_home(visit.desk.folder.path, cases) / "notes.txt"
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _events(visit: NurseVisit, study_id: int, sealed: str | None) -> Response:
    info = visit.study(study_id)
    verified = broken = None
    with problems_told():
        try:
            verified = verify_chain(visit.store, study_id)
        except ChainError as error:
            broken = str(error)
        happened = [(each.at, _in_words(each)) for each in read_events(visit.store, study_id, chain=STUDY_CHAIN)]
    return visit.page("events", info=info, verified=verified, broken=broken, sealed=sealed, happened=happened)


def _in_words(event: LoggedEvent) -> str:
    """An event of the study's own chain."""
    words = {
        "created": "made",
        "paused": "paused for all readers",
        "resumed": "goes on",
        "sealed": "event log sealed",
        "closed": "closed",
    }
    if event.kind == "results seen":
        return f"results seen while the study ran, by {event.details['by']}"
    return words[event.kind]
