"""A clinic's app with a follow-up, and browsers in which its people are signed in."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from cutis.data import PhantomView, draw_phantom, phantom_lesion
from cutis.follow_up import Store, create_store, invite, opened_store
from cutis.models import fastest_bundle
from cutis.taxonomy import read_risk_rule
from cutis.web.clinic.app import create_clinic_app
from cutis.web.follow_up.room import follow_up_router

SCRIPT = "<script>alert(1)</script>"
PLACE = {"label": "L1", "side": "back", "across": "40", "down": "33", "site": "back", "status": "watched"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def jpeg(number: int = 6, rotation: float = 0.0, **view: Any) -> bytes:
    """A phantom lesion's photograph as a camera writes it."""
    drawn = PhantomView(ita=35.0, seed=1, width_mm=14.0, hairs=6, rotation=rotation, **view)
    pixels = draw_phantom(phantom_lesion("mel", number), drawn, (300, 400)).image
    exif = Image.Exif()
    exif[0x010E] = "SECRET of the camera"
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(out, "JPEG", quality=92, exif=exif)
    return out.getvalue()


@dataclass
class Served:
    """A follow-up and the app it is in."""

    store: Store
    app: FastAPI
    clock: Clock
    people: dict[str, str] = field(default_factory=lambda: {"K1": "curator", "R1": "clinician"})

    def link(self, name: str) -> str:
        return "/follow-up/enter/" + invite(self.store, name, self.clock(), role=self.people[name])

    def browser(self, **options: Any) -> TestClient:
        return TestClient(self.app, **{"base_url": "https://clinic.test", "follow_redirects": True, **options})

    def signed_in(self, name: str) -> "Client":
        client = self.browser()
        link = self.link(name)
        page = client.get(link).text
        assert client.post(link, data={"csrf": csrf_of(page)}).url.path == "/follow-up"
        return Client(client)


@dataclass
class Client:
    """Somebody's browser, without scripts."""

    http: TestClient

    def get(self, address: str, **options: Any) -> Any:
        return self.http.get("/follow-up" + address, **options)

    def post(self, address: str, files: Any = None, **fields: str) -> Any:
        token = csrf_of(self.get("").text)
        return self.http.post("/follow-up" + address, data={"csrf": token, **fields}, files=files)

    def patient(self, number: str = "P-1", **fields: str) -> str:
        return uid_of(self.post("/patients", number=number, **fields))

    def lesion(self, patient: str, **fields: str) -> str:
        return uid_of(self.post(f"/patients/{patient}/lesions", **{**PLACE, **fields}))

    def photograph(self, lesion: str, content: bytes, taken_on: str = "2025-03-01", **fields: str) -> Any:
        given = {"taken_on": taken_on, "image_type": "dermoscopic", **fields}
        files = {"photograph": ("Anna.jpg", content, "image/jpeg")}
        return self.post(f"/lesions/{lesion}/photographs", files=files, **given)


def uid_of(reply: Any) -> str:
    assert reply.status_code == 200, reply.text
    return str(reply.url.path).rsplit("/", 1)[1]


def csrf_of(html: str) -> str:
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', html)[1]


@pytest.fixture(scope="session")
def bundle():
    return fastest_bundle()


@pytest.fixture
def served(tmp_path: Path, bundle) -> Iterator[Served]:
    create_store(tmp_path / "moles", datetime.now(UTC), title=f"Moles {SCRIPT}", curator="K1")
    with opened_store(tmp_path / "moles") as store:
        clock = Clock()
        app = create_clinic_app(bundle, rule=read_risk_rule(), follow_up=follow_up_router(store, clock=clock))
        yield Served(store, app, clock)


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
        page.address = address + "/follow-up"
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda told: page.errors.append(told.text) if told.type == "error" else None)
        page.goto(address + served.link(name))
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(f"{address}/follow-up")
        return page

    yield start
    for each in contexts:
        each.close()
