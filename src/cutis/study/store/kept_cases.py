"""A study's cases, in and out of the database."""

from typing import Any

from sqlalchemy import Connection, bindparam, select

from cutis.study.cases import StudyCase
from cutis.study.store.case_aid import CaseAid
from cutis.study.store.models import Case

_CASE = (
    Case.case_id.label("image_id"),
    Case.image_path,
    Case.stratum,
    Case.part,
    Case.truth.label("node"),
    Case.age,
    Case.sex,
    Case.site,
)

_ONE = select(*_CASE, Case.aid).where(Case.study_id == bindparam("study"), Case.case_id == bindparam("case"))


def case_fields(place: int, case: StudyCase, aid: CaseAid | None) -> dict[str, Any]:
    """A case as a row, without its study."""
    return {
        "case_id": case.image_id,
        "place": place,
        "part": case.part,
        "stratum": case.stratum,
        "image_path": case.image_path,
        "truth": case.node,
        "age": case.age,
        "sex": case.sex,
        "site": case.site,
        "aid": None if aid is None else aid.model_dump(mode="json"),
    }


def kept_cases(connection: Connection, study_id: int) -> list[StudyCase]:
    """All cases of a study, in the order they were given."""
    rows = connection.execute(select(*_CASE).where(Case.study_id == study_id).order_by(Case.place))
    return [StudyCase.model_validate(dict(row)) for row in rows.mappings()]


def kept_case(connection: Connection, study_id: int, case: str) -> tuple[StudyCase, CaseAid | None]:
    """One case, and what the AI says of it."""
    row = connection.execute(_ONE, {"study": study_id, "case": case}).mappings().one()
    fields = dict(row)
    aid = fields.pop("aid")
    return StudyCase.model_validate(fields), None if aid is None else CaseAid.model_validate(aid)


def kept_case_fields(connection: Connection, study_id: int) -> list[dict[str, Any]]:
    """All cases as they were made by :func:`case_fields`: what their hash is made of."""
    rows = connection.execute(
        select(
            Case.case_id,
            Case.place,
            Case.part,
            Case.stratum,
            Case.image_path,
            Case.truth,
            Case.age,
            Case.sex,
            Case.site,
            Case.aid,
        )
        .where(Case.study_id == study_id)
        .order_by(Case.place)
    )
    return [dict(row) for row in rows.mappings()]
