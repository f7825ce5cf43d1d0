"""A study desk in a store of its own, browsers on it, and what a nurse and a reader do there."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from cutis.study.study_folder import OpenFolder

NODES = ("malignant-melanoma", "nevus")
DESIGN = """\
title = "Two <b>kinds</b> & more"
instructions = "Look."
consent = "I agree."
manifest = "anything.parquet"
seed = 5
seconds_per_case = 45
training_cases = 2
readers_groups = ["expert", "trainee"]
question = { kind = "malignant", confidence = "0-100" }
cases = [{ node = "malignant-melanoma", number = 2 }, { node = "nevus", number = 2 }]
"""


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2031, 3, 1, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Desk:
    folder: OpenFolder
    app: FastAPI
    clock: Clock
    printed: list[str] = field(default_factory=list)
    study: int = 0

    def browser(self, **options: Any) -> TestClient:
        return TestClient(self.app, **{"base_url": "https://desk.test", "follow_redirects": True, **options})

    def nurse(self) -> TestClient:
        """A browser in which the nurse is signed in."""
        client = self.browser()
        address = f"/nurse/enter/{self.app.state.nurse.access.new_token()}"
        assert post(client, address, client.get(address).text).url.path == "/nurse"
        return client


def csrf_of(html: str) -> str:
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', html)[1]


def post(client: TestClient, address: str, html: str, **fields: Any) -> Any:
    """Send a form of a page."""
    return client.post(address, data={"csrf": csrf_of(html), **fields})


def links_of(html: str) -> list[str]:
    return [each.removeprefix("https://desk.test") for each in re.findall(r'value="(https://desk.test/s/[^"]+)"', html)]


def added(desk: Desk, nurse: TestClient, *names: str) -> list[str]:
    """Add readers; their links."""
    page = nurse.get(f"/nurse/studies/{desk.study}").text
    told = post(nurse, f"/nurse/studies/{desk.study}/readers", page, names="\n".join(names), group="expert")
    assert told.status_code == 200
    return links_of(told.text)


def started(desk: Desk, link: str) -> TestClient:
    """A reader's browser, through link, consent and instructions."""
    reader = desk.browser()
    post(reader, link, reader.get(link).text)
    post(reader, "/study/consent", reader.get("/study").text, agree="yes")
    post(reader, "/study/instructions", reader.get("/study").text)
    return reader


def read_on(reader: TestClient, cases: int, choice: str = "malignant") -> None:
    for _ in range(cases):
        page = post(reader, "/study/next", reader.get("/study").text).text
        key = re.search(r"/study/answer/([\w-]{22})", page)[1]
        page = post(reader, f"/study/answer/{key}", page, choice=choice, percent="37").text
        if "/study/move-on/" in page:
            post(reader, f"/study/move-on/{key}", page)
