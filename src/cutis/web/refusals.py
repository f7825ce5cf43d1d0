"""Pages that say no: what happened and where to go on, never a stack trace or the words of a database."""

from collections.abc import Callable

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
        reason: what a program is told beside it; a page does not show it.
        wait: after how many seconds to try again, where that may help.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *,
        detail: str = "",
        back: str = "/study",
        reason: str = "",
        wait: int | None = None,
    ) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.detail = detail
        self.back = back
        self.reason = reason
        self.wait = wait if wait is not None else 5 if status in (429, 503) else None

    @property
    def headers(self) -> dict[str, str]:
        """Of the response that tells it."""
        return {} if self.wait is None else {"retry-after": str(self.wait)}


Answerer = Callable[[Request, Refusal], Response]
"""How an app tells a refusal; one of its own stands in its ``state.tells_refusals``."""


def refusal_response(request: Request, refusal: Refusal) -> Response:
    """What the app says to it; of its own accord the page, or JSON for a script that asked for it."""
    own: Answerer | None = getattr(request.app.state, "tells_refusals", None) if "app" in request.scope else None
    return (own or refusal_page)(request, refusal)


def refusal_page(request: Request, refusal: Refusal) -> Response:
    """The page, or JSON for a script that asked for it."""
    language = preferred_language(request)
    t = strings(language)
    headers = refusal.headers
    if "application/json" in request.headers.get("accept", ""):
        told = {"code": refusal.code, "problem": t(f"refusal.{refusal.code}.text")}
        return JSONResponse(told, refusal.status, headers)
    return render(
        request, "refusal.html.jinja", language=language, status_code=refusal.status, headers=headers, refusal=refusal
    )


def bad_input_response(request: Request, error: CutisError, *, status: int = 422, back: str = "/study") -> Response:
    """The page of an error that a study nurse can do something about: its own words."""
    return refusal_response(request, Refusal(status, "bad-input", detail=str(error), back=back))
