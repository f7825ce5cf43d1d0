"""Pages from templates: everything escaped, a name that is not given an error."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cutis.web.strings import ENGLISH, languages, strings

ROOM = Path(__file__).parent
STATIC = ROOM / "static"


@cache
def environment() -> Environment:
    """Jinja's environment for the templates of this room."""
    made = Environment(
        loader=FileSystemLoader(ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static_address
    made.filters["paragraphs"] = paragraphs
    return made


def render(
    request: Request,
    template: str,
    *,
    language: str,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page. Beside the values given, a template has ``t`` (:class:`~cutis.web.strings.Strings`) and ``request``.

    Args:
        request: what asked for it.
        template: its file below ``templates/``.
        language: of the words.
        status_code: of HTTP.
        headers: more headers.
        values: what the template names.
    """
    t = strings(language)
    text = environment().get_template(template).render(t=t, request=request, **values)
    return HTMLResponse(text, status_code, dict(headers or {}))


def preferred_language(request: Request) -> str:
    """The first language of the browser that we have, for pages that belong to no study."""
    asked = [each.split(";")[0].strip() for each in request.headers.get("accept-language", "").split(",")]
    known = languages()
    return next((each for each in asked if each in known or each.split("-")[0] in known), ENGLISH)


@cache
def static_address(name: str) -> str:
    """The address of a file of ``static/``; it changes with the content, so browsers may keep what it names."""
    return f"/static/{name}?{hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


class KeptStatic(StaticFiles):
    """The files of ``static/``, which browsers keep."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As the base class, with the header."""
        response = await super().get_response(path, scope)
        if response.status_code in (200, 304):
            response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def paragraphs(text: str) -> list[list[str]]:
    """A text's paragraphs, which blank lines part, as their lines."""
    parts = text.replace("\r\n", "\n").strip().split("\n\n")
    return [[line.strip() for line in part.split("\n") if line.strip()] for part in parts if part.strip()]
