"""The study nurse's pages: who gets in, what they show and what they never show, and that every act needs its form."""

import io
import re
import sqlite3
import zipfile
from html import unescape

import polars as pl
from PIL import Image

from cutis.study.store import list_studies, progress
from cutis.web.study import nurse_sign_in

from .desk import added, csrf_of, links_of, post, read_on, started

ADDRESSES = [
    "/nurse",
    "/nurse/new",
    "/nurse/making",
    "/nurse/making/state",
    "/nurse/studies/1",
    "/nurse/studies/1/events",
    "/nurse/studies/1/results",
    "/nurse/studies/1/close",
    "/nurse/studies/1/readers/1/withdraw",
]
FORMS = [
    "/nurse/elsewhere",
    "/nurse/sign-out",
    "/nurse/new",
    "/nurse/new/plan",
    "/nurse/new/make",
    "/nurse/studies/1/readers",
    "/nurse/studies/1/invite",
    "/nurse/studies/1/readers/1/link",
    "/nurse/studies/1/readers/1/withdraw",
    "/nurse/studies/1/pause",
    "/nurse/studies/1/resume",
    "/nurse/studies/1/close",
    "/nurse/studies/1/events",
    "/nurse/studies/1/results",
]


def test_every_page_and_every_form_needs_the_nurse(desk):
    nurse = desk.nurse()
    [link] = added(desk, nurse, "R01")
    reader = started(desk, link)
    for client in (desk.browser(), reader):
        for address in ADDRESSES:
            told = client.get(address)
            assert told.url.path == "/nurse/sign-in", address
            assert "kinds" not in told.text
        for address in FORMS:
            told = client.post(address, data={"sure": "yes", "names": "X", "group": "expert", "csrf": "0" * 64})
            assert told.url.path == "/nurse/sign-in", address
    assert [each.name for each in progress(desk.folder.store, 1, desk.clock())] == ["R01"]


def test_every_form_needs_the_token_of_this_session(desk):
    nurse, other = desk.nurse(), desk.nurse()
    added(desk, nurse, "R01")
    foreign = csrf_of(other.get("/nurse/new").text)
    for address in FORMS:
        for fields in ({}, {"csrf": foreign}):
            told = nurse.post(address, data={"sure": "yes", "names": "X", "group": "expert", **fields})
            assert told.status_code == 403, address
            assert 'href="/nurse"' in told.text
    own = csrf_of(nurse.get("/nurse/new").text)
    told = nurse.post(
        "/nurse/studies/1/close", data={"sure": "yes", "csrf": own}, headers={"sec-fetch-site": "cross-site"}
    )
    assert told.status_code == 403
    [study] = list_studies(desk.folder.store)
    assert study.closed_at is None
    assert [each.name for each in progress(desk.folder.store, 1, desk.clock())] == ["R01"]


def test_an_address_works_once_and_the_session_is_a_careful_cookie(desk):
    client = desk.browser()
    address = f"/nurse/enter/{desk.app.state.nurse.access.new_token()}"
    for _ in range(3):  # a preview or a scanner uses nothing up
        page = client.get(address)
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
    first = client.post(address, data={"csrf": csrf_of(page.text)}, follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, "/nurse")
    cookie = next(each for each in first.headers.get_list("set-cookie") if "cutis-nurse" in each).lower()
    assert cookie.startswith("__host-")
    for word in ("httponly", "samesite=strict", "secure", "path=/"):
        assert word in cookie
    again = desk.browser()
    used = post(again, address, again.get(address).text)
    assert used.status_code == 410
    assert again.get("/nurse").url.path == "/nurse/sign-in"
    assert "set-cookie" not in used.headers or "cutis-nurse" not in used.headers["set-cookie"]


def test_a_session_ends_when_it_is_not_used_and_by_signing_out(desk):
    nurse = desk.nurse()
    for hours in (11, 11):
        desk.clock.now = desk.clock.now.replace(
            day=desk.clock.now.day + (desk.clock.now.hour + hours) // 24, hour=(desk.clock.now.hour + hours) % 24
        )
        assert nurse.get("/nurse").url.path == "/nurse"
    stolen = {each.name: each.value for each in nurse.cookies.jar}
    post(nurse, "/nurse/sign-out", nurse.get("/nurse").text)
    assert desk.browser(cookies=stolen).get("/nurse").url.path == "/nurse/sign-in"
    late = desk.nurse()
    desk.clock.now = desk.clock.now.replace(day=desk.clock.now.day + 1)
    assert late.get("/nurse").url.path == "/nurse/sign-in"


def test_a_fresh_address_goes_to_the_terminal_only_and_not_often(desk, monkeypatch):
    monkeypatch.setattr(nurse_sign_in, "PRINTED", type(nurse_sign_in.PRINTED)(3, 600))
    client = desk.browser()
    page = client.get("/nurse/sign-in")
    told = [post(client, "/nurse/sign-in", page.text) for _ in range(4)]
    assert [each.status_code for each in told] == [200, 200, 200, 429]
    assert len(desk.printed) == 3
    assert not any(token in each.text for token in desk.printed for each in told)
    address = f"/nurse/enter/{desk.printed[-1]}"
    assert post(client, address, client.get(address).text).url.path == "/nurse"
    link = re.search(
        r'value="https://desk.test(/nurse/enter/[^"]+)"',
        post(client, "/nurse/elsewhere", client.get("/nurse").text).text,
    )[1]
    other = desk.browser()
    assert post(other, link, other.get(link).text).url.path == "/nurse"
    assert client.get("/nurse").url.path == "/nurse"


def test_the_overview_tells_progress_and_neither_truth_nor_answers(desk):
    nurse = desk.nurse()
    one, _two = added(desk, nurse, "R01", "R02")
    reader = started(desk, one)
    read_on(reader, 4)
    desk.clock.now = desk.clock.now.replace(minute=20)
    pages = [
        nurse.get(each).text
        for each in ("/nurse", "/nurse/studies/1", "/nurse/studies/1/events", "/nurse/studies/1/results")
    ]
    study = pages[1]
    assert re.search(r"R01.*?expert.*?reading.*?4 of 6.*?0 s.*?20 minutes ago", study, re.DOTALL)
    assert re.search(r"R02.*?invited.*?0 of 6", study, re.DOTALL)
    assert "Two &lt;b&gt;kinds&lt;/b&gt; &amp; more" in study
    assert "<b>kinds" not in "".join(pages)
    for page in pages:
        assert not re.search(r"IMAGE\d|photographs/|pictures/", page)
        assert not re.search(r"\b37\b", re.sub(r"<[^>]*>", " ", page))
    policy = nurse.get("/nurse").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", "".join(pages))


def test_links_are_shown_once_and_a_new_one_voids_the_old(desk):
    nurse = desk.nurse()
    [first] = added(desk, nurse, "R01")
    page = nurse.get("/nurse/studies/1/readers")
    assert page.url.path == "/nurse/studies/1"
    assert first not in page.text
    reader_id = progress(desk.folder.store, 1, desk.clock())[0].id
    told = post(nurse, f"/nurse/studies/1/readers/{reader_id}/link", page.text)
    [second] = links_of(told.text)
    late = desk.browser()
    assert post(late, first, late.get(first).text).status_code == 410
    reader = started(desk, second)
    assert "Show the case" in reader.get("/study").text
    picture = post(reader, "/study/next", reader.get("/study").text).text
    address = re.search(r"/study/picture/[\w-]{22}", picture)[0]
    sent = reader.get(address)  # kept relative to the study folder
    assert Image.open(io.BytesIO(sent.content)).size == (64, 48)
    [third] = links_of(post(nurse, f"/nurse/studies/1/readers/{reader_id}/link", page.text).text)
    assert reader.get("/study").status_code == 200  # until the new one is opened
    started(desk, third)
    assert reader.get("/study").status_code == 403


def test_readers_are_added_all_or_none(desk):
    nurse = desk.nurse()
    page = nurse.get("/nurse/studies/1").text
    address = "/nurse/studies/1/readers"
    for names, group in (
        ("R01\n<script>", "expert"),
        ("R01\nR01", "expert"),
        ("R01", "nobody"),
        ("", "expert"),
        ("a\n" * 501, "expert"),
        ("'; drop table readers;--", "expert"),
    ):
        told = post(nurse, address, page, names=names, group=group)
        assert told.status_code == 422
        assert "<script>" not in told.text
        assert 'href="/nurse/studies/1"' in told.text
    assert progress(desk.folder.store, 1, desk.clock()) == []
    assert len(added(desk, nurse, "R01", "Räder 2")) == 2
    assert "Everybody has a link already" in post(nurse, "/nurse/studies/1/invite", page).text
    for address in ("/nurse/studies/1/readers/77/link", "/nurse/studies/9/readers/1/link", "/nurse/studies/9/close"):
        assert post(nurse, address, page, sure="yes").status_code == 404
    assert nurse.get("/nurse/studies/9").status_code == 404


def test_to_withdraw_and_to_close_must_be_meant(desk):
    nurse = desk.nurse()
    [link, other] = added(desk, nurse, "R01", "R02")
    reader = started(desk, link)
    readers = progress(desk.folder.store, 1, desk.clock())
    address = f"/nurse/studies/1/readers/{readers[0].id}/withdraw"
    page = nurse.get(address).text
    assert post(nurse, address, page).status_code == 422
    assert reader.get("/study").status_code == 200
    told = post(nurse, address, page, sure="yes")
    assert "is withdrawn" in told.text
    assert reader.get("/study").status_code == 403
    page = nurse.get("/nurse/studies/1/close").text
    assert "1 of 2 readers has not finished" in page
    assert post(nurse, "/nurse/studies/1/close", page).status_code == 422
    assert "is closed" in post(nurse, "/nurse/studies/1/close", page, sure="yes").text
    assert post(nurse, "/nurse/studies/1/close", page, sure="yes").status_code == 422
    late = desk.browser()
    assert post(late, other, late.get(other).text).status_code == 409
    assert "Add readers" not in nurse.get("/nurse/studies/1").text


def test_results_while_the_study_runs_must_be_asked_for(desk):
    nurse = desk.nurse()
    [link] = added(desk, nurse, "R01")
    reader = started(desk, link)
    read_on(reader, 3)
    page = nurse.get("/nurse/studies/1/results").text
    assert "still runs" in page
    assert post(nurse, "/nurse/studies/1/results", page).status_code == 422
    assert "not said who looks" in unescape(post(nurse, "/nurse/studies/1/results", page, sure="yes").text)
    told = post(nurse, "/nurse/studies/1/results", page, sure="yes", who="Dr <Jo>")
    assert told.headers["content-type"] == "application/zip"
    events = nurse.get("/nurse/studies/1/events").text
    assert "2031-03-01 09:00 UTC</time></td><td>results seen while the study ran, by Dr &lt;Jo&gt;</td>" in events
    read_on(reader, 3)
    page = nurse.get("/nurse/studies/1/results").text
    assert "still runs" not in page
    told = post(nurse, "/nurse/studies/1/results", page)
    with zipfile.ZipFile(io.BytesIO(told.content)) as archive:
        files = {each.rsplit("/", 1)[-1]: archive.read(each) for each in archive.namelist()}
    assert set(files) == {
        "README.md",
        "answers.csv",
        "cases.csv",
        "design.toml",
        "events.jsonl",
        "readings.csv",
        "readings_correct.csv",
    }
    answers = pl.read_csv(files["answers.csv"])
    assert answers["choices"].to_list() == ["malignant"] * 6
    assert answers["confidence"].to_list() == [37] * 6
    assert pl.read_csv(files["readings.csv"])["truth"].sort().to_list() == [0, 0, 1, 1]
    assert b"are whole and fit the answers" in files["README.md"]


def test_a_changed_answer_shows_in_the_event_log(desk):
    nurse = desk.nurse()
    [link] = added(desk, nurse, "R01")
    read_on(started(desk, link), 3)
    page = nurse.get("/nurse/studies/1/events").text
    assert "The log is whole." in page
    sealed = post(nurse, "/nurse/studies/1/events", page).text
    assert re.search(r'value="[0-9a-f]{64}"', sealed.replace('name="csrf" value="', ""))
    with sqlite3.connect(desk.folder.path / "study.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE steps SET answer = replace(answer, 'malignant', 'benign') WHERE answer IS NOT NULL")
    told = nurse.get("/nurse/studies/1/events").text
    assert "The log is broken." in told
    page = nurse.get("/nurse/studies/1/results").text
    content = post(nurse, "/nurse/studies/1/results", page, sure="yes", who="Jo").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        readme = next(each for each in archive.namelist() if each.endswith("README.md"))
        assert b"**The event log is broken:**" in archive.read(readme)


def test_the_nurse_pauses_the_study_and_opens_it_again(desk):
    nurse = desk.nurse()
    [link] = added(desk, nurse, "R01")
    reader = started(desk, link)
    page = nurse.get("/nurse/studies/1").text
    assert "Pause the study" in page
    told = post(nurse, "/nurse/studies/1/pause", page)
    assert "The study is paused. Readers finish" in told.text
    assert "Paused</span> since" in told.text
    assert "Pause the study" not in told.text
    assert "The study is paused" in reader.get("/study").text
    assert post(nurse, "/nurse/studies/1/pause", page).status_code == 422
    told = post(nurse, "/nurse/studies/1/resume", told.text)
    assert "The study goes on." in told.text
    assert "The study is paused" not in reader.get("/study").text
    events = nurse.get("/nurse/studies/1/events").text
    assert re.findall(r"</time></td><td>([^<]+)</td>", events) == ["made", "paused for all readers", "goes on"]
    assert "The log is whole." in events
