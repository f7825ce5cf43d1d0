"""The pages without a browser: who may see what, saving, hostile input."""

import io
import re

import pytest
from PIL import Image

from cutis.annotation import annotated_image, verify

from .conftest import SCRIPT

BOX = {"left": 10, "top": 20, "width": 30, "height": 40}


def test_nobody_sees_anything_without_a_session(served):
    for address in (
        "/",
        "/images/1",
        "/images/1/photograph",
        "/thumbnails/1",
        "/desk",
        "/desk/history",
        "/diagnoses?q=a",
    ):
        told = served.browser(follow_redirects=False).get(address)
        assert (told.status_code, told.headers["location"]) == (303, "/sign-in")
        assert "IMAGE" not in told.text
    told = served.browser().post("/images/1", json={}, headers={"accept": "application/json"})
    assert (told.status_code, told.json()["code"]) == (403, "signed-out")
    for token in ("x", "%00", "' OR 1=1 --", "\N{GRINNING FACE}"):
        client = served.browser()
        page = client.get(f"/enter/{token}")
        assert page.status_code == 200
        assert client.post(f"/enter/{token}", data={"csrf": "0" * 64}).status_code == 403


def test_a_link_works_once_and_signing_out_ends_the_session(served):
    link = served.link("A")
    first, second = served.browser(), served.browser()
    first.get(link)  # a mail scanner uses nothing up
    for client, status in ((first, 200), (second, 410)):
        csrf = re.search(r'name="csrf" value="(\w+)"', client.get(link).text)[1]
        assert client.post(link, data={"csrf": csrf}).status_code == status
    annotator = served.signed_in("A")
    assert first.get("/").url.path == "/sign-in"  # continued elsewhere
    assert annotator.post("/sign-out").url.path == "/sign-in"
    assert annotator.get("/").url.path == "/sign-in"


def test_every_response_carries_the_policy_and_is_kept_by_nobody(served):
    client = served.signed_in("A")
    for address in (
        "/",
        "/images/1",
        "/thumbnails/1",
        "/images/1/photograph",
        "/nowhere",
        "/desk",
        "/static/library.css",
    ):
        told = client.get(address)
        policy = told.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert told.headers["x-content-type-options"] == "nosniff"
        if not address.startswith("/static"):
            assert told.headers["cache-control"] == "no-store"
        if "html" in told.headers["content-type"]:
            assert SCRIPT not in told.text
            assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|javascript:", told.text)


def test_pictures_are_pixels_and_nothing_else(served):
    client = served.signed_in("A")
    small, large = client.get("/thumbnails/1"), client.get("/images/1/photograph")
    for told in (small, large):
        assert b"SECRET" not in told.content
        assert not dict(Image.open(io.BytesIO(told.content)).getexif())
    assert Image.open(io.BytesIO(small.content)).size == (320, 240)
    assert Image.open(io.BytesIO(large.content)).size == (400, 300)
    assert client.get("/thumbnails/1").content == small.content
    assert len(list((served.library.path / "thumbnails").rglob("*.jpg"))) == 1
    for address in (
        "/thumbnails/0",
        "/thumbnails/99",
        "/thumbnails/1e3",
        "/thumbnails/99999999999999999999",
        "/thumbnails/../library.db",
        "/thumbnails/%2e%2e%2flibrary.db",
        "/images/1%2f..%2f..",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
    ):
        assert client.get(address).status_code == 404, address


def test_a_photograph_that_is_gone_is_told(served, monkeypatch, tmp_path):
    client = served.signed_in("A")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 nothing")
    for path in (tmp_path / "gone.jpg", broken):
        seen = annotated_image(served.library, served.people["A"], 1)._replace(image_path=str(path))
        monkeypatch.setattr("cutis.web.library.browse_pages.annotated_image", lambda *_, seen=seen: seen)
        monkeypatch.setattr("cutis.web.library.image_pages.annotated_image", lambda *_, seen=seen: seen)
        for address in ("/thumbnails/1", "/images/1/photograph"):
            told = client.get(address)
            assert told.status_code == 404
            assert "cannot be shown" in told.text
            assert str(tmp_path) not in told.text


def test_saving_and_two_tabs(served):
    client = served.signed_in("A")
    told = client.save(1, node="nevus", boxes=[BOX], quality=["hair"], note=SCRIPT, confirm_type="histopathology")
    assert told.status_code == 200, told.text
    assert told.json()["version"] == 1
    late = client.save(1, version=0, node="melanoma")
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (409, "conflict", 1)
    assert client.save(1, version=1, node="melanoma").json()["version"] == 2
    for forged in (-1, 1.5, "1", None, True):
        assert client.save(1, version=forged, node="nevus").status_code == 422, forged
    assert client.save(1, version=77, node="nevus").status_code == 409
    assert client.save(1, version=10**30, node="nevus").status_code == 409
    assert client.save(10**30, node="nevus").status_code == 404
    verify(served.library)


def test_annotators_learn_nothing_of_each_other(served):
    one, two = served.signed_in("A"), served.signed_in("B")
    pages = [two.get(address).text for address in ("/", "/images/1", "/?progress=to+do", "/?node=seborrheic-keratosis")]
    one.save(1, node="seborrheic-keratosis", note="what A thinks", boxes=[BOX])
    again = [two.get(address).text for address in ("/", "/images/1", "/?progress=to+do", "/?node=seborrheic-keratosis")]
    assert again == pages
    for progress in ("untouched", "one", "agreed", "disagreed", "adjudicated"):
        assert two.get(f"/?progress={progress}").status_code == 403
    for address in ("/desk", "/desk/history", "/desk/people/1/link"):
        assert two.get(address).status_code == 403
    assert two.http.post("/desk/people/1/link", data={"csrf": "x"}).status_code == 403
    # Another annotator's id, or an adjudication, cannot be forged: what is sent is always the session's own.
    assert two.send(1, {"version": 0, "person": 1, "annotation": {}}).status_code == 422
    assert two.save(1, version=1, node="nevus").status_code == 409  # A's version is not B's
    assert two.save(1, rests_on={"A": 1}, node="nevus").status_code == 200
    seen = annotated_image(served.library, served.people["K"], 1)
    assert [each.annotation.node for each in seen.others] == ["seborrheic-keratosis", "nevus"]
    assert seen.mine is None


def test_the_curator_sees_both_side_by_side_and_the_history(served):
    one, two, curator = (served.signed_in(name) for name in "ABK")
    one.save(2, node="nevus", boxes=[BOX], note="<b>bold</b>")
    two.save(2, node="melanoma", boxes=[BOX])
    page = curator.get("/images/2").text
    assert "They disagree on: diagnosis." in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "History of this image (2)" in page
    assert "IMAGE1" in curator.get("/?progress=disagreed").text
    assert curator.save(2, rests_on={"A": 1, "B": 0}, node="nevus").status_code == 409
    assert curator.save(2, rests_on=None, node="nevus").status_code == 409
    assert curator.save(2, rests_on={"A": 1, "B": 1}, node="nevus", boxes=[BOX]).status_code == 200
    one.save(2, version=1, node="melanoma", boxes=[BOX])
    assert "changed theirs since you adjudicated" in curator.get("/images/2").text
    desk = curator.get("/desk").text
    assert "Cohen’s kappa" in desk
    assert "Yes." in curator.get("/desk/history").text


def test_the_curator_gives_fresh_links(served):
    curator = served.signed_in("K")
    page = curator.post("/desk/people/2/link", "/desk").text
    link = re.search(r'value="https://library.test(/enter/[\w-]{43})"', page)[1]
    client = served.browser()
    csrf = re.search(r'name="csrf" value="(\w+)"', client.get(link).text)[1]
    assert "B, annotator" in client.post(link, data={"csrf": csrf}).text
    assert curator.post("/desk/people/99/link", "/desk").status_code == 404
    assert curator.get("/desk/people/2/link").url.path == "/desk"


@pytest.mark.parametrize(
    "body",
    [
        "[]", "{}", "null", "", "{", '{"version": 0}', '{"version": 0, "annotation": []}', "[" * 5000,
        '{"version": 0, "annotation": {"boxes": [{"left": NaN, "top": 0, "width": 1, "height": 1}]}}',
        '{"version": 0, "annotation": {"boxes": [{"left": 1e999, "top": 0, "width": 1, "height": 1}]}}',
        '{"version": 0, "annotation": {"note": "\\ud800"}}',
        '{"version": 0, "annotation": {"note": "a\\u0000b"}}',
    ],
)  # fmt: skip
def test_what_no_page_of_ours_sends_is_refused(served, body):
    client = served.signed_in("A")
    token = re.search(r'data-csrf="(\w+)"', client.get("/images/1").text)[1]
    told = client.http.post("/images/1", content=body, headers={"accept": "application/json", "x-csrf-token": token})
    assert told.status_code == 422
    assert "\n" not in told.json()["problem"]
    assert annotated_image(served.library, served.people["A"], 1).mine is None


def test_hostile_values_are_refused_in_one_line_each(served):
    client = served.signed_in("A")
    for fields, words in (
        ({"boxes": [{**BOX, "left": 380}]}, "box 1 reaches outside of the image (400 × 300 pixels)"),
        ({"boxes": [{**BOX, "top": -1}]}, "reaches outside"),
        ({"node": "' OR 1=1 --"}, "is not in the tree"),
        ({"node": "../../x"}, "is not in the tree"),
        ({"confirm_type": SCRIPT}, "is not ISIC's word"),
        ({"note": "x" * 2001}, "at most 2000"),
    ):
        told = client.save(1, **fields)
        assert told.status_code == 422
        assert words in told.json()["problem"]
    assert client.save(99).status_code == 404
    assert client.send("1/../2", {}).status_code in (404, 405, 422)
    large = client.save(1, note="x" * 70_000)
    assert (large.status_code, large.json()["code"]) == (413, "too-large")


def test_forms_of_other_sites_are_refused(served):
    client = served.signed_in("A")
    body = {"version": 0, "annotation": {"node": "nevus"}}
    other = served.signed_in("B")
    stolen = re.search(r'data-csrf="(\w+)"', other.get("/images/1").text)[1]
    for headers in ({"x-csrf-token": ""}, {"x-csrf-token": stolen}, {"sec-fetch-site": "cross-site"}):
        told = client.send(1, body, **headers)
        assert (told.status_code, told.json()["code"]) == (403, "stale-form")
    assert client.http.post("/sign-out", data={"csrf": stolen}).status_code == 403
    assert annotated_image(served.library, served.people["A"], 1).mine is None


def test_filters_in_an_address(served):
    client = served.signed_in("A")
    assert "2 images of Melanoma" in client.get("/?node=melanoma").text
    assert "2 images of Melanoma" in client.get("/?diagnosis=melanoma&node=").text  # as without scripts
    assert "6 images" in client.get("/", params={"source": f"s'{SCRIPT}"}).text
    assert "No image fits" in client.get("/", params={"source": "' OR 1=1 --"}).text
    assert client.get("/?page=99").status_code == 200
    for query in (
        "node=x'",
        "quality=ugly",
        "confirm_type=x",
        "progress=x",
        "diagnosis=%25%25%25",
        "source=" + "x" * 300,
    ):
        told = client.get(f"/?{query}")
        assert told.status_code == 422, query
        assert 'role="alert"' in told.text
    for query in ("page=0", "page=x", "page=99999999999"):
        assert client.get(f"/?{query}").status_code == 404
    found = client.get("/diagnoses?q=C43").json()
    assert found[0]["matched"] == "ICD-10-CM C43"


def test_next_and_previous_stay_within_the_filters(served):
    client = served.signed_in("A")
    page = client.get("/images/4?node=melanoma").text
    assert 'rel="prev" href="/images/1?node=melanoma"' in page
    assert 'rel="next"' not in page
    assert "2 of 2" in page


def test_a_fault_of_ours_is_a_plain_page_of_the_library(served, monkeypatch):
    client = served.signed_in("A")
    monkeypatch.setattr("cutis.web.library.browse_pages.images_page", lambda *_: 1 / 0)
    client.http._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    told = client.get("/")
    assert told.status_code == 500
    assert "It is our fault" in told.text
    assert "division" not in told.text
    assert "/study" not in told.text
