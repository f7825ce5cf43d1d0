"""A data folder of small photographs, and study desks."""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cutis.data import manifest_frame, write_manifest
from cutis.study.creation import make_study, plan_study
from cutis.study.design import parse_design
from cutis.study.study_folder import begin_study_folder, opened_study_folder
from cutis.web.study.nurse import create_nurse_app

from .desk import DESIGN, NODES, Clock, Desk


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a manifest of ten small photographs, and something that is none."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for k in range(10):
        path = folder / "photographs" / f"{NODES[k % 2]}-{k}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(path)
        rows.append({"image_id": f"IMAGE{k}", "image_path": str(path), "diagnosis_node": NODES[k % 2]})
    write_manifest(manifest_frame(rows), folder / "lesions.parquet")
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    return folder


@pytest.fixture
def make_desk(tmp_path: Path, data: Path) -> Iterator[Callable[..., Desk]]:
    managers = []

    def make(*, with_study: bool = True) -> Desk:
        path = tmp_path / f"study{len(managers)}"
        path.mkdir()
        begin_study_folder(path)
        manager = opened_study_folder(path, new=True)
        folder = manager.__enter__()
        managers.append((manager, folder))
        printed: list[str] = []
        clock = Clock()
        app = create_nurse_app(folder, data=data, announce=printed.append, clock=clock)
        desk = Desk(folder, app, clock, printed)
        if with_study:
            design = parse_design({**tomllib.loads(DESIGN), "manifest": str(data / "lesions.parquet")})
            desk.study = make_study(folder.store, path, plan_study(design), clock(), stage=lambda *_: lambda _: None)
        return desk

    yield make
    for manager, _ in managers:
        manager.__exit__(None, None, None)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()
