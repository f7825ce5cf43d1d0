"""A library of phantom lesions with its app, and browsers in which its people are signed in."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from cutis.annotation import Library, Person, create_library, invite, list_people, opened_library
from cutis.data import draw_phantom, manifest_frame, phantom_lesion, phantom_view
from cutis.web.library.app import create_library_app

SCRIPT = "<script>alert(1)</script>"
NODES = {"melanoma": "mel", "nevus": "nv", "dermatofibroma": "df"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class Served:
    """A library and its app."""

    library: Library
    app: FastAPI
    people: dict[str, Person]
    clock: Clock

    def link(self, name: str) -> str:
        return "/enter/" + invite(self.library.database, self.people[name].id, self.clock())

    def browser(self, **options: Any) -> TestClient:
        return TestClient(self.app, **{"base_url": "https://library.test", "follow_redirects": True, **options})

    def signed_in(self, name: str) -> "Client":
        client = self.browser()
        link = self.link(name)
        page = client.get(link).text
        assert client.post(link, data={"csrf": csrf_of(page)}).url.path == "/"
        return Client(client)


@dataclass
class Client:
    """Somebody's browser, without scripts."""

    http: TestClient

    def get(self, address: str, **options: Any) -> Any:
        return self.http.get(address, **options)

    def post(self, address: str, page: str = "/", **fields: str) -> Any:
        return self.http.post(address, data={"csrf": csrf_of(self.get(page).text), **fields})

    def save(self, image: int, version: int = 0, rests_on: dict[str, int] | None = None, **fields: Any) -> Any:
        """What the page's script sends."""
        return self.send(image, {"version": version, "rests_on": rests_on, "annotation": fields})

    def send(self, image: object, body: Any, **headers: str) -> Any:
        token = csrf_of(self.get("/").text)
        return self.http.post(
            f"/images/{image}", json=body, headers={"accept": "application/json", "x-csrf-token": token, **headers}
        )


def csrf_of(html: str) -> str:
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', html)[1]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    rows = []
    for k in range(6):
        node = list(NODES)[k % 3]
        path = folder / f"photo{k}.jpg"
        drawn = draw_phantom(phantom_lesion(NODES[node], k), phantom_view(30.0, k), (300, 400))
        exif = Image.Exif()
        exif[0x010E] = "SECRET of the camera"
        Image.fromarray(drawn.image).save(path, "JPEG", quality=90, exif=exif)
        name = f"IMAGE{k}" if k else f"IMAGE0 {SCRIPT}"
        rows.append({"image_id": name, "image_path": str(path), "diagnosis_node": node, "source": f"s'{SCRIPT}",
                     "image_type": "dermoscopic", "lesion_id": f"L{k}"})  # fmt: skip
    create_library(
        manifest_frame(rows),
        folder / "made",
        datetime(2025, 3, 1, tzinfo=UTC),
        title=f"Moles {SCRIPT}",
        annotators=["A", "B"],
        curator="K",
    )
    return folder / "made"


@pytest.fixture
def served(template: Path, tmp_path: Path) -> Iterator[Served]:
    with opened_library(shutil.copytree(template, tmp_path / "library")) as library:
        clock = Clock()
        people = {each.name: each for each in list_people(library.database)}
        yield Served(library, create_library_app(library, clock=clock), people, clock)


@pytest.fixture
def open_page(served: Served, serve: Callable[[FastAPI], str], browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens real browsers, each signed in as somebody; errors of scripts and policy are collected."""
    address = serve(served.app)
    contexts = []

    def start(name: str, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce", **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.errors = []
        page.address = address
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda told: page.errors.append(told.text) if "policy" in told.text.lower() else None)
        page.goto(address + served.link(name))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{address}/")
        return page

    yield start
    for each in contexts:
        each.close()
