"""Making a study in the browser: read, checked, made once, or told why not."""

import re
import time
from typing import Any

from fastapi.testclient import TestClient

from cutis.study.store import list_studies

from .desk import DESIGN, csrf_of


def plan_fields(html: str, **fields: str) -> dict[str, str]:
    return {
        "form": re.search(r'name="form" value="(\w+)"', html)[1],
        "text": DESIGN,
        "manifest": "lesions.parquet",
        **fields,
    }


def waited(nurse: TestClient) -> Any:
    for _ in range(600):
        told = nurse.get("/nurse/making")
        if told.url.path != "/nurse/making" or "was not made" in told.text:
            return told
        time.sleep(0.05)
    raise AssertionError("the study is not made")


def test_a_study_is_read_checked_and_made_once(make_desk):
    desk = make_desk(with_study=False)
    nurse = desk.nurse()
    page = nurse.get("/nurse/new").text
    assert page.count('name="ready"') == 5
    csrf = csrf_of(page)
    told = nurse.post(
        "/nurse/new", data={"csrf": csrf, "ready": "han2018"}, files={"file": ("d.toml", DESIGN.encode())}
    )
    assert "45 seconds for each answer" in told.text
    assert "<option selected>lesions.parquet</option>" in told.text
    assert "notes.csv" not in told.text
    short = DESIGN.replace("number = 2", "number = 20")
    told = nurse.post("/nurse/new/plan", data={"csrf": csrf, **plan_fields(told.text, text=short)})
    assert told.status_code == 422
    assert "20 and 1 for training asked for, 5 found" in told.text
    assert told.text.count("asked for, 5 found") == 2
    told = nurse.post("/nurse/new/plan", data={"csrf": csrf, **plan_fields(told.text)})
    assert "All cases were found" in told.text
    assert list_studies(desk.folder.store) == []
    fields = {"csrf": csrf, **plan_fields(told.text)}
    for _ in range(2):  # a double click
        assert nurse.post("/nurse/new/make", data=fields).status_code == 200
    assert "The study is made" in waited(nurse).text
    nurse.post("/nurse/new/make", data=fields)
    assert [each.title for each in list_studies(desk.folder.store)] == ["Two <b>kinds</b> & more"]
    desk.app.state.nurse.making.stop()


def test_what_cannot_be_made_is_told_and_leaves_nothing(make_desk, monkeypatch):
    desk = make_desk(with_study=False)
    nurse = desk.nurse()
    page = nurse.get("/nurse/new")
    csrf = csrf_of(page.text)
    assert nurse.post("/nurse/new", data={"csrf": csrf}).status_code == 422
    assert nurse.post("/nurse/new", data={"csrf": csrf}, files={"file": ("d.toml", b"\xff\xfe\x00")}).status_code == 422
    plan = nurse.post("/nurse/new", data={"csrf": csrf, "ready": "zhao2019"}).text
    for change, said in (
        ({"text": "title = "}, "not valid TOML"),
        ({"text": "titel = 'x'"}, "did you mean"),
        ({"manifest": ""}, "no manifest is chosen"),
        ({"manifest": "../secret.parquet"}, "is not in the server"),
        ({"manifest": "/etc/passwd"}, "is not in the server"),
        ({"text": 'exclude = "../../etc/passwd"\n' + DESIGN}, "is not in the server"),
        ({"manifest": "notes.csv"}, "image_id"),
    ):
        told = nurse.post("/nurse/new/plan", data={"csrf": csrf, **plan_fields(plan, **change)})
        assert told.status_code == 422, change
        assert said in told.text, change
        assert "root:" not in told.text
    monkeypatch.setattr("cutis.study.creation.create_study", lambda *_a, **_k: 1 / 0)
    nurse.post("/nurse/new/make", data={"csrf": csrf, **plan_fields(plan)})
    assert "something went wrong" in waited(nurse).text
    assert list_studies(desk.folder.store) == []
    assert not list((desk.folder.path / "studies").glob("*"))
    told = nurse.post("/nurse/new/plan", data={"csrf": csrf, "text": "x" * 3_000_000})
    assert told.status_code == 413


def test_the_fields_change_the_design_unless_its_text_was_changed(make_desk):
    desk = make_desk(with_study=False)
    nurse = desk.nurse()
    csrf = csrf_of(nurse.get("/nurse/new").text)
    page = nurse.post("/nurse/new", data={"csrf": csrf}, files={"file": ("d.toml", DESIGN.encode())}).text
    fields = {
        "csrf": csrf,
        **plan_fields(page),
        "mark": re.search(r'name="mark" value="(\w+)"', page)[1],
        "title": "Anders",
        "seconds_per_case": "",
        "number_1": "4",
    }
    told = nurse.post("/nurse/new/plan", data=fields).text
    assert "All cases were found" in told
    assert "6 cases, drawn at random" in told
    assert "No limit" in told
    assert ">Anders</h2>" in told
    told = nurse.post("/nurse/new/plan", data={**fields, "text": DESIGN + "zoom = false\n"}).text
    assert "4 cases, drawn at random" in told
    assert "cannot be enlarged" in told
    for wrong in ("many", "-3", "1e9", "0"):
        told = nurse.post("/nurse/new/plan", data={**fields, "number_1": wrong})
        assert told.status_code == 422
        assert "cases 2.number" in told.text
