"""The clinic's page: a photograph is sent, answered and forgotten.

A script sends the same forms and is given the answer's part of the page, or JSON; without one the whole page comes
back.
The photograph is never kept here, so a heatmap is asked for with the photograph sent again.
"""

import base64
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from cutis.audit import photograph_quality
from cutis.clinic import Answer, Patient, Photograph
from cutis.data import FITZPATRICK_SKIN_TYPES
from cutis.errors import ImageError, TaxonomyError
from cutis.web.clinic.answer_page import (
    AnswerPage,
    answer_page,
    learnt_from,
    notes_in_words,
    similar_rows,
    unfit_in_words,
)
from cutis.web.clinic.crop import WHOLE, Box, cropped, suggested_box
from cutis.web.clinic.sent import SITES, Problem, Sent, read_sent
from cutis.web.clinic.words import LANGUAGES, class_name, clinic_words, language_of
from cutis.web.refusals import Refusal
from cutis.web.rendering import environment
from cutis.web.security import VISITOR, csrf_token, visitor_secret
from cutis.web.strings import Strings

SCRIPT_HEADER = "x-requested-with"
"""Sent by our scripts, which want a part of the page, or JSON."""

clinic_router = APIRouter()


@dataclass(frozen=True)
class _Given:
    """What the form's fields hold when the page is shown again."""

    age: str = ""
    sex: str = ""
    site: str = ""
    skin_type: str = ""

    @property
    def any(self) -> bool:
        return any((self.age, self.sex, self.site, self.skin_type))


async def _sent(request: Request) -> Sent:
    return await read_sent(request, VISITOR.read(request) or "")


async def _sent_or_refused(request: Request) -> Sent | Response:
    try:
        return await _sent(request)
    except (Problem, Refusal) as error:
        return _refused(request, error)


Posted = Annotated[Sent | Response, Depends(_sent_or_refused)]


@clinic_router.get("/")
async def start(request: Request) -> Response:
    """The page before a photograph is there."""
    return _start_page(request)


@clinic_router.post("/answer")
async def answered(request: Request, sent: Posted) -> Response:
    """The answer: its part of the page for a script, else the whole page."""
    if isinstance(sent, Response):
        return sent
    try:
        photograph = await _photograph(request, sent)
        answer: Answer = await request.app.state.engine.answer(photograph, sent.patient, quality=True)
    except (Problem, Refusal) as error:
        return _refused(request, error)
    engine = request.app.state.engine
    w = _words(request)
    view = answer_page(answer, engine.bundle, engine.rule, sent.patient, sent.site, datetime.now(UTC), w)
    view = replace(view, cases=len(engine.cases) if engine.cases else 0)
    if _is_script(request):
        return HTMLResponse(environment().get_template("clinic/answer.html.jinja").render(view=view, w=w))
    return _start_page(request, view=view, given=_given(sent.patient, sent.site))


@clinic_router.post("/look")
async def look(request: Request, sent: Posted) -> Response:
    """A first look at a photograph, for the script: the suggested box, and whether it is fit."""
    if isinstance(sent, Response):
        return sent
    try:
        whole = await _photograph(request, sent)
    except (Problem, Refusal) as error:
        return _refused(request, error)
    box, unfit, notes = await run_in_threadpool(_looked_at, whole, _aspect(request))
    w = _words(request)
    told = {
        "box": None if box is None else box.model_dump(),
        "whole": box is not None and box.whole,
        "unfit": unfit_in_words(unfit, w),
        "notes": notes_in_words(notes, w),
    }
    return JSONResponse(told)


@clinic_router.post("/heatmap")
async def heatmap(request: Request, sent: Posted) -> Response:
    """Where the network looked, for the script: pictures as base64, and what they explain."""
    if isinstance(sent, Response):
        return sent
    engine = request.app.state.engine
    try:
        found = await engine.heatmap(await _photograph(request, sent), sent.patient, sent.node or None)
    except TaxonomyError:
        return _refused(request, Problem("no-form"))
    except (Problem, Refusal) as error:
        return _refused(request, error)
    name, language = class_name(_words(request), found.node, found.name)
    pictures = {"overlay": found.overlay, "scale": found.scale}
    told = {key: base64.b64encode(png).decode("ascii") for key, png in pictures.items()}
    return JSONResponse({**told, "name": name, "language": language, "unclear": found.unclear})


@clinic_router.post("/similar")
async def similar(request: Request, sent: Posted) -> Response:
    """Cases like this one, for the script: a part of the page."""
    if isinstance(sent, Response):
        return sent
    engine = request.app.state.engine
    try:
        found = await engine.similar(await _photograph(request, sent))
    except (Problem, Refusal) as error:
        return _refused(request, error)
    w = _words(request)
    part = environment().get_template("clinic/similar.html.jinja")
    return HTMLResponse(part.render(cases=similar_rows(found, w), learnt=sum(each.learnt for each in found), w=w))


@clinic_router.get("/similar/{case}.jpg")
def similar_picture(request: Request, case: int) -> Response:
    """The small picture of a case."""
    cases = request.app.state.engine.cases
    if cases is None:
        raise Refusal(404, "no-page", back="/")
    try:
        picture = cases.jpeg(case)
    except (IndexError, ImageError) as error:
        raise Refusal(404, "no-page", back="/") from error
    return Response(picture, media_type="image/jpeg")


@clinic_router.get("/card")
async def card(request: Request) -> Response:
    """The bundle's model card."""
    bundle = request.app.state.engine.bundle
    return _page(request, "clinic/card.html.jinja", here="/card", name=bundle.name, card=card_html(bundle.card))


@cache
def card_html(markdown: str) -> Markup:
    """A model card as HTML: tables, no HTML of its own, no pictures, no links but to the web."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    text = str(reader.render(markdown))
    # A table wider than a phone is scrolled by itself, by keys as well.
    text = text.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    return Markup(text)  # noqa: S704 - the reader escapes everything that is no Markdown


def clinic_refusal(request: Request, refusal: Refusal) -> Response:
    """A refusal in the words of these pages; for the app's handlers."""
    return _refused(request, refusal)


def _looked_at(whole: Photograph, aspect: float) -> tuple[Box | None, tuple[str, ...], tuple[str, ...]]:
    box = suggested_box(whole.pixels, aspect)
    judged = photograph_quality(cropped(whole, box or WHOLE).pixels)
    return box, judged.reasons, judged.notes


async def _photograph(request: Request, sent: Sent) -> Photograph:
    photograph = await sent.decoded(request.app.state.engine)
    return photograph if sent.box.whole else cropped(photograph, sent.box)


def _aspect(request: Request) -> float:
    height, width = request.app.state.engine.bundle.image.decoded
    return float(width / height)


def _words(request: Request) -> Strings:
    return clinic_words(language_of(request))


def _table(w: Strings, name: str) -> dict[str, str]:
    return {key.removeprefix(f"{name}."): words for key, words in w.words.items() if key.startswith(f"{name}.")}


def _is_script(request: Request) -> bool:
    return request.headers.get(SCRIPT_HEADER) == "script"


def _given(patient: Patient, site: str) -> _Given:
    age = "" if patient.age is None else str(patient.age)
    return _Given(age, patient.sex or "", site, patient.skin_type or "")


def _start_page(
    request: Request,
    *,
    view: AnswerPage | None = None,
    given: _Given | None = None,
    problem: str = "",
    status_code: int = 200,
) -> Response:
    bundle = request.app.state.engine.bundle
    w = _words(request)
    secret = visitor_secret(request)
    fields = [w(f"patient.field-{each.replace('_', '-')}") for each in bundle.architecture.patient]
    page = _page(
        request,
        "clinic/start.html.jinja",
        status_code=status_code,
        here="/",
        csrf=csrf_token(secret),
        classes=len(bundle.classes.ids),
        data=learnt_from(bundle),
        fields=("、" if w.language == "zh" else ", ").join(fields),
        sites=SITES,
        skin_types=FITZPATRICK_SKIN_TYPES,
        script_words={
            key.removeprefix("script."): words for key, words in w.words.items() if key.startswith("script.")
        },
        aspect=_aspect(request),
        given=given or _Given(),
        follow_up=request.app.state.follow_up,
        view=view,
        problem=problem,
    )
    VISITOR.write(request, page, secret)
    return page


def _page(request: Request, template: str, *, here: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    w = _words(request)
    text = (
        environment().get_template(template).render(t=w, w=w, request=request, languages=LANGUAGES, here=here, **values)
    )
    return HTMLResponse(text, status_code)


def _refused(request: Request, error: Problem | Refusal) -> Response:
    """What went wrong: JSON for a script; else the start page again, to try once more, or a page of its own."""
    w = _words(request)
    code = error.code if f"problem.{error.code}" in w.words else "failed"
    most = request.app.state.engine.limits.file_bytes
    told = w(f"problem.{code}", megabytes=most // 1_000_000)
    status = error.status
    headers = error.headers if isinstance(error, Refusal) else {}
    if _is_script(request):
        return Response(json.dumps({"code": code, "problem": told}), status, headers, media_type="application/json")
    if isinstance(error, Problem):
        return _start_page(request, problem=told, status_code=status)
    page = _page(request, "clinic/refused.html.jinja", here="/", status_code=status, told=told)
    page.headers.update(headers)
    return page
