import numpy as np

from cutis.training.augment import augment_image
from cutis.training.recipe import Augmentation

STILL = Augmentation(
    flip=False, rotate=0, scale=(1, 1), stretch=0, shift=0, brightness=0, contrast=0, saturation=0, hue=0
)


def disc(rows=120, columns=160, radius=20):
    r, c = np.ogrid[:rows, :columns]
    image = np.full((rows, columns, 3), 200, dtype=np.uint8)
    image[(r - rows / 2 + 0.5) ** 2 + (c - columns / 2 + 0.5) ** 2 < radius**2] = (80, 50, 40)
    return image


def varied(image, seed=0, **fields):
    return augment_image(image, *image.shape[:2], STILL.model_copy(update=fields), np.random.default_rng(seed))


def test_with_nothing_to_vary_the_image_stays():
    np.testing.assert_array_equal(varied(disc()), disc())


def test_the_same_chance_gives_the_same_image_and_another_gives_another():
    image = disc()
    image[:40] = 0
    full = Augmentation()
    first, again, other = (augment_image(image, 48, 64, full, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_round_lesion_stays_round_however_it_is_turned():
    for seed in range(10):
        dark = varied(disc(radius=14), seed, rotate=180)[..., 0] < 140
        height, width = np.ptp(np.argwhere(dark), axis=0) + 1
        assert abs(int(height) - int(width)) <= 2


def test_zoom_enlarges_the_lesion():
    areas = [int((varied(disc(), zoom_seed, scale=(1.4, 1.4))[..., 0] < 140).sum()) for zoom_seed in range(3)]
    assert all(1.8 < area / (np.pi * 400) < 2.1 for area in areas)


def test_mirrors_come_all_four():
    image = disc()
    image[:20, :20] = 0
    corners = {
        tuple((varied(image, seed, flip=True)[y, x, 0] < 50) for y in (2, -3) for x in (2, -3)) for seed in range(40)
    }
    assert len(corners) == 4


def test_grey_stays_grey_under_saturation_and_hue():
    grey = np.full((20, 20, 3), 120, dtype=np.uint8)
    out = varied(grey, 3, saturation=0.5, hue=0.2).astype(int)
    assert np.abs(out - 120).max() <= 1


def test_brightness_and_contrast_move_within_their_limits():
    grey = np.full((20, 20, 3), 100, dtype=np.uint8)
    levels = [float(varied(grey, seed, brightness=0.2).mean()) for seed in range(50)]
    assert 79 <= min(levels) < 90 < 110 < max(levels) <= 121
    mid = np.full((20, 20, 3), 128, dtype=np.uint8)
    assert all(abs(varied(mid, seed, contrast=0.5).mean() - 128) <= 1 for seed in range(10))


def test_erasing_fills_a_rectangle_of_the_stated_area():
    white = np.full((100, 100, 3), 255, dtype=np.uint8)
    for seed in range(10):
        grey = (varied(white, seed, erase=1.0) == 128).all(axis=2)
        assert 0.015 <= grey.mean() <= 0.16
