"""Cases like this one: images of known diagnosis as a network sees them, and the nearest of them to a query.

The measure is the cosine of two images' features, those on which the network's last layer decides (as in retrieval by
deep features: Tschandl 2019, arXiv:1810.09487). It says how alike two pictures look to this network, and no more:
it is no probability, and the diagnosis of a neighbour is no diagnosis of the query.

A list of similar cases proves something only if it does not find the query again. So the same file, the same lesion,
the same patient and what an audit or a split keeps together are left out, and a list holds at most one image a lesion.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.data import (
    DecodedImages,
    Pixels,
    content_key,
    decode_images,
    fit_image,
    image_paths,
    manifest_frame,
    read_image,
)
from cutis.errors import BundleError, ImageError, listed
from cutis.models import Bundle, OnnxBundle, network_outputs
from cutis.taxonomy import ClassSet, shipped_taxonomy

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

CASE_COLUMNS = ("content_key", "named_diagnosis", "answer", "seen_in_training")
"""What a library knows of each case beside its manifest's columns; all are words."""

# What two images may share that makes one of them no evidence about the other. A group's name is compared without its
# source, because an audit's groups reach over several.
_KIN = (
    ("content_key",),
    ("source", "image_id"),
    ("source", "lesion_id"),
    ("source", "patient_id"),
    ("group",),
)
_ONE_CASE = (0, 2, 4)
"""Those of them of which a list holds each value once: file, lesion, group."""

_CELLS_AT_ONCE = 16_000_000  # 64 MB
_LOOK_AHEAD = 8


class NearestCases(NamedTuple):
    """The k nearest cases of each of Q queries, none of them kin to it, at most one image a lesion.

    ``similarity`` (float32, Q × k, greatest first; -inf where there are fewer than k) and ``row`` (int64, Q × k; the
    library's rows, -1 where there are fewer).
    """

    similarity: Floats
    row: Ints


class Kin(NamedTuple):
    """What Q queries and N cases may share, as numbers: int64 Q × 5 and N × 5, equal where shared, below 0 where not
    known.
    """

    queries: Ints
    cases: Ints


@dataclass(frozen=True, eq=False)
class CaseLibrary:
    """N images as one network sees them.

    Attributes:
        cases: N rows of a manifest, and :data:`CASE_COLUMNS`: ``named_diagnosis`` is the bundle's class, else the node
            of the tree, else the data set's own word, null where none is known; ``answer`` is the bundle's most
            probable class; ``seen_in_training`` is as ``Predictions.seen``, or null where it was not asked for.
        features: float16, N × D, of length 1 each, without the patient's part.
        model: the bundle's name.
        weights_sha256: the hash of its weights: features of two networks cannot be compared.
    """

    cases: pl.DataFrame
    features: npt.NDArray[np.float16]
    model: str
    weights_sha256: str

    def __len__(self) -> int:
        return len(self.cases)

    @cached_property
    def unit(self) -> Floats:
        """The features in float32, of length 1 again after their rounding: N × D."""
        return unit_rows(self.features)

    def nearest(
        self, queries: "CaseLibrary", k: int = 5, progress: Callable[[int], None] | None = None
    ) -> NearestCases:
        """The k cases of greatest cosine with each query, without those kin to it.

        Args:
            queries: Q images, of the same network; may be this very library.
            k: how many cases a query.
            progress: called with the number of queries just finished.

        Raises:
            BundleError: the queries' features are of another network.
        """
        self.check_network(queries.weights_sha256, queries.model)

        def scores(part: slice) -> Floats:
            return np.asarray(queries.unit[part] @ self.unit.T)

        return nearest_unrelated(scores, kin(queries.cases, self.cases), k, progress)

    def check_network(self, weights_sha256: str, model: str) -> None:
        """Raise BundleError unless these weights made the library's features."""
        if weights_sha256 != self.weights_sha256:
            raise BundleError(
                f"the cases were seen by '{self.model}' (weights {self.weights_sha256[:12]}), "
                f"the query by '{model}' (weights {weights_sha256[:12]})",
                fix="Use the bundle that made the map, or make the map anew with `cutis embed`.",
            )

    def chosen(self, rows: Ints) -> "CaseLibrary":
        """The cases at these places, in this order."""
        return CaseLibrary(self.cases[rows], self.features[rows], self.model, self.weights_sha256)


def case_library(
    bundle: Bundle | OnnxBundle, manifest: pl.DataFrame, progress: Callable[[int], None] | None = None
) -> CaseLibrary:
    """A manifest's images as a network sees them, decoded through the cache.

    Args:
        bundle: the network; one that runs in ONNX Runtime answers sooner.
        manifest: N rows with whole image paths, with diagnoses where these are known.
        progress: called with the number of images just finished.

    Raises:
        ImageError: rows without an image, or unreadable images (named together, before any work).
        BundleError: the bundle's ``model.onnx`` gives no features, or the bundle was never written.
    """
    height, width = bundle.image.decoded
    images = decode_images(image_paths(manifest), height, width, bundle.image.aspect)
    return _library(bundle, manifest, images, images.keys, progress)


def photographs(bundle: Bundle | OnnxBundle, paths: Sequence[str | Path]) -> CaseLibrary:
    """Single photographs as a network sees them, of unknown diagnosis; nothing is cached or kept.

    Args:
        bundle: the network.
        paths: image files; a file's name is its image's id.

    Raises:
        ImageError: unreadable images, all named together, or two of one name.
        BundleError: as for :func:`case_library`.
    """
    height, width = bundle.image.decoded
    images, bad = [], []
    for path in paths:
        try:
            images.append(fit_image(read_image(path), height, width, bundle.image.aspect))
        except ImageError as error:
            bad.append(f"{path}: {error.problem}")
    if bad:
        raise ImageError(f"{len(bad):,} of {len(paths):,} images cannot be read: {listed(bad)}", fix="Replace them.")
    names = [Path(path).name for path in paths]
    if len(set(names)) < len(names):
        doubled = sorted({each for each in names if names.count(each) > 1})
        raise ImageError(f"several files are called {listed(doubled)}", fix="Name them apart, or make a manifest.")
    seen = seen_pictures(bundle, images, names, [content_key(path) for path in paths])
    return replace(seen, cases=seen.cases.with_columns(image_path=pl.Series([str(path) for path in paths])))


def seen_pictures(
    bundle: Bundle | OnnxBundle, pictures: Sequence[Pixels], names: Sequence[str], keys: Sequence[str]
) -> CaseLibrary:
    """Decoded pictures as a network sees them, of unknown diagnosis and without a path; nothing is cached or kept.

    Args:
        bundle: the network.
        pictures: N, uint8, height × width × 3, of the bundle's decoded size.
        names: N different ids.
        keys: N, each the ``content_key`` of the file that a picture came from.

    Raises:
        BundleError: as for :func:`case_library`.
    """
    manifest = manifest_frame({"image_id": name} for name in names)
    return _library(bundle, manifest, pictures, list(keys), None)


def _library(
    bundle: Bundle | OnnxBundle,
    manifest: pl.DataFrame,
    images: Sequence[Pixels] | DecodedImages,
    keys: list[str],
    progress: Callable[[int], None] | None,
) -> CaseLibrary:
    weights = bundle.about.get("weights_sha256")
    if weights is None:
        raise BundleError(f"'{bundle.name}' was never written, so its weights have no hash", fix="Save it first.")
    parts: list[npt.NDArray[np.float16]] = []

    def read(features: Floats) -> None:
        parts.append(unit_rows(features).astype(np.float16))

    outputs = network_outputs(bundle, manifest, images, keys, progress, read)
    # Copies of a file are one image; the last bits of a network's answer depend on the batch.
    first: dict[str, int] = {}
    features = np.concatenate(parts)[[first.setdefault(key, row) for row, key in enumerate(keys)]]
    named = [each.name for each in bundle.classes.classes]
    answer = [named[k] for k in bundle.calibration.probabilities(outputs.logits).argmax(axis=1)]
    cases = manifest.with_columns(
        pl.Series("content_key", keys, dtype=pl.String),
        pl.Series("named_diagnosis", diagnosis_names(manifest, bundle.classes), dtype=pl.String),
        pl.Series("answer", answer, dtype=pl.String),
        pl.Series("seen_in_training", outputs.seen, dtype=pl.String),
    )
    return CaseLibrary(cases, features, bundle.name, str(weights))


def diagnosis_names(manifest: pl.DataFrame, classes: ClassSet) -> list[str | None]:
    """Each row's diagnosis to read: the class that holds it, else its node's name, else the source's word, or None."""
    tree = shipped_taxonomy()

    def name(node: str | None, word: str | None) -> str | None:
        class_id = classes.assign(node, word)
        if class_id is not None:
            return classes[class_id].name
        return tree[node].name if node is not None and node in tree else word

    pairs = manifest.select("diagnosis_node", "source_diagnosis").rows()
    names = {pair: name(*pair) for pair in dict.fromkeys(pairs)}
    return [names[pair] for pair in pairs]


def kin(queries: pl.DataFrame, cases: pl.DataFrame) -> Kin:
    """What queries and cases share: file, image, lesion, patient, group; ids count within one source."""
    columns = list(dict.fromkeys(name for names in _KIN for name in names))
    both = pl.concat([queries.select(columns), cases.select(columns)], how="vertical_relaxed")
    numbers = both.select(
        pl.when(pl.col(names[-1]).is_not_null())
        .then(pl.struct(names).rank("dense").cast(pl.Int64))
        .alias(" ".join(names))
        for names in _KIN
    ).to_numpy()
    known = np.where(np.isnan(numbers), -1, numbers).astype(np.int64)
    asked, held = known[: len(queries)], known[len(queries) :].copy()
    held[held < 0] = -2  # so that what is not known equals nothing
    return Kin(asked, held)


def nearest_unrelated(
    scores: Callable[[slice], Floats], related: Kin, k: int, progress: Callable[[int], None] | None = None
) -> NearestCases:
    """The k best-scored cases of each query that are not kin to it and not of one lesion.

    Args:
        scores: given a slice of the Q queries, their scores with all N cases: float32, the greater the nearer.
        related: who is kin to whom.
        k: how many.
        progress: called with the number of queries just finished.
    """
    queries, cases = len(related.queries), len(related.cases)
    similarity = np.full((queries, k), -np.inf, dtype=np.float32)
    row = np.full((queries, k), -1, dtype=np.int64)
    ahead = min(cases, _LOOK_AHEAD * k)
    one_case = related.cases[:, _ONE_CASE]
    at_once = max(1, _CELLS_AT_ONCE // max(1, cases))
    for start in range(0, queries, at_once):
        part = slice(start, min(start + at_once, queries))
        scored = scores(part)
        for asked, held in zip(related.queries[part].T, related.cases.T, strict=True):
            scored[asked[:, None] == held] = -np.inf
        best = np.argpartition(-scored, ahead - 1, axis=1)[:, :ahead]
        for place, (each, likely) in enumerate(zip(scored, best, strict=True), start):
            chosen = _one_a_lesion(each, likely, one_case, k)
            if len(chosen) < k and ahead < cases:
                chosen = _one_a_lesion(each, np.arange(cases), one_case, k)
            row[place, : len(chosen)], similarity[place, : len(chosen)] = chosen, each[chosen]
        if progress:
            progress(part.stop - part.start)
    return NearestCases(similarity, row)


def _one_a_lesion(scores: Floats, likely: Ints, one_case: Ints, k: int) -> list[int]:
    """The best k of the likely rows, without a second of one file, lesion or group; equals in the rows' order."""
    order = likely[np.lexsort((likely, -scores[likely]))]
    chosen: list[int] = []
    held: set[tuple[int, int]] = set()
    for row in order[np.isfinite(scores[order])]:
        marks = {(kind, number) for kind, number in enumerate(one_case[row].tolist()) if number >= 0}
        if not marks & held:
            chosen.append(int(row))
            held |= marks
        if len(chosen) == k:
            break
    return chosen


def similar_table(library: CaseLibrary, queries: CaseLibrary, found: NearestCases) -> pl.DataFrame:
    """The cases found, one row each: ``query_source``, ``query``, ``rank`` (from 1), ``similarity``, ``source``,
    ``image_id``, ``lesion_id``, ``named_diagnosis``, ``seen_in_training``, ``image_path``.
    """
    query, place = np.nonzero(found.row >= 0)
    cases = library.cases[found.row[query, place]]
    asked = queries.cases[query.astype(np.int64)]
    return cases.select(
        query_source=asked["source"],
        query=asked["image_id"],
        rank=pl.Series(place + 1, dtype=pl.Int64),
        similarity=pl.Series(found.similarity[query, place].astype(np.float64)),
    ).with_columns(cases.select("source", "image_id", "lesion_id", "named_diagnosis", "seen_in_training", "image_path"))


def unit_rows(features: npt.NDArray[np.floating]) -> Floats:
    """Rows scaled to length 1, in float32; a row of zeros stays one."""
    values = np.asarray(features, dtype=np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(length, np.finfo(np.float32).tiny), dtype=np.float32)
