"""API keys and their allowances."""

import json
import stat

import pytest
from fastapi.testclient import TestClient

from cutis.errors import CutisError
from cutis.web.api.keys import KeyFile
from cutis.web.api.senders import Senders
from cutis.web.clinic.app import create_clinic_app
from cutis.web.rate_limit import TokenBucket

MODELS = "/api/v1/models"


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "keys.json")


def test_the_file_holds_no_key_and_is_its_owners_alone(file):
    key = file.add("ward 3", images_per_minute=60)
    text = file.path.read_text()
    assert key not in text
    assert key.rsplit("_", maxsplit=1)[-1] not in text
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    found = KeyFile(file.path).matching(key)
    assert (found.name, found.images_per_minute) == ("ward 3", 60)
    assert [each.name for each in file.path.parent.iterdir()] == ["keys.json"]


def test_what_is_no_key_in_use_is_none(file):
    key, other = (file.add(name, images_per_minute=60) for name in ("a", "b"))
    wrong = [
        "",
        "x",
        key[:-1],
        key + "x",
        key[:-1] + ("A" if key[-1] != "A" else "B"),
        key.upper(),
        "cutis_00000000_" + key[15:],
    ]
    wrong += [key[:15] + other[15:], "\udcff" * 58, key.replace("cutis", "cutis\n")]
    assert [file.matching(each) for each in wrong] == [None] * len(wrong)
    file.revoke("a")
    assert file.matching(key) is None
    assert file.matching(other).name == "b"
    file.add("a", images_per_minute=1)  # a name that was revoked may be used again
    assert [(each.name, each.revoked is None) for each in file.known()] == [("a", False), ("b", True), ("a", True)]


def test_a_running_server_minds_a_change(file):
    reader = KeyFile(file.path)
    key = file.add("a", images_per_minute=60)
    assert reader.matching(key)
    file.revoke("a")
    assert reader.matching(key) is None


def test_what_is_wrong_is_told(file):
    with pytest.raises(CutisError, match=r"does not exist. Make a first key"):
        file.known()
    with pytest.raises(CutisError, match="is no name for a key"):
        file.add("a\nb", images_per_minute=1)
    file.add("a", images_per_minute=1)
    with pytest.raises(CutisError, match="a key is called 'a' already"):
        file.add("a", images_per_minute=1)
    with pytest.raises(CutisError, match="no key in use is called 'b'"):
        file.revoke("b")
    file.path.chmod(0o644)
    with pytest.raises(CutisError, match=r"may be read by others than its owner. Run: chmod 600"):
        file.known()
    file.path.chmod(0o600)
    file.path.write_text(json.dumps({"keys": [{"name": "x"}]}))
    with pytest.raises(CutisError, match="is no file of API keys"):
        file.known()


def test_the_api_asks_for_a_key_and_the_page_of_health_does_not(file, model, rule, caplog):
    key = file.add("ward 3", images_per_minute=60)
    client = TestClient(create_clinic_app(model, rule=rule, keys=file))
    for headers in ({}, bearer("x"), {"authorization": f"Basic {key}"}, {"authorization": "Bearer"}):
        refused = client.get(MODELS, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.json()["type"] == "urn:cutis:problem:no-key"
    assert client.get(MODELS, headers=bearer(key)).status_code == 200
    assert client.get("/metrics").status_code == 401
    assert client.get("/healthz").status_code == 503  # not warm, but asked without a key
    assert client.get("/api/openapi.json").json()["paths"]["/api/v1/predict"]["post"]["security"]
    file.revoke("ward 3")
    assert client.get(MODELS, headers=bearer(key)).status_code == 401
    file.path.unlink()  # nobody is let in by a file that is gone
    assert client.get(MODELS, headers=bearer(key)).json()["type"] == "urn:cutis:problem:keys-unreadable"


def test_a_key_has_its_allowance(file, model, rule, photograph):
    key, other = (file.add(name, images_per_minute=3) for name in ("a", "b"))
    app = create_clinic_app(model, rule=rule, keys=file)
    now = [0.0]
    app.state.senders = Senders(file, lambda: now[0])
    files = [("images", ("a.jpg", photograph()))]
    with TestClient(app) as client:

        def send(who, photographs=1):
            return client.post("/api/v1/predict", files=files * photographs, headers=bearer(who))

        assert [send(key, 2).status_code, send(key).status_code] == [200, 200]
        refused = send(key)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
        assert refused.json()["type"] == "urn:cutis:problem:too-often"
        assert send(other).status_code == 200  # each has its own
        now[0] += 20
        assert [send(key).status_code, send(key).status_code] == [200, 429]


def test_a_bucket_fills_steadily_and_never_over():
    bucket = TokenBucket(10, 2.0)
    assert bucket.take(10, 100.0) == 0
    assert bucket.take(1, 100.0) == 1
    assert bucket.take(4, 101.0) == 1
    assert bucket.take(4, 102.0) == 0
    assert bucket.take(10, 1_000.0) == 0
    assert bucket.take(1, 1_000.0) == 1
    assert bucket.take(1, 999.0) == 1  # a clock that goes back gives nothing
    assert bucket.take(25, 2_000.0) == 0  # more than it ever holds: all of it, and a debt
    assert bucket.take(1, 2_000.0) == 8
