import numpy as np
import pytest
import torch

from cutis.explanation.methods import Method
from cutis.explanation.quality import random_map
from cutis.explanation.stability import shift_stability, shifted


def method(attribute):
    return Method("own", "Own", False, "", "", lambda score, images, *, seed=0, progress=None: attribute(images))


@pytest.fixture
def images():
    smooth = np.stack([[random_map(40, 60, 3 * n + k) for k in range(3)] for n in range(2)])
    return torch.from_numpy(smooth)


@pytest.mark.parametrize("shift", [(3, 5), (-3, 5), (0, -4), (-6, 0)])
def test_content_moves_by_whole_pixels(images, shift):
    moved = shifted(images, shift)
    assert moved.shape == images.shape
    down, right = shift
    for row, column in ((15, 20), (30, 45)):
        assert torch.equal(moved[:, :, row + down, column + right], images[:, :, row, column])


@pytest.mark.parametrize("shift", [(3, 5), (-3, 5), (0, -4)])
def test_a_map_that_goes_with_the_image_is_stable(images, shift):
    own = method(lambda x: x.mean(dim=1).numpy())
    assert shift_stability(own, None, images, own.attribute(None, images), shift=shift) == pytest.approx(np.ones(2))


def test_a_map_that_stays_where_it_is_or_follows_chance_is_not(images):
    fixed = np.stack([random_map(40, 60, 7)] * 2)
    stays = method(lambda x: fixed)
    assert (shift_stability(stays, None, images, fixed) < 0.6).all()
    random = np.random.default_rng(0)
    chance = method(lambda x: random.random((2, 40, 60)).astype(np.float32))
    assert abs(shift_stability(chance, None, images, chance.attribute(None, images))).max() < 0.1
