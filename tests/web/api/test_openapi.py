"""The API's description, and that it is true."""

import json
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cutis.web.api.problems import PROBLEMS, ProblemDetails
from cutis.web.rendering import ROOM

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_it_is_openapi_3_1_with_examples_and_problems(api):
    told = api.get("/api/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    assert set(told["paths"]) == {"/api/v1/predict", "/api/v1/explain", "/api/v1/models", "/healthz", "/metrics"}
    predict = told["paths"]["/api/v1/predict"]["post"]
    form = predict["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["images"]
    assert form["properties"]["images"]["maxItems"] == 4  # as the server takes
    assert form["properties"]["patients"]["examples"]
    for status, response in predict["responses"].items():
        kinds = set(response["content"])
        assert kinds == ({"application/json"} if status == "200" else {"application/problem+json"}), status
    text = json.dumps(told)
    for name in re.findall(r'"#/components/schemas/([^"]+)"', text):
        assert name in told["components"]["schemas"], name
    assert "HTTPValidationError" not in text


def test_every_problem_that_is_raised_is_listed():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOM / "api").glob("*.py"))
    raised = {(int(status), kind) for status, kind in re.findall(r'Problem\(\s*(\d+), "([a-z-]+)"', code)}
    assert len(raised) > 8
    for status, kind in raised:
        assert PROBLEMS[kind].status == status, kind
    assert ProblemDetails.model_json_schema()["required"] == ["type", "title", "status", "detail", "instance"]


def test_the_page_of_it_asks_nobody_else_for_anything(api):
    page = api.get("/api/docs")
    assert page.status_code == 200
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page.text)
    assert not re.search(r"""(?:src|href|action)=["'](?!/|#)""", page.text)
    for kind in PROBLEMS:
        assert f"urn:cutis:problem:{kind}" in page.text
    assert all(path in page.text for path in ("/api/v1/predict", "/api/v1/explain", "/api/v1/models"))
    for each in re.findall(r'"(/static/[^"]+)"', page.text):
        assert api.get(each).status_code == 200


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        ("/api/v1/predict", "POST", GenerationMode.POSITIVE),
        ("/api/v1/predict", "POST", GenerationMode.NEGATIVE),
        ("/api/v1/models", "GET", GenerationMode.POSITIVE),
        ("/healthz", "GET", GenerationMode.POSITIVE),
        ("/metrics", "GET", GenerationMode.POSITIVE),
    ],
)
def test_schemathesis_finds_nothing(app, api, path, method, mode):
    """What is sent, as described or against it, is answered as described. A heatmap takes too long to be tried so."""
    operation = schemathesis.openapi.from_asgi("/api/openapi.json", app)[path][method]

    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def examine(case):
        response = case.call()
        case.validate_response(response, checks=CHECKS)

    examine()
