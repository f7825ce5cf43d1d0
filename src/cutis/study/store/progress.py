"""How far each reader is: the study nurse's overview. It holds no answers."""

from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection, func, select

from cutis.database import AnyRow
from cutis.study.store.database import Store
from cutis.study.store.models import Event, Item, Reader, Step
from cutis.study.store.steps import opens_at

ReaderState = Literal["to be invited", "invited", "joined", "reading", "paused", "wash-out", "finished", "withdrawn"]


class ReaderProgress(NamedTuple):
    """One reader. ``done`` of ``cases``: over all periods, training cases and repeats among them.

    ``opens_at``: the end of the wash-out, where the state is ``wash-out``. ``last_seen``: their last event, by
    anybody's doing.
    """

    id: int
    number: int
    name: str
    group: str
    state: ReaderState
    period: int | None
    done: int
    cases: int
    timed_out: int
    last_seen: datetime
    opens_at: datetime | None


def progress(store: Store, study_id: int, now: datetime) -> list[ReaderProgress]:
    """Every reader of a study, by number.

    Raises:
        StoreError: there is no such study.
    """

    def work(connection: Connection) -> list[ReaderProgress]:
        design = store.design(connection, study_id)
        last = 1 if design.reading == "sequential" else 0
        over = Step.left_at.is_not(None) & (Step.number == last)
        counts = {
            row.reader_id: row
            for row in connection.execute(
                select(
                    Item.reader_id,
                    func.count(Item.id.distinct()).label("cases"),
                    func.count(Step.id).filter(over).label("done"),
                    func.count(Step.id).filter(Step.outcome == "timed out").label("timed_out"),
                    func.min(Item.period).filter(Step.left_at.is_(None)).label("period"),
                )
                .join(Step, Step.item_id == Item.id)
                .where(Item.study_id == study_id)
                .group_by(Item.reader_id)
            )
        }
        last_events = connection.execute(
            select(Event.chain, func.max(Event.at).label("at")).where(Event.study_id == study_id).group_by(Event.chain)
        )
        seen = {row.chain: row.at for row in last_events}
        told = []
        for reader in connection.execute(
            select(Reader.__table__).where(Reader.study_id == study_id).order_by(Reader.number)
        ):
            row = counts[reader.id]
            opens = opens_at(connection, reader.id, row.period, design) if row.period else None
            opens = None if opens is None or opens <= now else opens
            told.append(
                ReaderProgress(
                    reader.id,
                    reader.number,
                    reader.name,
                    reader.reader_group,
                    _state(reader, opens),
                    row.period,
                    row.done,
                    row.cases,
                    row.timed_out,
                    seen[reader.number],
                    opens,
                )
            )
        return told

    return store.read(work)


def _state(reader: AnyRow, opens: datetime | None) -> ReaderState:
    if reader.withdrawn_at is not None:
        return "withdrawn"
    if reader.finished_at is not None:
        return "finished"
    if reader.joined_at is None:
        return "to be invited" if reader.invitation_sha256 is None else "invited"
    if reader.instructed_at is None:
        return "joined"
    if opens is not None:
        return "wash-out"
    return "paused" if reader.paused_at is not None else "reading"
