"""What the API says when it says no: problem details (RFC 9457), each kind with a name that does not change."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cutis.web.api.rendering import json_bytes
from cutis.web.clinic.journal import current_request
from cutis.web.refusals import Refusal

MEDIA_TYPE = "application/problem+json"

_TYPE = "urn:cutis:problem:"


class Kind(NamedTuple):
    """A kind of problem: its status of HTTP, its title, and what it means where nothing closer is known."""

    status: int
    title: str
    meaning: str


PROBLEMS: dict[str, Kind] = {
    "no-form": Kind(400, "The body cannot be read", "It is damaged, or holds more fields or files than are taken."),
    "no-key": Kind(401, "An API key is needed", "Send 'Authorization: Bearer KEY' with a key that is in use."),
    "other-site": Kind(403, "Another site's page sent this", "The API answers programs and the server's own pages."),
    "no-page": Kind(404, "There is nothing at this address", "The API's description lists all addresses."),
    "not-allowed": Kind(405, "This method is not for this address", "The API's description lists all methods."),
    "too-slow": Kind(408, "The body took too long to arrive", "Send it again."),
    "too-large": Kind(413, "The body is too large", "Send fewer or smaller files; /api/v1/models tells the limits."),
    "no-multipart": Kind(415, "The body is no multipart form", "Send multipart/form-data, with files as described."),
    "wrong-host": Kind(421, "This is not the server's address", "Use the address that the server printed."),
    "no-photograph": Kind(422, "There is no photograph", "Send a file in the field described."),
    "unknown-field": Kind(422, "A field is unknown", "Send the fields described, and no other."),
    "bad-photographs": Kind(422, "Files are no photographs", "None was answered; 'photographs' names each bad file."),
    "bad-patient": Kind(422, "What is said of a patient is not right", "'fields' names what is wrong."),
    "bad-parameter": Kind(422, "A parameter is not right", "The API's description tells what it may be."),
    "unknown-diagnosis": Kind(422, "This diagnosis cannot be explained", "Name a class, or a node of the tree."),
    "too-often": Kind(429, "The key has used up its allowance", "Try again after the seconds in Retry-After."),
    "failed": Kind(500, "Something went wrong in the server", "It is not your fault, and it was noted under the id."),
    "server-busy": Kind(503, "The server has too much to do", "Try again after the seconds in Retry-After."),
    "keys-unreadable": Kind(503, "The server cannot read its keys", "Whoever runs it has to correct the file."),
    "took-too-long": Kind(504, "The answer took too long", "Try again, perhaps with smaller photographs."),
}  # fmt: skip


class ProblemDetails(BaseModel):
    """The body of every answer that is not one: application/problem+json, RFC 9457."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str = Field(description="The kind of problem; it does not change.", examples=[_TYPE + "bad-photographs"])
    title: str = Field(description="The kind, in words.", examples=[PROBLEMS["bad-photographs"].title])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["lesion.jpg: is empty. Replace the file."])
    instance: str = Field(
        description="The request's id, as in the header X-Request-ID.",
        examples=["5f0c7f9e-0b5c-4f0e-9a53-0d1c4ad1a2a6"],
    )


class Problem(Refusal):
    """A refusal that only the API gives; ``more`` is told beside what every problem has."""

    def __init__(
        self,
        status: int,
        code: str,
        *,
        detail: str = "",
        wait: int | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, code, detail=detail, wait=wait)
        self.more = dict(more or {})


def is_of_api(request: Request) -> bool:
    """Whether a program asked, and not somebody in front of a page."""
    return request.url.path.startswith(("/api/", "/healthz", "/metrics"))


def problem_response(refusal: Refusal) -> Response:
    """A refusal as problem details."""
    code = "not-allowed" if refusal.status == 405 else refusal.code
    kind = PROBLEMS[code]
    told = {
        "type": _TYPE + code,
        "title": kind.title,
        "status": refusal.status,
        "detail": refusal.detail or refusal.reason or kind.meaning,
        "instance": current_request().id,
    }
    more = refusal.more if isinstance(refusal, Problem) else {}
    headers = dict(refusal.headers)
    if refusal.status == 401:
        headers["www-authenticate"] = 'Bearer realm="cutis"'
    return Response(json_bytes(told | more), refusal.status, headers, MEDIA_TYPE)
