"""Pages that say no: what happened and where to go on, never a stack trace or the words of a database."""

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from cutis.errors import CutisError
from cutis.web.rendering import preferred_language, render
from cutis.web.strings import strings


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """A request that is refused, in words of ``strings/*.toml``.

    Args:
        status: of HTTP.
        code: under ``[refusal]``; also told to scripts.
        detail: one more line, told as it is.
        back: where the page's link leads.
    """

    def __init__(self, status: int, code: str, *, detail: str = "", back: str = "/study") -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.detail = detail
        self.back = back


def refusal_response(request: Request, refusal: Refusal) -> Response:
    """The page, or JSON for a script that asked for it."""
    language = preferred_language(request)
    t = strings(language)
    headers = {"retry-after": "5"} if refusal.status in (429, 503) else None
    if "application/json" in request.headers.get("accept", ""):
        told = {"code": refusal.code, "problem": t(f"refusal.{refusal.code}.text")}
        return JSONResponse(told, refusal.status, headers)
    return render(
        request, "refusal.html.jinja", language=language, status_code=refusal.status, headers=headers, refusal=refusal
    )


def bad_input_response(request: Request, error: CutisError, *, status: int = 422, back: str = "/study") -> Response:
    """The page of an error that a study nurse can do something about: its own words."""
    return refusal_response(request, Refusal(status, "bad-input", detail=str(error), back=back))
