"""t-SNE maps: the same twice, neighbours kept, copies one point, new cases where they belong, folders checked."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load, save

from cutis.data import manifest_frame
from cutis.errors import BundleError, CutisError
from cutis.explanation.embedding import MAP_STEPS, embed_library, read_map, write_map
from cutis.explanation.similar_cases import CaseLibrary, unit_rows

IMAGES, GROUPS = 90, 3


def library_of(features, label, *, start=0, weights="a" * 64):
    frame = manifest_frame(
        {"image_id": f"i{n}", "source": "clinic", "lesion_id": f"l{n}", "age_approx": 40 + n % 50}
        for n in range(start, start + len(features))
    ).with_columns(
        content_key=pl.format("key {}", "image_id"),
        named_diagnosis=pl.Series([f"group {each}" for each in label]),
        answer=pl.lit("group 0"),
        seen_in_training=pl.lit("no"),
    )
    return CaseLibrary(frame, unit_rows(features).astype(np.float16), "small", weights)


def drawn(count, seed):
    """Features about three centres, and whose they are."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(GROUPS, 24))
    label = np.arange(count) % GROUPS
    return centres[label] + 0.5 * rng.normal(size=(count, 24)), label


@pytest.fixture(scope="module")
def library():
    features, label = drawn(IMAGES, 0)
    features[7] = features[4]
    return library_of(features, label)


@pytest.fixture(scope="module")
def embedded(library):
    return embed_library(library, perplexity=10)


def test_groups_in_feature_space_are_groups_on_the_map(embedded, library):
    label = library.cases["named_diagnosis"].to_numpy()
    apart = np.linalg.norm(embedded.coordinates[:, None] - embedded.coordinates[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (label[apart.argmin(axis=1)] == label).mean() > 0.97
    assert embedded.coordinates.shape == (IMAGES, 2)
    assert np.abs(embedded.coordinates.mean(axis=0)).max() < 1


def test_the_same_images_and_seed_give_the_same_map(embedded, library):
    done = []
    again = embed_library(library, perplexity=10, progress=done.append)
    np.testing.assert_array_equal(again.coordinates, embedded.coordinates)
    assert sum(done) == MAP_STEPS


def test_what_the_network_cannot_tell_apart_is_one_point(embedded):
    assert (embedded.coordinates[7] == embedded.coordinates[4]).all()
    assert (embedded.facts.images, embedded.facts.points) == (IMAGES, IMAGES - 1)


def test_many_copies_do_not_swallow_the_map():
    features, label = drawn(20, 0)
    library = library_of(np.concatenate([features, np.repeat(features[:1], 200, axis=0)]), np.resize(label, 220))
    embedded = embed_library(library)
    assert embedded.facts.points == 20
    assert embedded.facts.perplexity == pytest.approx(19 / 3)
    assert np.isfinite(embedded.coordinates).all()
    assert (embedded.coordinates[20:] == embedded.coordinates[0]).all()


def test_new_cases_are_placed_among_those_they_resemble(embedded, library):
    before = embedded.coordinates.copy()
    features, label = drawn(30, 1)
    placed = embedded.place(library_of(features, label, start=1000))
    groups = library.cases["named_diagnosis"].to_numpy()
    nearest = np.linalg.norm(placed[:, None] - embedded.coordinates[None], axis=2).argmin(axis=1)
    assert (groups[nearest] == [f"group {each}" for each in label]).mean() > 0.95
    np.testing.assert_array_equal(embedded.coordinates, before)


def test_a_case_is_placed_by_itself_whatever_is_placed_with_it(embedded):
    features, label = drawn(30, 1)
    together = embedded.place(library_of(features, label, start=1000))
    alone = embedded.place(library_of(features[11:12], label[11:12], start=1011))
    np.testing.assert_allclose(alone[0], together[11], atol=0.05)


def test_what_is_on_the_map_gets_its_own_place(embedded, library):
    np.testing.assert_array_equal(embedded.place(library.chosen(np.arange(10))), embedded.coordinates[:10])


def test_three_dimensions(library, tmp_path):
    embedded = embed_library(library, dimensions=3, perplexity=10)
    assert embedded.coordinates.shape == (IMAGES, 3)
    assert (np.ptp(embedded.coordinates, axis=0) > 1).all()
    write_map(embedded, tmp_path / "map")
    features, label = drawn(9, 1)
    assert read_map(tmp_path / "map").place(library_of(features, label, start=1000)).shape == (9, 3)


def test_too_few_images_are_refused():
    features, label = drawn(7, 0)
    with pytest.raises(CutisError, match="only 7 of 7 images differ"):
        embed_library(library_of(features, label))
    with pytest.raises(CutisError, match="only 1 of 50 images differ"):
        embed_library(library_of(np.ones((50, 4)), np.zeros(50, dtype=int)))
    with pytest.raises(CutisError, match="a perplexity of 1"):
        embed_library(library_of(*drawn(20, 0)), perplexity=1)


def test_the_smallest_map():
    embedded = embed_library(library_of(*drawn(8, 0)))
    assert np.isfinite(embedded.coordinates).all()


@pytest.fixture
def written(embedded, tmp_path):
    write_map(embedded, tmp_path / "map")
    return tmp_path / "map"


def test_a_map_comes_back_whole_from_its_folder(embedded, written):
    back = read_map(written)
    assert back.facts == embedded.facts
    np.testing.assert_array_equal(back.coordinates, embedded.coordinates)
    np.testing.assert_array_equal(back.library.features, embedded.library.features)
    assert back.library.cases["content_key"].to_list() == embedded.library.cases["content_key"].to_list()
    features, label = drawn(5, 1)
    new = library_of(features, label, start=1000)
    np.testing.assert_allclose(back.place(new), embedded.place(new), atol=1e-5)


def test_a_map_of_another_network_is_refused(embedded):
    other = library_of(*drawn(3, 1), weights="b" * 64)
    with pytest.raises(BundleError, match="Use the bundle that made the map"):
        embedded.place(other)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "features.safetensors").unlink(), "is damaged"),
        (lambda folder: (folder / "cases.parquet").write_bytes(b"PAR1"), "is damaged"),
        (lambda folder: (folder / "map.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "map.json").unlink(), "is not a map"),
        (lambda folder: edit(folder, format=2), "Install a newer cutis"),
        (lambda folder: edit(folder, images=5), "of different images"),
        (lambda folder: rewrite(folder, coordinates=np.full((IMAGES, 2), np.nan, dtype=np.float32)), "not finite"),
    ],
)
def test_a_damaged_map_is_told(written, spoil, told):
    spoil(written)
    with pytest.raises(CutisError, match=told):
        read_map(written)


def edit(folder, **facts):
    given = json.loads((folder / "map.json").read_text())
    (folder / "map.json").write_text(json.dumps(given | facts))


def rewrite(folder, **arrays):
    path = folder / "features.safetensors"
    path.write_bytes(save(load(path.read_bytes()) | arrays))


def test_an_old_map_is_replaced_and_nothing_else(embedded, written):
    write_map(embedded, written)
    shutil.rmtree(written)
    written.mkdir()
    (written / "thesis.txt").write_text("mine")
    with pytest.raises(CutisError, match="exists and is not a map"):
        write_map(embedded, written)
    assert (written / "thesis.txt").exists()
