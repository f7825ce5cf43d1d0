"""What is sent to the API: files and JSON in a multipart form, in memory alone."""

import unicodedata
from collections.abc import Sequence

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile

from cutis.clinic import Patient
from cutis.web.api.problems import Problem
from cutis.web.clinic.engine import BadPhotograph, BadPhotographs, Limits, Sent
from cutis.web.security import sent_form

_ONE = TypeAdapter(Patient)
_EACH = TypeAdapter(list[Patient])
_LONGEST_NAME = 100


async def sent_photographs(
    request: Request, limits: Limits, *, photographs: str, patients: str, most: int
) -> list[Sent]:
    """The photographs of a request, with what is known of each patient.

    Args:
        request: multipart/form-data.
        limits: bytes of a file.
        photographs: name of the field with the files.
        patients: name of the field with JSON: an object for all, or a list with one for each.
        most: photographs.

    Raises:
        Problem, Refusal: the form is not as described.
        BadPhotographs: files are too large.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Problem(415, "no-multipart")
    form = await sent_form(request, files=most + 1, fields=4)
    try:
        unknown = sorted({shown_name(each) for each in form if each not in (photographs, patients)})
        if unknown:
            raise Problem(
                422, "unknown-field", detail=f"There are {photographs} and {patients}, but no '{unknown[0]}'."
            )
        files = [await _file(each, photographs) for each in form.getlist(photographs)]
        if not files:
            raise Problem(422, "no-photograph", detail=f"Send a file in the field '{photographs}'.")
        if len(files) > most:
            raise Problem(422, "no-photograph", detail=f"There are {len(files)} files, and at most {most} are taken.")
        known = await _patients(form, patients, len(files))
    finally:
        await form.close()
    large = [
        BadPhotograph(place, name, f"has {len(content):,} bytes; at most {limits.file_bytes:,} are taken.")
        for place, (content, name) in enumerate(files)
        if len(content) > limits.file_bytes
    ]
    if large:
        raise BadPhotographs(large)
    return [
        Sent(content, name or f"photograph {place}", patient)
        for place, ((content, name), patient) in enumerate(zip(files, known, strict=True), start=1)
    ]


def shown_name(name: str) -> str:
    """A file's name as it is told again: without folders, and without what does not print."""
    last = name.replace("\\", "/").rpartition("/")[2][:_LONGEST_NAME]
    return "".join("�" if unicodedata.category(each)[0] == "C" else each for each in last).strip()


async def _file(sent: UploadFile | str, field: str) -> tuple[bytes, str]:
    if isinstance(sent, str):
        raise Problem(422, "no-photograph", detail=f"The field '{field}' holds text, and no file with a name.")
    return await sent.read(), shown_name(sent.filename or "")


async def _patients(form: FormData, field: str, number: int) -> Sequence[Patient]:
    given = form.getlist(field)
    if not given:
        return [Patient()] * number
    if len(given) > 1:
        raise Problem(422, "bad-patient", detail=f"'{field}' is given twice; send a list in JSON.")
    one = given[0]
    text = one.encode("utf-8", "replace") if isinstance(one, str) else await one.read()
    if not text.strip():
        return [Patient()] * number
    try:
        if not text.lstrip().startswith(b"["):
            return [_ONE.validate_json(text)] * number
        known = _EACH.validate_json(text)
    except ValidationError as error:
        wrong = [
            {"field": ".".join(str(part) for part in each["loc"]) or field, "problem": each["msg"]}
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ][:20]
        told = "; ".join(f"{each['field']}: {each['problem']}" for each in wrong)
        raise Problem(422, "bad-patient", detail=told, more={"fields": wrong}) from error
    if len(known) != number:
        raise Problem(422, "bad-patient", detail=f"'{field}' holds {len(known)} entries for {number} photographs.")
    return known
