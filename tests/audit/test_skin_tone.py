"""Known colours give their known angle, and what is not skin does not count."""

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from cutis.audit.quality_measures import measure_image
from cutis.audit.skin_tone import ITA_CLASSES, fitzpatrick_agreement, skin_tone
from cutis.data import PhantomView, draw_phantom, manifest_frame, phantom_lesion
from cutis.data.phantom.view import ITA_RANGES, skin_colour
from cutis.errors import ManifestError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))


def patch(colour, lesion=(70, 40, 30)):
    """Plain skin with a round lesion in the middle."""
    image = np.empty((150, 200, 3), np.uint8)
    image[:] = colour
    cv2.circle(image, (100, 75), 30, lesion, cv2.FILLED)
    return image


def angle(image, mask=None):
    measures = measure_image(image, mask)
    return np.rad2deg(np.arctan((measures["skin_lightness"] - 50) / measures["skin_yellowness"]))


def manifest_of(folder, images, **columns):
    rows = []
    for n, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{n}.png")
        rows.append({"image_id": f"i{n}", "source": "here", "image_path": str(folder / f"{n}.png")})
    return manifest_frame(rows).with_columns(**columns)


@pytest.mark.parametrize(
    ("colour", "lab"),
    [  # patches of the ColorChecker as sRGB, with their CIELAB under D65
        ((115, 82, 68), (37.54, 14.37, 14.92)),  # dark skin
        ((194, 150, 130), (65.2, 14.8, 17.5)),  # light skin
    ],
)
def test_a_patch_of_known_colour_has_its_known_angle(colour, lab):
    expected = np.rad2deg(np.arctan((lab[0] - 50) / lab[2]))
    assert angle(patch(colour, lesion=(30, 20, 20))) == pytest.approx(expected, abs=3)


@settings(max_examples=12, deadline=None)
@given(st.floats(-45, 68), st.sampled_from([0, 1, 2, 3]))
def test_the_angle_of_drawn_skin_is_read_whatever_way_the_image_is_turned(ita, turns):
    image = patch(np.round(skin_colour(ita) * 255))
    assert angle(np.ascontiguousarray(np.rot90(image, turns))) == pytest.approx(ita, abs=2.5)


def test_a_phantoms_skin_type_is_read_from_its_picture(tmp_path):
    tones = {"I": 62, "II": 48, "III": 35, "IV": 19, "V": -10, "VI": -45}
    images = [
        draw_phantom(phantom_lesion("nv", seed=n), PhantomView(ita=ita, seed=n, hairs=8, dark_corners=0.8)).image
        for n, ita in enumerate(tones.values())
    ]
    read = skin_tone(manifest_of(tmp_path, images))
    assert read["estimated_skin_type"].to_list() == list(tones)
    assert read["estimated_skin_type_group"].to_list() == ["I–II", "I–II", "III–IV", "III–IV", "V–VI", "V–VI"]
    assert read["estimated"].all()
    assert read.schema["n_skin_pixels"] == pl.Int64


def test_what_the_mask_covers_hairs_and_highlights_do_not_count():
    skin, other = (205, 165, 140), (120, 110, 105)
    image, mask = patch(skin), np.zeros((150, 200), np.uint8)
    image[:, :110], mask[:, :110] = other, 255  # more than half of the image
    plain = angle(patch(skin))
    assert angle(image, mask) == pytest.approx(plain, abs=0.5)
    covered = patch(skin)
    for column in range(5, 200, 12):
        cv2.line(covered, (column, 0), (column - 4, 149), (40, 30, 25), 2)
    cv2.circle(covered, (30, 30), 20, (255, 255, 255), cv2.FILLED)
    assert angle(covered) == pytest.approx(plain, abs=2)


def test_too_little_skin_or_a_colour_that_skin_has_not_is_null(tmp_path):
    full = np.full((150, 200), 255, np.uint8)
    Image.fromarray(full).save(tmp_path / "mask.png")
    masks = pl.Series([str(tmp_path / "mask.png"), None], dtype=pl.String)
    blueish = patch((190, 185, 210))
    read = skin_tone(manifest_of(tmp_path, [patch((205, 165, 140)), blueish], mask_path=masks))
    for column in ("ita", "ita_class", "estimated_skin_type", "estimated_skin_type_group"):
        assert read[column].to_list() == [None, None]
    assert read["n_skin_pixels"][0] == 0
    assert read["skin_lightness"][0] is None
    assert read["n_skin_pixels"][1] > 600


def test_the_classes_are_those_that_phantoms_are_drawn_by():
    assert [skin_type for _, skin_type, _ in ITA_CLASSES] == list(ITA_RANGES)
    assert [above for *_, above in ITA_CLASSES][:-1] == [low for low, _ in ITA_RANGES.values()][:-1]


def recorded(types, **columns):
    rows = [{"image_id": str(n), "source": "s", "fitzpatrick_skin_type": each} for n, each in enumerate(types)]
    return manifest_frame(rows).with_columns(**columns)


def estimated(types):
    return pl.DataFrame(
        {"source": ["s"] * len(types), "image_id": [str(n) for n in range(len(types))], "estimated_skin_type": types},
        schema=dict.fromkeys(("source", "image_id", "estimated_skin_type"), pl.String),
    )


def test_agreement_is_scikit_learns_over_the_images_that_have_both():
    names = ("I", "II", "III", "IV", "V", "VI")
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 120)
    read = np.clip(truth + rng.integers(-2, 3, 120), 0, 5)
    patients = pl.Series([f"p{n // 3}" for n in range(122)])
    agreement = fitzpatrick_agreement(
        recorded([*[names[n] for n in truth], None, "I"], patient_id=patients),
        estimated([*[names[n] for n in read], "I", None]),
        resamples=200,
    )
    assert agreement is not None
    assert agreement.images == 120
    assert agreement.clusters == {"patient": 40}
    kappa = agreement.weighted_kappa
    assert kappa.value == pytest.approx(cohen_kappa_score(truth, read, weights="quadratic"))
    assert kappa.low < kappa.value < kappa.high
    assert agreement.exact.value == pytest.approx((truth == read).mean())
    assert agreement.within_one.value == pytest.approx((np.abs(truth - read) <= 1).mean())
    assert sum(sum(row) for row in agreement.confusion) == 120
    assert agreement.confusion[0][2] == ((truth == 0) & (read == 2)).sum()


def test_no_agreement_where_no_type_is_recorded_and_an_error_without_the_column():
    assert fitzpatrick_agreement(recorded([None, None]), estimated(["I", "II"])) is None
    with pytest.raises(ManifestError, match="fitzpatrick_skin_type"):
        fitzpatrick_agreement(recorded(["I"]).drop("fitzpatrick_skin_type"), estimated(["I"]))
