"""What is measured of a map, against scikit-learn and against figures known beforehand."""

import numpy as np
import polars as pl
import pytest
from sklearn.manifold import trustworthiness

from cutis.data import manifest_frame
from cutis.explanation.embedding import EmbeddingMap, MapFacts
from cutis.explanation.map_quality import measure_map
from cutis.explanation.similar_cases import CaseLibrary, unit_rows


def map_of(features, coordinates, diagnoses, **columns):
    frame = manifest_frame({"image_id": f"i{n}", "source": "clinic"} for n in range(len(features))).with_columns(
        content_key=pl.format("key {}", "image_id"),
        named_diagnosis=pl.Series(diagnoses, dtype=pl.String),
        answer=pl.lit("a"),
        seen_in_training=pl.lit("no"),
        **{name: pl.Series(values, dtype=pl.String) for name, values in columns.items()},
    )
    library = CaseLibrary(frame, unit_rows(features).astype(np.float16), "small", "a" * 64)
    facts = MapFacts(
        model="small", weights_sha256="a" * 64, images=len(frame), points=len(frame), dimensions=2, perplexity=5, seed=0
    )
    return EmbeddingMap(library, np.asarray(coordinates, dtype=np.float32), facts)


def measured(embedded, k=5):
    return measure_map(embedded, embedded.library.nearest(embedded.library, k))


@pytest.mark.parametrize("noise", [0.0, 0.5, 50.0])
def test_trustworthiness_is_scikit_learns(noise):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 6))
    coordinates = unit_rows(features)[:, :2] + noise * rng.normal(size=(120, 2))
    embedded = map_of(features, coordinates, ["a"] * 120)
    expected = trustworthiness(embedded.library.unit, embedded.coordinates, n_neighbors=5)
    assert measured(embedded).trustworthiness == pytest.approx(expected, abs=1e-6)


def test_groups_that_are_apart_agree_wholly_and_mixed_ones_by_chance():
    rng = np.random.default_rng(0)
    label = np.arange(400) % 2
    names = [f"d{each}" for each in label]
    apart = np.eye(8)[label] + 0.1 * rng.normal(size=(400, 8))
    quality = measured(map_of(apart, rng.normal(size=(400, 2)), names))
    assert quality.agreement is not None
    assert quality.agreement.in_features == 1
    assert quality.agreement.on_map == pytest.approx(0.5, abs=0.06)
    assert quality.agreement.by_chance == pytest.approx(199 / 399)


def test_a_lesion_does_not_agree_with_itself():
    """Pairs of one lesion side by side, lesions at random: only with the pairs would neighbours agree."""
    rng = np.random.default_rng(0)
    lesion = np.arange(400) // 2
    features = rng.normal(size=(200, 30))[lesion] + 0.01 * rng.normal(size=(400, 30))
    names = [f"d{each}" for each in rng.integers(0, 4, 200)[lesion]]
    places = features[:, :2]
    embedded = map_of(features, places, names, lesion_id=[f"l{each}" for each in lesion])
    quality = measured(embedded, k=1)
    assert quality.agreement is not None
    assert quality.agreement.in_features == pytest.approx(quality.agreement.by_chance, abs=0.08)
    assert quality.agreement.on_map == pytest.approx(quality.agreement.by_chance, abs=0.08)
    alone = measured(map_of(features, places, names), k=1)
    assert alone.agreement is not None
    assert alone.agreement.in_features == 1


def test_each_diagnosis_is_measured_the_commonest_first():
    features = np.concatenate([np.tile([1.0, 0, 0], (6, 1)), np.tile([0, 1.0, 0], (3, 1)), [[0, 0, 1.0]]])
    features = features + 0.01 * np.random.default_rng(0).normal(size=features.shape)
    quality = measured(map_of(features, features[:, :2], ["a"] * 6 + ["b"] * 3 + [None]), k=2)
    assert [(each.diagnosis, each.images, each.in_features) for each in quality.by_diagnosis] == [
        ("a", 6, 1.0),
        ("b", 3, 1.0),
    ]
    assert [each.by_chance for each in quality.by_diagnosis] == [pytest.approx(5 / 8), pytest.approx(2 / 8)]


def test_without_a_diagnosis_there_is_no_agreement():
    rng = np.random.default_rng(0)
    quality = measured(map_of(rng.normal(size=(20, 5)), rng.normal(size=(20, 2)), [None] * 20))
    assert quality.agreement is None
    assert quality.by_diagnosis == ()
    assert 0 < quality.trustworthiness < 1
