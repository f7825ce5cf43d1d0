"""Looking closely at candidate pairs: does one image, laid on the other, show the same skin?

Each image is decoded and searched for keypoints once and shared by its pairs. Results are kept by the content of the
two files in an append-only file, so that an audit made again reads no image. A result does not depend on the order of
the two images, nor on any other pair.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from cutis.audit.alignment import Alignment, Keypoints, align, find_keypoints
from cutis.audit.workers import workers
from cutis.data import cache_folder, content_key, read_image
from cutis.errors import CutisError, ImageError, listed

_CACHE = "audit-pairs-3"  # the number goes up with every change of what alignment.py finds
_RECORD = np.dtype(
    [
        ("pair", "S64"),  # the two content keys, the lesser first
        ("inliers", "<i4"),
        ("correlation", "<f4"),
        ("overlap", "<f4"),
        ("scale", "<f4"),
        ("rotation", "<f4"),
        ("mirrored", "?"),
    ]
)
_IMAGES_HELD = 8192  # about 60 kB each
_BLOCK = 1024  # pairs after which results are written
_TASK = 16  # pairs a worker takes at a time
_WORTH_PROCESSES = 2000  # pairs

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


class Verified(NamedTuple):
    """How the images of M pairs lie on each other; NaN where no transform was found.

    Attributes:
        inliers: int32 M, keypoints at different places that one transform puts on their match.
        correlation: float32 M, normalised cross-correlation of the overlap after alignment, −1–1.
        overlap: float32 M, share of the smaller image that the other covers after alignment, 0–1.
        scale: float32 M, how many times larger the lesion is in the second image.
        rotation: float32 M, from the first image to the second, degrees clockwise, −180–180.
        mirrored: bool M, whether the first image is mirrored (left and right) before it is turned.
    """

    inliers: npt.NDArray[np.int32]
    correlation: Float32
    overlap: Float32
    scale: Float32
    rotation: Float32
    mirrored: npt.NDArray[np.bool_]


def verify_pairs(
    paths: Sequence[str],
    pairs: tuple[Int64, Int64],
    *,
    keys: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Look closely at pairs of images.

    Args:
        paths: N image files.
        pairs: two arrays of M places in ``paths``.
        keys: the content key of each file, N, where they are known already.
        progress: called with the number of pairs just finished.

    Raises:
        ImageError: an image is missing or unreadable (those met together are named together).
        CutisError: the cache cannot be written.
    """
    a, b = (np.asarray(each, dtype=np.int64) for each in pairs)
    if not len(a):
        return _as_verified(np.zeros(0, dtype=_RECORD), np.zeros(0, dtype=np.bool_))
    if keys is None:
        keys = _content_keys(paths, np.union1d(a, b))
    # One of several copies of a file stands for all: the first.
    row_of: dict[str, int] = {}
    for row in np.union1d(a, b).tolist():
        row_of.setdefault(keys[row], row)
    turned = np.array([keys[i] > keys[j] for i, j in zip(a, b, strict=True)])
    named = [
        (keys[j] + keys[i] if turn else keys[i] + keys[j]).encode() for i, j, turn in zip(a, b, turned, strict=True)
    ]
    home = cache_folder() / _CACHE
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / "lock"):
            records = _verified(paths, row_of, named, home / "pairs.bin", progress)
    except OSError as error:
        raise CutisError(
            f"the cache of compared pairs cannot be written ({error.strerror or error})",
            where=str(home),
            fix="Free some space, or set CUTIS_CACHE to a folder with more.",
        ) from error
    return _as_verified(records, turned)


def _as_verified(records: npt.NDArray[np.void], turned: npt.NDArray[np.bool_]) -> Verified:
    mirrored = records["mirrored"].astype(np.bool_)
    return Verified(
        records["inliers"].astype(np.int32),
        records["correlation"].astype(np.float32),
        records["overlap"].astype(np.float32),
        np.where(turned, 1 / np.where(turned, records["scale"], 1), records["scale"]).astype(np.float32),
        # Mirroring and then turning is undone by mirroring and turning the same way.
        np.where(turned & ~mirrored, -records["rotation"], records["rotation"]).astype(np.float32),
        mirrored,
    )


def _content_keys(paths: Sequence[str], rows: Int64) -> list[str]:
    keys, bad = [""] * len(paths), []
    for row in rows.tolist():
        try:
            keys[row] = content_key(paths[row])
        except OSError as error:
            bad.append(f"{paths[row]}: {error.strerror or error}")
    if bad:
        raise _unreadable(bad)
    return keys


def _unreadable(bad: list[str]) -> ImageError:
    return ImageError(
        f"{len(bad):,} images cannot be read: {listed(bad)}",
        fix="Replace them, or take their rows out of the manifest; `cutis data check` lists all.",
    )


def _verified(
    paths: Sequence[str],
    row_of: dict[str, int],
    named: list[bytes],
    file: Path,
    progress: Callable[[int], None] | None,
) -> npt.NDArray[np.void]:
    """The record of each named pair, from the cache or made and appended to it."""
    stored = file.stat().st_size // _RECORD.itemsize if file.exists() else 0
    records = np.fromfile(file, dtype=_RECORD, count=stored) if stored else np.zeros(0, dtype=_RECORD)
    place = {pair: row for row, pair in enumerate(records["pair"].tolist())}
    new = [pair for pair in dict.fromkeys(named) if pair not in place]
    if progress:
        progress(len(named) - len(new))
    if new:
        rows = np.array([(row_of[pair[:32].decode()], row_of[pair[32:].decode()]) for pair in new])
        order = _neighbourly(rows)
        made = [records]
        with file.open("r+b" if file.exists() else "w+b") as out:
            out.truncate(stored * _RECORD.itemsize)  # an interrupted run may have left half a record
            out.seek(0, os.SEEK_END)
            for done in _compared(paths, rows[order], [new[i] for i in order]):
                out.write(done.tobytes())
                out.flush()
                made.append(done)
                if progress:
                    progress(len(done))
        records = np.concatenate(made)
        place = {pair: row for row, pair in enumerate(records["pair"].tolist())}
    return np.asarray(records[[place[pair] for pair in named]])


def _neighbourly(rows: Int64) -> Int64:
    """An order of M × 2 pairs in which those of one image, and of images linked to it, follow each other."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - half a second
    from scipy.sparse.csgraph import reverse_cuthill_mckee  # noqa: PLC0415

    images, place = np.unique(rows, return_inverse=True)
    i, j = place.reshape(rows.shape).T
    ones = np.ones(2 * len(i), dtype=np.int8)
    graph = coo_array((ones, (np.concatenate([i, j]), np.concatenate([j, i]))), shape=(len(images),) * 2).tocsr()
    rank = np.empty(len(images), dtype=np.int64)
    rank[reverse_cuthill_mckee(graph, symmetric_mode=True)] = np.arange(len(images))
    return np.lexsort((np.minimum(rank[i], rank[j]), np.maximum(rank[i], rank[j])))


def _compared(paths: Sequence[str], rows: Int64, named: list[bytes]) -> Iterator[npt.NDArray[np.void]]:
    """Records of pairs, block by block; the keypoints of the images used last are held."""
    held: dict[int, Keypoints] = {}
    with ThreadPoolExecutor(os.cpu_count()) as readers, workers(enough=len(rows) >= _WORTH_PROCESSES) as aligners:
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            used = np.unique(block).tolist()
            seen = {row: held.pop(row) for row in used if row in held}
            missing = [row for row in used if row not in seen]
            bad = []
            for row, found in zip(missing, readers.map(lambda row: _keypoints(paths[row]), missing), strict=True):
                if isinstance(found, str):
                    bad.append(f"{paths[row]}: {found}")
                else:
                    seen[row] = found
            if bad:
                raise _unreadable(bad)
            held |= seen
            while len(held) > max(_IMAGES_HELD, len(seen)):
                del held[next(iter(held))]
            tasks = [block[i : i + _TASK].tolist() for i in range(0, len(block), _TASK)]
            shown = [{row: seen[row] for pair in task for row in pair} for task in tasks]
            found_pairs = aligners.map(_aligned, shown, tasks)
            yield _as_records(named[start : start + _BLOCK], [each for task in found_pairs for each in task])


def _keypoints(path: str) -> Keypoints | str:
    try:
        return find_keypoints(read_image(path))
    except ImageError as error:
        return error.problem


def _aligned(shown: dict[int, Keypoints], task: list[tuple[int, int]]) -> list[Alignment]:
    return [align(shown[i], shown[j]) for i, j in task]


def _as_records(named: list[bytes], found: list[Alignment]) -> npt.NDArray[np.void]:
    return np.array([(pair, *each) for pair, each in zip(named, found, strict=True)], dtype=_RECORD)
