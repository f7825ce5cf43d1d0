import pytest
import torch

from cutis.errors import RecipeError, WeightsError
from cutis.models import Architecture, LesionClassifier, PretrainedWeights

FAMILIES = ["test_efficientnet", "test_resnet", "test_convnext", "test_vit", "test_byobnet"]


@pytest.mark.parametrize("backbone", FAMILIES)
def test_every_family_gives_a_logit_a_class_with_and_without_stages_and_patient(backbone):
    images, codes = torch.rand(2, 3, 96, 128), torch.tensor([[5, 1], [0, 0]])
    for stages in ((), (0, 1)):
        for patient in ((), ("age", "sex")):
            architecture = Architecture(backbone=backbone, stages=stages, patient=patient, patient_width=8)
            model = LesionClassifier(architecture, 7, (96, 128)).eval()
            assert model(images, codes if patient else None).shape == (2, 7)


def test_missing_metadata_and_none_at_all_are_the_same():
    architecture = Architecture(backbone="test_efficientnet", patient=("age", "sex", "site", "skin_type"))
    model = LesionClassifier(architecture, 3, (64, 64)).eval()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(model(images), model(images, torch.zeros(2, 4, dtype=torch.int64)))
    assert not torch.allclose(model(images), model(images, torch.ones(2, 4, dtype=torch.int64)))


def test_images_are_normalised_as_the_backbone_was_trained():
    model = LesionClassifier(Architecture(backbone="tf_efficientnet_lite0"), 2, (64, 64))
    assert model.mean.flatten().tolist() == model.std.flatten().tolist() == [0.5, 0.5, 0.5]


def test_weights_reach_the_backbone():
    donor = LesionClassifier(Architecture(backbone="test_efficientnet"), 2, (64, 64))
    state = {name: value + 1 for name, value in donor.backbone.state_dict().items()}
    model = LesionClassifier(Architecture(backbone="test_efficientnet"), 5, (64, 64), PretrainedWeights(state, "test"))
    for name, value in model.backbone.state_dict().items():
        torch.testing.assert_close(value, state[name])


def test_weights_of_another_backbone_are_refused():
    donor = LesionClassifier(Architecture(backbone="test_resnet"), 2, (64, 64))
    with pytest.raises(RecipeError, match="weights from a file do not fit the backbone"):
        LesionClassifier(
            Architecture(backbone="test_efficientnet"),
            2,
            (64, 64),
            PretrainedWeights(dict(donor.backbone.state_dict()), "a file"),
        )


def test_an_unknown_backbone_or_stage_is_named():
    with pytest.raises(WeightsError, match="resnet5000"):
        LesionClassifier(Architecture(backbone="resnet5000"), 2, (64, 64))
    with pytest.raises(RecipeError, match="no feature stages"):
        LesionClassifier(Architecture(backbone="test_resnet", stages=(17,)), 2, (64, 64))
