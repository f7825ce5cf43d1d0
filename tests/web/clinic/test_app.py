"""The whole app: ids, logs without content, the audit log, figures, and what keeps bodies in bounds."""

import asyncio
import io
import json
import logging
import re
import stat

import numpy as np
import pytest
from fastapi import APIRouter, Request
from fastapi.testclient import TestClient
from PIL import Image

from cutis.errors import CutisError
from cutis.models import fastest_bundle
from cutis.taxonomy import read_risk_rule
from cutis.web.clinic.app import create_clinic_app
from cutis.web.clinic.audit_log import AuditLog
from cutis.web.clinic.engine import Limits
from cutis.web.clinic.journal import JsonLines
from cutis.web.security import checked_form, content_policy, csrf_token

PREDICT = "/api/v1/predict"


@pytest.fixture(scope="module")
def model():
    return fastest_bundle()


@pytest.fixture
def make(model):
    """Makes an app over the model that comes with cutis."""
    return lambda **options: create_clinic_app(model, rule=read_risk_rule(), **options)


@pytest.fixture
def photograph():
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(80, 200, (90, 120, 3), dtype=np.uint8)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def lines():
    """What the server logs, each line read as JSON."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("cutis")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_each_request_is_a_line_without_its_content(make, photograph, lines):
    with TestClient(make()) as client:
        files = {"images": ("Jane Doe 1970-01-01.jpg", photograph)}
        data = {"patients": '{"age": 61, "sex": "female", "site": "scalp"}'}
        response = client.post(PREDICT, files=files, data=data, params={"quality": "false"})
        assert response.status_code == 200
        client.get("/nowhere/Jane%20Doe?name=Jane")
        client.post(PREDICT, files={"images": ("Jane Doe.jpg", b"no photograph")})
    first, second, third = [each for each in lines() if each["message"] == "request"]
    assert set(first) == {
        "time", "level", "logger", "message", "id", "method", "route", "status", "ms", "bytes_in", "bytes_out", "key",
    }  # fmt: skip
    assert first["id"] == response.headers["x-request-id"]
    assert (first["method"], first["route"], first["status"], first["key"]) == ("POST", PREDICT, 200, None)
    assert first["bytes_in"] > len(photograph)
    assert first["bytes_out"] == len(response.content)
    assert (second["route"], second["status"], third["status"]) == ("other", 404, 422)
    text = json.dumps(lines())
    assert not re.search("Jane|Doe|1970|scalp|female", text)


def test_a_fault_is_logged_by_its_place_and_not_by_its_words(make, lines):
    room = APIRouter()

    @room.get("/api/broken")
    def broken() -> None:
        raise ValueError("Jane Doe")

    client = TestClient(make(rooms=[room]), raise_server_exceptions=False)
    response = client.get("/api/broken")
    assert response.status_code == 500
    assert response.json()["type"] == "urn:cutis:problem:failed"
    assert "Jane" not in response.text
    (fault,) = [each for each in lines() if each["level"] == "error"]
    assert fault["exception"] == "ValueError"
    assert fault["id"] == response.headers["x-request-id"]
    assert any("test_app.py" in each and "broken" in each for each in fault["raised"])
    assert "Jane" not in json.dumps(lines())


def test_each_answer_is_noted_without_content(make, model, photograph, tmp_path):
    path = tmp_path / "logs" / "audit.jsonl"
    path.parent.mkdir()
    path.write_text('{"earlier": true}\n')
    path.chmod(0o600)
    log = AuditLog(path, model=model.name, sha256=model.about["weights_sha256"])
    with TestClient(make(audit=log)) as client:
        files = [("images", ("Jane.jpg", photograph)), ("images", ("Doe.jpg", photograph))]
        response = client.post(PREDICT, files=files)
        client.post(PREDICT, files=[files[0], ("images", ("bad.jpg", b""))])
        client.get("/healthz")
    log.close()
    earlier, noted = [json.loads(line) for line in path.read_text().splitlines()]
    assert earlier == {"earlier": True}
    assert set(noted) == {"time", "id", "key", "what", "images", "model", "model_sha256", "cutis"}
    assert noted["id"] == response.headers["x-request-id"]
    assert (noted["what"], noted["images"], noted["key"]) == ("predict", 2, None)
    assert noted["model_sha256"] == model.about["weights_sha256"]
    fresh = tmp_path / "fresh.jsonl"
    AuditLog(fresh, model="x", sha256="y").close()
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o600
    with pytest.raises(CutisError, match="cannot be written"):
        AuditLog(tmp_path, model="x", sha256="y")


def test_no_answer_is_given_that_cannot_be_noted(make, model, photograph, tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl", model=model.name, sha256="")
    app = make(audit=log)
    log.write = lambda *_: (_ for _ in ()).throw(OSError("disk full"))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post(PREDICT, files={"images": ("a.jpg", photograph)}).status_code == 500
    log.close()


def test_figures_and_health(make, photograph):
    app = make()
    with TestClient(app) as client:
        assert client.get("/healthz").json() == {"alive": True, "ready": True}
        for _ in range(2):
            client.post(PREDICT, files={"images": ("a.jpg", photograph)})
        client.get("/a/b/c")
        text = client.get("/metrics").text
        assert 'cutis_requests_total{method="POST",route="/api/v1/predict",status="200"} 2.0' in text
        assert 'cutis_requests_total{method="GET",route="other",status="404"} 1.0' in text
        assert "cutis_images_total 2.0" in text
        assert "cutis_images_waiting 0.0" in text
        assert 'cutis_request_seconds_bucket{le="+Inf",route="/api/v1/predict"} 2.0' in text
        app.state.engine.waiting = app.state.engine.limits.waiting
        assert client.get("/healthz").status_code == 503
        app.state.engine.waiting = 0
    assert TestClient(app).get("/healthz").json() == {"alive": True, "ready": False}


def test_other_names_for_this_machine_are_refused(make):
    client = TestClient(make(hosts=("127.0.0.1", "localhost", "::1")))
    for host in ("127.0.0.1:8000", "LOCALHOST", "[::1]:8000", "localhost:1"):
        assert client.get("/api/docs", headers={"host": host}).status_code == 200, host
    for host in ("evil.example", "127.0.0.1.evil.example", "", "[::2]", "localhost@evil"):
        response = client.get("/api/docs", headers={"host": host})
        assert (response.status_code, response.json()["type"]) == (421, "urn:cutis:problem:wrong-host"), host


def test_pages_keep_their_own_policy_and_say_no_as_pages(make):
    room = APIRouter()

    @room.get("/page")
    def page() -> dict[str, str]:
        return {}

    @room.get("/own")
    def own(request: Request):
        from starlette.responses import HTMLResponse

        return HTMLResponse(
            "", headers={"content-security-policy": content_policy(img_src="blob:", worker_src="'self'")}
        )

    client = TestClient(make(rooms=[room]))
    assert "blob:" not in client.get("/page").headers["content-security-policy"]
    policy = client.get("/own").headers["content-security-policy"]
    assert "img-src 'self' blob:;" in policy
    assert "worker-src 'self'" in policy
    assert "default-src 'none'" in policy
    assert client.get("/nowhere").headers["content-type"].startswith("text/html")
    assert set(client.get("/api/openapi.json").json()["paths"]) & {"/page", "/own"} == set()


def test_forms_of_pages_are_held_in_memory(make, tmp_path, monkeypatch):
    room = APIRouter()
    seen = []

    @room.post("/page")
    async def page(request: Request) -> int:
        form = await checked_form(request, "secret", files=1)
        seen.append(form["photograph"].file._rolled)
        return len(await form["photograph"].read())

    client = TestClient(make(rooms=[room]))
    sent = client.post("/page", files={"photograph": ("a.jpg", bytes(3_000_000))}, data={"csrf": csrf_token("secret")})
    assert (sent.json(), seen) == (3_000_000, [False])
    assert client.post("/page", files={"photograph": ("a.jpg", b"")}).status_code == 403


START = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n'


class Wire:
    """Speaks to an app as a server does, byte by byte."""

    def __init__(self, app):
        self.app = app

    async def send(self, pieces, *, pause=0.0, path=PREDICT):
        waiting = list(pieces)
        said = {"body": b""}

        async def receive():
            await asyncio.sleep(pause)
            if waiting:
                return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}
            await asyncio.sleep(60)
            raise AssertionError

        async def send(message):
            said["status"] = message.get("status", said.get("status"))
            said["body"] += message.get("body", b"")

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
            "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http",
            "headers": [(b"host", b"x"), (b"content-type", b"multipart/form-data; boundary=x")],
            "client": ("127.0.0.1", 1), "server": ("x", 80),
        }  # fmt: skip
        await self.app(scope, receive, send)
        return said["status"], json.loads(said["body"])["type"]


def test_slow_bodies_are_given_up(make):
    wire = Wire(make(limits=Limits(body_seconds=0.3)))
    assert asyncio.run(wire.send([START, *[b"a"] * 50], pause=0.05)) == (408, "urn:cutis:problem:too-slow")


def test_bodies_together_are_held_within_bounds(make):
    app = make(limits=Limits(held_bytes=100_000, body_seconds=0.5))
    wire = Wire(app)
    large, slow = [START, b"a" * 80_000, b""], [START, b"a" * 70_000, b"", b""]

    async def work():
        first = asyncio.create_task(wire.send(slow, pause=0.1))
        await asyncio.sleep(0.25)
        second = await wire.send(large)
        await first
        return second, await wire.send(large)

    refused, after = asyncio.run(work())
    assert refused == (503, "urn:cutis:problem:server-busy")
    assert after == (422, "urn:cutis:problem:no-photograph")  # nothing is held, so it is read to its end
