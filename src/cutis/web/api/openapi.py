"""The API's description: OpenAPI 3.1 for programs, and a page of it to read, which asks nobody else for anything."""

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from cutis import __version__
from cutis.clinic import Patient
from cutis.web.api.problems import MEDIA_TYPE, PROBLEMS, ProblemDetails
from cutis.web.api.rendering import STATEMENT
from cutis.web.rendering import render

OPENAPI = "/api/openapi.json"
DOCS = "/api/docs"

_REFERENCE = "#/components/schemas/{model}"
_FILE = {"type": "string", "format": "binary"}
_ABOUT = (
    f"{STATEMENT['en']}\n\n"
    "Photographs are JPEG, PNG or WebP, told from the content. They are decoded in memory, answered and forgotten: "
    "no photograph, file name or word about a patient is kept, logged or sent on. Every answer and problem carries "
    "the request's id, in `X-Request-ID` too; a client may send its own there (8 to 64 letters, digits and hyphens; "
    "never a patient's number). Problems are RFC 9457 problem details. Advice is in the language that "
    "`Accept-Language` likes best of English, Spanish, Chinese and Korean."
)
_PATIENT_EXAMPLE = {"age": 61, "sex": "female", "site": "posterior trunk"}


def _body(photographs: str, schema: dict[str, Any], patients: str, described: dict[str, Any]) -> dict[str, Any]:
    return {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [photographs],
                    "additionalProperties": False,
                    "properties": {photographs: schema, patients: described},
                },
                "encoding": {patients: {"contentType": "application/json"}},
            }
        },
    }


PREDICT_BODY = _body(
    "images",
    {"type": "array", "items": _FILE, "minItems": 1, "description": "One or several photographs."},
    "patients",
    {
        "description": "In JSON, what is known of the patient: an object for all photographs, or a list of one each.",
        "anyOf": [
            {"$ref": _REFERENCE.format(model="Patient")},
            {"type": "array", "items": {"$ref": _REFERENCE.format(model="Patient")}},
        ],
        "examples": [_PATIENT_EXAMPLE],
    },
)
EXPLAIN_BODY = _body(
    "image",
    _FILE | {"description": "A photograph."},
    "patient",
    {"description": "In JSON, what is known of the patient.", "$ref": _REFERENCE.format(model="Patient")},
)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that an address answers, for its description."""
    return {
        status: {
            "description": "; ".join(each.title for each in PROBLEMS.values() if each.status == status) + ".",
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
        }
        for status in statuses
    }


def described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What makes the description of an app, once."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            made = get_openapi(
                title="cutis",
                version=__version__,
                summary="What a model says of photographs of skin lesions.",
                description=_ABOUT,
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
                routes=app.routes,
            )
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            for model, name in ((Patient, "Patient"), (ProblemDetails, "Problem")):
                schemas[name] = model.model_json_schema(ref_template=_REFERENCE)
            form = made["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
            form["properties"]["images"]["maxItems"] = app.state.engine.limits.files
            if app.state.senders.needs_key:
                made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
                for path, operations in made["paths"].items():
                    for each in operations.values() if path != "/healthz" else ():
                        each["security"] = [{"key": []}]
            app.openapi_schema = made
        return app.openapi_schema

    return openapi


def docs_page(request: Request) -> HTMLResponse:
    """The description as a page."""
    app: FastAPI = request.app
    made = app.openapi()
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in made["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = {
        name: json.dumps(each, indent=2, ensure_ascii=False) for name, each in made["components"]["schemas"].items()
    }
    return render(
        request,
        "api/docs.html.jinja",
        language="en",
        about=_ABOUT.replace("`", ""),
        openapi=OPENAPI,
        operations=operations,
        schemas=schemas,
        problems=PROBLEMS,
        address=str(request.base_url).rstrip("/"),
        needs_key=app.state.senders.needs_key,
    )
