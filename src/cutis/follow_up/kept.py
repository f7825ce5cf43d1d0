"""What a version holds of each kind of subject, from what is given and from the tables, so both can be compared."""

from typing import Any

from sqlalchemy import Connection, select

from cutis.follow_up.content import LesionFacts, PatientFacts, PhotographFacts
from cutis.follow_up.tables import AnswerRow, LesionRow, PatientRow, PhotographRow


def patient_content(facts: PatientFacts) -> dict[str, Any]:
    """Of a patient."""
    return facts.model_dump(mode="json")


def lesion_content(patient: str, facts: LesionFacts) -> dict[str, Any]:
    """Of a lesion."""
    return {"patient": patient, **facts.model_dump(mode="json")}


def photograph_content(lesion: str, facts: PhotographFacts, sha256: str) -> dict[str, Any]:
    """Of a photograph; its pixels by the hash of their file. A version has ``small_sha256`` beside it."""
    return {"lesion": lesion, "sha256": sha256, **facts.model_dump(mode="json")}


def answer_content(
    photograph: str, model: dict[str, Any], given: dict[str, Any], answer: dict[str, Any]
) -> dict[str, Any]:
    """Of a model's answer."""
    return {"photograph": photograph, "model": model, "given": given, "answer": answer}


def kept_contents(connection: Connection) -> dict[str, tuple[int, dict[str, Any]]]:
    """Version and content of every subject as the tables hold it, but for photographs' pixels and small pictures."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for row in connection.execute(select(PatientRow.__table__)):
        facts = {name: getattr(row, name) for name in PatientFacts.model_fields}
        found[row.uid] = (row.version, patient_content(PatientFacts.model_construct(**facts)))
    for row in connection.execute(select(LesionRow.__table__)):
        facts = {name: getattr(row, name) for name in LesionFacts.model_fields}
        found[row.uid] = (row.version, lesion_content(row.patient_uid, LesionFacts.model_construct(**facts)))
    columns = (PhotographRow.uid, PhotographRow.version, PhotographRow.lesion_uid, PhotographRow.sha256)
    for row in connection.execute(select(*columns, PhotographRow.taken_on, PhotographRow.image_type)):
        facts = {name: getattr(row, name) for name in PhotographFacts.model_fields}
        content = photograph_content(row.lesion_uid, PhotographFacts.model_construct(**facts), row.sha256)
        found[row.uid] = (row.version, content)
    for row in connection.execute(select(AnswerRow.__table__)):
        found[row.uid] = (row.version, answer_content(row.photograph_uid, row.model, row.given, row.answer))
    return found
