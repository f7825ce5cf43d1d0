"""Who is asking: a reader by the token of their session, of which only the SHA-256 is kept."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select, update

from cutis.study.design import StudyDesign, StudyError
from cutis.study.store.database import Store
from cutis.study.store.errors import AccessError
from cutis.study.store.events import Log, steady
from cutis.study.store.models import AnyRow, Reader, Study

T = TypeVar("T")

_READER = (
    Reader.id,
    Reader.study_id,
    Reader.number,
    Reader.name,
    Reader.reader_group,
    Reader.joined_at,
    Reader.consented_at,
    Reader.instructed_at,
    Reader.paused_at,
    Reader.finished_at,
    Reader.withdrawn_at,
)

# Statements on the way of every answer are made once: SQLAlchemy then need not match them to their compiled form.
_IN_SESSION = select(*_READER).where(Reader.session_sha256 == bindparam("session"))
# NO KEY UPDATE: the foreign keys of other transactions do not wait for it.
_IN_SESSION_LOCKED = _IN_SESSION.with_for_update(key_share=True)
_LOCKED = select(*_READER).where(Reader.id == bindparam("reader")).with_for_update(key_share=True)
_STUDY = select(Study.key, Study.closed_at).where(Study.id == bindparam("study"))
_CHANGE = update(Reader).where(Reader.id == bindparam("reader"))


@dataclass
class Visit:
    """A reader at the store, within one transaction.

    ``now`` never lies before the reader's last event. ``log`` is their chain.
    """

    connection: Connection
    reader: AnyRow
    closed_at: datetime | None
    design: StudyDesign
    log: Log
    now: datetime

    def set(self, **values: datetime | str | None) -> None:
        """Change the reader's row."""
        self.connection.execute(_CHANGE, {"reader": self.reader.id, **values})


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
    return _the_reader(connection.execute(_IN_SESSION, {"session": token_hash(token)}).one_or_none())


def as_reader(store: Store, token: str, now: datetime, act: Callable[[Visit], T | StudyError]) -> T:
    """Let a reader act in one transaction, alone with their data: a second request of theirs waits for the first.

    ``act`` returns an error to refuse: what it did before, such as to close a case whose time is up, is then kept.

    Raises:
        AccessError: it is no session, or one that was ended.
        StudyError: what ``act`` returned, or raised; raised, it undoes everything.
    """
    session = {"session": token_hash(token)}

    def work(connection: Connection) -> T | StudyError:
        reader = _the_reader(connection.execute(_IN_SESSION_LOCKED, session).one_or_none())
        return act(start_visit(store, connection, reader, now))

    result = store.write(work)
    if isinstance(result, StudyError):
        raise result
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


def start_visit(store: Store, connection: Connection, reader: AnyRow, now: datetime) -> Visit:
    """What a transaction of a locked reader needs."""
    # Read after the lock was taken: who waited for it while the study was closed must see that it is.
    study = connection.execute(_STUDY, {"study": reader.study_id}).one()
    log = Log(connection, reader.study_id, study.key, reader.number)
    design = store.design(connection, reader.study_id)
    return Visit(connection, reader, study.closed_at, design, log, steady(now, log.head.at))


def _the_reader(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise AccessError(
            "this session is not valid, or was continued elsewhere",
            fix="Open the link of your invitation, or ask for a fresh one.",
        )
    return row
