"""Images in which the answer is known: their class depends on one planted structure alone, wherever it lies."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from torch import nn

from cutis.data import draw_phantom, phantom_lesion, phantom_view
from cutis.explanation import lime
from cutis.explanation.methods import METHODS
from cutis.explanation.target import Target, TargetScore
from cutis.models import Architecture, LesionClassifier, to_input

SIZE = 72, 96
RADIUS = 7
CELL = 8  # pixels a side of one place of the small network's features: no map of them can be finer


class SmallCnn(nn.Module):
    """A backbone by timm's contract, with features an eighth of the image's size: small, quick, and with places."""

    head_hidden_size = num_features = 32

    def __init__(self):
        super().__init__()
        widths = [3, 12, 24, 32]
        self.layers = nn.Sequential()
        for before, after in pairwise(widths):
            self.layers.append(nn.Conv2d(before, after, 5, stride=2, padding=2, bias=False))
            self.layers.append(nn.BatchNorm2d(after, momentum=0.3))
            self.layers.append(nn.ReLU(inplace=True))

    def forward_features(self, x):
        return self.layers(x)

    def forward_head(self, x, pre_logits=False):
        return x.mean(dim=(2, 3))


def drawings(count, seed):
    """Phantom nevi, every second with a blue-white spot somewhere, on the lesion or beside it; uint8 and masks."""
    rng = np.random.default_rng(seed)
    nevi = [
        draw_phantom(phantom_lesion("nv", int(each)), phantom_view(45.0, int(each)), SIZE).image for each in range(6)
    ]
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    images, spots = [], []
    for number in range(count):
        image = nevi[number // 2 % len(nevi)].astype(float)
        if rng.random() < 0.5:
            image = image[:, ::-1]
        row, column = rng.integers(RADIUS + 2, SIZE[0] - RADIUS - 2), rng.integers(RADIUS + 2, SIZE[1] - RADIUS - 2)
        spot = ((rows - row) ** 2 + (columns - column) ** 2 <= RADIUS**2) & (number % 2 == 1)
        image = np.where(spot[..., None], 0.2 * image + 0.8 * np.array([150, 170, 225]), image)
        images.append(np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8))
        spots.append(spot)
    return to_input(images, torch.device("cpu")), np.stack(spots)


def small_model(seed):
    torch.manual_seed(seed)
    model = LesionClassifier(Architecture(backbone="test_efficientnet", dropout=0), 2, SIZE)
    model.backbone, model.head = SmallCnn(), nn.Linear(32, 2)
    return model


@pytest.fixture(autouse=True)
def fewer_samples(monkeypatch):
    monkeypatch.setattr(lime, "SAMPLES", 200)


@pytest.fixture(scope="module")
def trained():
    images, spots = drawings(256, seed=0)
    labels = torch.from_numpy(spots.any(axis=(1, 2))).long()
    model = small_model(0).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(14):
        for batch in torch.randperm(256, generator=torch.Generator().manual_seed(epoch)).split(32):
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    return model.eval()


@pytest.fixture(scope="module")
def unseen():
    images, spots = drawings(24, seed=1)
    return images[1::2], spots[1::2], images[::2]


def near(spots):
    return np.stack([binary_dilation(spot, iterations=CELL) for spot in spots])


def pointed(method, model, images, spots):
    """Share of images whose highest point lies on the spot or within one place of the features of it; the maps."""
    maps = METHODS[method].attribute(TargetScore(model, Target("spot", "Spot", np.array([False, True])), None), images)
    return np.mean([spot.flat[each.argmax()] for each, spot in zip(maps, near(spots), strict=True)]), maps


def test_the_model_has_learnt_it(trained, unseen):
    with_spot, _, without = unseen
    with torch.no_grad():
        assert trained(with_spot).argmax(dim=1).float().mean() >= 0.95
        assert trained(without).argmax(dim=1).float().mean() <= 0.05


@pytest.mark.parametrize("method", METHODS)
def test_every_method_points_at_what_was_planted(trained, unseen, method):
    images, spots, _ = unseen
    share, maps = pointed(method, trained, images, spots)
    assert share >= 0.9
    positive = np.maximum(maps, 0)
    assert (positive * near(spots)).sum() / positive.sum() > 1.5 * near(spots).mean()


@pytest.mark.parametrize("method", METHODS)
def test_no_method_points_there_in_a_model_that_has_not_learnt_it(unseen, method):
    images, spots, _ = unseen
    share, _ = pointed(method, small_model(3).eval(), images, spots)
    assert share <= 0.5
