"""Planted faults are found, clean phantoms are not flagged, and the thresholds are a user's to change."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cutis.audit import measured
from cutis.audit.quality import (
    QualityThresholds,
    image_quality,
    leave_out_unfit,
    photograph_quality,
    read_quality_thresholds,
)
from cutis.audit.quality_areas import WORKING_AREA, areas_of, estimated_lesion, field_of_view, working_image
from cutis.audit.quality_measures import MEASURES, SKIN_MEASURES, blur, measure_image, noise
from cutis.data import PhantomView, manifest_frame, phantom_lesion
from cutis.data.phantom.lesion import paint_lesion
from cutis.data.phantom.view import canvas_radius, draw_painted
from cutis.errors import CutisError, ImageError, ManifestError

CLASSES = ("nv", "mel", "bkl", "bcc")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))


@cache
def painted(n):
    lesion = phantom_lesion(CLASSES[n % len(CLASSES)], seed=n)
    return paint_lesion(lesion, canvas_radius((150, 200))), lesion.diameter_mm


def phantoms(count=6, **view):
    """Clean dermoscopic views of all skin tones, with what is planted."""
    tones = (62, 48, 30, 10, -20, -50)
    plain = PhantomView(ita=0, blur=0.4, noise=0.006)
    return [
        draw_painted(*painted(n), replace(plain, ita=tones[n % len(tones)], seed=n, **view), (150, 200))
        for n in range(count)
    ]


def found(images, reason, column="reasons"):
    """The share of images to which a rule applies."""
    rule = read_quality_thresholds().root[reason]
    rows = pl.DataFrame([measure_image(each) for each in images]).with_columns(pl.col(pl.Float64).fill_nan(None))
    return rows.select(rule.beyond().mean()).item()


@pytest.fixture(scope="module")
def clean():
    return [each.image for each in phantoms()]


def written(tmp_path, images, **columns):
    rows = []
    for n, image in enumerate(images):
        path = tmp_path / f"{n}.png"
        Image.fromarray(image).save(path)
        rows.append({"image_id": f"i{n}", "source": "here", "image_path": str(path), **columns})
    return manifest_frame(rows)


def test_clean_phantoms_of_every_skin_tone_are_fit_and_without_notes(tmp_path, clean):
    quality = image_quality(written(tmp_path, clean))
    assert quality["reasons"].to_list() == [[]] * len(clean)
    assert quality["notes"].explode().drop_nulls().to_list() == []
    assert quality["score"].min() > 0.5


@pytest.mark.parametrize(
    ("reason", "fault", "least"),
    [
        ("blurred", lambda image: cv2.GaussianBlur(image, (0, 0), 3), 1.0),
        ("noisy", lambda image: np.clip(image + np.random.default_rng(0).normal(0, 25, image.shape), 0, 255), 1.0),
        ("too dark", lambda image: image * 0.15, 1.0),
        ("low resolution", lambda image: cv2.resize(image, (80, 60)), 1.0),
        (
            "text",
            lambda image: cv2.putText(
                image.copy(), "ID 20391", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1, cv2.LINE_AA
            ),
            0.8,
        ),
        ("ink or sticker", lambda image: cv2.circle(image.copy(), (0, 75), 30, (40, 110, 200), cv2.FILLED), 1.0),
        (
            "ink or sticker",
            lambda image: cv2.ellipse(image.copy(), (100, 75), (80, 60), 0, 0, 300, (70, 40, 140), 4),
            0.8,
        ),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(clean, reason, fault, least):
    assert found(clean, reason) == 0
    assert found([np.asarray(fault(each)).astype(np.uint8) for each in clean], reason) >= least


def test_overexposed_light_skin_is_found(clean):
    bright = [np.clip(each * 2.4, 0, 255).astype(np.uint8) for each in clean[:3]]
    assert found(bright, "colours clipped") == 1
    assert found(bright, "too light") == 1


@pytest.mark.parametrize(
    ("reason", "planted", "least"),
    [
        ("hair", {"hairs": 25}, 0.9),
        ("hair", {"hairs": 25, "light_hair": True}, 0.6),
        ("black corners", {"dark_corners": 0.9}, 1.0),
        ("ruler", {"ruler": True}, 0.5),
    ],
)
def test_what_a_phantom_can_wear_is_noted(clean, reason, planted, least):
    assert found(clean, reason) == 0
    assert found([each.image for each in phantoms(**planted)], reason) >= least


def test_a_lesion_far_away_is_too_small_and_one_at_the_border_is_cut_off():
    far = phantoms(3, width_mm=120.0)
    measures = [measure_image(each.image, each.mask) for each in far]
    assert all(each["lesion_share"] < 0.012 for each in measures)
    image, mask = np.full((150, 200, 3), 180, np.uint8), np.zeros((150, 200), np.uint8)
    mask[:, :60] = 255  # three of four sides outside the image
    assert measure_image(image, mask)["lesion_cut"] > 0.55
    mask[:] = 0
    mask[50:100, 50:100] = 255
    assert measure_image(image, mask)["lesion_cut"] == 0


def test_no_lesion_in_the_mask_is_a_missing_measure_and_no_reason(tmp_path, clean):
    Image.fromarray(np.zeros((150, 200), np.uint8)).save(tmp_path / "mask.png")
    quality = image_quality(written(tmp_path, clean[:1], mask_path=str(tmp_path / "mask.png")))
    assert quality["lesion_share"].to_list() == [None]
    assert quality["lesion_cut"].to_list() == [None]
    assert quality["reasons"].to_list() == [[]]


@settings(max_examples=12, deadline=None)
@given(st.floats(0.8, 3.0), st.floats(0, 180))
def test_blur_reads_the_gaussian_that_was_put_on_an_edge_of_any_direction(sigma, degrees):
    rows, columns = np.mgrid[:150, :200]
    across = (columns - 100) * np.cos(np.deg2rad(degrees)) + (rows - 75) * np.sin(np.deg2rad(degrees))
    edge = (60 + 140 / (1 + np.exp(-np.clip(across * 1.702 / sigma, -50, 50)))).astype(np.uint8)  # nearly Gaussian
    assert blur(edge, np.ones(edge.shape, bool)) == pytest.approx(sigma, rel=0.35)


@settings(max_examples=10, deadline=None)
@given(st.floats(2.0, 25.0))
def test_noise_reads_the_standard_deviation_that_was_added(sigma):
    image = np.full((150, 200), 128.0) + np.random.default_rng(0).normal(0, sigma, (150, 200))
    read = noise(np.clip(image, 0, 255).astype(np.uint8), np.ones((150, 200), bool))
    assert read == pytest.approx(sigma, rel=0.12, abs=0.3)


def test_measures_hardly_depend_on_the_size_of_the_file(clean):
    small = measure_image(clean[0])
    large = measure_image(cv2.resize(clean[0], (600, 450), interpolation=cv2.INTER_CUBIC))
    assert large["short_side"] == 450
    for each in ("lightness", "brightest"):
        assert large[each] == pytest.approx(small[each], abs=1)
    assert large["lesion_share"] == pytest.approx(small["lesion_share"], abs=0.02)
    assert working_image(np.zeros((1000, 500, 3), np.uint8)).shape[:2] == (245, 122)
    assert abs(245 * 122 / WORKING_AREA - 1) < 0.01


def test_the_lesion_of_phantoms_is_found():
    overlaps = []
    for each in phantoms():
        truth = each.mask > 0
        grey = cv2.cvtColor(each.image, cv2.COLOR_RGB2GRAY)
        estimate = estimated_lesion(each.image, field_of_view(grey))
        overlaps.append((truth & estimate).sum() / (truth | estimate).sum())
    assert np.median(overlaps) > 0.7


def test_a_blue_lesion_is_no_ink_and_hair_is_no_lesion(clean):
    blue = np.full((150, 200, 3), (205, 165, 140), np.uint8)
    cv2.circle(blue, (100, 75), 25, (60, 70, 150), cv2.FILLED)
    areas = areas_of(blue)
    assert areas.ink.mean() < 0.005
    assert areas.lesion[75, 100]
    assert not areas.skin[75, 100]
    assert areas.skin[10, 10]


def test_a_second_run_reads_no_image(tmp_path, clean, monkeypatch):
    manifest = written(tmp_path, clean)
    seen = []
    first = image_quality(manifest, progress=seen.append)
    monkeypatch.setattr(measured, "read_image", lambda path: pytest.fail("read again"))
    assert image_quality(manifest.reverse()).reverse().equals(first)
    assert sum(seen) == len(clean)


def test_a_changed_file_or_mask_is_measured_anew(tmp_path, clean):
    manifest = written(tmp_path, clean[:1])
    before = image_quality(manifest)
    mask = np.zeros((150, 200), np.uint8)
    mask[60:90, 60:90] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    masked = image_quality(manifest.with_columns(mask_path=pl.lit(str(tmp_path / "mask.png"))))
    assert masked["lesion_share"][0] == pytest.approx(900 / 30000, rel=0.01)
    Image.fromarray(clean[1]).save(tmp_path / "0.png")
    assert not image_quality(manifest).equals(before)


def test_only_rows_with_a_file_are_measured_and_bad_files_are_named_together(tmp_path, clean):
    manifest = written(tmp_path, clean[:2])
    without = pl.concat([manifest, manifest_frame([{"image_id": "x", "source": "here"}])])
    assert image_quality(without)["image_id"].to_list() == ["i0", "i1"]
    assert image_quality(without.tail(1)).is_empty()
    (tmp_path / "0.png").write_bytes(b"no image")
    bad = manifest.with_columns(image_path=pl.col("image_path").str.replace("1.png", "gone.png", literal=True))
    with pytest.raises(
        ImageError, match=r"2 of 2 images cannot be read: .*gone\.png: does not exist.*0\.png: is not an"
    ):
        image_quality(bad)


def test_a_damaged_cache_is_an_error_that_says_what_to_do(tmp_path, clean):
    manifest = written(tmp_path, clean[:1])
    image_quality(manifest)
    table = next((tmp_path / "cache").rglob("measures.parquet"))
    table.write_bytes(b"no table")
    with pytest.raises(ImageError, match="cache is damaged.*Delete it"):
        image_quality(manifest)


def test_columns_are_what_the_documentation_says(tmp_path, clean):
    quality = image_quality(written(tmp_path, clean[:1]))
    assert quality.columns == ["source", "image_id", *MEASURES, "score", "reasons", "notes"]
    assert all(quality.schema[each] == pl.Float64 for each in (*MEASURES, "score"))
    assert quality.schema["reasons"] == quality.schema["notes"] == pl.List(pl.String)
    assert set(measure_image(clean[0])) == {*MEASURES, *SKIN_MEASURES}


def rule(**fields):
    return QualityThresholds.model_validate({"far": {"effect": "unfit", "because": "so", **fields}})


def test_a_users_threshold_decides_and_the_score_is_half_at_the_limit(tmp_path, clean):
    manifest = written(tmp_path, clean[:1])
    at = image_quality(manifest, rule(measure="short_side", below=150.0))
    assert at["reasons"].to_list() == [[]]
    assert at["score"].item() == pytest.approx(0.5)
    assert image_quality(manifest, rule(measure="short_side", below=151.0))["reasons"].to_list() == [["far"]]
    file = tmp_path / "mine.toml"
    file.write_text('[tiny]\nmeasure = "short_side"\nbelow = 500\neffect = "note"\nbecause = "so"\n')
    noted = image_quality(manifest, file)
    assert noted["notes"].to_list() == [["tiny"]]
    assert noted["score"].to_list() == [1.0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a]\nmeasure = 'blurr'\nabove = 1\neffect = 'unfit'\nbecause = 'x'\n", "'a': there is no measure 'blurr'"),
        ("[a]\nmeasure = 'blur'\neffect = 'unfit'\nbecause = 'x'\n", "'a': give 'above' or 'below'"),
        ("[a]\nmeasure = 'blur'\nabove = 'much'\neffect = 'unfit'\nbecause = 'x'\n", "'a.above': .*number"),
        ("[a]\nmeasure = 'blur'\nabove = 1\neffect = 'bad'\nbecause = 'x'\n", "'a.effect'"),
        ("[a]\nmeasure = 'blur'\nabove = 1\neffect = 'unfit'\nbecause = 'x'\nmore = 1\n", "'a.more'"),
        ("[a\n", "is not valid TOML"),
    ],
)
def test_a_bad_threshold_file_is_one_line_with_the_key(tmp_path, text, told):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(CutisError, match=told) as error:
        read_quality_thresholds(file)
    assert "bad.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_threshold_file_is_told(tmp_path):
    with pytest.raises(CutisError, match="cannot be read"):
        read_quality_thresholds(tmp_path / "none.toml")


def test_the_shipped_thresholds_look_at_every_measure():
    assert {each.measure for each in read_quality_thresholds().root.values()} == set(MEASURES)


def judged(*rows):
    return pl.DataFrame(
        {
            "source": ["s"] * len(rows),
            "image_id": [each for each, _ in rows],
            "reasons": [list(why) for _, why in rows],
        },
        schema={"source": pl.String, "image_id": pl.String, "reasons": pl.List(pl.String)},
    )


def test_unfit_images_leave_validation_and_test_but_not_training():
    manifest = manifest_frame(
        [
            {"image_id": name, "source": "s", "subset": subset, "split_rule": "by hand"}
            for name, subset in (("a", "train"), ("b", "val"), ("c", "test"), ("d", "test"), ("e", "excluded"))
        ]
    )
    quality = judged(("d", []), ("c", ["blurred"]), ("b", ["noisy"]), ("a", ["blurred"]), ("e", ["blurred"]))
    left = leave_out_unfit(manifest, quality)
    assert left["subset"].to_list() == ["train", "excluded", "excluded", "test", "excluded"]
    assert left["split_rule"].unique().to_list() == ["by hand; 2 unfit images left out of validation and test"]
    assert left.columns == manifest.columns
    with pytest.raises(ManifestError, match="1 images .* were not measured, the first is 'c'"):
        leave_out_unfit(manifest, quality.filter(pl.col("image_id") != "c"))
    with pytest.raises(ManifestError, match="subset"):
        leave_out_unfit(manifest.drop("subset"), quality)
    fit = judged(*[(name, []) for name in "abcde"])
    assert leave_out_unfit(manifest, fit).equals(manifest)


def test_one_photograph_is_judged_as_a_manifest_is(tmp_path):
    for n, image in enumerate([*phantoms(2), *phantoms(1, blur=4.0)]):
        path = tmp_path / f"{n}.png"
        Image.fromarray(image.image).save(path)
        row = image_quality(manifest_frame([{"image_id": "a", "image_path": str(path)}])).row(0, named=True)
        judged = photograph_quality(image.image)
        assert (judged.score, list(judged.reasons), list(judged.notes)) == (row["score"], row["reasons"], row["notes"])
    assert "blurred" in judged.reasons
