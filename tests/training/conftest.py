"""Small training problems: coloured discs whose colour is the diagnosis."""

import cv2
import numpy as np
import pytest
from PIL import Image

from cutis.data import manifest_frame
from cutis.training import load_recipe

COLOURS = {"red": (200, 60, 60), "blue": (60, 60, 200), "brown": (110, 80, 50)}

SMALL = [
    "name=small",
    "classes=source",
    "weights=none",
    "model.backbone=test_efficientnet",
    "model.patient=['age']",
    "model.patient_width=8",
    "image.decoded=[40, 48]",
    "image.training=[32, 40]",
    "image.inference=[32, 40]",
    "optimiser.learning_rate=0.01",
    "optimiser.backbone_factor=1.0",
    "optimiser.batch_size=8",
    "ema=0.8",
    "precision=float32",
]


@pytest.fixture
def small_recipe():
    """Makes a recipe of a tiny network, with overrides."""
    return lambda *overrides: load_recipe("default", [*SMALL, *overrides])


@pytest.fixture
def discs(tmp_path, monkeypatch):
    """A manifest of 48 images of 24 lesions in three diagnoses."""
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = []
    for n in range(48):
        word = list(COLOURS)[n // 2 % 3]
        image = np.full((40, 48, 3), 210, dtype=np.uint8)
        centre = (int(rng.integers(18, 30)), int(rng.integers(14, 26)))
        cv2.circle(image, centre, int(rng.integers(8, 13)), COLOURS[word], -1)
        noisy = np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
        path = tmp_path / f"disc{n}.png"
        Image.fromarray(noisy).save(path)
        rows.append(
            {
                "image_id": f"d{n}",
                "image_path": str(path),
                "source": "discs",
                "lesion_id": f"l{n // 2}",
                "source_diagnosis": word,
                "age_approx": 20 + n,
            }
        )
    return manifest_frame(rows)
