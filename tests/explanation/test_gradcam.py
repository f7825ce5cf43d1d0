import threading

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch.nn.functional import interpolate

from cutis.errors import CutisError
from cutis.explanation.gradcam import gradcam
from cutis.explanation.target import TargetScore, explained_target


@pytest.fixture
def score_of(untrained, ham7):
    return lambda *backbone, **options: TargetScore(
        untrained(*backbone, **options), explained_target(ham7, "malignant"), None
    )


def upsampled(cam):
    return interpolate(cam, (64, 96), mode="bilinear", align_corners=False)[:, 0].detach().numpy()


def by_hand(score, images, layer, to_map):
    """Grad-CAM of a module's output, times the number of places."""
    kept = []
    with layer.register_forward_hook(lambda _, __, output: kept.append(output)):
        (gradient,) = torch.autograd.grad(score(images).sum(), kept)
    features, slope = to_map(kept[0]), to_map(gradient)
    return upsampled((slope.sum(dim=(2, 3), keepdim=True) * features).sum(dim=1, keepdim=True))


def test_of_a_cnn_it_is_captums_but_for_the_number_of_places(score_of, images):
    score = score_of("test_resnet")
    cam = LayerGradCam(score, score.model.backbone.layer4).attribute(images)
    np.testing.assert_allclose(gradcam(score, images), 2 * 3 * upsampled(cam), rtol=1e-3, atol=1e-6)


def test_of_an_efficientnet_it_is_taken_after_the_last_convolution(score_of, images):
    score = score_of("test_efficientnet")
    cam = LayerGradCam(score, score.model.backbone.bn2).attribute(images)
    np.testing.assert_allclose(gradcam(score, images), 2 * 3 * upsampled(cam), rtol=1e-3, atol=1e-6)


def test_earlier_stages_are_left_out(score_of, images):
    score = score_of("test_efficientnet", stages=(1, 2))
    cam = LayerGradCam(score, score.model.backbone.bn2).attribute(images)
    np.testing.assert_allclose(gradcam(score, images), 2 * 3 * upsampled(cam), rtol=1e-3, atol=1e-6)


def test_where_the_head_reads_a_class_token_it_is_what_attention_reads(score_of, images):
    score = score_of("test_vit")
    last = score.model.backbone.blocks[-1]

    def to_map(tokens):
        return tokens[:, 1:].transpose(1, 2).reshape(2, -1, 4, 6)

    assert not by_hand(score, images, last, to_map).any()  # the trap: places after the last block
    expected = by_hand(score, images, last.norm1, to_map)
    np.testing.assert_allclose(gradcam(score, images), expected, rtol=1e-3, atol=1e-6)


def test_of_a_swin_it_is_taken_after_the_final_norm_with_channels_last(score_of, images):
    score = score_of("swin_tiny_patch4_window7_224")
    expected = by_hand(score, images, score.model.backbone.norm, lambda features: features.permute(0, 3, 1, 2))
    np.testing.assert_allclose(gradcam(score, images), expected, rtol=1e-3, atol=1e-6)


def test_its_mean_is_what_the_features_add_where_the_head_is_linear(images):
    """Zhou 2016's class activation map, as a special case: two classes, mean pooling, one linear layer."""
    from cutis.explanation.target import Target
    from cutis.models import Architecture, LesionClassifier

    torch.manual_seed(0)
    model = LesionClassifier(Architecture(backbone="test_resnet"), 2, (64, 96)).eval()
    score = TargetScore(model, Target("a", "A", np.array([True, False])), None)
    with torch.no_grad():
        expected = score(images) - (model.head.bias[0] - model.head.bias[1])
        cells = interpolate(torch.from_numpy(gradcam(score, images))[:, None], (2, 3), mode="area")
    # Bilinear scaling keeps the mean only nearly: its rim repeats the outer cells.
    np.testing.assert_allclose(cells.mean(dim=(1, 2, 3)), expected, rtol=0.15)


def test_a_backbone_without_places_is_told(score_of, images):
    score = score_of("pit_ti_224")
    with pytest.raises(CutisError, match="PoolingVisionTransformer keeps no map of places.*another method"):
        gradcam(score, images)
    assert "forward_head" not in vars(score.model.backbone)
    assert torch.is_grad_enabled()


def test_an_image_so_small_that_its_features_have_one_place_is_told(score_of, images):
    with pytest.raises(CutisError, match="no map of places up to its head at 32 × 32 pixels"):
        gradcam(score_of("test_resnet"), images[:, :, :32, :32])


def test_another_thread_predicts_undisturbed(score_of, images):
    score = score_of("test_vit")
    with torch.inference_mode():
        expected = score(images)
    alone = gradcam(score, images)
    wrong, stop = [], threading.Event()

    def predict():
        with torch.inference_mode():
            while not stop.is_set():
                if not torch.equal(score(images), expected):
                    wrong.append(True)

    other = threading.Thread(target=predict)
    other.start()
    try:
        for _ in range(8):
            np.testing.assert_allclose(gradcam(score, images), alone, rtol=1e-5, atol=1e-8)
    finally:
        stop.set()
        other.join()
    assert not wrong
