"""What predicts a diagnosis without a look at the lesion is found, and what does not is not."""

import json

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from cutis.audit.clues import column_clues, file_clues, pixel_clues
from cutis.audit.out_of_fold import OutOfFoldAuc, by_features, by_value, folds_of
from cutis.audit.shortcuts import ShortcutResult, shortcut_check
from cutis.data import manifest_frame
from cutis.errors import ImageError
from cutis.taxonomy import class_set

NODES = ("nevus", "melanoma", "dermatofibroma")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))


def manifest(images=300, **columns):
    """Images of as many lesions, three diagnoses in turn; ``columns`` from row number and random generator."""
    generator = np.random.default_rng(0)
    order = generator.permutation(images)
    return manifest_frame(
        [
            {
                "image_id": f"i{order[n]}",
                "lesion_id": f"l{n}",
                "source": "clinic",
                "diagnosis_node": NODES[n % 3],
                "source_diagnosis": NODES[n % 3],
                **{name: value(n, generator) for name, value in columns.items()},
            }
            for n in range(images)
        ]
    )


def one(result, name):
    return next(each for each in result.shortcuts if each.name == name)


def confirmed(n, generator):
    always = generator.random() < 0.8
    return "single image expert consensus" if n % 3 == 0 and always else "histopathology"


def test_a_column_that_gives_the_diagnosis_away_is_warned_of_and_one_that_does_not_is_not():
    frame = manifest(
        diagnosis_confirm_type=confirmed, license=lambda n, generator: ("CC0", "CC BY")[generator.integers(2)]
    )
    result = shortcut_check(frame, resamples=200)
    found = one(result, "diagnosis_confirm_type")
    assert [each.name for each in result.warnings] == ["diagnosis_confirm_type"]
    assert found.strongest == "nevus"
    assert found.strongest_auc.value == pytest.approx(0.9, abs=0.04)  # (0.8 + 1) / 2
    assert found.strongest_auc.low > 0.7
    assert found.malignant_auc.value == pytest.approx(1 - (0.4 * 0.5 + 0.6), abs=0.5)
    assert "0.9" in found.told
    innocent = one(result, "license")
    assert innocent.macro_auc.low < 0.5 < innocent.macro_auc.high + 0.05
    assert innocent.warning == ""


def test_what_is_known_at_the_bedside_may_predict_the_diagnosis():
    frame = manifest(age_approx=lambda n, generator: int(generator.normal((30, 60, 45)[n % 3], 3)))
    age = one(shortcut_check(frame, resamples=50), "age_approx")
    assert age.macro_auc.low > 0.95
    assert age.warn_above is None
    assert age.warning == ""


def test_missing_values_are_a_clue_of_their_own():
    frame = manifest(
        sex=lambda n, generator: ("female", "male")[generator.integers(2)] if n % 3 == 1 else None,
        smoker=lambda n, generator: "yes" if n % 3 == 1 and generator.random() < 0.8 else None,
    )
    result = shortcut_check(frame, resamples=50)
    assert [each.name for each in result.warnings] == ["whether sex is recorded", "whether smoker is recorded"]
    assert one(result, "whether sex is recorded").malignant_auc.value == 1
    # Where it is recorded there is only one diagnosis, so the values themselves have nothing to tell.
    assert "fewer than two diagnoses" in result.not_checked["sex"]
    assert result.not_checked["smoker"] == "the same wherever it is recorded"


def test_columns_filled_in_together_are_one_clue():
    frame = manifest(
        **dict.fromkeys(["a", "b", "c", "d", "e"], lambda n, _: str(n % 2) if n % 3 else None)
    )  # fmt: skip
    names = [each.name for each in column_clues(frame)[0]]
    assert [each for each in names if each.startswith("whether")] == ["whether a, b, c and 2 more are recorded"]


def test_images_numbered_by_diagnosis_are_found():
    frame = manifest().sort("diagnosis_node").with_row_index("n")
    frame = frame.with_columns(image_id=pl.format("ISIC_{}", "n")).drop("n")
    result = shortcut_check(frame, resamples=50)
    assert one(result, "number in image_id").macro_auc.value > 0.95
    assert result.not_checked["form of image_id"] == "the same wherever it is recorded"


def test_file_names_that_hold_the_diagnosis_are_found():
    frame = manifest().with_columns(image_id=pl.format("{}-{}", "diagnosis_node", "image_id"))
    assert one(shortcut_check(frame, resamples=50), "form of image_id").macro_auc.value == 1


def test_an_unknown_column_is_looked_at_as_number_or_word_whatever_its_type():
    frame = manifest().with_columns(
        measured=pl.int_range(pl.len()).map_elements(lambda n: str(n % 3 + n / 1000), return_dtype=pl.String),
        flag=pl.int_range(pl.len()) % 3 == 0,
        parts=pl.int_range(pl.len()).map_elements(lambda n: [n % 3], return_dtype=pl.List(pl.Int64)),
        serial=pl.format("case {}", pl.int_range(pl.len())),
    )
    result = shortcut_check(frame, resamples=20)
    assert {each.name for each in result.warnings} == {"measured", "flag", "parts"}
    assert one(result, "measured").distinct > 10
    assert result.not_checked["serial"] == "no value stands in 10 rows"


def test_a_value_a_lesion_gives_nothing_away_as_lesions_stay_in_one_fold():
    # Ten images a lesion, one camera a lesion: by images the camera would tell all.
    frame = pl.concat(
        manifest(90, camera_serial=lambda n, _: f"camera {n}").with_columns(image_id=pl.format("{}-{}", "image_id", k))
        for k in range(ord("a"), ord("k"))
    )
    found = one(shortcut_check(frame, resamples=50), "camera_serial")
    assert found.macro_auc.value == pytest.approx(0.5, abs=0.02)
    kept = folds_of(np.repeat(np.arange(90), 10), np.repeat(np.arange(90) % 3, 10), 5, 0).reshape(90, 10)
    assert (kept == kept[:, :1]).all()
    assert np.bincount(kept[:, 0] * 3 + np.arange(90) % 3, minlength=15).tolist() == [6] * 15


def test_clues_to_nothing_score_a_half_on_average():
    values = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        truth = generator.integers(0, 3, 120)
        fold = folds_of(np.arange(120), truth, 5, seed)
        told = by_value(generator.integers(0, 2, 120), truth, fold, 3)
        auc = OutOfFoldAuc(truth, told, fold, np.array([False, True, False]), np.array([True, False, True]))
        values.append(auc.statistics(np.ones((120, 1)))["macro"][0])
    assert np.mean(values) == pytest.approx(0.5, abs=0.025)


def test_the_auc_is_the_mean_of_scikit_learns_over_the_folds_and_a_weight_of_two_is_a_row_twice():
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 3, 400)
    values = (truth + generator.integers(0, 3, 400)) % 4
    fold = folds_of(np.arange(400), truth, 5, 0)
    told = by_value(values, truth, fold, 3)
    ill, benign = np.array([False, True, False]), np.array([True, False, True])
    weights = generator.integers(0, 3, (400, 1)).astype(float)
    mine = OutOfFoldAuc(truth, told, fold, ill, benign).statistics(np.hstack([np.ones((400, 1)), weights]))
    for column, weight in enumerate((np.ones(400), weights[:, 0])):
        folds = [fold == each for each in range(5)]
        for k in range(3):
            theirs = [roc_auc_score(truth[f] == k, told[f, k], sample_weight=weight[f]) for f in folds]
            assert mine["classes"][column, k] == pytest.approx(np.mean(theirs))
        theirs = [roc_auc_score(truth[f] == 1, told[f, 1], sample_weight=weight[f]) for f in folds]
        assert mine["malignant"][column] == pytest.approx(np.mean(theirs))
        assert mine["macro"][column] == pytest.approx(mine["classes"][column].mean())


def test_predictions_of_a_value_use_no_row_of_their_own_fold():
    truth, values, fold = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0, 1, 0, 1])
    told = by_value(values, truth, fold, 2)
    # Value 0 stands in fold 0 only: there nothing is known of it but the other fold's shares.
    np.testing.assert_allclose(told, 0.5)
    shuffled = by_features(np.random.default_rng(0).normal(size=(200, 5)), np.arange(200) % 2, np.arange(200) // 40, 2)
    assert roc_auc_score(np.arange(200) % 2, shuffled[:, 1]) == pytest.approx(0.5, abs=0.12)


def test_rare_diagnoses_are_left_out_and_counted():
    frame = manifest().with_columns(
        diagnosis_node=pl.when(pl.int_range(pl.len()) < 9).then(pl.lit("hemangioma")).otherwise("diagnosis_node")
    )
    result = shortcut_check(frame, resamples=20)
    assert result.classes == sorted(NODES)
    assert result.images == 291
    assert result.notes == ["9 images with no diagnosis or a rare one were left out"]


def test_the_data_sets_words_stand_in_where_the_tree_has_none_and_given_classes_are_taken():
    words = manifest(license=lambda n, _: f"L{n % 3}").with_columns(diagnosis_node=pl.lit(None, pl.String))
    by_word = shortcut_check(words, resamples=20)
    assert by_word.classes == sorted(NODES)
    assert one(by_word, "license").malignant_auc is None  # nobody knows which words are malignant
    given = shortcut_check(manifest(license=lambda n, _: f"L{n % 3}"), class_set("ham7"), resamples=20)
    assert [each.id for each in one(given, "license").classes] == ["df", "mel", "nv"]


def test_one_diagnosis_leaves_nothing_to_predict_and_that_is_said():
    result = shortcut_check(manifest().filter(pl.col("diagnosis_node") == "nevus"))
    assert result.shortcuts == []
    assert result.notes[-1] == "fewer than two diagnoses have 10 cases or more: there is nothing to predict"


def test_more_rows_than_the_limit_are_drawn_by_whole_lesions_and_that_is_said():
    frame = pl.concat(
        manifest(200, license=lambda n, _: f"L{n % 3}").with_columns(image_id=pl.format("{}{}", "image_id", pl.lit(k)))
        for k in "ab"
    )
    result = shortcut_check(frame, most_images=150, resamples=20)
    assert (result.images, result.sampled_from) == (150, 400)
    assert result.intervals.clusters == {"lesion": 75}
    assert one(result, "license").macro_auc.value == 1
    assert result == shortcut_check(frame, most_images=150, resamples=20)


def test_the_result_is_json_and_comes_back_the_same():
    result = shortcut_check(manifest(license=lambda n, _: f"L{n % 3}"), resamples=20)
    assert ShortcutResult.model_validate(json.loads(result.model_dump_json())) == result


# Images


def draw(folder, frame, *, rim, quality=(90, 90, 90), masks=True):
    """Grey skin with a lesion of one colour; melanomas have a rim of ``rim``. Lesions reach into the border."""
    generator = np.random.default_rng(0)
    paths, mask_paths = [], []
    for image_id, node in frame.select("image_id", "diagnosis_node").iter_rows():
        image = np.clip(generator.normal(150, 12, (60, 80, 3)) + generator.normal(0, 15, 3), 0, 255).astype(np.uint8)
        k = NODES.index(node)
        if k == 1:
            image[:4] = rim if rim is not None else image[:4]
        mask = cv2.ellipse(np.zeros((60, 80), np.uint8), (40, 30), (20 + 10 * k, 30), 0, 0, 360, 255, -1)
        image[mask > 0] = ((90, 50, 40), (40, 30, 90), (160, 60, 60))[k]
        Image.fromarray(image).save(folder / f"{image_id}.jpg", quality=quality[k], subsampling=0)
        Image.fromarray(mask).save(folder / f"{image_id}.png")
        paths.append(str(folder / f"{image_id}.jpg"))
        mask_paths.append(str(folder / f"{image_id}.png") if masks else None)
    return frame.with_columns(
        image_path=pl.Series(paths, dtype=pl.String), mask_path=pl.Series(mask_paths, dtype=pl.String)
    )


def test_a_planted_rim_is_found_in_the_border_and_the_lesion_is_not_looked_at(tmp_path):
    clean = shortcut_check(draw(tmp_path, manifest(150), rim=None), resamples=50)
    assert one(clean, "image border").macro_auc.value < 0.7
    assert one(clean, "image border").warning == ""
    assert one(clean, "thumbnail").macro_auc.value > 0.98  # the lesion's colour
    assert one(clean, "thumbnail").warning == ""
    for path in tmp_path.glob("*.jpg"):
        path.unlink()
    marked = one(shortcut_check(draw(tmp_path, manifest(150), rim=(90, 60, 160)), resamples=50), "image border")
    assert marked.malignant_auc.value > 0.9
    assert marked.warning.startswith("The frame around the lesion")


def test_without_masks_the_border_says_that_it_may_show_the_lesion(tmp_path):
    border = one(shortcut_check(draw(tmp_path, manifest(90), rim=None, masks=False), resamples=20), "image border")
    assert "90 images have no mask" in border.told
    assert border.macro_auc.value > 0.9


def test_the_compression_of_files_and_their_size_are_looked_at(tmp_path):
    result = shortcut_check(draw(tmp_path, manifest(150), rim=None, quality=(90, 60, 90)), resamples=50)
    tables = one(result, "file format and compression")
    assert tables.distinct == 2
    assert tables.malignant_auc.value == 1
    assert tables.warning.startswith("The form of a file")
    assert one(result, "file size").malignant_auc.value > 0.9
    assert result.not_checked["width × height"] == "the same wherever it is recorded"
    assert result.not_checked["camera"] == "not recorded"


def test_the_camera_is_read_from_exif(tmp_path):
    frame = draw(tmp_path, manifest(60), rim=None)
    for n, path in enumerate(frame["image_path"]):
        exif = Image.Exif()
        exif[271], exif[272] = "Maker", f"Model {n % 3}"
        with Image.open(path) as image:
            image.save(path, exif=exif)
    camera = next(each for each in file_clues(frame)[0] if each.name == "camera")
    assert camera.distinct == 3


def test_rows_without_an_image_have_no_file_facts_but_their_columns_count(tmp_path):
    frame = draw(tmp_path, manifest(120, license=lambda n, _: f"L{n % 3}"), rim=None)
    half = frame.with_columns(image_path=pl.when(pl.int_range(pl.len()) % 2 == 0).then("image_path"))
    result = shortcut_check(half, resamples=20)
    assert (one(result, "license").images, one(result, "thumbnail").images) == (120, 60)
    labels_only = shortcut_check(frame.with_columns(image_path=pl.lit(None, pl.String)), resamples=20)
    assert labels_only.not_checked["image files"] == "the manifest has none"


def test_an_image_that_the_lesion_fills_is_left_out_of_the_border(tmp_path):
    frame = draw(tmp_path, manifest(30), rim=None)
    Image.new("L", (80, 60), 255).save(frame["mask_path"][4])
    border, thumbnail = pixel_clues(frame)
    assert (len(border.rows), len(thumbnail.rows)) == (29, 30)
    assert 4 not in border.rows
    assert "1 images are left out" in border.note


def test_unreadable_files_are_named_together(tmp_path):
    frame = draw(tmp_path, manifest(30), rim=None)
    (tmp_path / "i3.jpg").write_bytes(b"no image")
    (tmp_path / "i7.jpg").unlink()
    with pytest.raises(ImageError, match=r"2 of 30 images cannot be read: .*i(3|7)\.jpg.*i(3|7)\.jpg"):
        shortcut_check(frame)
