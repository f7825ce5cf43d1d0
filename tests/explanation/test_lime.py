import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_distances

from cutis.explanation.lime import explain_superpixels, lime, lime_segments, surrogate_weights
from cutis.explanation.occlusion import skin_colour
from cutis.explanation.target import TargetScore, explained_target


class Redness(torch.nn.Module):
    """Stands for a score: how red the left half is, less how red the right half is."""

    def forward(self, images):
        red = images[:, 0].mean(dim=1)
        half = red.shape[1] // 2
        return red[:, :half].sum(dim=1) - red[:, half:].sum(dim=1)

    def on(self, rows):
        return self


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=20), st.floats(-5, 5), st.integers(0, 1000))
def test_the_surrogate_of_a_linear_score_is_the_score(weights, offset, seed):
    shown = np.random.default_rng(seed).random((500, len(weights))) < 0.5
    found = surrogate_weights(shown, shown @ np.array(weights) + offset)
    np.testing.assert_allclose(found, weights, atol=0.15)  # the ridge pulls towards 0 a little


def test_the_surrogate_weighs_samples_as_ribeiros_code_does():
    rng = np.random.default_rng(0)
    shown, scores = rng.random((200, 15)) < 0.5, rng.normal(size=200)
    shown[0] = True
    distances = cosine_distances(shown.astype(float), np.ones((1, 15))).ravel()
    kernel = np.sqrt(np.exp(-(distances**2) / 0.25**2))
    expected = Ridge(alpha=1, fit_intercept=True).fit(shown, scores, sample_weight=kernel).coef_
    np.testing.assert_allclose(surrogate_weights(shown, scores), expected, rtol=1e-5)


def test_segments_cover_the_image_and_follow_its_edges():
    image = np.full((96, 128, 3), (230, 180, 170), dtype=np.uint8)
    image[30:70, 40:90] = (90, 50, 40)
    lesion = np.zeros((96, 128), dtype=bool)
    lesion[30:70, 40:90] = True
    segments = lime_segments(image)
    assert segments.shape == (96, 128)
    assert np.array_equal(np.unique(segments), np.arange(segments.max() + 1))
    assert 25 <= segments.max() + 1 <= 80
    share = np.bincount(segments.ravel(), lesion.ravel()) / np.bincount(segments.ravel())
    assert np.minimum(share, 1 - share).max() < 0.35


def test_regions_that_speak_for_it_are_positive_and_those_against_negative():
    image = torch.full((3, 64, 96), 0.2)
    image[0, 20:44, 10:40] = image[0, 20:44, 60:90] = 0.9
    found = explain_superpixels(Redness(), image, samples=200)
    drawn = found.weights[found.segments]
    assert drawn[24:40, 14:36].min() > 0
    assert drawn[24:40, 64:86].max() < 0
    assert np.abs(drawn[:8]).max() < 0.3 * np.abs(drawn).max()


def test_the_map_is_the_weight_of_each_region(untrained, ham7, images, monkeypatch):
    monkeypatch.setattr("cutis.explanation.lime.SAMPLES", 60)
    score = TargetScore(untrained(), explained_target(ham7, "mel"), None)
    found = explain_superpixels(score.on([1]), images[1], samples=60, seed=4)
    assert np.array_equal(lime(score, images, seed=4)[1], found.weights[found.segments])
    again = explain_superpixels(score.on([1]), images[1], samples=60, seed=5)
    assert np.array_equal(again.segments, found.segments)
    assert not np.array_equal(again.weights, found.weights)


@pytest.mark.parametrize("corner", [0, 12])
def test_what_hides_a_place_is_the_skins_colour_whatever_the_lesion_and_dark_corners(corner):
    image = torch.tensor([0.9, 0.7, 0.6]).view(3, 1, 1).repeat(1, 64, 96)
    image[:, 10:54, 12:84] = 0.1
    for rows in (slice(0, corner), slice(64 - corner, 64)):
        image[:, rows, :corner] = image[:, rows, 96 - corner :] = 0
    torch.testing.assert_close(skin_colour(image[None])[0, :, 0, 0], torch.tensor([0.9, 0.7, 0.6]))
