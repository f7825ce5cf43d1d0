"""The nearest cases are the nearest, and never kin to the query; libraries of two networks are not compared."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.data import content_key, make_phantoms, manifest_frame
from cutis.errors import BundleError, ImageError
from cutis.explanation.similar_cases import (
    CaseLibrary,
    case_library,
    diagnosis_names,
    kin,
    photographs,
    similar_table,
    unit_rows,
)
from cutis.models import Architecture, Bundle, Calibration, ImageSize, LesionClassifier
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


def library_of(features, rows=None, *, weights="a" * 64):
    """A library of given features; a row may name lesion, patient, group, source and content_key."""
    rows = rows or [{} for _ in features]
    frame = manifest_frame({"image_id": f"i{n}", "source": "clinic", **row} for n, row in enumerate(rows))
    if "content_key" not in frame.columns:
        frame = frame.with_columns(content_key=pl.lit(None, dtype=pl.String))
    frame = frame.with_columns(
        content_key=pl.coalesce("content_key", pl.format("{}/{}", pl.lit(id(features)), "image_id")),
        named_diagnosis=pl.col("source_diagnosis"),
        answer=pl.lit("Melanoma"),
        seen_in_training=pl.lit("no"),
    )
    return CaseLibrary(frame, unit_rows(np.asarray(features)).astype(np.float16), "small", weights)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(1, 12),
)
def test_nearest_cases_are_those_of_a_slow_and_plain_search(seed, images, k, few):
    rng = np.random.default_rng(seed)
    rows = [
        {
            "lesion_id": f"l{rng.integers(few)}" if rng.random() < 0.7 else None,
            "patient_id": f"p{rng.integers(few)}" if rng.random() < 0.5 else None,
            "group": f"g{rng.integers(few)}" if rng.random() < 0.5 else None,
            "source": str(rng.integers(2)) if rng.random() < 0.9 else None,
            "content_key": f"k{rng.integers(3 * few)}",
        }
        for _ in range(images)
    ]
    library = library_of(rng.normal(size=(images, 8)), rows)
    found = library.nearest(library, k)
    similarity = library.unit @ library.unit.T

    def related(a, b):
        one, other = library.cases.row(a, named=True), library.cases.row(b, named=True)
        ids = any(
            one[name] is not None and one[name] == other[name] and one["source"] == other["source"]
            for name in ("image_id", "lesion_id", "patient_id")
        )
        group = one["group"] is not None and one["group"] == other["group"]
        return ids or group or one["content_key"] == other["content_key"]

    def one_case(a, b):
        one, other = library.cases.row(a, named=True), library.cases.row(b, named=True)
        lesion = one["lesion_id"] is not None and one["lesion_id"] == other["lesion_id"]
        group = one["group"] is not None and one["group"] == other["group"]
        return (lesion and one["source"] == other["source"]) or group or one["content_key"] == other["content_key"]

    for query in range(images):
        expected = []
        for row in np.argsort(-similarity[query], kind="stable"):
            if len(expected) < k and not related(query, row) and not any(one_case(row, each) for each in expected):
                expected.append(row)
        assert found.row[query, : len(expected)].tolist() == expected
        assert (found.row[query, len(expected) :] == -1).all()
        np.testing.assert_allclose(found.similarity[query, : len(expected)], similarity[query, expected], atol=1e-6)


def test_ids_that_are_not_known_tie_nothing():
    library = library_of(np.eye(4), [{"source": None}, {"source": None}, {}, {}])
    assert (library.nearest(library, 3).row >= 0).all()
    related = kin(library.cases, library.cases)
    assert not (related.queries[:, None] == related.cases[None]).any(axis=2)[~np.eye(4, dtype=bool)].any()


def test_a_group_ties_across_sources_and_an_id_within_one():
    library = library_of(
        [[1, 0], [1, 0.1], [1, 0.2], [1, 0.3]],
        [
            {"source": "a", "lesion_id": "7", "group": "a/x"},
            {"source": "b", "group": "a/x"},
            {"source": "b", "lesion_id": "7"},
            {"source": "a", "lesion_id": "7"},
        ],
    )
    assert library.nearest(library, 3).row[0].tolist() == [2, -1, -1]


def test_two_networks_are_not_compared():
    one, other = library_of(np.eye(3)), library_of(np.eye(3), weights="b" * 64)
    with pytest.raises(BundleError, match=r"seen by 'small' \(weights aaaaaaaaaaaa\), the query by"):
        one.nearest(other)


def test_the_table_names_each_case_found():
    rows = [{"source_diagnosis": word, "image_path": f"{word}.png"} for word in ("mel", "nv", "bcc")]
    library = library_of([[1, 0], [0.9, 0.1], [0, 1]], rows)
    query = library_of([[1, 0.01]], [{"source": None, "image_id": "photo"}])
    table = similar_table(library, query, library.nearest(query, 2))
    assert table.select("query", "rank", "image_id", "named_diagnosis").rows() == [
        ("photo", 1, "i0", "mel"),
        ("photo", 2, "i1", "nv"),
    ]
    assert table["similarity"].to_list() == sorted(table["similarity"], reverse=True)


def test_names_are_of_the_class_then_of_the_node_then_the_sources_word():
    frame = manifest_frame(
        [
            {"image_id": "a", "diagnosis_node": "malignant-melanoma"},
            {"image_id": "b", "diagnosis_node": "psoriasis"},
            {"image_id": "c", "source_diagnosis": "a word of its own"},
            {"image_id": "d"},
        ]
    )
    assert diagnosis_names(frame, HAM7) == ["Melanoma", "Psoriasis", "a word of its own", None]


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    return make_phantoms(folder, patients=6, planted_duplicates=0, clinical_fraction=0)


@pytest.fixture(scope="module")
def bundle():
    import torch

    torch.manual_seed(0)
    image = ImageSize(decoded=(60, 80), training=(48, 64), inference=(48, 64))
    architecture = Architecture(backbone="test_efficientnet", patient=("age",), patient_width=8)
    return Bundle(
        model=LesionClassifier(architecture, 7, image.inference).eval(),
        classes=HAM7,
        recipe={"model": architecture.model_dump(mode="json"), "image": image.model_dump(mode="json"), "views": 1},
        calibration=Calibration(),
        training_record=pl.DataFrame(
            schema=dict.fromkeys(
                ("source", "image_id", "lesion_id", "patient_id", "group", "content_key", "role"), pl.String
            )
        ),
        about={"name": "small", "weights_sha256": "c" * 64},
    )


def test_a_library_of_photographs_knows_features_files_and_answers(bundle, phantoms, tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    rows = phantoms.head(6)
    twice = pl.concat([rows, rows.head(1).with_columns(image_id=pl.lit("copy"))])
    done = []
    library = case_library(bundle, twice, done.append)
    assert sum(done) == len(library) == 7
    np.testing.assert_allclose(np.linalg.norm(library.unit, axis=1), 1, atol=1e-6)
    assert (library.features[0] == library.features[6]).all()
    assert library.cases["content_key"].to_list()[0] == content_key(rows["image_path"][0])
    assert set(library.cases["answer"]) <= {each.name for each in HAM7.classes}
    assert set(library.cases["seen_in_training"]) == {"no"}
    single = photographs(bundle, [rows["image_path"][2]])
    np.testing.assert_allclose(single.unit[0], library.unit[2], atol=2e-3)
    # The photograph is the library's own third image: it must not be its own neighbour.
    assert 2 not in library.nearest(single, 6).row


def test_photographs_leave_nothing_behind_and_are_checked_first(bundle, phantoms, tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    photographs(bundle, phantoms["image_path"].to_list()[:1])
    assert not (tmp_path / "cache").exists()
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"1 of 2 images cannot be read: .*a\.png"):
        photographs(bundle, [tmp_path / "a.png", phantoms["image_path"][0]])


def test_a_bundle_that_was_never_written_is_refused(bundle, phantoms, tmp_path, monkeypatch):
    from dataclasses import replace

    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BundleError, match="was never written"):
        photographs(replace(bundle, about={"name": "small"}), phantoms["image_path"].to_list()[:1])
