"""Who annotates: links that sign in once, and sessions. Of both only the SHA-256 is kept."""

import hashlib
import secrets
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection, select, update

from cutis.annotation.errors import AccessError
from cutis.annotation.events import Log
from cutis.annotation.tables import PersonRow
from cutis.database import AnyRow, Database

Role = Literal["annotator", "curator"]


class Person(NamedTuple):
    """An annotator or the curator. ``signed_in``: whether a session of theirs is open."""

    id: int
    name: str
    role: Role
    signed_in: bool


def list_people(database: Database) -> list[Person]:
    """Everybody, annotators first, in the order in which they were named."""
    return database.read(people_in)


def people_in(connection: Connection) -> list[Person]:
    """Everybody, within a transaction."""
    rows = connection.execute(select(PersonRow).order_by(PersonRow.id).with_only_columns(*_COLUMNS))
    return [_person(row) for row in rows]


def invite(database: Database, person_id: int, now: datetime) -> str:
    """A fresh link for a person; one that was not used yet is void from now on.

    Returns:
        The token for the link: 256 random bits as 43 characters. It is kept nowhere else.

    Raises:
        AccessError: there is no such person.
    """
    token = secrets.token_urlsafe(32)

    def work(connection: Connection) -> None:
        log = Log(connection, now)
        row = connection.execute(select(*_COLUMNS).where(PersonRow.id == person_id)).one_or_none()
        if row is None:
            raise AccessError(f"there is no person with the id {person_id}", fix="See `cutis annotate status`.")
        connection.execute(
            update(PersonRow).where(PersonRow.id == person_id).values(invitation_sha256=token_hash(token))
        )
        log.append("invited", {}, person=row.name)

    database.write(work)
    return token


def join(database: Database, invitation: str, now: datetime) -> str:
    """Exchange a link's token for a session. It works once; a session of the person elsewhere ends.

    Returns:
        The session's token, for a cookie. It is kept nowhere else.

    Raises:
        AccessError: the link was used, was replaced, or never was.
    """
    session = secrets.token_urlsafe(32)

    def work(connection: Connection) -> None:
        log = Log(connection, now)  # locks: the second of two who use the link at once finds nothing
        row = connection.execute(
            select(*_COLUMNS).where(PersonRow.invitation_sha256 == token_hash(invitation))
        ).one_or_none()
        if row is None:
            raise AccessError(
                "this link is not valid: it works once, and a newer one replaces it", fix="Ask for a fresh link."
            )
        connection.execute(
            update(PersonRow)
            .where(PersonRow.id == row.id)
            .values(invitation_sha256=None, session_sha256=token_hash(session))
        )
        log.append("joined", {}, person=row.name)

    database.write(work)
    return session


def person_of(database: Database, session: str) -> Person:
    """Whose session this is.

    Raises:
        AccessError: it is none, or one that was ended.
    """
    row = database.read(
        lambda connection: connection.execute(
            select(*_COLUMNS).where(PersonRow.session_sha256 == token_hash(session))
        ).one_or_none()
    )
    if row is None:
        raise AccessError("this session is not valid, or was continued elsewhere", fix="Ask for a fresh link.")
    return _person(row)


def sign_out(database: Database, session: str, now: datetime) -> None:
    """End a session; one that has ended already stays so."""

    def work(connection: Connection) -> None:
        log = Log(connection, now)
        mine = PersonRow.session_sha256 == token_hash(session)
        row = connection.execute(select(*_COLUMNS).where(mine)).one_or_none()
        if row is not None:
            connection.execute(update(PersonRow).where(mine).values(session_sha256=None))
            log.append("signed out", {}, person=row.name)

    database.write(work)


def token_hash(token: str) -> str:
    """What is kept of a token. It is random and long, so a plain hash does not give it away."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


_COLUMNS = (PersonRow.id, PersonRow.name, PersonRow.role, PersonRow.session_sha256)


def _person(row: AnyRow) -> Person:
    return Person(row.id, row.name, row.role, row.session_sha256 is not None)
