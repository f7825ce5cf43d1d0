"""Which pairs of images are worth comparing closely: nearest neighbours in feature space, near-equal perceptual hashes,
photographs of one moment, copies of one file.

Candidates are cheap and many; :mod:`cutis.audit.verification` looks at each. Nothing here is quadratic in the number
of images but the exact search, which is used up to 100,000 of them.
"""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cutis.audit.fingerprints import Fingerprints

EXACT_TO = 100_000
"""The largest number of images whose neighbours are sought by comparing all with all."""

# An inverted file is searched in more and more of its lists until this much of the exact answer is found on a sample.
_RECALL_WANTED = 0.97
_SAMPLE = 500
_TRAINING_PER_LIST = 64
_QUERIES_AT_A_TIME = 16_384
# Blank images, or a burst of hundreds, would give a pair for each two of them: each is paired with so many at most.
_MOST_PARTNERS = 32


class Neighbours(NamedTuple):
    """The k nearest rows of each of N rows.

    Attributes:
        similarity: float32 N × k, inner products, greatest first; -inf where fewer than k were found.
        row: int64 N × k, the neighbours' rows; -1 where fewer than k were found.
        recall: share of the true k nearest that was found, measured on up to 500 random rows; None where the search
            was exact.
    """

    similarity: npt.NDArray[np.float32]
    row: npt.NDArray[np.int64]
    recall: float | None


class CandidatePairs(NamedTuple):
    """M pairs of images that may show the same lesion, each once, sorted by (a, b).

    Attributes:
        a: int64 M, the lesser row.
        b: int64 M, the greater row.
        similarity: float32 M, cosine of the two images' features, -1..1.
        hamming: int16 M, least number of differing bits of the perceptual hashes over the 8 orientations, 0..64.
        recall: of the nearest neighbours, as in :class:`Neighbours`.
    """

    a: npt.NDArray[np.int64]
    b: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]
    hamming: npt.NDArray[np.int16]
    recall: float | None = None


def nearest_neighbours(
    features: npt.NDArray[np.float32], k: int, *, exact_to: int = EXACT_TO, seed: int = 0
) -> Neighbours:
    """The k rows of greatest inner product with each row, never the row itself.

    Up to ``exact_to`` rows all are compared with all. Above, an inverted file (Sivic & Zisserman 2003; faiss
    ``IndexIVFFlat``) of 4 √N lists is searched in 8, 16, 32 … lists a row until it finds 97% of the exact answer on a
    sample; recall is then measured on another sample and returned.

    Args:
        features: float32 N × D, unit length.
        k: how many.
        exact_to: the greatest N that is searched exactly.
        seed: of the samples and the lists.
    """
    features = np.ascontiguousarray(features, dtype=np.float32)
    rows = len(features)
    k_found = min(k, rows - 1)
    similarity = np.full((rows, k), -np.inf, dtype=np.float32)
    index = np.full((rows, k), -1, dtype=np.int64)
    recall = None
    if k_found > 0:
        if rows <= exact_to:
            found = _exact(features, np.arange(rows), k_found)
        else:
            found, recall = _by_inverted_file(features, k_found, seed)
        similarity[:, :k_found], index[:, :k_found] = found
    return Neighbours(similarity, index, recall)


_Found = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def _exact(features: npt.NDArray[np.float32], queries: npt.NDArray[np.int64], k: int) -> _Found:
    import faiss  # noqa: PLC0415 - only an audit needs it

    similarity, index = faiss.knn(features[queries], features, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
    return _without_self(similarity, index, queries)


def _by_inverted_file(features: npt.NDArray[np.float32], k: int, seed: int) -> tuple[_Found, float]:
    import faiss  # noqa: PLC0415 - only an audit needs it

    rows, width = features.shape
    lists = min(int(4 * math.sqrt(rows)), rows)
    rng = np.random.default_rng(seed)
    quantiser = faiss.IndexFlatIP(width)
    inverted = faiss.IndexIVFFlat(quantiser, width, lists, faiss.METRIC_INNER_PRODUCT)
    inverted.cp.seed, inverted.cp.niter, inverted.cp.spherical = seed + 1, 10, True
    inverted.cp.min_points_per_centroid, inverted.cp.max_points_per_centroid = 1, _TRAINING_PER_LIST
    training = rng.choice(rows, min(rows, lists * _TRAINING_PER_LIST), replace=False)
    inverted.train(features[np.sort(training)])
    inverted.add(features)

    def search(queries: npt.NDArray[np.int64]) -> _Found:
        similarity, index = inverted.search(features[queries], k + 1)
        return _without_self(similarity, index, queries)

    choosing, measuring = rng.choice(rows, (2, min(_SAMPLE, rows // 2)), replace=False)
    true = _exact(features, choosing, k)[0]
    inverted.nprobe = min(8, lists)
    while inverted.nprobe < lists and _recall(search(choosing)[0], true) < _RECALL_WANTED:
        inverted.nprobe = min(2 * inverted.nprobe, lists)

    similarity, index = np.empty((rows, k), dtype=np.float32), np.empty((rows, k), dtype=np.int64)
    for start in range(0, rows, _QUERIES_AT_A_TIME):
        queries = np.arange(start, min(start + _QUERIES_AT_A_TIME, rows))
        similarity[queries], index[queries] = search(queries)
    similarity[index < 0] = -np.inf  # the lists searched for a row held fewer than k
    recall = _recall(similarity[measuring], _exact(features, measuring, k)[0])
    return (similarity, index), recall


def _without_self(
    similarity: npt.NDArray[np.float32], index: npt.NDArray[np.int64], queries: npt.NDArray[np.int64]
) -> _Found:
    """Take each query's own row out of its k + 1 neighbours; where others as near crowded it out, the last goes."""
    own = index == queries[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(queries), index.shape[1] - 1)
    return similarity[~own].reshape(shape), index[~own].reshape(shape)


def _recall(found: npt.NDArray[np.float32], true: npt.NDArray[np.float32]) -> float:
    """Share of the true neighbours found. Told by similarity: of several equally near rows any may be named."""
    return float((found >= true[:, -1:] - 1e-5).mean())


def candidate_pairs(
    fingerprints: Fingerprints, *, neighbours: int = 5, floor: float = 0.3, hamming: int | None = None
) -> CandidatePairs:
    """Pairs worth a closer look, for any of four reasons.

    As it stands it finds 88% of HAM10000's pairs of one lesion (``benchmarks/fingerprints.py``), looking at 4 pairs an
    image.

    - one is among the ``neighbours`` nearest of the other in feature space, and their similarity is at least ``floor``;
    - their perceptual hashes differ in at most ``hamming`` bits in some orientation (of more than 32 such partners of
      an image the nearest 32 count; of more than 33 images with one hash, each is paired with the next 32);
    - the same camera took both at the same moment (of more than 33 of one moment, each is paired with the next 32);
    - they are copies of one file. Copies are paired with the first of them alone, which stands for all in the other
      three: what is found for it holds for them.

    Args:
        fingerprints: of N images.
        neighbours: how many nearest neighbours an image has.
        floor: least cosine similarity of a neighbour.
        hamming: greatest distance of two perceptual hashes, 0..15 of 64 bits; when None, 7 up to 100,000 images and 3
            above: the pairs that are near by chance, and the time, grow with the square of the images (7 bits: half a
            second of one core for 10,000 images, half a minute for 100,000, an hour for a million).
    """
    first_of: dict[str, int] = {}
    first = np.array([first_of.setdefault(key, row) for row, key in enumerate(fingerprints.keys)], dtype=np.int64)
    rows = np.unique(first)
    near = nearest_neighbours(fingerprints.features[rows], neighbours)
    wanted = near.similarity >= floor
    copies = np.flatnonzero(first != np.arange(len(first)))
    hashes = fingerprints.perceptual[rows]
    if hamming is None:
        hamming = 7 if len(rows) <= EXACT_TO else 3
    moments = [fingerprints.taken[int(row)] for row in rows]
    pairs = np.concatenate([
        rows[np.stack([np.nonzero(wanted)[0], near.row[wanted]], axis=1)],
        rows[_near_hashes(hashes, hamming)],
        rows[_in_turn(moments)],
        np.stack([first[copies], copies], axis=1),
    ])  # fmt: skip
    a, b = np.unique(np.sort(pairs, axis=1), axis=0).reshape(-1, 2).T
    return CandidatePairs(
        a,
        b,
        _similarity(fingerprints.features, a, b),
        _least_hamming(fingerprints.perceptual, a, b),
        near.recall,
    )


def _near_hashes(hashes: npt.NDArray[np.uint64], most: int) -> npt.NDArray[np.int64]:
    """Pairs M × 2 of hashes (N × 8 orientations) at most so far apart, by multi-index hashing (Norouzi 2012).

    Two hashes of 64 bits within 4 r + 3 agree to within r bits in one of their four quarters, so only those are
    compared; the answer is exact.
    """
    import faiss  # noqa: PLC0415 - only an audit needs it

    if len(hashes) < 2:
        return np.empty((0, 2), dtype=np.int64)
    # Blank images all have one hash: the first of more than 33 with one hash stands for them.
    _, shown, of, count = np.unique(hashes.min(axis=1), return_index=True, return_inverse=True, return_counts=True)
    crowded = count[of] > _MOST_PARTNERS + 1
    alike = _in_turn(of[crowded].tolist())
    found = [np.flatnonzero(crowded)[alike]]
    kept = np.flatnonzero(~crowded | np.isin(np.arange(len(of)), shown))
    rows = len(kept)
    codes = np.ascontiguousarray(hashes[kept]).view(np.uint8).reshape(rows, 8, 8)
    index = faiss.IndexBinaryMultiHash(64, 4, 16)
    index.nflip = most // 4
    index.add(np.ascontiguousarray(codes[:, 0]))
    for start in range(0, rows, _QUERIES_AT_A_TIME):
        queries = codes[start : start + _QUERIES_AT_A_TIME].reshape(-1, 8)
        limits, distance, partner = index.range_search(queries, most + 1)
        owner = start + np.repeat(np.arange(len(queries)) // 8, (limits[1:] - limits[:-1]).astype(np.int64))
        found.append(kept[_nearest_partners(owner, partner.astype(np.int64), distance.astype(np.int64))])
    return np.concatenate(found)


def _nearest_partners(
    owner: npt.NDArray[np.int64], partner: npt.NDArray[np.int64], distance: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Each partner once (its least distance), none its own owner, and the nearest few of each owner: M × 2."""
    order = np.lexsort((distance, partner, owner))
    owner, partner, distance = owner[order], partner[order], distance[order]
    once = np.ones(len(owner), dtype=bool)
    once[1:] = (owner[1:] != owner[:-1]) | (partner[1:] != partner[:-1])
    once &= owner != partner
    owner, partner, distance = owner[once], partner[once], distance[once]
    order = np.lexsort((partner, distance, owner))
    owner, partner = owner[order], partner[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    return np.stack([owner, partner], axis=1)[rank < _MOST_PARTNERS]


def _in_turn(groups: Sequence[Hashable | None]) -> npt.NDArray[np.int64]:
    """Pairs M × 2 of rows of one group, each row with the next few of it; None is no group."""
    of_group: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        if group is not None:
            of_group.setdefault(group, []).append(row)
    pairs = [
        (row, other)
        for together in of_group.values()
        for place, row in enumerate(together)
        for other in together[place + 1 : place + 1 + _MOST_PARTNERS]
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _similarity(
    features: npt.NDArray[np.float32], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    # In parts: the pairs' features side by side would be many times the features themselves.
    parts = [np.empty(0, dtype=np.float32)]
    for start in range(0, len(a), _QUERIES_AT_A_TIME):
        part = slice(start, start + _QUERIES_AT_A_TIME)
        parts.append(np.einsum("ij,ij->i", features[a[part]], features[b[part]]))
    return np.clip(np.concatenate(parts), -1, 1)


def _least_hamming(
    hashes: npt.NDArray[np.uint64], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
) -> npt.NDArray[np.int16]:
    # Both ways: a frequency that is all but absent has no sign to change, so the two may differ by its bit.
    least = np.full(len(a), 64, dtype=np.int16)
    for one, other in ((a, b), (b, a)):
        for orientation in range(8):
            differing = np.bitwise_count(hashes[one, 0] ^ hashes[other, orientation])
            least = np.minimum(least, differing.astype(np.int16))
    return least
