"""Which training images a bundle keeps to measure unfamiliarity by."""

import numpy as np

from cutis.data import manifest_frame
from cutis.training import familiarity
from cutis.training.familiarity import kept_images, learnt_features


def rows_of(lesions, source="clinic"):
    return manifest_frame(
        [{"image_id": f"i{n}", "source": source, "lesion_id": each} for n, each in enumerate(lesions)]
    )


def test_one_image_of_each_lesion_is_kept_and_images_without_a_lesion_each_for_itself():
    rows = rows_of(["a", "a", "a", "b", None, None, "b"])
    kept = kept_images(rows)
    assert list(kept) == sorted(kept)
    assert rows[kept]["lesion_id"].to_list().count("a") == 1
    assert rows[kept]["lesion_id"].null_count() == 2
    assert len(kept) == 4
    np.testing.assert_array_equal(kept, kept_images(rows))


def test_no_more_are_kept_than_a_bundle_should_hold(monkeypatch):
    monkeypatch.setattr(familiarity, "MOST_IMAGES", 50)
    kept = kept_images(rows_of([f"l{n // 2}" for n in range(400)]))
    assert len(kept) == 50
    assert len(set(kept // 2)) == 50
    assert np.median(kept) > 100  # drawn from all, not the first ones


def test_what_was_learnt_is_told_in_words_and_takes_ten_images():
    features = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    learnt = learnt_features(rows_of([None] * 12), features)
    assert learnt.images == "clinic, training, 12 images, one a lesion"
    np.testing.assert_allclose(np.linalg.norm(learnt.neighbours.features, axis=1), 1)
    assert learnt_features(rows_of([None] * 9), features[:9]) is None
