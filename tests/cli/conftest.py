"""What the tests of the command line share: the command itself, its refusals, and small things to give it."""

import io

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from cutis.cli import main
from cutis.data import content_key, manifest_frame, write_manifest
from cutis.models import Architecture, Bundle, Calibration, ImageSize, LesionClassifier, save_bundle
from cutis.taxonomy import class_set

COLOURS = {"red": (200, 60, 60), "blue": (60, 60, 200)}


def listing(folder):
    """Every path below a folder with its size: what "nothing half-written" is judged by."""
    return {
        path.relative_to(folder): path.stat().st_size if path.is_file() else None
        for path in folder.rglob("*")
        if path.parts[len(folder.parts)] != "cache"
    }


@pytest.fixture
def cutis(capsys):
    """Runs the command line in this process: ``cutis(...) -> (status, stdout, stderr)``."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return run


@pytest.fixture
def fails(cutis, tmp_path):
    """Runs a command that must be refused, and returns its message.

    Refused means: status 2, one line on standard error, nothing on standard output, no file made or changed.
    """

    def run(*arguments):
        before = listing(tmp_path)
        status, out, err = cutis(*arguments)
        assert (status, out) == (2, ""), err
        assert err.count("\n") == 1, err
        assert err.startswith("cutis: "), err
        assert "Traceback" not in err
        assert listing(tmp_path) == before
        return err.removeprefix("cutis: ").strip()

    return run


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or fills the cache of the person who runs it."""
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photo(tmp_path):
    """A small photograph."""
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def truncated(tmp_path):
    """A JPEG whose second half is lost."""
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(2).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(whole, "jpeg")
    path = tmp_path / "truncated.jpg"
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    return path


@pytest.fixture
def rows(tmp_path):
    """Sixteen images of eight lesions in two diagnoses, divided into train and val: rows of a manifest."""
    rng = np.random.default_rng(0)
    made = []
    for n in range(16):
        word = list(COLOURS)[n // 2 % 2]
        pixels = np.clip(rng.normal(COLOURS[word], 20, (32, 40, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"disc{n}.png")
        made.append(
            {
                "image_id": f"d{n}",
                "image_path": f"disc{n}.png",
                "source": "discs",
                "lesion_id": f"l{n // 2}",
                "source_diagnosis": word,
                "subset": "val" if n >= 12 else "train",
            }
        )
    return made


@pytest.fixture
def write(tmp_path):
    """Writes rows as ``NAME.csv`` and returns its path."""

    def csv(rows, name="m"):
        path = tmp_path / f"{name}.csv"
        pl.DataFrame(rows).write_csv(path)
        return path

    return csv


@pytest.fixture
def manifest(rows, tmp_path):
    """The rows as a manifest on the disk."""
    path = tmp_path / "m.parquet"
    frame = manifest_frame(rows).with_columns(pl.col("image_path").map_elements(lambda each: str(tmp_path / each)))
    write_manifest(frame, path)
    return path


@pytest.fixture
def bundle(tmp_path, photo):
    """An untrained bundle of the seven classes that says it was trained on a picture of its own."""
    torch.manual_seed(0)
    seen = tmp_path / "seen.png"
    Image.fromarray(np.full((48, 64, 3), 120, dtype=np.uint8)).save(seen)
    architecture = Architecture(backbone="test_efficientnet", patient=("age",), patient_width=8)
    image = ImageSize(decoded=(32, 40), training=(32, 40), inference=(32, 40))
    record = pl.DataFrame(
        {
            "source": ["clinic"],
            "image_id": ["elsewhere"],
            "lesion_id": ["elsewhere"],
            "patient_id": ["elsewhere"],
            "group": [None],
            "content_key": [content_key(seen)],
            "role": ["train"],
        },
        schema_overrides={"group": pl.String},
    )
    folder = tmp_path / "bundle"
    save_bundle(
        Bundle(
            model=LesionClassifier(architecture, 7, image.inference).eval(),
            classes=class_set("ham7"),
            recipe={
                "model": architecture.model_dump(mode="json"),
                "image": image.model_dump(mode="json"),
                "views": 1,
            },
            calibration=Calibration(),
            training_record=record,
            about={"name": "small"},
            card="# small\n",
        ),
        folder,
    )
    return folder
