"""Pictures of maps: every colour is the map's, the scale tells it, and nothing rests on red and green alone."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cutis.explanation.methods import METHODS
from cutis.explanation.overlay import (
    AGAINST,
    FOR,
    OPPOSING,
    SUPPORTING,
    Legend,
    colour_scale,
    laid_over,
    marked_site,
    region_swatch,
    side_by_side,
    sized,
    strength,
)

GRADCAM, SALIENCY, LIME, GRADIENTS = (METHODS[each] for each in ("gradcam", "saliency", "lime", "integrated-gradients"))
PHOTO = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
LEGEND = Legend("Grad-CAM for Melanoma", ("The answer is Melanoma, with a probability of 62%.",), "i1 · model: small")
MAPS = arrays(np.float32, (6, 8), elements=st.floats(-1e6, 1e6, width=32))


def colourless(picture):
    return picture.max(axis=2).astype(int) - picture.min(axis=2)


def lightness(picture):
    return cv2.cvtColor((picture / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[..., 0]


@given(MAPS)
def test_strength_keeps_signs_and_order_and_is_at_most_one(attribution):
    values, strongest = strength(attribution, GRADCAM)
    assert np.abs(values).max() <= 1
    assert (np.sign(values) * np.sign(attribution) >= 0).all()
    if strongest:
        order = np.argsort(attribution.ravel(), kind="stable")
        assert (np.diff(values.ravel()[order]) >= 0).all()
    else:
        assert not values.any()


def test_a_few_stray_pixels_do_not_take_the_colours_from_the_rest():
    attribution = np.ones((100, 100), dtype=np.float32)
    attribution[0, :20] = 1e6
    values, strongest = strength(attribution, GRADCAM)
    assert strongest == 1
    assert (values == 1).all()


def test_one_pixel_that_is_all_there_is_is_shown():
    attribution = np.zeros((100, 100), dtype=np.float32)
    attribution[3, 4] = 5
    values, strongest = strength(attribution, GRADCAM)
    assert (strongest, values.max()) == (5, 1)


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_where_a_map_says_nothing_there_is_no_colour(method):
    attribution = np.zeros((12, 16), dtype=np.float32)
    assert colourless(laid_over(PHOTO, attribution, method)).max() == 0
    attribution[:6, :8] = 1
    drawn = laid_over(PHOTO, attribution, method)
    assert drawn.shape == PHOTO.shape
    assert colourless(drawn)[:20, :30].min() > 20
    assert colourless(drawn)[45:, 60:].max() == 0


def test_single_pixels_for_and_against_side_by_side_cancel_out_and_a_spot_remains():
    attribution = np.indices((96, 128)).sum(axis=0) % 2 * np.float32(2) - np.float32(1)
    attribution[40:56, 60:76] = 1
    values, strongest = strength(attribution, GRADIENTS)
    assert np.abs(values[:30]).max() < 0.1
    assert values[48, 68] == 1
    assert 0.8 < strongest < 1.01
    assert np.abs(strength(attribution, GRADCAM)[0]).min() == 1, "other maps are drawn as they are"


def test_for_is_orange_and_against_is_blue():
    attribution = np.ones((12, 16), dtype=np.float32)
    attribution[:, 8:] = -1
    drawn = laid_over(PHOTO, attribution, GRADCAM).astype(int)
    assert (drawn[:, :30, 0] > drawn[:, :30, 2]).all()
    assert (drawn[:, 50:, 2] > drawn[:, 50:, 0]).all()


def test_the_unsigned_scale_grows_lighter_all_the_way():
    light = lightness(colour_scale(200, 4, signed=False))[0]
    assert (np.maximum.accumulate(light) - light).max() < 1  # of 100: rounding to bytes
    assert light[-1] - light[0] > 40


def test_the_signed_scale_is_grey_in_the_middle_and_told_apart_by_the_colour_blind():
    scale = colour_scale(201, 1, signed=True)[0]
    assert np.ptp(scale[100].astype(int)) == 0
    for one, other in ((FOR, AGAINST),):
        ends = np.array([one, other], dtype=np.float64) / 255
        # Viénot 1999: what a deuteranope sees, in linear RGB.
        linear = ends**2.2
        seen = linear @ np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]).T
        lab = cv2.cvtColor(np.clip(seen, 0, 1).astype(np.float32)[None] ** np.float32(1 / 2.2), cv2.COLOR_RGB2LAB)[0]
        assert np.linalg.norm(lab[0] - lab[1]) > 60


def test_supporting_regions_are_green_and_opposing_ones_red_and_dashed():
    attribution = np.zeros((60, 80), dtype=np.float32)
    attribution[5:25, 5:35], attribution[35:55, 45:75], attribution[35:55, 5:35] = 1, -0.8, 0.1
    drawn = laid_over(PHOTO, attribution, LIME)

    def rim(top, left):
        """The outline's pixels of a region of 20 × 30."""
        box = drawn[top : top + 20, left : left + 30].astype(int)
        return np.concatenate([box[0], box[-1], box[:, 0], box[:, -1]])

    green, red = rim(5, 5), rim(35, 45)
    near_green = (np.abs(green - SUPPORTING).max(axis=1) < 40).mean()
    near_red = (np.abs(red - OPPOSING).max(axis=1) < 40).mean()
    assert near_green > 0.95
    assert 0.3 < near_red < 0.8, "a dashed line has gaps"
    assert colourless(drawn)[37:53, 7:33].max() == 0, "a weak region is not drawn"
    assert np.abs(region_swatch(40, 20, 1.0).astype(int) - region_swatch(40, 20, -1.0)).max() > 100


def test_a_picture_holds_the_photograph_as_it_is_and_the_map_over_it():
    attribution = np.zeros((12, 16), dtype=np.float32)
    attribution[4:8, 6:10] = 1
    sheet = side_by_side(PHOTO, attribution, LEGEND, GRADCAM)
    shown = sized(PHOTO, 480)
    assert shown.shape == (360, 480, 3)
    places = [
        (top, left)
        for top in range(sheet.shape[0] - 360)
        for left in (20,)
        if (sheet[top, left : left + 480] == shown[0]).all()
    ]
    assert len(places) == 1
    top, left = places[0]
    assert (sheet[top : top + 360, left : left + 480] == shown).all()
    over = sheet[top : top + 360, left + 496 : left + 976]
    assert (over == laid_over(shown, attribution, GRADCAM)).all()
    assert (sheet[-1] == 255).all()


def test_words_that_are_too_long_go_on_in_the_next_line():
    attribution = np.ones((12, 16), dtype=np.float32)
    short = side_by_side(PHOTO, attribution, LEGEND, LIME)
    legend = Legend("A diagnosis of many words " * 8, ("And what is told of it, at length. " * 9,), "x" * 300)
    long = side_by_side(PHOTO, attribution, legend, LIME)
    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0] + 80


def test_a_map_of_nothing_says_so():
    zero = np.zeros((12, 16), dtype=np.float32)
    some = zero.copy()
    some[5, 5] = 1
    with_words = side_by_side(PHOTO, zero, LEGEND, SALIENCY)
    without = side_by_side(PHOTO, some, LEGEND, SALIENCY)
    assert with_words.shape[0] > without.shape[0]


def test_a_marked_site_is_seen_on_dark_and_on_light_skin():
    uncertain = np.zeros((12, 16), dtype=bool)
    uncertain[4:9, 5:12] = True
    for tone in (15, 128, 240):
        photo = np.full((240, 320, 3), tone, dtype=np.uint8)
        marked = marked_site(photo, 0.5, 0.55, uncertain)
        assert (photo == tone).all(), "the photograph itself is left alone"
        assert (marked[:50, :60] == tone).all()
        assert np.abs(lightness(marked)[132, 160] - lightness(photo)[0, 0]) > 10
        changed = (marked != photo).any(axis=2)
        assert changed[60:200, 80:260].mean() > 0.02
