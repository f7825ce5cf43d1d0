"""What every response keeps to, whatever it is."""

import logging
import re

import pytest
from fastapi import APIRouter, Request
from fastapi.testclient import TestClient

from cutis.study.store import open_store
from cutis.web import create_study_app
from cutis.web.security import BODY_BYTES

from .study.reading import Reader


def test_headers_of_every_kind_of_response(make_study) -> None:
    study = make_study()
    client = study.client()
    reader = Reader(client).begin(study.links["R1"]).show()
    responses = [
        client.get(study.links["R2"]),
        client.get("/study"),
        client.get(f"/study/picture/{reader.key}"),
        client.get("/study/picture/none"),
        client.get("/nothing"),
        client.put("/study"),
        client.get("/", follow_redirects=False),
        client.get("/study/pictures.css"),
        reader.post(f"/study/answer/{reader.key}"),
    ]
    assert {each.status_code for each in responses} == {200, 303, 403, 404, 405, 422}
    static = [client.get(each) for each in re.findall(r'"(/static/[^"]+)"', reader.text)]
    assert len(static) >= 4
    for each in responses + static:
        headers = each.headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"]
    assert {each.headers["cache-control"] for each in responses} == {"no-store"}
    assert all("immutable" in each.headers["cache-control"] for each in static)


def test_pages_hold_no_script_or_style_and_ask_nobody_else(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", reader.text)
    assert not re.search(r"""(?:src|href|action)=["'](?!/|#)""", reader.text)


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_cookies_are_out_of_reach(make_study, scheme: str, secure: bool) -> None:
    study = make_study()
    reader = Reader(study.client(base_url=f"{scheme}://study.test", follow_redirects=False))
    reader.join(study.links["R1"])
    set_cookie = reader.page.headers["set-cookie"]
    assert set_cookie.startswith("__Host-cutis-reader=" if secure else "cutis-reader=")
    assert "HttpOnly" in set_cookie
    assert "SameSite=strict" in set_cookie
    assert "Path=/" in set_cookie
    assert ("Secure" in set_cookie) is secure


def test_every_form_and_every_report_needs_its_token(make_study) -> None:
    study = make_study()
    client = study.client()
    reader = Reader(client).begin(study.links["R1"]).show()
    other = Reader(study.client()).begin(study.links["R2"])
    key = reader.key
    addresses = ["consent", "instructions", "next", "pause", "resume", f"answer/{key}", f"move-on/{key}", "elsewhere"]
    report = {"kind": "zoomed", "window": [1, 1], "image": [1, 1], "pixel_ratio": 1}
    for token in ("", "guessed", other.csrf):
        for address in [*addresses, "withdraw"]:
            answer = client.post(f"/study/{address}", data={"csrf": token, "choice": "benign", "percent": "1"})
            assert answer.status_code == 403, address
        assert client.post(f"/study/events/{key}", json=report, headers={"x-csrf-token": token}).status_code == 403
        assert client.post(study.links["R2"], data={"csrf": token}).status_code == 403
    assert reader.open().key == key


def test_what_another_site_sends_is_refused_even_with_a_token(make_study) -> None:
    study = make_study()
    client = study.client()
    reader = Reader(client).begin(study.links["R1"])
    sent = client.post("/study/next", data={"csrf": reader.csrf}, headers={"sec-fetch-site": "cross-site"})
    assert sent.status_code == 403
    assert reader.open().heading == "Case 1 of 4"


def test_large_bodies_are_refused_said_to_be_large_or_not(make_study) -> None:
    study = make_study()
    client = study.client()
    reader = Reader(client).begin(study.links["R1"])
    large = b"csrf=" + b"a" * BODY_BYTES
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/study/next", content=large, headers=form).status_code == 413
    in_pieces = (large[start : start + 1000] for start in range(0, len(large), 1000))
    assert client.post("/study/next", content=in_pieces, headers=form).status_code == 413
    assert client.post("/study/next", content=b"\xff\xfe=%ff&&", headers=form).status_code == 403
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/study/next", content=b"--x\r\nnonsense", headers=multipart).status_code in (400, 403)
    assert reader.open().heading == "Case 1 of 4"


def test_more_may_be_sent_where_the_app_says_so(tmp_path) -> None:
    room = APIRouter()

    @room.post("/nurse/design")
    async def take(request: Request) -> int:
        return len(await request.body())

    store = open_store(tmp_path / "study.db")
    client = TestClient(create_study_app(store, rooms=[room], larger_bodies={"/nurse": 100_000}))
    assert client.post("/nurse/design", content=b"a" * 50_000).json() == 50_000
    assert client.post("/nurse/design", content=b"a" * 100_001).status_code == 413
    store.close()


def test_what_nobody_foresaw_is_a_page_and_a_line_in_the_log(tmp_path, caplog) -> None:
    room = APIRouter()

    @room.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret detail")

    store = open_store(tmp_path / "study.db")
    client = TestClient(create_study_app(store, rooms=[room]))
    with caplog.at_level(logging.ERROR, "cutis.web"):
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "secret detail" in caplog.text
    store.close()


def test_a_link_is_not_tried_without_end(make_study) -> None:
    study = make_study()
    client = study.client()
    reader = Reader(client).open("/s/guessed")
    codes = [client.post("/s/guessed", data={"csrf": reader.csrf}).status_code for _ in range(12)]
    assert codes == [410] * 10 + [429] * 2
    study.clock.wait(60)
    assert client.post("/s/guessed", data={"csrf": reader.csrf}).status_code == 410
    assert Reader(client).join(study.links["R1"]).heading == "Do you take part?"
