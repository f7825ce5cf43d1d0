"""A map of images: t-SNE of a network's last hidden layer in two or three dimensions (Esteva 2017, Fig. 4).

By openTSNE (Poličar 2024, doi:10.18637/jss.v109.i03): PCA as the beginning, so that the map is the same each time and
keeps something of the large order (Kobak & Berens 2019); the Barnes-Hut tree below 10,000 images and in three
dimensions, interpolation (FIt-SNE, Linderman 2019; one and two dimensions only) for more. Distances are those of
features of length 1, so near means a large cosine, as in :mod:`cutis.explanation.similar_cases`. Copies of one file,
and images that the network cannot tell apart, are one point.

New cases are placed into a map without moving it: each is drawn to the images it resembles (openTSNE's ``transform``).

A map is a folder: ``map.json`` (how it was made, and by which weights), ``features.safetensors`` (``features``: float16
N × D; ``coordinates``: float32 N × 2 or 3) and ``cases.parquet`` (a manifest's rows and what a library adds to them).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from cutis import __version__
from cutis.audit import nearest_neighbours
from cutis.data import read_manifest, write_manifest
from cutis.errors import CutisError, ManifestError
from cutis.explanation.similar_cases import CASE_COLUMNS, CaseLibrary, unit_rows
from cutis.files import replacing_folder, write_json

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FORMAT = 1
"""Of a map's folder."""
MAP_PERPLEXITY = 30.0
FEWEST_POINTS = 8
"""Different images below which a map shows nothing."""
MAP_STEPS = 750
"""Steps of the optimisation: 250 with exaggeration 12, 500 without (openTSNE's own)."""

_EARLY_STEPS, _EARLY_EXAGGERATION = 250, 12
_STEPS_AT_A_TIME = 50
_INTERPOLATED_FROM = 10_000
_SHARED_FROM = 2_000
# openTSNE's own for placing points into a map that stands.
_PLACING_PERPLEXITY, _PLACING_NEIGHBOURS, _PLACING_STEPS = 5, 25, 250
_PLACED_AT_A_TIME = 1_000
_MAP_FILE, _ARRAYS_FILE, _CASES_FILE = "map.json", "features.safetensors", "cases.parquet"


class MapFacts(BaseModel):
    """What ``map.json`` holds: how a map was made. ``perplexity`` is what was used, which few images lower."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    cutis: str = __version__
    model: str
    weights_sha256: str
    images: int = Field(ge=1)
    points: int = Field(ge=1)
    dimensions: Literal[2, 3]
    perplexity: float = Field(gt=0)
    seed: int


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """N images of a library, each with its place.

    Attributes:
        library: the images.
        coordinates: float32, N × 2 or 3, about their mean; the same for images that are one point.
        facts: how it was made.
    """

    library: CaseLibrary
    coordinates: Floats
    facts: MapFacts

    def place(self, queries: CaseLibrary) -> Floats:
        """Where new cases lie on the map, which stays as it is: float32, Q × 2 or 3.

        Each is placed by itself: it begins at the median of its 25 nearest images and is drawn to them by their
        similarities (perplexity 5). What is on the map already, or has exactly the features of such an image, gets its
        place.

        Args:
            queries: Q images as the same network sees them.

        Raises:
            BundleError: they were seen by another network.
        """
        self.library.check_network(queries.weights_sha256, queries.model)
        first, _ = _distinct(self.library.features)
        known, places = self.library.unit[first], self.coordinates[first].astype(np.float64)
        placed = np.empty((len(queries), places.shape[1]), dtype=np.float32)
        for start in range(0, len(queries), _PLACED_AT_A_TIME):
            part = slice(start, start + _PLACED_AT_A_TIME)
            placed[part] = _placed(queries.unit[part], known, places)
        return self._at_their_own_place(queries, placed)

    def _at_their_own_place(self, queries: CaseLibrary, placed: Floats) -> Floats:
        row_of = {key: row for row, key in enumerate(self.library.cases["content_key"])}
        row_of |= {each.tobytes(): row for row, each in enumerate(self.library.features)}
        for query, (key, features) in enumerate(zip(queries.cases["content_key"], queries.features, strict=True)):
            row = row_of.get(key, row_of.get(features.tobytes()))
            if row is not None:
                placed[query] = self.coordinates[row]
        return placed


def embed_library(
    library: CaseLibrary,
    *,
    dimensions: Literal[2, 3] = 2,
    perplexity: float = MAP_PERPLEXITY,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> EmbeddingMap:
    """The map of a library's images.

    Args:
        library: N images.
        dimensions: of the map.
        perplexity: about how many neighbours each image is drawn to; at most a third of the images (fewer are mapped
            with that).
        seed: of the random parts: the same images, seed and version of openTSNE give the same map.
        progress: called with the number of steps just done, of :data:`MAP_STEPS`.

    Raises:
        CutisError: fewer than :data:`FEWEST_POINTS` images differ to the network, or a perplexity below 2.
    """
    if perplexity < 2:
        raise CutisError(f"a perplexity of {perplexity:g}", fix="Take 2 or more; 5 to 50 is usual.")
    first, point_of = _distinct(library.features)
    if len(first) < FEWEST_POINTS:
        raise CutisError(
            f"only {len(first)} of {len(library):,} images differ to the network: too few for a map",
            fix=f"Name at least {FEWEST_POINTS} different images.",
        )
    used = min(perplexity, (len(first) - 1) / 3)
    points = _embedded(library.unit[first], dimensions, used, seed, progress)
    facts = MapFacts(
        model=library.model,
        weights_sha256=library.weights_sha256,
        images=len(library),
        points=len(first),
        dimensions=dimensions,
        perplexity=used,
        seed=seed,
    )
    return EmbeddingMap(library, points[point_of], facts)


def _embedded(
    features: Floats, dimensions: int, perplexity: float, seed: int, progress: Callable[[int], None] | None
) -> Floats:
    import openTSNE  # noqa: PLC0415 - a second to import, and only a map needs it

    near = nearest_neighbours(features, min(len(features) - 1, round(3 * perplexity)), seed=seed)
    affinities = openTSNE.affinity.PerplexityBasedNN(
        perplexity=perplexity,
        knn_index=openTSNE.nearest_neighbors.PrecomputedNeighbors(*_all_found(near.row, near.similarity)),
        n_jobs=_threads(len(features)),
    )
    interpolated = dimensions == 2 and len(features) >= _INTERPOLATED_FROM
    embedding = openTSNE.TSNEEmbedding(
        openTSNE.initialization.pca(features, n_components=dimensions, random_state=seed),
        affinities,
        negative_gradient_method="fft" if interpolated else "bh",
        n_jobs=_threads(len(features)),
        random_state=seed,
    )
    for start in range(0, MAP_STEPS, _STEPS_AT_A_TIME):
        early = start < _EARLY_STEPS
        embedding.optimize(
            n_iter=_STEPS_AT_A_TIME,
            exaggeration=_EARLY_EXAGGERATION if early else 1,
            momentum=0.5 if early else 0.8,
            inplace=True,
        )
        if progress:
            progress(_STEPS_AT_A_TIME)
    return np.asarray(embedding, dtype=np.float32)


def _threads(points: int) -> int:
    """Threads for openTSNE: as many as OpenMP may have, but one where each step is too short to be worth sharing."""
    import faiss  # noqa: PLC0415

    return int(faiss.omp_get_max_threads()) if points >= _SHARED_FROM else 1


def _all_found(row: Ints, similarity: Floats) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Neighbours and their distances; where an inexact search found too few, the nearest stands for the missing."""
    missing = row < 0
    row = np.where(missing, row[:, :1], row)
    cosine = np.where(missing, similarity[:, :1], similarity).astype(np.float64)
    return row, np.sqrt(np.maximum(2 - 2 * cosine, 0.0))


def _placed(features: Floats, known: Floats, places: npt.NDArray[np.float64]) -> Floats:
    import openTSNE  # noqa: PLC0415

    cosine = (features @ known.T).astype(np.float64)
    neighbours = min(_PLACING_NEIGHBOURS, len(known))
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :neighbours]
    distance = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(cosine, nearest, axis=1), 0.0))
    drawn_by = min(3 * _PLACING_PERPLEXITY, neighbours)
    affinities = openTSNE.affinity.joint_probabilities_nn(
        nearest[:, :drawn_by],
        distance[:, :drawn_by],
        [min(_PLACING_PERPLEXITY, drawn_by / 3)],
        symmetrize=False,
        normalization="point-wise",
        n_reference_samples=len(known),
        n_jobs=_threads(len(features)),
    )
    begin = openTSNE.initialization.median(places, nearest)
    # By the tree, whatever made the map: interpolation keeps a grid that a map read from its folder does not have.
    placed = openTSNE.tsne.PartialTSNEEmbedding(
        begin, _Standing(places), affinities, negative_gradient_method="bh", n_jobs=_threads(len(features))
    ).optimize(n_iter=_PLACING_STEPS, learning_rate=0.1, exaggeration=1.5, momentum=0.8, max_grad_norm=0.25)
    return np.asarray(placed, dtype=np.float32)


class _Standing(np.ndarray):
    """The map as openTSNE's optimiser wants it: an array that says it has no interpolation grid."""

    interp_coeffs = None
    box_x_lower_bounds = None

    def __new__(cls, places: npt.NDArray[np.float64]) -> "_Standing":
        return np.ascontiguousarray(places).view(cls)


def _distinct(features: npt.NDArray[np.float16]) -> tuple[Ints, Ints]:
    """The first row of each different one, rising; and which of these each row equals."""
    first: dict[bytes, int] = {}
    same_as = np.array([first.setdefault(each.tobytes(), row) for row, each in enumerate(features)], dtype=np.int64)
    rows, point_of = np.unique(same_as, return_inverse=True)
    return rows, point_of


def write_map(embedded: EmbeddingMap, folder: str | Path) -> None:
    """Write a map, whole or not at all; an older one at the same place is replaced.

    It holds the manifest's ids and the pictures' features: treat it like the data set itself.

    Raises:
        CutisError: something else lies there.
    """
    folder = Path(folder)
    check_map_target(folder)
    with replacing_folder(folder) as temporary:
        write_json(temporary / _MAP_FILE, embedded.facts.model_dump(mode="json"))
        write_manifest(embedded.library.cases, temporary / _CASES_FILE)
        arrays = {"features": embedded.library.features, "coordinates": embedded.coordinates}
        content = save({name: np.ascontiguousarray(each) for name, each in arrays.items()})
        (temporary / _ARRAYS_FILE).write_bytes(content)


def check_map_target(folder: str | Path) -> None:
    """Raise CutisError if a map may not be written to ``folder`` because something else lies there."""
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / _MAP_FILE).exists()):
        raise CutisError("exists and is not a map", where=str(folder), fix="Name another folder with -o.")


def read_map(folder: str | Path) -> EmbeddingMap:
    """Read a map that :func:`write_map` wrote.

    Raises:
        CutisError: not a map, incomplete, damaged or of a newer format.
    """
    folder = Path(folder)
    if not (folder / _MAP_FILE).is_file():
        raise CutisError("is not a map", where=str(folder), fix="Name the folder 'map' that `cutis embed` wrote.")
    try:
        facts = _read_facts(folder)
        arrays = load((folder / _ARRAYS_FILE).read_bytes())
        features, coordinates = arrays["features"], arrays["coordinates"]
        cases = read_manifest(folder / _CASES_FILE)
        _check_whole(facts, features, coordinates, cases)
    except CutisError as error:
        if not isinstance(error, ManifestError):
            raise
        raise _damaged(folder, error.problem) from error
    except (OSError, ValueError, KeyError, TypeError, ValidationError, SafetensorError) as error:
        raise _damaged(folder, (str(error).splitlines() or [type(error).__name__])[0][:150]) from error
    return EmbeddingMap(CaseLibrary(cases, features, facts.model, facts.weights_sha256), coordinates, facts)


def _read_facts(folder: Path) -> MapFacts:
    given = json.loads((folder / _MAP_FILE).read_text(encoding="utf-8"))
    if given["format"] > FORMAT:
        raise CutisError(f"has format {given['format']}", where=str(folder), fix="Install a newer cutis.")
    return MapFacts.model_validate(given)


def _check_whole(facts: MapFacts, features: npt.NDArray[np.float16], coordinates: Floats, cases: pl.DataFrame) -> None:
    missing = [each for each in CASE_COLUMNS if each not in cases.columns]
    if missing:
        raise ValueError(f"'{_CASES_FILE}' lacks {', '.join(missing)}")
    if not (len(features) == len(cases) == facts.images and coordinates.shape == (facts.images, facts.dimensions)):
        raise ValueError("its files are of different images")
    if not (np.isfinite(coordinates).all() and np.isfinite(unit_rows(features)).all()):
        raise ValueError("it holds numbers that are not finite")


def _damaged(folder: Path, why: str) -> CutisError:
    return CutisError(f"is damaged ({why})", where=str(folder), fix="Make the map anew with `cutis embed`.")
