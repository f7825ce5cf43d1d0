"""What the tests of the pages share: a study of phantom lesions in a store, its app, and a browser."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from cutis.data import draw_phantom, phantom_lesion, phantom_view
from cutis.study import AiOutput, NamedProbability, StudyCase, StudyDesign, parse_design
from cutis.study.store import Store, add_readers, create_study, invite, open_store
from cutis.web.app import create_study_app

MELANOMA, NEVUS = "malignant-melanoma", "nevus"
UNAIDED = {"id": "unaided", "name": "Unaided"}
AIDED = {"id": "aided", "name": "With AI", "aid": ["differential", "risk", "heatmap"]}
PHANTOMS = {MELANOMA: "mel", NEVUS: "nv"}


class Clock:
    """The server's time; a test moves it."""

    def __init__(self, now: datetime | None = None) -> None:
        self._fixed = now
        self._more = timedelta()

    def __call__(self) -> datetime:
        return (self._fixed or datetime.now(UTC)) + self._more

    def wait(self, seconds: float) -> None:
        self._more += timedelta(seconds=seconds)


def design_of(**fields: Any) -> StudyDesign:
    """Four cases, two of each diagnosis, malignant or benign and how sure, 45 seconds each."""
    given = {
        "title": "Melanoma or nevus",
        "instructions": "You see one photograph at a time.\n\nSay whether the lesion is malignant or benign.",
        "consent": "This study asks how well people tell melanomas from nevi.\n\nYou may stop at any time.",
        "manifest": "cases.csv",
        "seed": 3,
        "seconds_per_case": 45,
        "shown": ["age", "sex", "site"],
        "cases": [{"node": MELANOMA, "number": 2}, {"node": NEVUS, "number": 2}],
        "question": {"kind": "malignant", "confidence": "0-100"},
        **fields,
    }
    if any(arm.get("aid") for arm in given.get("arms", ())):
        given["ai"] = "built-in"
    return parse_design(given)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Phantom lesions. Files and metadata tell the truth, as they do in many data sets."""
    folder = tmp_path_factory.mktemp("photographs")

    def make(node: str, number: int) -> Path:
        path = folder / f"{node}_{number}.jpg"
        if not path.exists():
            drawn = draw_phantom(phantom_lesion(PHANTOMS[node], number), phantom_view(30.0, number), (450, 600))
            exif = Image.Exif()
            exif[0x010E] = f"biopsy-proven {node}"
            exif[0x0112] = 1
            Image.fromarray(drawn.image).save(path, "JPEG", quality=90, exif=exif)
        return path

    return make


@dataclass
class Study:
    """A study with its app; ``links``: each reader's invitation, by name."""

    store: Store
    app: FastAPI
    clock: Clock
    id: int
    links: dict[str, str] = field(default_factory=dict)

    def client(self, **options: Any) -> TestClient:
        """A browser of its own."""
        return TestClient(self.app, **{"base_url": "https://study.test", "follow_redirects": True, **options})


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the store's tables, of which each study gets a copy."""
    path = tmp_path_factory.mktemp("empty") / "study.db"
    open_store(path).close()
    return path


@pytest.fixture
def make_study(
    tmp_path: Path, empty_store: Path, photographs: Callable[[str, int], Path]
) -> Iterator[Callable[..., Study]]:
    """Makes a study of a design with two readers, R1 and R2, who are invited; ``said``: what else the AI says."""
    opened: list[Store] = []

    def make(design: StudyDesign | None = None, *, clock: Clock | None = None, readers: int = 2, **said: Any) -> Study:
        design = design or design_of()
        clock = clock or Clock(datetime(2031, 3, 1, 9, 0, tzinfo=UTC))
        store = open_store(shutil.copy(empty_store, tmp_path / f"study{len(opened)}.db"))
        opened.append(store)
        cases = _cases(design, photographs)
        aided = any(each.aid for each in design.arms)
        ai = {each.image_id: ai_output(**said) for each in cases} if aided else None
        heatmaps = {each.image_id: each.image_path for each in cases}
        study_id = create_study(store, design, cases, clock(), ai=ai, heatmaps=heatmaps if aided else None)
        added = add_readers(store, study_id, [(f"R{n}", "expert") for n in range(1, readers + 1)], clock())
        made = Study(store, create_study_app(store, clock=clock), clock, study_id)
        made.links = {each.name: "/s/" + invite(store, each.id, clock()) for each in added}
        return made

    yield make
    for each in opened:
        each.close()


def _cases(design: StudyDesign, photographs: Callable[[str, int], Path]) -> list[StudyCase]:
    made: list[StudyCase] = []
    wanted = [(k, "main") for k, each in enumerate(design.cases) for _ in range(each.number)]
    wanted += [(k % len(design.cases), "training") for k in range(design.training_cases)]
    for number, (stratum, part) in enumerate(wanted):
        node = design.cases[stratum].node[0]
        made.append(
            StudyCase.model_validate(
                {
                    "image_id": f"{node}_{number}",
                    "image_path": str(photographs(node, number)),
                    "stratum": stratum,
                    "part": part,
                    "node": node,
                    "age": 40 + number,
                    "sex": "female",
                    "site": "anterior torso",
                }
            )
        )
    return made


def ai_output(**more: Any) -> AiOutput:
    said = {
        "differential": (
            NamedProbability(id=MELANOMA, name="Melanoma", probability=0.8125),
            NamedProbability(id=NEVUS, name="Nevus", probability=0.1875),
        ),
        "above": True,
        "risk": "dangerous",
        "risk_probabilities": (0.1875, 0.0, 0.8125),
        "unfamiliar": False,
        **more,
    }
    return AiOutput.model_validate(said)


@pytest.fixture
def serve() -> Iterator[Callable[[FastAPI], str]]:
    """Serves an app on a free port of this machine; returns its address."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(app: FastAPI) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="on"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        until = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.02)
        return f"http://127.0.0.1:{port}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)
