"""Checking the event log: link by link, seal by seal, and against the answers."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from cutis.database import content_sha256
from cutis.files import replacing
from cutis.study.store.database import Store
from cutis.study.store.errors import ChainError, StoreError
from cutis.study.store.events import FIRST, STUDY_CHAIN, LoggedEvent, event_hash
from cutis.study.store.kept_cases import cases_sha256
from cutis.study.store.models import Event, Item, Reader, Step, Study

FORMAT = "cutis study events 1"


class Verified(NamedTuple):
    """What was checked and found whole. ``heads``: the last hash of each chain (a reader's number; -1: the study)."""

    events: int
    seals: int
    heads: dict[int, str]


def read_events(store: Store, study_id: int, *, chain: int | None = None) -> list[LoggedEvent]:
    """The event log of a study: the study's own chain first, then each reader's; or one chain alone.

    Raises:
        StoreError: there is no such study.
    """

    def work(connection: Connection) -> list[LoggedEvent]:
        _study_key(store, connection, study_id)
        return list(_events(connection, study_id, chain))

    return store.read(work)


def verify_chain(store: Store, study_id: int) -> Verified:
    """Check the whole log of a study, and that design, cases, allocation, times and answers are those it tells of.

    Raises:
        ChainError: something does not fit; the first broken link is named.
        StoreError: there is no such study.
    """

    def work(connection: Connection) -> Verified:
        key = _study_key(store, connection, study_id)
        events = list(_events(connection, study_id))
        verified = verify_events(key, events)
        _check_kept(store, connection, study_id, events)
        return verified

    return store.read(work)


def verify_events(study_key: str, events: Iterable[LoggedEvent]) -> Verified:
    """Check hashes, order and seals; events of a chain in their order, chains in any.

    Raises:
        ChainError: an event was changed, taken out, put in or moved; the first broken link is named.
    """
    chains: dict[int, list[str]] = {}
    seals = []
    for event in events:
        hashes = chains.setdefault(event.chain, [])
        if event.sequence != len(hashes):
            raise _broken(event, f"event {len(hashes)} is missing before it")
        if event.previous != (hashes[-1] if hashes else FIRST):
            raise _broken(event, "it is not bound to the event before it")
        if event.hash != event_hash(study_key, event):
            raise _broken(event, "its content does not fit its hash")
        hashes.append(event.hash)
        if event.kind == "sealed" and event.chain == STUDY_CHAIN:
            seals.append(event)
    for event in seals:
        for chain, sequence, sealed in event.details["chains"]:
            found = chains.get(chain, [])
            if sequence >= len(found) or found[sequence] != sealed:
                raise _broken(event, f"event {sequence} of {_chain_name(chain)}, which it sealed, is gone or another")
    return Verified(sum(map(len, chains.values())), len(seals), {chain: each[-1] for chain, each in chains.items()})


def write_events(store: Store, study_id: int, path: str | Path) -> None:
    """Write the event log as JSON Lines: a first line with the study's key, then an event a line.

    Raises:
        StoreError: there is no such study.
        CutisError: the file cannot be written.
    """

    def work(connection: Connection) -> tuple[str, list[LoggedEvent]]:
        return _study_key(store, connection, study_id), list(_events(connection, study_id))

    key, events = store.read(work)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"format": FORMAT, "study": key}) + "\n")
        for event in events:
            told = {**event._asdict(), "at": event.at.isoformat(timespec="microseconds")}
            file.write(json.dumps(told, ensure_ascii=False) + "\n")


def verify_events_file(path: str | Path) -> Verified:
    """Check a log that :func:`write_events` wrote, without its database.

    Raises:
        ChainError: the file is no such log, or the log was changed; the first broken link is named.
    """
    try:
        first, *lines = Path(path).read_text(encoding="utf-8").split("\n")
        header = json.loads(first)
        key, form = str(header["study"]), header["format"]
        events = [_event(json.loads(line)) for line in lines if line]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ChainError(
            f"is no event log of a study ({error})", where=str(path), fix="Name a file that cutis exported."
        ) from error
    if form != FORMAT:
        raise ChainError(f"its format is '{form}', not '{FORMAT}'", where=str(path), fix="Use the cutis that made it.")
    return verify_events(key, events)


def _event(fields: dict[str, Any]) -> LoggedEvent:
    return LoggedEvent(**{**fields, "at": datetime.fromisoformat(fields["at"])})


def _events(connection: Connection, study_id: int, chain: int | None = None) -> Iterator[LoggedEvent]:
    query = (
        select(Event.chain, Event.sequence, Event.at, Event.kind, Event.details, Event.previous, Event.hash)
        .where(Event.study_id == study_id)
        .order_by(Event.chain, Event.sequence)
    )
    if chain is not None:
        query = query.where(Event.chain == chain)
    return (LoggedEvent(*row) for row in connection.execute(query))


def _study_key(store: Store, connection: Connection, study_id: int) -> str:
    key = connection.execute(select(Study.key).where(Study.id == study_id)).scalar_one_or_none()
    if key is None:
        raise StoreError(f"there is no study {study_id}", where=store.name, fix="List the studies.")
    return key


def _check_kept(store: Store, connection: Connection, study_id: int, events: list[LoggedEvent]) -> None:
    """Design, cases, items and steps against the log."""
    created = next((each for each in events if each.kind == "created"), None)
    if created is None:
        raise ChainError("the log does not begin with the study", where=store.name)
    design = connection.execute(select(Study.design).where(Study.id == study_id)).scalar_one()
    if content_sha256(design) != created.details["design_sha256"]:
        raise _broken(created, "the study's design is another than the one it tells of")
    form = created.details.get("cases_form", 1)
    if cases_sha256(connection, study_id, form) != created.details["cases_sha256"]:
        raise _broken(created, "the study's cases are others than those it tells of")
    _check_state(connection, study_id, events, store.name)
    told: dict[tuple[int, int, int], dict[str, LoggedEvent]] = {}
    for event in events:
        if event.kind in ("shown", "answered", "changed", "timed out"):
            place = (event.chain, event.details["position"], event.details["step"])
            told.setdefault(place, {})["answered" if event.kind == "changed" else event.kind] = event
    items: dict[int, list[list[Any]]] = {}
    for row in connection.execute(
        select(
            Reader.number, Item.position, Item.period, Item.arm.label("item_arm"), Item.case_id.label("case"), Item.part
        )
        .add_columns(
            Step.number.label("step"),
            Step.arm,
            Step.shown_at,
            Step.outcome,
            Step.answered_at,
            Step.answer,
            Step.sent_by,
        )
        .join(Item, Item.reader_id == Reader.id)
        .join(Step, Step.item_id == Item.id)
        .where(Reader.study_id == study_id)
        .order_by(Reader.number, Step.place)
    ):
        of_reader = items.setdefault(row.number, [])
        if row.step == 0:
            of_reader.append([row.position, row.period, row.item_arm, row.case, row.part, []])
        of_reader[-1][-1].append(row.arm)
        seen = told.pop((row.number, row.position, row.step), {})
        shown, answered = seen.get("shown"), seen.get("answered")
        fits = (
            row.shown_at == (shown.at if shown else None)
            and row.answered_at == (answered.at if answered else None)
            and row.answer == (answered.details["answer"] if answered else None)
            and row.sent_by == (answered.details.get("sent_by") if answered else None)
            and row.outcome == ("timed out" if "timed out" in seen else "answered" if answered else None)
        )
        if not fits:
            last = answered or seen.get("timed out") or shown
            what = f"what is kept of case {row.position}, step {row.step}, of {_chain_name(row.number)}"
            if last is None:
                raise ChainError(f"{what} stands nowhere in the log", where=store.name)
            raise _broken(last, f"{what} is not what the log tells")
    for event in events:
        if event.kind == "added" and content_sha256(items.get(event.chain, [])) != event.details["items_sha256"]:
            raise _broken(event, "the reader's cases are others than those it tells of")


def _check_state(connection: Connection, study_id: int, events: list[LoggedEvent], where: str) -> None:
    """Whether the study is closed, or pauses, as its log tells."""
    kept = connection.execute(select(Study.closed_at, Study.paused_at).where(Study.id == study_id)).one()
    closed_at = paused_at = None
    for event in events:
        if event.chain == STUDY_CHAIN and event.kind == "closed":
            closed_at = event.at
        elif event.chain == STUDY_CHAIN and event.kind in ("paused", "resumed"):
            paused_at = event.at if event.kind == "paused" else None
    if (kept.closed_at, kept.paused_at) != (closed_at, paused_at):
        raise ChainError("the study is closed, or pauses, otherwise than the log tells", where=where)


def _chain_name(chain: int) -> str:
    return "the study's chain" if chain == STUDY_CHAIN else f"the chain of reader {chain}"


def _broken(event: LoggedEvent, problem: str) -> ChainError:
    return ChainError(
        f"the event log is broken at event {event.sequence} of {_chain_name(event.chain)} "
        f"('{event.kind}', {event.at:%Y-%m-%d %H:%M:%S} UTC): {problem}",
        fix="Do not use these data before it is known why; compare with a copy.",
    )
