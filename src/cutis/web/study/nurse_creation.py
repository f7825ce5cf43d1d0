"""Making a study in the browser: a design is chosen, read in words, its cases looked for, and only then made."""

import hashlib
import secrets
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import tomli_w
from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import FormData, UploadFile

from cutis.errors import CutisError
from cutis.study import (
    BUILT_IN,
    PlannedStudy,
    Stage,
    StudyDesign,
    StudyError,
    design_in_words,
    design_names,
    make_study,
    parse_design,
    plan_study,
    question_text,
    shipped_design,
    showings,
    strata_in_words,
)
from cutis.web.study.nurse_desk import HOME, Desk, NurseVisit, Posted, Problem, Seen, go
from cutis.web.study.nurse_sources import find_sources, inside

LONGEST = 200_000
"""Characters of a design; one with a long list of excluded images fits."""

nurse_creation_router = APIRouter(prefix=HOME)


class Ready(NamedTuple):
    """A design that ships with cutis."""

    name: str
    design: StudyDesign
    question: str
    showings: int


class Wanted(NamedTuple):
    """What the form holds. ``text``: the design as TOML; ``manifest`` and ``ai``: places below the data folder.

    ``form``: the form's own random name.
    """

    text: str
    manifest: str
    ai: str
    form: str

    @property
    def mark(self) -> str:
        """A hash of the text: it shows whether it was changed in the browser."""
        return hashlib.sha256(self.text.strip().encode()).hexdigest()


async def _uploaded(visit: Posted) -> str:
    """The text of the design that was sent or named."""
    file = visit.form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        content = await file.read()
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Problem("The file is not text in UTF-8, so it is no design.", back=f"{HOME}/new") from error
    name = str(visit.form.get("ready") or "")
    if name not in design_names():
        raise Problem("Choose a design, or a file.", back=f"{HOME}/new")
    return shipped_design(name)


@nurse_creation_router.get("/new")
def choose_page(visit: Seen) -> Response:
    """Which design."""
    ready = []
    for name in design_names():
        design = parse_design(tomllib.loads(shipped_design(name)), name)
        ready.append(Ready(name, design, question_text(design.question), showings(design)))
    return visit.page("new", ready=ready, data=visit.desk.data)


@nurse_creation_router.post("/new")
def look(visit: Posted, text: Annotated[str, Depends(_uploaded)]) -> Response:
    """What the chosen design says."""
    return _plan_page(visit, Wanted(text, "", "", secrets.token_hex(16)))


@nurse_creation_router.get("/new/plan")
def no_plan() -> Response:
    """A plan lives in its form."""
    return go(f"{HOME}/new")


@nurse_creation_router.post("/new/plan")
def check(visit: Posted) -> Response:
    """Look for the cases; nothing is made."""
    wanted = _wanted(visit)
    try:
        planned = plan_study(_design(visit.desk, wanted))
    except CutisError as error:
        return _plan_page(visit, wanted, problem=error)
    return _plan_page(visit, wanted, planned=planned)


@nurse_creation_router.post("/new/make")
def make(visit: Posted) -> Response:
    """Make the study, in a thread of its own."""
    wanted = _wanted(visit)
    folder = visit.desk.folder
    clock = visit.request.app.state.clock
    try:
        design = _design(visit.desk, wanted)
    except CutisError as error:
        return _plan_page(visit, wanted, problem=error)

    def work(stage: Stage) -> int:
        return make_study(folder.store, folder.path, plan_study(design), clock(), stage=stage)

    if not visit.desk.making.start(wanted.form, design.title, work):
        raise Problem("Another study is being made. Wait until it is done.", back=f"{HOME}/making", status=409)
    return go(f"{HOME}/making")


@nurse_creation_router.get("/making")
def making_page(visit: Seen) -> Response:
    """How far it is."""
    state = visit.desk.making.state
    if state is None:
        return go(HOME)
    if state.study is not None:
        return go(f"{HOME}/studies/{state.study}?notice=made")
    return visit.page("making", state=state)


@nurse_creation_router.get("/making/state")
def making_state(visit: Seen) -> Response:
    """The same for the page's script."""
    state = visit.desk.making.state
    if state is None:
        return JSONResponse({"running": False})
    return JSONResponse({**state._asdict(), "running": state.running})


def _wanted(visit: NurseVisit) -> Wanted:
    text, manifest, ai, form = (str(visit.form.get(each) or "") for each in ("text", "manifest", "ai", "form"))
    if len(text) > LONGEST:
        raise Problem("The design is too long.", back=f"{HOME}/new", status=413)
    wanted = Wanted(text.replace("\r\n", "\n"), manifest, ai, form)
    if visit.form.get("mark") == wanted.mark:  # else the text was changed, and counts
        wanted = wanted._replace(text=_with_answers(wanted.text, visit.form))
    return wanted


def _with_answers(text: str, form: FormData) -> str:
    """The design with what stands in the fields above it; as it was where they say the same."""
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # told when it is read
        return text
    before = tomllib.loads(text)
    for key in ("title", "consent", "instructions"):
        said = str(form.get(key) or "").replace("\r\n", "\n").strip()
        if key in form and said != str(fields.get(key, "")).strip():
            fields[key] = said
    for key in ("seconds_per_case", "training_cases", "repeated_cases"):
        if key in form:
            _put_number(fields, key, str(form[key]).strip())
    strata = fields.get("cases")
    for place, stratum in enumerate(strata if isinstance(strata, list) else ()):
        if f"number_{place}" in form and isinstance(stratum, dict):
            _put_number(stratum, "number", str(form[f"number_{place}"]).strip())
    return text if fields == before else tomli_w.dumps(fields, multiline_strings=True)


def _put_number(fields: dict[str, Any], key: str, said: str) -> None:
    if not said or (said == "0" and key not in fields):
        fields.pop(key, None)
    else:
        fields[key] = int(said) if said.isascii() and said.isdigit() else said  # a wrong one is told by its key


def _fields(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"the design is not valid TOML ({error})", fix="Correct that line.") from error


def _aided(fields: Mapping[str, Any]) -> bool:
    arms = fields.get("arms")
    return isinstance(arms, list) and any(isinstance(each, dict) and each.get("aid") for each in arms)


def _design(desk: Desk, wanted: Wanted) -> StudyDesign:
    """The design with whole paths, all below the data folder: a browser names no other file of the server.

    Raises:
        StudyError: it is no design, or names something outside.
    """
    fields = _fields(wanted.text)
    if not wanted.manifest:
        raise StudyError("no manifest is chosen", fix="Choose where the cases come from.")
    fields["manifest"] = _place(desk, "manifest", wanted.manifest)
    if _aided(fields):
        if not wanted.ai:
            raise StudyError("no AI is chosen, and an arm shows one", fix="Choose it.")
        fields["ai"] = BUILT_IN if wanted.ai == BUILT_IN else _place(desk, "ai", wanted.ai)
    if isinstance(fields.get("exclude"), str):
        fields["exclude"] = _place(desk, "exclude", fields["exclude"])
    return parse_design(fields)


def _place(desk: Desk, key: str, name: str) -> str:
    path = inside(desk.data, name)
    if path is None or not path.exists():
        raise StudyError(f"'{name}' is not in the server's data folder", where=key, fix="Choose one that is.")
    return str(path)


def _plan_page(
    visit: NurseVisit, wanted: Wanted, *, problem: CutisError | None = None, planned: PlannedStudy | None = None
) -> Response:
    sources = find_sources(visit.desk.data)
    design = None
    aided = False
    try:
        fields = _fields(wanted.text)
        aided = _aided(fields)
        fields["manifest"] = wanted.manifest or "manifest.parquet"
        if aided:
            fields["ai"] = wanted.ai or BUILT_IN
        design = parse_design(fields)
    except StudyError as error:
        problem = problem or error
    if not wanted.manifest and len(sources.manifests) == 1:
        wanted = wanted._replace(manifest=sources.manifests[0])
    if aided and not wanted.ai:
        wanted = wanted._replace(ai=BUILT_IN)
    return visit.page(
        "plan",
        status_code=422 if problem else 200,
        wanted=wanted,
        sources=sources,
        data=visit.desk.data,
        aided=aided,
        design=design,
        said=design_in_words(design) if design else [],
        strata=strata_in_words(design) if design else [],
        problems=[] if problem is None else _parts(problem),
        fix="" if problem is None else problem.fix,
        found=None if planned is None else planned.found(),
        notes=[] if planned is None else planned.notes,
        built_in=BUILT_IN,
    )


def _parts(error: CutisError) -> list[str]:
    """Each of the problems that an error tells together."""
    head = f"{error.where}: " if error.where and error.where != "design" else ""
    return [f"{head}{each}" for each in error.problem.split("; ")]
