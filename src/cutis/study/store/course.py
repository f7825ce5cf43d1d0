"""The course of a study: pauses, looks at its results, seals, withdrawals and its end; the study nurse's side."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from cutis.study.design import StudyError
from cutis.study.store.access import Visit, attend, lock_reader
from cutis.study.store.database import Store
from cutis.study.store.errors import NotNowError
from cutis.study.store.events import STUDY_CHAIN, Log, head, heads, steady, write_logs
from cutis.study.store.models import Reader, Study
from cutis.study.store.session import withdraw_visitor
from cutis.study.store.steps import overdue_readers, settle
from cutis.study.store.studies import locked_study


def withdraw_reader(store: Store, reader_id: int, now: datetime) -> None:
    """Withdraw a reader: their link and session end, and exports leave them out. Once withdrawn, always.

    Raises:
        AccessError: there is no such reader.
    """
    store.write(
        lambda connection: attend(
            store, connection, lock_reader(connection, reader_id), now, lambda visit: withdraw_visitor(visit, "nurse")
        )
    )


def close_overdue(store: Store, now: datetime, study_id: int | None = None) -> int:
    """Record every case whose time is up, of one study or of all; a server does it every minute or so.

    Returns:
        How many readers it concerned.
    """
    readers = store.read(lambda connection: overdue_readers(connection, study_id, now))

    def close(reader_id: int) -> bool:
        return store.write(lambda connection: _settle(store, connection, reader_id, now))

    return sum(close(each) for each in readers)


def seal(store: Store, study_id: int, now: datetime) -> str:
    """Bind all chains of the event log together, as they are now.

    Returns:
        The seal's hash: written down elsewhere, it shows whether the log up to here was ever made anew.

    Raises:
        StoreError: there is no such study.
    """

    def work(connection: Connection) -> str:
        study = locked_study(store, connection, study_id)
        _lock_readers(connection, study_id)
        log = _log(connection, study_id, study.key)
        return _seal(connection, study_id, log, now)

    return store.write(work)


def pause_study(store: Store, study_id: int, now: datetime) -> None:
    """Pause a whole study: no new case is shown from now on. A case that was begun is finished, and its clock runs on.

    Raises:
        StoreError: there is no such study.
        NotNowError: it pauses already, or is closed.
    """
    _set_pause(store, study_id, now, pause=True)


def resume_study(store: Store, study_id: int, now: datetime) -> None:
    """End the pause of a whole study.

    Raises:
        StoreError: there is no such study.
        NotNowError: it does not pause, or is closed.
    """
    _set_pause(store, study_id, now, pause=False)


def record_look(store: Store, study_id: int, who: str, now: datetime) -> bool:
    """Record that somebody gets the results of a study that still runs: its event log tells who saw them when.

    Args:
        store: the open database.
        study_id: the study's.
        who: name or code, up to 100 characters.
        now: the server's time.

    Returns:
        Whether it still runs. When it is closed, or all readers have finished, nothing is recorded.

    Raises:
        StoreError: there is no such study.
        StudyError: it still runs, and it is not said who looks.
    """

    def work(connection: Connection) -> bool:
        study = locked_study(store, connection, study_id)
        readers = connection.execute(
            select(Reader.finished_at, Reader.withdrawn_at).where(Reader.study_id == study_id)
        ).all()
        over = bool(readers) and all(each.finished_at or each.withdrawn_at for each in readers)
        if study.closed_at is not None or over:
            return False
        if not who.strip() or len(who) > 100 or not who.isprintable():
            raise StudyError("it is not said who looks at the results", fix="Give a name or a code.")
        log = _log(connection, study_id, study.key)
        log.append("results seen", steady(now, log.head.at), {"by": who.strip()})
        write_logs(connection, [log])
        return True

    return store.write(work)


def close_study(store: Store, study_id: int, now: datetime) -> str:
    """End a study: nothing is shown or answered any more. Cases open at this moment stay without an answer.

    Returns:
        The hash of the last seal; see :func:`seal`.

    Raises:
        StoreError: there is no such study.
        NotNowError: it is closed already.
    """

    def work(connection: Connection) -> str:
        study = locked_study(store, connection, study_id)
        if study.closed_at is not None:
            raise NotNowError(f"the study was closed on {study.closed_at:%Y-%m-%d at %H:%M} UTC")
        for reader_id in _lock_readers(connection, study_id):
            _settle(store, connection, reader_id, now)
        log = _log(connection, study_id, study.key)
        at = steady(now, log.head.at)
        connection.execute(update(Study).where(Study.id == study_id).values(closed_at=at))
        log.append("closed", at)
        return _seal(connection, study_id, log, now)

    return store.write(work)


def _settle(store: Store, connection: Connection, reader_id: int, now: datetime) -> bool:
    def act(visit: Visit) -> bool:
        before = visit.log.head
        settle(visit)
        return visit.log.head != before

    return attend(store, connection, lock_reader(connection, reader_id), now, act)


def _set_pause(store: Store, study_id: int, now: datetime, *, pause: bool) -> None:
    def work(connection: Connection) -> None:
        study = locked_study(store, connection, study_id)
        if study.closed_at is not None:
            raise NotNowError("the study is closed: it can be neither paused nor opened again")
        if (study.paused_at is not None) == pause:
            raise NotNowError("the study pauses already" if pause else "the study does not pause")
        _lock_readers(connection, study_id)  # a case that is being shown at this moment is shown before the pause
        log = _log(connection, study_id, study.key)
        at = steady(now, log.head.at)
        connection.execute(update(Study).where(Study.id == study_id).values(paused_at=at if pause else None))
        log.append("paused" if pause else "resumed", at)
        write_logs(connection, [log])

    store.write(work)


def _seal(connection: Connection, study_id: int, log: Log, now: datetime) -> str:
    """Seal all readers' chains; ``log`` is the study's, and is written with it."""
    ends = heads(connection, study_id)
    chains = [[chain, end.sequence, end.hash] for chain, end in ends.items() if chain != STUDY_CHAIN]
    sealed = log.append("sealed", steady(now, log.head.at), {"chains": chains})
    write_logs(connection, [log])
    return sealed


def _log(connection: Connection, study_id: int, key: str) -> Log:
    """The study's own chain, of a study that is locked."""
    return Log(study_id, key, STUDY_CHAIN, head(connection, study_id, STUDY_CHAIN))


def _lock_readers(connection: Connection, study_id: int) -> list[int]:
    query = select(Reader.id).where(Reader.study_id == study_id).order_by(Reader.id).with_for_update(key_share=True)
    return list(connection.execute(query).scalars())
