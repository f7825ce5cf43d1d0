"""Aligning photographs of HAM10000: of one lesion they are aligned and rightly so, of two lesions they are refused.

`python -m pytest tests/real/test_follow_up.py -s` prints the figures that docs/follow_up.md tells.
"""

import csv
import random
import sys
from collections import defaultdict

import cv2
import numpy as np
import pytest
from PIL import Image

from cutis.follow_up import AREA_SPREAD, align, aligned, lesion_change

PAIRS = 40
CORNERS = np.array([[40, 30], [160, 30], [40, 120], [160, 120], [100, 75]], dtype=float)


class Ham:
    """HAM10000's photographs, 200 × 150, with their lesions and masks."""

    def __init__(self, folder) -> None:
        self.folder = folder
        with (folder / "HAM10000_metadata.csv").open() as file:
            self.by_lesion = defaultdict(list)
            for row in csv.DictReader(file):
                self.by_lesion[row["lesion_id"]].append(row["image_id"])

    def photograph(self, image_id: str) -> np.ndarray:
        return np.asarray(Image.open(self.folder / "HAM10000_images" / f"{image_id}.jpg").convert("RGB"))

    def mask(self, image_id: str) -> np.ndarray:
        name = f"{image_id}_segmentation.png"
        return np.asarray(Image.open(self.folder / "HAM10000_segmentations" / name).convert("L")) > 127

    def pairs_of_one_lesion(self, number: int, seed: int) -> list[tuple[str, str]]:
        rng = random.Random(seed)
        several = sorted(lesion for lesion, images in self.by_lesion.items() if len(images) > 1)
        return [tuple(rng.sample(self.by_lesion[each], 2)) for each in rng.sample(several, number)]

    def pairs_of_two_lesions(self, number: int, seed: int) -> list[tuple[str, str]]:
        rng = random.Random(seed)
        lesions = sorted(self.by_lesion)
        chosen = [rng.sample(lesions, 2) for _ in range(number)]
        return [(rng.choice(self.by_lesion[one]), rng.choice(self.by_lesion[two])) for one, two in chosen]


@pytest.fixture(scope="module")
def ham(real_data) -> Ham:
    return Ham(real_data / "ham10000")


def overlap(one: np.ndarray, two: np.ndarray) -> float:
    return float((one & two).sum() / max(1, (one | two).sum()))


def test_photographs_of_one_lesion_are_aligned_and_the_experts_outlines_then_meet(ham):
    found, outlines, ratios = 0, [], []
    pairs = ham.pairs_of_one_lesion(PAIRS, seed=11)
    for earlier, later in pairs:
        then, now = ham.photograph(earlier), ham.photograph(later)
        alignment = align(then, now)
        if alignment is None:
            continue
        found += 1
        size = now.shape[1], now.shape[0]
        moved = cv2.warpAffine(ham.mask(earlier).astype(np.uint8), alignment.matrix, size) > 0
        outlines.append(overlap(moved, ham.mask(later)))
        ratio = lesion_change(then, now, alignment).area_ratio
        if ratio is not None:
            ratios.append(ratio)
    spread = np.percentile(ratios, [5, 50, 95]) if ratios else None
    sys.stdout.write(
        f"\none lesion: {found} of {len(pairs)} aligned; outlines' overlap: median {np.median(outlines):.2f}, "
        f"least {min(outlines):.2f}; area ratio in {len(ratios)}: 5, 50, 95 % {spread}"
    )
    assert found >= 0.6 * len(pairs)
    assert np.median(outlines) > 0.8
    assert np.mean(np.array(outlines) > 0.5) >= 0.95  # the experts' own outlines differ
    within = [AREA_SPREAD[0] <= each <= AREA_SPREAD[1] for each in ratios]
    assert np.mean(within) >= 0.7


def test_photographs_of_two_lesions_are_refused(ham):
    pairs = ham.pairs_of_two_lesions(PAIRS, seed=12)
    wrong = [pair for pair in pairs if align(*(ham.photograph(each) for each in pair)) is not None]
    sys.stdout.write(f"\ntwo lesions: {len(wrong)} of {len(pairs)} aligned {wrong}")
    assert len(wrong) <= 1


def test_known_changes_of_view_are_found_again(ham):
    """Turned up to 45°, 0.7 to 1.4 times as large, moved, in another light."""
    rng = np.random.default_rng(5)
    errors, refused = [], 0
    images = [images[0] for images in list(ham.by_lesion.values())[:400:20]]
    for image_id in images:
        pixels = cv2.resize(ham.photograph(image_id), (600, 450), interpolation=cv2.INTER_CUBIC)
        matrix = cv2.getRotationMatrix2D((300, 225), rng.uniform(-45, 45), rng.uniform(0.7, 1.4))
        matrix[:, 2] += rng.uniform(-40, 40, 2)
        light = np.clip(pixels * rng.uniform(0.8, 1.2) * rng.uniform(0.92, 1.08, 3), 0, 255).astype(np.uint8)
        seen = cv2.warpAffine(light, matrix, (600, 450), borderMode=cv2.BORDER_REFLECT)
        noisy = np.clip(seen + rng.normal(0, 3, seen.shape), 0, 255).astype(np.uint8)
        alignment = align(pixels, noisy)
        if alignment is None:
            refused += 1
            continue
        places = 3 * CORNERS
        told = places @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
        errors.append(np.linalg.norm(told - (places @ matrix[:, :2].T + matrix[:, 2]), axis=1).mean())
    sys.stdout.write(
        f"\nknown views: {refused} of {len(images)} refused; error in pixels of 600 × 450: median "
        f"{np.median(errors):.2f}, 95 % {np.percentile(errors, 95):.2f}, worst {max(errors):.2f}"
    )
    assert refused <= 0.15 * len(images)
    assert np.percentile(errors, 95) < 4
    assert aligned(pixels, matrix, (450, 600)).shape == (450, 600, 4)
