"""Who is asking: a reader by the token of their session, of which only the SHA-256 is kept."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection, Update, bindparam, func, select, update
from sqlalchemy.orm import aliased

from cutis.database import AnyRow
from cutis.study.design import StudyDesign, StudyError
from cutis.study.store.database import Store
from cutis.study.store.errors import AccessError
from cutis.study.store.events import Head, Log, steady, write_logs
from cutis.study.store.models import Event, Reader, Step, Study

T = TypeVar("T")

_READER = (
    Reader.id,
    Reader.study_id,
    Reader.number,
    Reader.name,
    Reader.reader_group,
    Reader.session_sha256,
    Reader.joined_at,
    Reader.consented_at,
    Reader.instructed_at,
    Reader.paused_at,
    Reader.finished_at,
    Reader.withdrawn_at,
)
_Earlier = aliased(Event)

# Statements on the way of every answer are made once: SQLAlchemy then need not match them to their compiled form.
_IN_SESSION = select(*_READER).where(Reader.session_sha256 == bindparam("session"))
# NO KEY UPDATE: the foreign keys of other transactions do not wait for it. In order: two who lock several each could
# otherwise wait for each other.
_IN_SESSIONS_LOCKED = (
    select(*_READER)
    .where(Reader.session_sha256.in_(bindparam("sessions", expanding=True)))
    .order_by(Reader.id)
    .with_for_update(key_share=True)
)
_LOCKED = select(*_READER).where(Reader.id == bindparam("reader")).with_for_update(key_share=True)
_SURROUNDINGS = (
    select(Reader.id, Study.key, Study.closed_at, Study.paused_at, Event.sequence, Event.at, Event.hash)
    .join(Study, Study.id == Reader.study_id)
    .join(Event, (Event.study_id == Reader.study_id) & (Event.chain == Reader.number))
    .where(
        Reader.id.in_(bindparam("readers", expanding=True)),
        Event.sequence
        == select(func.max(_Earlier.sequence))
        .where(_Earlier.study_id == Reader.study_id, _Earlier.chain == Reader.number)
        .scalar_subquery(),
    )
)
_CHANGE_STEP = update(Step).where(Step.id == bindparam("row"))
_CHANGE_READER = update(Reader).where(Reader.id == bindparam("row"))


@dataclass
class Visit:
    """A reader at the store, within one transaction.

    What a visit changes is gathered and written by :func:`write_visits`, so that many visits cost few statements.

    Attributes:
        connection: of the transaction.
        reader: their row, locked.
        closed_at: when the study was closed.
        study_paused_at: since when the whole study pauses.
        design: the study's.
        log: the reader's chain.
        now: never before the reader's last event.
    """

    connection: Connection
    reader: AnyRow
    closed_at: datetime | None
    study_paused_at: datetime | None
    design: StudyDesign
    log: Log
    now: datetime
    steps: dict[int, dict[str, Any]] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)

    def set(self, **values: datetime | str | None) -> None:
        """Change the reader's row."""
        self.own.update(values)

    def change_step(self, step_id: int, **values: Any) -> None:
        """Change a step's row; what must not be changed, the database refuses when it is written."""
        self.steps.setdefault(step_id, {}).update(values)


def write_visits(visits: Sequence[Visit]) -> None:
    """Write what visits of one transaction changed; needed before anything is read that they changed."""
    if not visits:
        return
    connection = visits[0].connection
    write_logs(connection, [each.log for each in visits])
    _write(connection, _CHANGE_STEP, (step for each in visits for step in each.steps.items()))
    _write(connection, _CHANGE_READER, ((each.reader.id, each.own) for each in visits if each.own))
    for each in visits:
        each.steps, each.own = {}, {}


def new_token() -> str:
    """A secret of 256 random bits, as 43 characters that fit into an address."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is kept of a token. It is random and long, so a plain hash does not give it away."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def find_reader(connection: Connection, token: str) -> AnyRow:
    """The reader whose session this is, not locked.

    Raises:
        AccessError: it is no session, or one that was ended.
    """
    row = connection.execute(_IN_SESSION, {"session": token_hash(token)}).one_or_none()
    if row is None:
        raise no_session()
    return row


def as_reader(store: Store, token: str, now: datetime, act: Callable[[Visit], T | StudyError]) -> T:
    """Let a reader act in one transaction, alone with their data: a second request of theirs waits for the first.

    ``act`` returns an error to refuse: what it did before, such as to close a case whose time is up, is then kept.

    Raises:
        AccessError: it is no session, or one that was ended.
        StudyError: what ``act`` returned, or raised; raised, it undoes everything.
    """

    def work(connection: Connection) -> T | StudyError:
        session = token_hash(token)
        found = lock_sessions(connection, [session])
        if session not in found:
            raise no_session()
        return attend(store, connection, found[session], now, act)

    result = store.write(work)
    if isinstance(result, StudyError):
        raise result
    return result


def attend(store: Store, connection: Connection, reader: AnyRow, now: datetime, act: Callable[[Visit], T]) -> T:
    """Let something be done with a locked reader, and write what it changed."""
    visit = start_visit(store, connection, reader, surroundings(connection, [reader.id])[reader.id], now)
    result = act(visit)
    write_visits([visit])
    return result


def lock_reader(connection: Connection, reader_id: int) -> AnyRow:
    """A reader by their id, locked: for the study nurse's side.

    Raises:
        AccessError: there is none.
    """
    row = connection.execute(_LOCKED, {"reader": reader_id}).one_or_none()
    if row is None:
        raise AccessError(f"there is no reader with the id {reader_id}", fix="List the study's readers.")
    return row


def lock_sessions(connection: Connection, sessions: Sequence[str]) -> dict[str, AnyRow]:
    """The readers of several sessions, locked, by the hashes of their tokens; without those that are none."""
    rows = connection.execute(_IN_SESSIONS_LOCKED, {"sessions": sessions})
    return {row.session_sha256: row for row in rows}


def surroundings(connection: Connection, readers: Sequence[int]) -> dict[int, AnyRow]:
    """What locked readers need to act: state of their study and the end of their chain.

    It is read after the lock was taken: who waited for it while the study was closed must see that it is.
    """
    return {row.id: row for row in connection.execute(_SURROUNDINGS, {"readers": readers})}


def start_visit(store: Store, connection: Connection, reader: AnyRow, around: AnyRow, now: datetime) -> Visit:
    """A visit of a locked reader.

    Raises:
        NotNowError: the server's clock went back.
    """
    log = Log(reader.study_id, around.key, reader.number, Head(around.sequence, around.at, around.hash))
    design = store.design(connection, reader.study_id)
    return Visit(connection, reader, around.closed_at, around.paused_at, design, log, steady(now, around.at))


def no_session() -> AccessError:
    """What somebody is told whose session is none."""
    return AccessError(
        "this session is not valid, or was continued elsewhere",
        fix="Open the link of your invitation, or ask for a fresh one.",
    )


def _write(connection: Connection, change: Update, rows: Iterable[tuple[int, dict[str, Any]]]) -> None:
    # In their order: a step may be shown only once the one before is left. Rows of the same columns go together.
    for _, alike in groupby(rows, key=lambda each: tuple(each[1])):
        connection.execute(change, [{"row": row, **values} for row, values in alike])
