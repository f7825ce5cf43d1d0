"""What the clinic's form sends: a photograph, the box in it, and what is known of the patient. Held in memory only."""

from dataclasses import dataclass

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from cutis.clinic import Patient, Photograph
from cutis.errors import ImageError
from cutis.web.clinic.crop import WHOLE, Box
from cutis.web.clinic.engine import Engine
from cutis.web.security import checked_form

SITES = {
    "scalp": "scalp",
    "face": "face",
    "ear": "ear",
    "neck": "neck",
    "chest": "chest",
    "abdomen": "abdomen",
    "back": "back",
    "side": "lateral trunk",
    "arm": "upper extremity",
    "hand": "hand",
    "leg": "lower extremity",
    "foot": "foot",
    "genital": "anogenital region",
}
"""Places on the body that the page offers, key under ``[site]`` = the ISIC archive's word; from head to foot."""

_FIELDS = 20
_PROBLEMS = (
    ("is empty", "empty"),
    ("is no JPEG", "not-a-photograph"),
    ("is truncated", "damaged"),
    ("has ", "too-many-pixels"),
)


class Problem(Exception):  # noqa: N818 - an answer to the sender, not a fault
    """What is wrong with what was sent: a key under ``[problem]``."""

    status = 422

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Sent:
    """A photograph's file, the box in it, the patient; ``site``: key of :data:`SITES`; ``node``: what to explain."""

    content: bytes
    name: str
    box: Box
    patient: Patient
    site: str
    node: str

    async def decoded(self, engine: Engine) -> Photograph:
        """The whole photograph.

        Raises:
            Problem: it is none, damaged or too large.
            Refusal: the server has no time for it.
        """
        try:
            return await engine.photograph(self.content, self.name)
        except ImageError as error:
            found = (code for start, code in _PROBLEMS if error.problem.startswith(start))
            raise Problem(next(found, "damaged")) from error


async def read_sent(request: Request, secret: str) -> Sent:
    """The form that was sent, its token checked.

    Args:
        request: multipart.
        secret: the value of the visitor's cookie.

    Raises:
        Refusal: the token does not fit, or it is no form.
        Problem: no photograph, one too large, or a field that the page does not offer.
    """
    form = await checked_form(request, secret, files=2, fields=_FIELDS)
    try:
        files = [each for each in form.getlist("photograph") if isinstance(each, UploadFile) and each.filename]
        if not files:
            raise Problem("no-photograph")
        if (files[0].size or 0) > request.app.state.engine.limits.file_bytes:
            raise Problem("too-large")
        content, name = await files[0].read(), str(files[0].filename)
    finally:
        await form.close()
    site = _text(form, "site")
    if site and site not in SITES:
        raise Problem("patient")
    return Sent(content, name[-200:], _box(form), _patient(form, site), site, _text(form, "node"))


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _box(form: FormData) -> Box:
    sides = {name: _text(form, name) for name in ("left", "top", "width", "height")}
    if not any(sides.values()):
        return WHOLE
    try:
        return Box.model_validate(sides)
    except ValidationError as error:
        raise Problem("box") from error


def _patient(form: FormData, site: str) -> Patient:
    given = {name: _text(form, name) or None for name in ("age", "sex", "skin_type")}
    try:
        return Patient.model_validate({**given, "site": SITES.get(site)})
    except ValidationError as error:
        raise Problem("patient") from error
