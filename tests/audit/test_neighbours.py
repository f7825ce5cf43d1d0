import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from cutis.audit.fingerprints import Fingerprints, perceptual_hashes
from cutis.audit.neighbours import candidate_pairs, nearest_neighbours


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def sheet(rows, width=64, seed=0):
    """Unit rows on ten curved sheets of five dimensions, as embeddings of photographs lie."""
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((10, 5, width))
    of_class = rng.integers(0, 10, rows)
    return unit(np.tanh(np.einsum("ni,niw->nw", rng.standard_normal((rows, 5)), maps[of_class])))


def hashes_of(first):
    """All orientations alike: what a picture symmetric in every way has."""
    return np.repeat(np.asarray(first, dtype=np.uint64)[:, None], 8, axis=1)


def fingerprints(n=None, *, keys=None, taken=None, perceptual=None, features=None):
    """Images that have nothing in common but what is given."""
    n = next(len(each) for each in (keys, taken, perceptual, features, range(n or 0)) if each is not None)
    rng = np.random.default_rng(1)
    return Fingerprints(
        keys if keys is not None else [f"{row:032x}" for row in range(n)],
        taken if taken is not None else [None] * n,
        perceptual if perceptual is not None else rng.integers(0, 2**63, (n, 8), dtype=np.uint64),
        features if features is not None else np.eye(max(n, 1), dtype=np.float32)[:n],
    )


def pairs_of(found):
    return list(zip(found.a.tolist(), found.b.tolist(), strict=True))


def test_the_exact_search_agrees_with_scikit_learn():
    rows = sheet(400)
    found = nearest_neighbours(rows, 7)
    distance, index = NearestNeighbors(n_neighbors=8, metric="cosine", algorithm="brute").fit(rows).kneighbors(rows)
    np.testing.assert_array_equal(found.row, index[:, 1:])
    np.testing.assert_allclose(found.similarity, 1 - distance[:, 1:], atol=1e-5)
    assert found.recall is None


def test_the_inverted_file_finds_nearly_all_and_says_how_many():
    rows = sheet(6000)
    exact, found = nearest_neighbours(rows, 10), nearest_neighbours(rows, 10, exact_to=1000)
    share = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(exact.row, found.row, strict=True)])
    assert share > 0.95
    assert found.recall == pytest.approx(share, abs=0.02)
    assert (found.row != np.arange(6000)[:, None]).all()
    again = nearest_neighbours(rows, 10, exact_to=1000)
    np.testing.assert_array_equal(found.row, again.row)


def test_the_inverted_file_is_searched_further_where_neighbours_are_hard_to_find():
    rows = unit(np.random.default_rng(0).standard_normal((3000, 64)))  # no structure at all
    assert nearest_neighbours(rows, 5, exact_to=1000).recall > 0.93


@pytest.mark.parametrize("exact_to", [100_000, 0])
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_images_have_few_neighbours(n, exact_to):
    found = nearest_neighbours(np.eye(4, dtype=np.float32)[:n], 5, exact_to=exact_to)
    assert found.similarity.shape == found.row.shape == (n, 5)
    there = max(n - 1, 0)
    assert (found.row[:, there:] == -1).all()
    assert np.isneginf(found.similarity[:, there:]).all()
    for row in range(n):
        assert sorted(found.row[row, :there]) == [other for other in range(n) if other != row]


def test_identical_rows_are_neighbours_but_none_is_its_own():
    rows = unit(np.ones((50, 8)))
    found = nearest_neighbours(rows, 10)
    assert (found.row != np.arange(50)[:, None]).all()
    assert (found.row >= 0).all()
    assert all(len(set(each)) == 10 for each in found.row.tolist())
    np.testing.assert_allclose(found.similarity, 1, atol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_images_give_few_pairs(n):
    found = candidate_pairs(fingerprints(n))
    assert len(found.a) == len(found.b) == len(found.similarity) == len(found.hamming) == 0


def test_pairs_are_named_once_and_sorted_with_their_measures():
    features = unit(np.random.default_rng(0).standard_normal((30, 3)))
    found = candidate_pairs(fingerprints(features=features), neighbours=5, floor=0.9)
    pairs = pairs_of(found)
    assert pairs == sorted(set(pairs))
    assert all(a < b for a, b in pairs)
    cosine = features @ features.T
    assert set(pairs) == {
        (min(a, int(b)), max(a, int(b)))
        for a in range(30)
        for b in np.argsort(-(cosine[a] - 9 * (np.arange(30) == a)))[:5]
        if cosine[a, b] >= 0.9
    }
    np.testing.assert_allclose(found.similarity, cosine[found.a, found.b], atol=1e-6)
    assert found.similarity.dtype == np.float32
    assert found.hamming.dtype == np.int16


def test_copies_of_a_file_are_paired_with_its_first_row():
    features = unit(np.array([[1, 0], [0, 1], [1, 0], [1, 0], [0, 1]]))
    keys = ["a", "b", "a", "a", "c"]
    found = candidate_pairs(
        fingerprints(keys=keys, features=features, perceptual=hashes_of([0, 2**40 - 1, 0, 0, 2**63 - 2**40]))
    )
    assert pairs_of(found) == [(0, 2), (0, 3), (1, 4)]  # 1 and 4 by their features


def test_many_copies_of_one_file_give_a_pair_each():
    n = 3000
    found = candidate_pairs(fingerprints(keys=["a"] * n, features=np.ones((n, 1), np.float32)))
    assert pairs_of(found) == [(0, row) for row in range(1, n)]


def test_many_blank_images_hang_together_without_a_pair_for_each_two():
    n = 400
    found = candidate_pairs(fingerprints(perceptual=hashes_of([0] * n)), floor=0.5)
    assert set(range(n - 1)) <= set(found.a.tolist())
    assert all((row, row + 1) in pairs_of(found) for row in (0, 100, n - 2))
    assert len(found.a) <= 32 * n


def test_photographs_of_one_moment_are_paired():
    taken = ["Canon|E|2017:05:03 10:00:00", None, "Canon|E|2017:05:03 10:00:01", "Canon|E|2017:05:03 10:00:00", None]
    assert pairs_of(candidate_pairs(fingerprints(taken=taken))) == [(0, 3)]


def brute_force(perceptual, most):
    def differing(a, b):
        ways = [(perceptual[a, 0], each) for each in perceptual[b]] + [
            (perceptual[b, 0], each) for each in perceptual[a]
        ]
        return min(int(x ^ y).bit_count() for x, y in ways)

    n = len(perceptual)
    return {(a, b): d for a in range(n) for b in range(a + 1, n) if (d := differing(a, b)) <= most}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), most=st.sampled_from([0, 3, 4, 7, 8, 11]))
def test_every_pair_of_near_hashes_in_any_orientation_is_found(seed, most):
    rng = np.random.default_rng(seed)
    pictures = [rng.integers(0, 255, (40, 40, 3), dtype=np.uint8) for _ in range(4)]
    shown = []
    for picture in pictures:
        shown.append(picture)
        for changed in (0, 2, 8):  # turned, perhaps mirrored, and more and more of it changed
            other = np.rot90(picture, int(rng.integers(4))).copy()
            other = other[:, ::-1].copy() if rng.integers(2) else other
            other[:changed] = 128
            shown.append(other)
    perceptual = np.stack([perceptual_hashes(each) for each in shown])
    found = candidate_pairs(fingerprints(perceptual=perceptual), hamming=most)
    expected = brute_force(perceptual, most)
    assert dict(zip(pairs_of(found), found.hamming.tolist(), strict=True)) == expected
    assert expected or most < 3
