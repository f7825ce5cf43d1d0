"""Invitations: a link that works once and is exchanged for a session.

Only SHA-256 hashes are kept, so nobody who reads the database can take a reader's place. A fresh invitation voids the
one before; when it is used, the session before it ends: a reader is at one place at a time, and goes on where they
were.
"""

from datetime import datetime

from sqlalchemy import Connection, select

from cutis.study.design import StudyError
from cutis.study.store.access import Visit, as_reader, attend, lock_reader, new_token, token_hash
from cutis.study.store.database import Store
from cutis.study.store.errors import AccessError, NotNowError
from cutis.study.store.models import Reader


def invite(store: Store, reader_id: int, now: datetime) -> str:
    """A fresh invitation for a reader, by the study nurse; one that was not used yet is void from now on.

    Returns:
        The token for the link. It is kept nowhere else.

    Raises:
        AccessError: there is no such reader.
        NotNowError: the reader withdrew, or the study is closed.
    """

    def work(connection: Connection) -> str:
        made = attend(store, connection, lock_reader(connection, reader_id), now, lambda visit: _invite(visit, "nurse"))
        if isinstance(made, StudyError):
            raise made
        return made

    return store.write(work)


def invite_elsewhere(store: Store, session: str, now: datetime) -> str:
    """A fresh invitation that a reader makes for themselves, to go on at another machine.

    Returns:
        The token for the link. This session ends when the link is opened.

    Raises:
        AccessError: it is no session, or one that was ended.
        NotNowError: the study is closed.
    """
    return as_reader(store, session, now, lambda visit: _invite(visit, "reader"))


def join(store: Store, invitation: str, now: datetime) -> str:
    """Exchange an invitation for a session. It works once.

    Returns:
        The session's token, for a cookie. It is kept nowhere else.

    Raises:
        AccessError: the invitation was used, was replaced, or never was.
        NotNowError: the study is closed.
    """
    session = new_token()

    def work(connection: Connection) -> None:
        reader_id = connection.execute(
            select(Reader.id)
            .where(Reader.invitation_sha256 == token_hash(invitation))
            .with_for_update(key_share=True)  # the second of two who use it at once finds nothing
        ).scalar_one_or_none()
        if reader_id is None:
            raise AccessError(
                "this link is not valid: it works once, and a newer one replaces it", fix="Ask for a fresh link."
            )
        attend(store, connection, lock_reader(connection, reader_id), now, lambda visit: _join(visit, session))

    store.write(work)
    return session


def _join(visit: Visit, session: str) -> None:
    if visit.closed_at is not None:
        raise NotNowError("the study is closed", fix="Ask whoever runs it.")
    again = visit.reader.joined_at is not None
    visit.set(
        invitation_sha256=None,
        session_sha256=token_hash(session),
        joined_at=visit.reader.joined_at if again else visit.now,
    )
    visit.log.append("joined", visit.now, {"again": again})


def _invite(visit: Visit, by: str) -> str | StudyError:
    if visit.reader.withdrawn_at is not None:
        return NotNowError(f"reader '{visit.reader.name}' has withdrawn", fix="Add another reader.")
    if visit.closed_at is not None:
        return NotNowError("the study is closed", fix="Make another study.")
    token = new_token()
    visit.set(invitation_sha256=token_hash(token))
    visit.log.append("invited", visit.now, {"by": by})
    return token
