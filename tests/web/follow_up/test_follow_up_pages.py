"""The pages without a browser: who may see what, the whole way of a lesion, hostile input, nothing of the file kept."""

import io
import json
import re
import zipfile

import pytest
from PIL import Image

from cutis.follow_up import (
    find_patients,
    photograph_of,
    photographs_of,
    verify,
)
from cutis.web.clinic.crop import Box
from cutis.web.follow_up import photograph_pages

from .conftest import SCRIPT, csrf_of, jpeg

NOBODY = "0" * 32


def test_nobody_sees_anything_without_a_session(served):
    client = served.signed_in("R1")
    patient = client.patient("P-SECRET-1")
    lesion = client.lesion(patient)
    uid = str(client.photograph(lesion, jpeg()).url.path).rsplit("/", 1)[1]
    for address in (
        "", "/people", "/history", f"/patients/{patient}", f"/lesions/{lesion}", f"/photographs/{uid}",
        f"/photographs/{uid}/picture", f"/photographs/{uid}/small", f"/photographs/{uid}/shown",
        f"/aligned/{uid}/{uid}", f"/erase/patient/{patient}", f"/lesions/{lesion}/compare",
    ):  # fmt: skip
        told = served.browser(follow_redirects=False).get("/follow-up" + address)
        assert (told.status_code, told.headers["location"]) == (303, "/follow-up/sign-in"), address
        assert "SECRET" not in told.text
    for address in (f"/patients/{patient}/record", f"/erase/patient/{patient}", "/patients", "/look", "/people"):
        told = served.browser(follow_redirects=False).post("/follow-up" + address, data={"csrf": "0" * 64})
        assert told.status_code == 303, address
    for token in ("x", "%00", "' OR 1=1 --", "\N{GRINNING FACE}"):
        client = served.browser()
        assert client.get(f"/follow-up/enter/{token}").status_code == 200
        assert client.post(f"/follow-up/enter/{token}", data={"csrf": "0" * 64}).status_code == 403


def test_a_link_works_once_and_signing_out_ends_this_browser_alone(served):
    link = served.link("R1")
    first, second = served.browser(), served.browser()
    first.get(link)  # a mail scanner uses nothing up
    for client, status in ((first, 200), (second, 410)):
        assert client.post(link, data={"csrf": csrf_of(client.get(link).text)}).status_code == status
    other = served.signed_in("R1")
    own = re.search(r'value="https://clinic.test(/follow-up/enter/[^"]+)"', other.post("/link").text)[1]
    third = served.browser()
    assert third.post(own, data={"csrf": csrf_of(third.get(own).text)}).url.path == "/follow-up"
    other.http.post("/follow-up/sign-out", data={"csrf": csrf_of(other.get("").text)})
    assert other.get("").url.path == "/follow-up/sign-in"
    assert first.get("/follow-up").url.path == third.get("/follow-up").url.path == "/follow-up"


def test_the_whole_way_of_a_lesion(served):
    client = served.signed_in("R1")
    patient = client.patient("P-17", birth_year="1961", sex="female", skin_type="II")
    lesion = client.lesion(patient, note=f"Itches {SCRIPT}")
    page = client.photograph(lesion, jpeg(6), left="0.1", top="0.1", width="0.8", height="0.8")
    assert 'data-part="risk"' in page.text
    assert "Age in years: 64, Female, Back, Skin type II" in page.text
    assert "Research software, not a medical device" in page.text
    client.photograph(lesion, jpeg(6, gradient=0.1, exposure=1.1), "2025-09-01")
    page = client.get(f"/lesions/{lesion}")
    assert re.findall(r'class="day">([\d-]+)', page.text)[:2] == ["2025-09-01", "2025-03-01"]
    assert "<svg" in page.text
    compare = client.get(f"/lesions/{lesion}/compare")
    assert "184 days apart" in compare.text
    assert "fine structure agrees" in compare.text
    then, now = (each.uid for each in reversed(photographs_of(served.store, lesion)))
    picture = client.get(f"/aligned/{then}/{now}")
    assert Image.open(io.BytesIO(picture.content)).size == (400, 300)
    assert client.get("?number=p-17").url.path == f"/follow-up/patients/{patient}"
    edited = client.post(
        f"/lesions/{lesion}/edit", version="1", label="L1", side="front", across="60.5", down="20", site="chest",
        status="removed", diagnosis="Nevus",
    )  # fmt: skip
    assert "Nevus" in edited.text
    assert client.post(f"/lesions/{lesion}/edit", version="1", label="L9", side="front", across="1", down="1",
                       site="chest", status="watched").status_code == 409  # fmt: skip
    for address in (
        "",
        f"/patients/{patient}",
        f"/lesions/{lesion}",
        f"/lesions/{lesion}/edit",
        f"/lesions/{lesion}/add",
    ):
        text = client.get(address).text
        assert SCRIPT not in text
        assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|javascript:", text), address
    found = verify(served.store)
    assert (found.patients, found.photographs) == (1, 2)


def test_an_answer_is_kept_with_its_model_and_another_model_is_asked_beside_it(served, monkeypatch):
    client = served.signed_in("R1")
    uid = str(client.photograph(client.lesion(client.patient()), jpeg(), left="0.2", top="0.2", width="0.5",
                                height="0.5").url.path).rsplit("/", 1)[1]  # fmt: skip
    kept = photograph_of(served.store, uid).answers
    bundle = served.app.state.engine.bundle
    assert kept[0].model.weights_sha256 == bundle.about["weights_sha256"]
    assert Box(left=0.2, top=0.2, width=0.5, height=0.5).model_dump() == dict(
        zip(("left", "top", "width", "height"), kept[0].given.box, strict=True)
    )
    assert client.post(f"/photographs/{uid}/answer").status_code == 422  # it has answered already
    # As if the server were started with another model: the old answer stays and is told to be another's.
    other = kept[0].model._replace(name="newer", weights_sha256="b" * 64)
    monkeypatch.setattr(photograph_pages, "model_facts", lambda _bundle: other)
    page = client.get(f"/photographs/{uid}")
    assert "answer of another model" in page.text
    assert "newer" in page.text
    assert photograph_of(served.store, uid).answers == kept


def test_nothing_of_the_sent_file_but_its_pixels_is_kept_or_sent(served):
    client = served.signed_in("R1")
    uid = str(client.photograph(client.lesion(client.patient()), jpeg()).url.path).rsplit("/", 1)[1]
    on_disk = b"".join(each.read_bytes() for each in served.store.path.iterdir())
    assert b"SECRET" not in on_disk
    assert b"Anna" not in on_disk
    for name in ("picture", "shown", "small"):
        told = client.get(f"/photographs/{uid}/{name}")
        assert b"SECRET" not in told.content
        assert told.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in told.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("content", "fields", "words"),
    [
        (b"", {}, "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", {}, "JPEG"),
        (jpeg()[:4000], {}, "damaged"),
        (jpeg(), {"taken_on": "2999-01-01"}, "future"),
        (jpeg(), {"taken_on": "yesterday"}, "taken on"),
        (jpeg(), {"image_type": "x-ray"}, "image type"),
        (jpeg(), {"left": "0.9", "top": "0", "width": "0.9", "height": "1"}, "outside"),
    ],
)
def test_what_is_wrong_with_a_photograph_is_told_and_nothing_is_kept(served, content, fields, words):
    client = served.signed_in("R1")
    lesion = client.lesion(client.patient())
    told = client.photograph(lesion, content, **{"taken_on": "2025-03-01", **fields})
    assert told.status_code == 422
    assert words in told.text
    assert photographs_of(served.store, lesion) == []


def test_forms_of_other_sites_and_addresses_that_are_none_change_nothing(served):
    client = served.signed_in("K1")
    patient = client.patient()
    for data in ({}, {"csrf": "0" * 64}):
        assert client.http.post("/follow-up/patients", data={**data, "number": "P-9"}).status_code == 403
    assert client.http.post(f"/follow-up/erase/patient/{patient}", data={"word": "P-1"}).status_code == 403
    assert find_patients(served.store)[1] == 1
    for address in (
        f"/patients/{NOBODY}", f"/lesions/{NOBODY}", f"/photographs/{NOBODY}", f"/aligned/{NOBODY}/{NOBODY}",
        f"/erase/patient/{NOBODY}", "/erase/house/1", "/nowhere", f"/lesions/{NOBODY}/compare",
    ):  # fmt: skip
        assert client.get(address).status_code == 404, address
    for fields in ({"number": "Anna"}, {"number": ""}, {"number": SCRIPT + "1"}):
        told = client.post("/patients", **fields)
        assert told.status_code == 422
        assert SCRIPT not in told.text


def test_a_clinician_neither_invites_nor_erases(served):
    clinician = served.signed_in("R1")
    patient = clinician.patient()
    assert clinician.get("/people").status_code == 403
    assert clinician.post("/people", name="R2").status_code == 403
    assert clinician.post(f"/erase/patient/{patient}", word="P-1").status_code == 403
    assert clinician.get("/history").status_code == 403
    curator = served.signed_in("K1")
    assert "/follow-up/enter/" in curator.post("/people", name="R2", role="clinician").text
    curator.post("/people/bar", name="R1")
    assert clinician.get("").url.path == "/follow-up/sign-in"
    assert "were checked link by link" in curator.get("/history").text


def test_a_curator_erases_what_they_have_typed(served):
    client = served.signed_in("K1")
    patient = client.patient("P-17")
    lesion = client.lesion(patient)
    client.photograph(lesion, jpeg())
    assert client.post(f"/erase/patient/{patient}", word="P-1").status_code == 422
    assert client.get(f"/patients/{patient}").status_code == 200
    assert client.post(f"/erase/patient/{patient}", word="P-17").url.path == "/follow-up"
    assert client.get(f"/patients/{patient}").status_code == 404
    assert b"P-17" not in b"".join(each.read_bytes() for each in served.store.path.iterdir())
    assert verify(served.store).patients == 0


def test_the_record_is_downloaded_by_a_form_and_noted(served):
    client = served.signed_in("R1")
    patient = client.patient("P-17")
    client.photograph(client.lesion(patient), jpeg())
    told = client.post(f"/patients/{patient}/record")
    assert "attachment" in told.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(told.content)) as made:
        record = json.loads(made.read("record.json"))
        assert len(made.namelist()) == 2
    assert record["patient"]["number"] == "P-17"
    assert "exported" in client.get(f"/patients/{patient}").text


def test_the_clinics_own_page_keeps_nothing_still(served):
    with served.browser() as client:
        page = client.get("/")
        token = re.search(r'name="csrf" value="(\w+)"', page.text)[1]
        before = verify(served.store).events
        told = client.post(
            "/answer?lang=en", data={"csrf": token}, files={"photograph": ("a.jpg", jpeg(), "image/jpeg")}
        )
        assert told.status_code == 200
    assert verify(served.store).events == before
