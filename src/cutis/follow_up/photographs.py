"""Photographs of a lesion, and what models said of them.

What is kept of a photograph is its pixels, written anew as JPEG: place, time and camera, which files tell, go. A model
is asked about the pixels that are kept, so its answer can be had again from them, and another model's be compared.
"""

import hashlib
import json
import secrets
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from cutis.clinic import Answer, photograph
from cutis.data import Pixels
from cutis.database import AnyRow
from cutis.follow_up.content import PhotographFacts
from cutis.follow_up.errors import AccessError, ConflictError, FollowUpError
from cutis.follow_up.events import Log
from cutis.follow_up.kept import answer_content, photograph_content
from cutis.follow_up.picture import MOST_SIDE, Picture
from cutis.follow_up.store import Store
from cutis.follow_up.tables import AnswerRow, LesionRow, PatientRow, PhotographRow


class ModelFacts(NamedTuple):
    """Which model answered. ``data``: what it learnt from; ``prior``: for which frequencies it is calibrated."""

    name: str
    weights_sha256: str
    data: str
    prior: str


class Given(NamedTuple):
    """What the model was told: the box (left, top, width, height in shares of the sides) and of the patient."""

    box: tuple[float, float, float, float]
    age: int | None
    sex: str | None
    site: str | None
    skin_type: str | None


class KeptAnswer(NamedTuple):
    """A model's answer as kept."""

    uid: str
    at: datetime
    model: ModelFacts
    given: Given
    answer: Answer


class KeptPhotograph(NamedTuple):
    """A photograph as kept, without its pixels; ``answers``: oldest first."""

    uid: str
    lesion: str
    version: int
    facts: PhotographFacts
    added_at: datetime
    added_by: str
    width: int
    height: int
    sha256: str
    answers: tuple[KeptAnswer, ...]


def add_photograph(
    store: Store,
    lesion: str,
    facts: PhotographFacts,
    kept: Picture,
    now: datetime,
    *,
    by: str,
    model: ModelFacts,
    given: Given,
    answer: Answer,
) -> str:
    """Keep a photograph with the model's answer: both, or neither.

    Returns:
        The photograph's ``uid``.

    Raises:
        AccessError: there is no such lesion.
        FollowUpError: the lesion has this very photograph already, or it was taken in the future, or before birth.
    """
    uid = secrets.token_hex(16)

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        _check_day(connection, lesion, facts.taken_on, log.now.date())
        same = select(PhotographRow.taken_on).where(
            PhotographRow.lesion_uid == lesion, PhotographRow.sha256 == kept.sha256
        )
        if (row := connection.execute(same).first()) is not None:
            raise FollowUpError(
                f"the lesion has this very photograph already, of {row.taken_on:%Y-%m-%d}", fix="Nothing was added."
            )
        height, width = kept.pixels.shape[:2]
        connection.execute(
            insert(PhotographRow),
            {
                "uid": uid,
                "lesion_uid": lesion,
                "version": 1,
                **facts.model_dump(),
                "added_at": log.now,
                "added_by": by,
                "width": width,
                "height": height,
                "sha256": kept.sha256,
                "jpeg": kept.jpeg,
                "small": kept.small,
            },
        )
        content = photograph_content(lesion, facts, kept.sha256)
        log.keep("photograph added", uid, {**content, "small_sha256": _sha256(kept.small)})
        _keep_answer(connection, log, uid, model, given, answer)

    store.write(work)
    return uid


def add_answer(
    store: Store, photograph_uid: str, now: datetime, *, by: str, model: ModelFacts, given: Given, answer: Answer
) -> None:
    """Keep another model's answer beside those before it.

    Raises:
        AccessError: there is no such photograph.
    """

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        if connection.execute(select(PhotographRow.uid).where(PhotographRow.uid == photograph_uid)).first() is None:
            raise AccessError("there is no such photograph", fix="It may have been erased.")
        _keep_answer(connection, log, photograph_uid, model, given, answer)

    store.write(work)


def change_photograph(store: Store, uid: str, facts: PhotographFacts, now: datetime, *, version: int, by: str) -> None:
    """Correct when a photograph was taken, or of which type it is; nothing happens where nothing is other.

    Raises:
        AccessError: there is no such photograph.
        ConflictError: another version than ``version`` stands by now.
        FollowUpError: it was taken in the future, or before birth.
    """

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        row = connection.execute(select(*_COLUMNS, PhotographRow.small).where(PhotographRow.uid == uid)).one_or_none()
        if row is None:
            raise AccessError("there is no such photograph", fix="It may have been erased.")
        if row.version != version:
            raise ConflictError(
                "somebody has saved since this page was opened", fix="Nothing was changed; look again and repeat it."
            )
        if (row.taken_on, row.image_type) == (facts.taken_on, facts.image_type):
            return
        _check_day(connection, row.lesion_uid, facts.taken_on, log.now.date())
        content = photograph_content(row.lesion_uid, facts, row.sha256)
        kept = log.keep("photograph changed", uid, {**content, "small_sha256": _sha256(row.small)})
        connection.execute(
            update(PhotographRow).where(PhotographRow.uid == uid).values(version=kept, **facts.model_dump())
        )

    store.write(work)


def photographs_of(store: Store, lesion: str) -> list[KeptPhotograph]:
    """A lesion's photographs, the newest first."""

    def work(connection: Connection) -> list[KeptPhotograph]:
        rows = connection.execute(
            select(*_COLUMNS)
            .where(PhotographRow.lesion_uid == lesion)
            .order_by(PhotographRow.taken_on.desc(), PhotographRow.added_at.desc(), PhotographRow.uid)
        ).all()
        return [_photograph(connection, row) for row in rows]

    return store.read(work)


def photograph_of(store: Store, uid: str) -> KeptPhotograph:
    """A photograph.

    Raises:
        AccessError: there is none of this id.
    """

    def work(connection: Connection) -> KeptPhotograph:
        row = connection.execute(select(*_COLUMNS).where(PhotographRow.uid == uid)).one_or_none()
        if row is None:
            raise AccessError("there is no such photograph", fix="It may have been erased.")
        return _photograph(connection, row)

    return store.read(work)


def jpeg_of(store: Store, uid: str, *, small: bool = False) -> bytes:
    """A photograph's file as kept, or the small one for lists.

    Raises:
        AccessError: there is none of this id.
    """
    column = PhotographRow.small if small else PhotographRow.jpeg
    found = store.read(
        lambda connection: connection.execute(select(column).where(PhotographRow.uid == uid)).scalar_one_or_none()
    )
    if found is None:
        raise AccessError("there is no such photograph", fix="It may have been erased.")
    return bytes(found)


def pixels_of(store: Store, uid: str) -> Pixels:
    """A photograph's pixels as kept: uint8, height × width × 3, RGB.

    Raises:
        AccessError: there is none of this id.
    """
    return photograph(jpeg_of(store, uid), uid, most_pixels=MOST_SIDE * MOST_SIDE).pixels


_COLUMNS = (
    PhotographRow.uid,
    PhotographRow.lesion_uid,
    PhotographRow.version,
    PhotographRow.taken_on,
    PhotographRow.image_type,
    PhotographRow.added_at,
    PhotographRow.added_by,
    PhotographRow.width,
    PhotographRow.height,
    PhotographRow.sha256,
)


def _keep_answer(
    connection: Connection, log: Log, photograph_uid: str, model: ModelFacts, given: Given, answer: Answer
) -> None:
    uid = secrets.token_hex(16)
    told: dict[str, Any] = json.loads(answer.model_dump_json())
    model_told, given_told = model._asdict(), {**given._asdict(), "box": list(given.box)}
    row = {"uid": uid, "photograph_uid": photograph_uid, "version": 1, "at": log.now}
    connection.execute(insert(AnswerRow), {**row, "model": model_told, "given": given_told, "answer": told})
    log.keep("answered", uid, answer_content(photograph_uid, model_told, given_told, told))


def _check_day(connection: Connection, lesion: str, taken_on: date, today: date) -> None:
    row = connection.execute(
        select(PatientRow.birth_year)
        .join(LesionRow, LesionRow.patient_uid == PatientRow.uid)
        .where(LesionRow.uid == lesion)
    ).one_or_none()
    if row is None:
        raise AccessError("there is no such lesion", fix="It may have been erased.")
    # A browser east of Greenwich is a day ahead of the server's UTC.
    if (taken_on - today).days > 1:
        raise FollowUpError(f"the photograph cannot have been taken on {taken_on}, in the future", fix="Correct it.")
    if row.birth_year is not None and taken_on.year < row.birth_year:
        raise FollowUpError(
            f"the photograph cannot have been taken in {taken_on.year}, before the patient was born", fix="Correct it."
        )


def _photograph(connection: Connection, row: AnyRow) -> KeptPhotograph:
    answers = connection.execute(
        select(AnswerRow.uid, AnswerRow.at, AnswerRow.model, AnswerRow.given, AnswerRow.answer)
        .where(AnswerRow.photograph_uid == row.uid)
        .order_by(AnswerRow.at, AnswerRow.uid)
    )
    facts = PhotographFacts.model_construct(taken_on=row.taken_on, image_type=row.image_type)
    return KeptPhotograph(
        row.uid,
        row.lesion_uid,
        row.version,
        facts,
        row.added_at,
        row.added_by,
        row.width,
        row.height,
        row.sha256,
        tuple(
            KeptAnswer(
                each.uid,
                each.at,
                ModelFacts(**each.model),
                Given(**{**each.given, "box": tuple(each.given["box"])}),
                Answer.model_validate(each.answer),
            )
            for each in answers
        ),
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
