"""A study's cases, in and out of the database, with what the AI says of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from cutis.database import content_sha256
from cutis.errors import listed
from cutis.study.ai_outputs import AiOutput
from cutis.study.cases import StudyCase
from cutis.study.design import Aid, StudyDesign, StudyError
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

FORM = 2
"""How the hash of the cases is made, which the event ``created`` tells; 1, without it: :func:`_first_form`."""

_ONE = select(*_CASE, Case.ai_output).where(Case.study_id == bindparam("study"), Case.case_id == bindparam("case"))


def case_fields(place: int, case: StudyCase, ai: AiOutput | None, heatmap: str | None) -> dict[str, Any]:
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
        "ai_output": None if ai is None else ai.model_dump(mode="json"),
        "heatmap_path": heatmap,
    }


def check_ai(
    design: StudyDesign, ai: Mapping[str, AiOutput], heatmaps: Mapping[str, str], cases: Sequence[str]
) -> None:
    """Check that every case has all that the study's arms show of the AI.

    Raises:
        StudyError: it has not; the first ten cases are named.
    """

    def has(case: str, aid: Aid) -> bool:
        if aid == "heatmap":
            return case in heatmaps
        return case in ai and (bool(ai[case].differential) if aid == "differential" else ai[case].risk is not None)

    for aid in sorted({each for arm in design.arms for each in arm.aid}):
        without = [case for case in cases if case not in ai or not has(case, aid)]
        if without:
            raise StudyError(
                f"{len(without)} cases have no {aid} of the AI: {listed(without)}",
                fix="Give it for every case, training cases too, or take it from the arms.",
            )


def kept_cases(connection: Connection, study_id: int) -> list[StudyCase]:
    """All cases of a study, in the order they were given."""
    rows = connection.execute(select(*_CASE).where(Case.study_id == study_id).order_by(Case.place))
    return [StudyCase.model_validate(dict(row)) for row in rows.mappings()]


def kept_case(connection: Connection, study_id: int, case: str) -> tuple[StudyCase, AiOutput | None]:
    """One case, and what the AI says of it."""
    row = connection.execute(_ONE, {"study": study_id, "case": case}).mappings().one()
    fields = dict(row)
    ai = fields.pop("ai_output")
    return StudyCase.model_validate(fields), None if ai is None else AiOutput.model_validate(ai)


def cases_sha256(connection: Connection, study_id: int, form: int) -> str:
    """The hash of all cases, as :func:`case_fields` made them when the study was.

    Args:
        connection: to the database.
        study_id: the study's.
        form: how the hash was made then.
    """
    fields = _fields(connection, study_id)
    return content_sha256(fields if form == FORM else [_first_form(each) for each in fields])


def _first_form(fields: dict[str, Any]) -> dict[str, Any]:
    """A case as the first version of the tables held it: hashes of studies made then are of this."""
    held = dict(fields)
    ai, heatmap = held.pop("ai_output"), held.pop("heatmap_path")
    aid = None
    if ai is not None:
        listed_then = [[each["id"], each["probability"]] for each in ai["differential"]]
        aid = {"differential": listed_then or None, "risk": ai["risk"], "heatmap_path": heatmap}
    return {**held, "aid": aid}


def _fields(connection: Connection, study_id: int) -> list[dict[str, Any]]:
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
            Case.ai_output,
            Case.heatmap_path,
        )
        .where(Case.study_id == study_id)
        .order_by(Case.place)
    )
    return [dict(row) for row in rows.mappings()]
