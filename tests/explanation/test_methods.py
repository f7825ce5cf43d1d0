"""The contract of every method, over every family of backbone: the maps themselves are judged in test_known_answer."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from cutis.explanation import integrated_gradients, lime, occlusion, saliency
from cutis.explanation.methods import METHODS
from cutis.explanation.target import TargetScore, explained_target

BACKBONES = {
    "EfficientNet, stages, patient": {"backbone": "test_efficientnet", "stages": (1, 2), "patient": ("age",)},
    "ResNet": {"backbone": "test_resnet"},
    "NFNet": {"backbone": "test_nfnet"},
    "DenseNet": {"backbone": "densenet121"},
    "Inception": {"backbone": "inception_v3", "size": (112, 128)},
    "ConvNeXt": {"backbone": "test_convnext"},
    "ViT, class token": {"backbone": "test_vit"},
    "ViT, class token, stages": {"backbone": "test_vit", "stages": (0,)},
    "ViT, registers": {"backbone": "test_vit3"},
    "ViT, mean of tokens": {"backbone": "test_vit_relpos"},
    "DeiT, two tokens": {"backbone": "deit_tiny_distilled_patch16_224"},
    "Swin, NHWC": {"backbone": "swin_tiny_patch4_window7_224"},
    "MambaOut, NHWC": {"backbone": "test_mambaout"},
    "MaxViT": {"backbone": "test_maxvit", "size": (64, 64)},
}


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    """What is tested here does not depend on how many samples a method takes."""
    monkeypatch.setattr(saliency, "COPIES", 3)
    monkeypatch.setattr(integrated_gradients, "STEPS", 3)
    monkeypatch.setattr(lime, "SAMPLES", 30)
    monkeypatch.setattr(lime, "SEGMENTS", 12)
    monkeypatch.setattr(occlusion, "SQUARE", 2)


@pytest.mark.parametrize("family", BACKBONES)
def test_every_backbone_gives_a_finite_map_of_the_images_size_for_a_class_and_a_node(untrained, ham7, family):
    size = BACKBONES[family].get("size", (64, 96))
    model = untrained(**{"size": size} | BACKBONES[family])
    torch.manual_seed(1)
    images = torch.rand(2, 3, *size)
    score = TargetScore(model, [explained_target(ham7, node) for node in ("mel", "malignant")], None)
    for method in METHODS.values():
        maps = method.attribute(score, images)
        assert maps.shape == (2, *size), method.name
        assert maps.dtype == np.float32, method.name
        assert np.isfinite(maps).all(), method.name
        assert (np.ptp(maps, axis=(1, 2)) > 0).all(), method.name
        assert method.signed or (maps >= 0).all(), method.name


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
class TestMethod:
    def score(self, untrained, ham7):
        targets = [explained_target(ham7, node) for node in ("mel", "malignant")]
        return TargetScore(untrained(patient=("age",)), targets, np.array([[2], [5]]))

    def test_the_map_of_an_image_depends_on_nothing_but_image_and_seed(self, untrained, ham7, images, method):
        score = self.score(untrained, ham7)
        torch.manual_seed(5)
        both = method.attribute(score, images, seed=3)
        torch.manual_seed(6)
        alone = method.attribute(score.on([1]), images[1:], seed=3)
        np.testing.assert_allclose(both[1:], alone, rtol=1e-3, atol=1e-5 * np.abs(both).max())

    def test_nothing_is_left_behind(self, untrained, ham7, images, method):
        score = self.score(untrained, ham7)
        before = {name: value.clone() for name, value in score.model.state_dict().items()}
        own = {name: set(vars(each)) for name, each in score.model.named_modules()}
        kept, random = images.clone(), torch.get_rng_state()
        method.attribute(score, images)
        assert torch.equal(images, kept)
        assert torch.equal(torch.get_rng_state(), random)
        assert torch.is_grad_enabled()
        assert not images.requires_grad
        assert all(each.grad is None and each.requires_grad for each in score.model.parameters())
        assert all(torch.equal(before[name], value) for name, value in score.model.state_dict().items())
        for name, each in score.model.named_modules():
            assert not each.training
            assert set(vars(each)) == own[name]
            assert not any((each._forward_hooks, each._forward_pre_hooks, each._backward_hooks))

    def test_within_inference_mode_and_channels_last(self, untrained, ham7, images, method):
        score = self.score(untrained, ham7)
        plain = method.attribute(score, images)
        with torch.inference_mode():
            maps = method.attribute(score, images.contiguous(memory_format=torch.channels_last))
        np.testing.assert_allclose(maps, plain, rtol=1e-3, atol=1e-5 * np.abs(plain).max())

    def test_progress_counts_the_images(self, untrained, ham7, images, method):
        done = []
        method.attribute(self.score(untrained, ham7), images, progress=done.append)
        assert sum(done) == 2

    def test_it_is_told_and_cited(self, method):
        assert re.search(r"(19|20)\d\d, (arXiv:\d{4}\.\d{4,5}|doi:10\.)", method.paper)
        assert method.told.endswith(".")
        assert method.told.count(".") == 1
        assert METHODS[method.name] is method


def test_complements_have_opposite_maps(untrained, ham7, images):
    for name in ("integrated-gradients", "gradcam", "lime", "occlusion"):
        benign, malignant = (
            METHODS[name].attribute(TargetScore(untrained(), explained_target(ham7, node), None), images)
            for node in ("benign", "malignant")
        )
        np.testing.assert_allclose(benign, -malignant, rtol=1e-3, atol=1e-4 * np.abs(benign).max(), err_msg=name)


def test_integrated_gradients_add_up_to_what_the_image_has_more_than_skin(untrained, ham7, images, monkeypatch):
    monkeypatch.setattr(integrated_gradients, "STEPS", 64)
    score = TargetScore(untrained("test_convnext"), explained_target(ham7, "malignant"), None)
    skin = occlusion.skin_colour(images).expand_as(images)
    with torch.no_grad():
        gained = (score(images) - score(skin)).numpy()
    sums = integrated_gradients.integrated_gradients(score, images).sum(axis=(1, 2))
    np.testing.assert_allclose(sums, gained, rtol=0.02, atol=1e-3)


def test_saliency_is_the_l1_norm_of_the_gradient(untrained, ham7, images):
    score = TargetScore(untrained(), explained_target(ham7, "mel"), None)
    x = images.clone().requires_grad_()
    score(x).sum().backward()
    try:
        expected = x.grad.abs().sum(dim=1).numpy()
        np.testing.assert_allclose(saliency.saliency(score, images), expected, rtol=1e-4, atol=1e-7)
    finally:
        score.model.zero_grad()


def test_the_table_of_methods_is_read_without_torch():
    code = "import sys, cutis.explanation.methods; sys.exit('torch' in sys.modules or 'captum' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
