"""Who may enter: links that sign in once, sessions of which a person may have several, and how both end.

Of a link and of a session only the SHA-256 is kept.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from cutis.database import AnyRow
from cutis.follow_up.errors import AccessError, FollowUpError
from cutis.follow_up.events import Log
from cutis.follow_up.store import Store, check_name
from cutis.follow_up.tables import PersonRow, SessionRow

Role = Literal["clinician", "curator"]

LINK_DAYS = 7
"""How long a link waits to be opened."""
SESSION_DAYS = 30
"""How long a browser stays signed in."""


class Person(NamedTuple):
    """Somebody who may enter. A curator invites, bars and erases. ``browsers``: in how many they are signed in."""

    id: int
    name: str
    role: Role
    barred: bool
    browsers: int


def list_people(store: Store) -> list[Person]:
    """Everybody, by name."""
    browsers = select(func.count()).where(SessionRow.person_id == PersonRow.id).correlate(PersonRow).scalar_subquery()
    query = select(*_COLUMNS, browsers.label("browsers")).order_by(PersonRow.name)
    return [Person(*row) for row in store.read(lambda connection: connection.execute(query).all())]


def invite(store: Store, name: str, now: datetime, *, role: Role | None = None, by: str | None = None) -> str:
    """A fresh link for somebody, who is added if they are new; a link that was not used yet is void from now on.

    Args:
        store: open.
        name: a code rather than a person's name: it stands in the history.
        now: the time.
        role: of somebody new; None for clinician.
        by: who invites; None for the command line.

    Returns:
        The token for the link: 256 random bits as 43 characters. It is kept nowhere else.

    Raises:
        FollowUpError: the name is not allowed, or they have another role.
    """
    check_name(name)
    token = secrets.token_urlsafe(32)

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        row = connection.execute(select(*_COLUMNS).where(func.lower(PersonRow.name) == name.lower())).one_or_none()
        if row is None:
            added = {"name": name, "role": role or "clinician", "barred": False}
            connection.execute(insert(PersonRow), added)
        elif row.barred:
            raise FollowUpError(f"{row.name} was barred", fix="Take another name for another person.")
        elif role is not None and role != row.role:
            raise FollowUpError(f"{row.name} is a {row.role}", fix="Take another name for another role.")
        connection.execute(
            update(PersonRow)
            .where(func.lower(PersonRow.name) == name.lower())
            .values(invitation_sha256=token_hash(token), invited_at=log.now)
        )
        log.append("invited", {"name": name if row is None else row.name})

    store.write(work)
    return token


def join(store: Store, invitation: str, now: datetime) -> str:
    """Exchange a link's token for a session. It works once; sessions in other browsers go on.

    Returns:
        The session's token, for a cookie. It is kept nowhere else.

    Raises:
        AccessError: the link was used, was replaced, is too old, or never was.
    """
    session = secrets.token_urlsafe(32)

    def work(connection: Connection) -> None:
        # A row of its own is locked by the log below; the second of two who use the link at once finds nothing.
        log = Log(connection, now)
        row = connection.execute(
            select(*_COLUMNS, PersonRow.invited_at).where(PersonRow.invitation_sha256 == token_hash(invitation))
        ).one_or_none()
        if row is None or row.barred or log.now - row.invited_at > timedelta(days=LINK_DAYS):
            raise AccessError(
                f"this link is not valid: it works once, for {LINK_DAYS} days, and a newer one replaces it",
                fix="Ask for a fresh link.",
            )
        connection.execute(update(PersonRow).where(PersonRow.id == row.id).values(invitation_sha256=None))
        began = {"sha256": token_hash(session), "person_id": row.id, "began_at": log.now}
        connection.execute(insert(SessionRow), began)
        log.append("joined", {"name": row.name})

    store.write(work)
    return session


def person_of(store: Store, session: str, now: datetime) -> Person:
    """Whose session this is.

    Raises:
        AccessError: it is none, or one that has ended.
    """
    query = (
        select(*_COLUMNS, SessionRow.began_at)
        .join(SessionRow, SessionRow.person_id == PersonRow.id)
        .where(SessionRow.sha256 == token_hash(session))
    )
    row = store.read(lambda connection: connection.execute(query).one_or_none())
    if row is None or row.barred or now - row.began_at > timedelta(days=SESSION_DAYS):
        raise AccessError("this session is not valid, or has ended", fix="Ask for a fresh link.")
    return _person(row)


def sign_out(store: Store, session: str, now: datetime) -> None:
    """End a session; one that has ended already stays so."""

    def work(connection: Connection) -> None:
        mine = SessionRow.sha256 == token_hash(session)
        row = connection.execute(
            select(PersonRow.name).join(SessionRow, SessionRow.person_id == PersonRow.id).where(mine)
        ).one_or_none()
        if row is not None:
            connection.execute(delete(SessionRow).where(mine))
            Log(connection, now, row.name).append("signed out", {})

    store.write(work)


def bar(store: Store, name: str, now: datetime, *, by: str | None = None) -> None:
    """End somebody's sessions and links for good. What they did stays in the history.

    Raises:
        AccessError: there is nobody of this name.
        FollowUpError: it is the last curator.
    """

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        row = connection.execute(select(*_COLUMNS).where(PersonRow.name == name)).one_or_none()
        if row is None:
            raise AccessError(f"there is nobody called '{name}'", fix="See `cutis follow-up status`.")
        others = select(func.count()).where(
            PersonRow.role == "curator", PersonRow.barred.is_(False), PersonRow.id != row.id
        )
        if row.role == "curator" and connection.execute(others).scalar_one() == 0:
            raise FollowUpError(f"{name} is the only curator", fix="Invite another curator first.")
        connection.execute(delete(SessionRow).where(SessionRow.person_id == row.id))
        connection.execute(update(PersonRow).where(PersonRow.id == row.id).values(barred=True, invitation_sha256=None))
        log.append("barred", {"name": name})

    store.write(work)


def token_hash(token: str) -> str:
    """What is kept of a token. It is random and long, so a plain hash does not give it away."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


_COLUMNS = (PersonRow.id, PersonRow.name, PersonRow.role, PersonRow.barred)


def _person(row: AnyRow) -> Person:
    return Person(row.id, row.name, row.role, row.barred, 1)
