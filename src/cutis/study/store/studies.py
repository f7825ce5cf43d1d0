"""Making a study and its readers: the study nurse's side."""

import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select

from cutis.database import AnyRow, content_sha256
from cutis.errors import listed
from cutis.study import allocation
from cutis.study.ai_outputs import AiOutput
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, StudyError
from cutis.study.store.database import Store
from cutis.study.store.errors import NotNowError, StoreError
from cutis.study.store.events import EMPTY, STUDY_CHAIN, Log, steady, write_logs
from cutis.study.store.kept_cases import FORM, case_fields, check_ai, kept_cases
from cutis.study.store.models import Case, Item, Reader, Step, Study

_NAME = re.compile(r"[^\W_][\w .-]{0,63}")


class StudyInfo(NamedTuple):
    """A study in the list of studies. ``paused_at``: since when it pauses."""

    id: int
    title: str
    created_at: datetime
    closed_at: datetime | None
    readers: int
    paused_at: datetime | None


class AddedReader(NamedTuple):
    """A reader who was added: invite them by ``id``. ``number`` names their chain in the event log."""

    id: int
    number: int
    name: str
    group: str


def create_study(
    store: Store,
    design: StudyDesign,
    cases: Sequence[StudyCase],
    now: datetime,
    *,
    ai: Mapping[str, AiOutput] | None = None,
    heatmaps: Mapping[str, str] | None = None,
) -> int:
    """Keep a study: its design and cases are fixed from now on.

    Args:
        store: the open database.
        design: the study's.
        cases: as :func:`cutis.study.choose_cases` gives them.
        now: the server's time.
        ai: what the AI says of each case, by image id; needed for every case if an arm shows an AI.
        heatmaps: the image file with where the AI looked, by image id; needed for every case if an arm shows it.

    Returns:
        The study's id.

    Raises:
        StudyError: the cases are not the design's, one stands twice, or the AI's output is missing for some.
    """
    ai, heatmaps = dict(ai or {}), dict(heatmaps or {})
    ids = [each.image_id for each in cases]
    twice = [case for case, count in Counter(ids).items() if count > 1]
    if twice:
        raise StudyError(f"{len(twice)} cases stand twice: {listed(twice)}", fix="Give each case once.")
    allocation.allocate(design, cases, 0, design.readers_groups[0])  # refuses cases that are not the design's
    check_ai(design, ai, heatmaps, ids)
    key = secrets.token_hex(16)
    now = steady(now, None)
    rows = [
        case_fields(place, each, ai.get(each.image_id), heatmaps.get(each.image_id)) for place, each in enumerate(cases)
    ]
    fields = design.model_dump(mode="json")

    def work(connection: Connection) -> int:
        study_id = connection.execute(
            insert(Study).values(key=key, title=design.title, design=fields, created_at=now).returning(Study.id)
        ).scalar_one()
        connection.execute(insert(Case), [{"study_id": study_id, **each} for each in rows])
        told = {
            "design_sha256": content_sha256(fields),
            "cases_sha256": content_sha256(rows),
            "cases_form": FORM,
            "cases": len(rows),
        }
        log = Log(study_id, key, STUDY_CHAIN, EMPTY)
        log.append("created", now, told)
        write_logs(connection, [log])
        return study_id

    return store.write(work)


def list_studies(store: Store) -> list[StudyInfo]:
    """All studies of the database, in the order they were made."""

    def work(connection: Connection) -> list[StudyInfo]:
        rows = connection.execute(
            select(Study.id, Study.title, Study.created_at, Study.closed_at, func.count(Reader.id), Study.paused_at)
            .outerjoin(Reader, Reader.study_id == Study.id)
            .group_by(Study.id, Study.title, Study.created_at, Study.closed_at, Study.paused_at)
            .order_by(Study.id)
        )
        return [StudyInfo(*row) for row in rows]

    return store.read(work)


def study_design(store: Store, study_id: int) -> StudyDesign:
    """The design of a study.

    Raises:
        StoreError: there is no such study.
    """
    return store.read(lambda connection: store.design(connection, study_id))


def add_readers(store: Store, study_id: int, readers: Sequence[tuple[str, str]], now: datetime) -> list[AddedReader]:
    """Add readers, all or none; what each is to see, and in which order, is fixed here.

    Args:
        store: the open database.
        study_id: the study's.
        readers: name and group of each. Names are pseudonyms: letters, digits, spaces and ``_ . -``, up to 64, begun
            by a letter or a digit; write no reader's own name if the log is to be shared.
        now: the server's time.

    Raises:
        StudyError: a name is no pseudonym or stands twice, or there is no such group.
        NotNowError: the study is closed.
    """

    def work(connection: Connection) -> list[AddedReader]:
        study = locked_study(store, connection, study_id)
        if study.closed_at is not None:
            raise NotNowError("the study is closed", fix="Make another study.")
        design = store.design(connection, study_id)
        cases = kept_cases(connection, study_id)
        known = connection.execute(select(Reader.name, Reader.reader_group).where(Reader.study_id == study_id)).all()
        _check_new(design, readers, [row.name for row in known])
        in_group = Counter(row.reader_group for row in known)
        added: list[AddedReader] = []
        for name, group in readers:
            reader = {
                "study_id": study_id,
                "number": len(known) + len(added),
                "name": name,
                "reader_group": group,
                "number_in_group": in_group[group],
                "added_at": steady(now, None),
            }
            added.append(_add(connection, study, reader, allocation.allocate(design, cases, in_group[group], group)))
            in_group[group] += 1
        return added

    return store.write(work)


def locked_study(store: Store, connection: Connection, study_id: int) -> AnyRow:
    """A study, locked: its state, and the key of its log.

    Raises:
        StoreError: there is no such study.
    """
    # NO KEY UPDATE: answers of its readers, whose events refer to it, do not wait.
    row = connection.execute(
        select(Study.key, Study.closed_at, Study.paused_at).where(Study.id == study_id).with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise StoreError(f"there is no study {study_id}", where=store.name, fix="List the studies.")
    return row


def _check_new(design: StudyDesign, readers: Sequence[tuple[str, str]], known: Sequence[str]) -> None:
    problems = []
    taken = set(known)
    for name, group in readers:
        if not _NAME.fullmatch(name):
            problems.append(f"'{name}' is no pseudonym (letters, digits, spaces, _ . -; up to 64)")
        elif name in taken:
            problems.append(f"'{name}' stands twice")
        if group not in design.readers_groups:
            problems.append(f"'{name}': there is no group '{group}', only {', '.join(design.readers_groups)}")
        taken.add(name)
    if problems:
        raise StudyError(
            f"{len(problems)} readers cannot be added: {'; '.join(problems[:10])}", fix="Correct them; none was added."
        )


def _add(
    connection: Connection, study: AnyRow, reader: dict[str, Any], items: Sequence[allocation.Item]
) -> AddedReader:
    study_id = reader["study_id"]
    reader_id = connection.execute(insert(Reader).values(**reader).returning(Reader.id)).scalar_one()
    fields = [
        {
            "reader_id": reader_id,
            "study_id": study_id,
            "position": each.position,
            "period": each.period,
            "arm": each.arm,
            "case_id": each.case,
            "part": each.part,
        }
        for each in items
    ]
    connection.execute(insert(Item), fields)
    made = connection.execute(select(Item.position, Item.id).where(Item.reader_id == reader_id))
    ids = {row.position: row.id for row in made}
    steps: list[dict[str, Any]] = []
    for each in items:
        for number, arm in enumerate(each.steps):
            steps.append(
                {
                    "item_id": ids[each.position],
                    "reader_id": reader_id,
                    "number": number,
                    "place": len(steps),
                    "arm": arm,
                    "key": secrets.token_urlsafe(16),
                }
            )
    connection.execute(insert(Step), steps)
    told = {
        "name": reader["name"],
        "group": reader["reader_group"],
        "items_sha256": content_sha256([list(each) for each in items]),
    }
    log = Log(study_id, study.key, reader["number"], EMPTY)
    log.append("added", reader["added_at"], told)
    write_logs(connection, [log])
    return AddedReader(reader_id, reader["number"], reader["name"], reader["reader_group"])
