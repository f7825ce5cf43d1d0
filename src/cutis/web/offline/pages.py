"""The routes of the offline app. All lie below ``/offline/``: the scope of its service worker."""

from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from cutis.models import OnnxBundle
from cutis.taxonomy import RiskRule
from cutis.web.clinic.words import LANGUAGES, clinic_words, language_of
from cutis.web.offline.build import OfflineBuild, OfflineFile
from cutis.web.offline.words import offline_words
from cutis.web.rendering import environment
from cutis.web.security import content_policy

POLICY = content_policy(script_src="'wasm-unsafe-eval'", worker_src="'self'", manifest_src="'self'")
"""As the other pages'; besides, WebAssembly and workers of our own may run, and the app can be installed."""

_NEW = {"cache-control": "no-cache", "content-security-policy": POLICY}
_KEPT = {"cache-control": "public, max-age=31536000, immutable", "content-security-policy": POLICY}


def offline_router(bundle: OnnxBundle, folder: Path, rule: RiskRule) -> APIRouter:
    """The app for one model, to be included in a FastAPI app.

    Args:
        bundle: the model.
        folder: where the bundle lies; without the file there that the bundle runs, the page says so.
        rule: costs, grades and advice.
    """
    build = OfflineBuild(bundle, folder, rule)
    router = APIRouter(prefix="/offline", include_in_schema=False)

    def ready() -> None:
        if build.missing:
            raise HTTPException(503)

    @router.get("/")
    def start(request: Request) -> Response:
        return page(language_of(request))

    @router.get("/model.json")
    def model() -> Response:
        return Response(build.facts, media_type="application/json", headers=_NEW)

    @router.get("/build.json")
    def told() -> Response:
        ready()
        return JSONResponse(build.told(), headers=_NEW)

    @router.get("/service-worker.js")
    def service_worker() -> Response:
        ready()
        return Response(build.service_worker(), media_type="text/javascript", headers=_NEW)

    @router.get("/files/{address:path}")
    def file(request: Request) -> Response:
        ready()
        found = build.files.get(request.url.path)
        if found is None:  # of another build: the page loads itself anew
            raise HTTPException(404)
        return _sent(found, _KEPT)

    @router.get("/{language}/manifest.webmanifest")
    def manifest(language: str) -> Response:
        ready()
        return _sent(build.files[f"/offline/{_known(language)}/manifest.webmanifest"], _NEW)

    @router.get("/{language}/")
    def page(language: str) -> Response:
        language = _known(language)
        if build.missing:
            return _missing(language, build.missing)
        return _sent(build.files[f"/offline/{language}/"], _NEW)

    return router


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise HTTPException(404)
    return language


def _missing(language: str, what: str) -> Response:
    template = environment().get_template("offline/missing.html.jinja")
    text = template.render(t=offline_words(language), w=clinic_words(language), what=what)
    return Response(text, 503, media_type="text/html", headers=_NEW)


def _sent(file: OfflineFile, headers: dict[str, str]) -> Response:
    media_type = "application/gzip" if file.packed else file.media_type
    if isinstance(file.source, Path):
        return FileResponse(file.source, media_type=media_type, headers=headers)  # answers ranges
    return Response(file.source, media_type=media_type, headers=headers)
