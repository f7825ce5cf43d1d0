"""Two hundred hostile uploads: each is answered or refused as described; nothing grows, and nothing is left behind."""

import gc
import tempfile
from itertools import chain

import psutil
import pytest

from cutis.web.clinic.engine import Limits
from cutis.web.security import FIELD_BYTES

from .hostile import NAMES, Upload, bodies, bombs, broken, odd_photographs, other_types, polyglots

PREDICT = "/api/v1/predict"
SAID = {200, 400, 413, 415, 422}
MOST_GROWTH = 40_000_000  # bytes, of some hundred photographs of up to 4 megapixels


@pytest.fixture
def uploads(photograph, phantom):
    named = (Upload(f"called {name!r}", name, photograph()) for name in NAMES)
    found = list(
        chain(
            bombs(photograph),
            polyglots(photograph),
            other_types(photograph),
            odd_photographs(photograph, phantom),
            broken(photograph),
            named,
        )
    )
    assert len(found) >= 170
    return found


@pytest.fixture
def nothing_left(tmp_path, monkeypatch):
    """No file is made where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = []
    whole = tempfile.NamedTemporaryFile, tempfile.TemporaryFile, tempfile.mkstemp
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *a, **k: made.append("file") or whole[1](*a, **k))
    yield
    assert list(tmp_path.iterdir()) == []
    assert made == []


def send(api, upload):
    """By hand: a client would mend the name."""
    name = upload.name.replace("\r", "").replace("\n", "").encode()
    head = b'--x\r\nContent-Disposition: form-data; name="images"; filename="' + name + b'"\r\n\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    return api.post(PREDICT, content=head + upload.content + b"\r\n--x--\r\n", headers=kind)


def test_every_upload_is_answered_or_refused_as_described(api, uploads, photograph, nothing_left):
    process = psutil.Process()
    answered = set()

    def examine(each):
        response = send(api, each)
        assert response.status_code in SAID, (each.what, response.text)
        if response.status_code == 200:
            answered.add(each.what)
        else:
            assert response.headers["content-type"] == "application/problem+json", each.what
            assert "Traceback" not in response.text
            assert "/site-packages" not in response.text

    for each in uploads:
        examine(each)
    for what, kind, body in bodies(photograph()):
        response = api.post(PREDICT, content=body, headers={"content-type": kind.encode("latin-1")} if kind else {})
        assert response.status_code in SAID, (what, response.text)
    assert {"cmyk", "16 bits", "animated png", "gps", "jpeg, then html", "jpeg called html"} <= answered
    assert not answered & {"svg", "gif", "tiff", "postscript", "html, then jpeg", "png 40,000 × 40,000 in the header"}
    # Once more: by now everything that is loaded once is loaded.
    gc.collect()
    before = process.memory_info().rss
    for each in uploads:
        if each.what not in answered:
            examine(each)
    gc.collect()
    assert process.memory_info().rss - before < MOST_GROWTH
    assert api.post(PREDICT, files={"images": ("a.jpg", photograph())}).status_code == 200


def test_nothing_of_a_large_upload_touches_the_disk(api, photograph, nothing_left):
    """Starlette spools files of more than a megabyte to a disk of its own accord."""
    large = photograph() + bytes(2_500_000)
    assert api.post(PREDICT, files={"images": ("a.jpg", large)}).status_code == 200
    assert len(large) > 2 * FIELD_BYTES


def test_no_name_is_told_again_as_it_came(api):
    told_again = 0
    for name in NAMES:
        told = send(api, Upload("", name, b"")).json()
        if told["type"].endswith("no-form"):
            continue  # its quotation mark ended the header
        told_again += 1
        (bad,) = told["photographs"]
        assert len(bad["name"]) <= 100
        assert not set(bad["name"]) & set("/\\\0\x07\x9b\u202e\r\n"), name
    assert told_again >= len(NAMES) - 2


def test_the_limits_of_a_server_are_told(api):
    assert Limits().pixels == 50_000_000
    told = api.get("/api/v1/models").json()["models"][0]["limits"]
    assert told["pixels_per_photograph"] == 4_000_000
