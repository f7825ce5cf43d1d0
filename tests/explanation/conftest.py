"""Small untrained classifiers and the scores of their targets."""

import pytest
import torch

from cutis.models import Architecture, LesionClassifier
from cutis.taxonomy import class_set


@pytest.fixture(scope="session")
def ham7():
    return class_set("ham7")


@pytest.fixture(scope="session")
def untrained():
    """A function that builds a classifier of seven classes; each is built once."""
    built = {}

    def build(backbone="test_efficientnet", size=(64, 96), **architecture):
        key = (backbone, size, *sorted(architecture.items()))
        if key not in built:
            torch.manual_seed(0)
            built[key] = LesionClassifier(Architecture(backbone=backbone, **architecture), 7, size).eval()
        return built[key]

    return build


@pytest.fixture
def images():
    """Two images of the field's proportions: noise, and a dark disc on pink."""
    torch.manual_seed(1)
    noise = torch.rand(3, 64, 96)
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(96), indexing="ij")
    disc = ((rows - 30) ** 2 + (columns - 40) ** 2 < 300).float()
    lesion = torch.tensor([0.9, 0.7, 0.65]).view(3, 1, 1) * (1 - 0.7 * disc) + 0.03 * noise
    return torch.stack([noise, lesion.clamp(0, 1)])
