"""The decoded cache: images of one size as raw pixels in one memory-mapped file, so that a second epoch, and a second
run, reads no JPEG.

An image is known by the hash of its file's content, so the same picture under two names is stored once and a changed
file is decoded anew. The cache of one size is a pair of append-only files: ``pixels.u8`` (rows of height × width × 3
bytes) and ``keys.txt`` (one hash a row). Pixels are written before their keys: an interrupted run leaves at worst rows
without keys, which the next run overwrites.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from cutis.data.images import Aspect, Pixels, fit_image, read_image
from cutis.errors import ImageError, listed

_KEY_LENGTH = 32
_CHUNK = 256


def cache_folder() -> Path:
    """Where decoded images are kept: ``$CUTIS_CACHE``, else ``~/.cache/cutis``."""
    return Path(os.environ.get("CUTIS_CACHE") or Path.home() / ".cache" / "cutis")


class DecodedImages:
    """A sequence of N decoded images, read from the memory map when asked for.

    Attributes:
        keys: content hash of each image's file, N hexadecimal strings.
    """

    def __init__(self, pixels: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64], keys: list[str]) -> None:
        self._pixels = pixels
        self._rows = rows
        self.keys = keys

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Pixels:
        """Image ``index``: uint8, height × width × 3."""
        return np.asarray(self._pixels[self._rows[index]])

    def chosen(self, index: npt.NDArray[np.int64]) -> "DecodedImages":
        """The images at these places, in this order."""
        return DecodedImages(self._pixels, self._rows[index], [self.keys[int(i)] for i in index])


def content_key(file: str | Path | bytes) -> str:
    """Hash of a file's content, or of the content given: 32 hexadecimal digits."""
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    return hashlib.blake2b(content, digest_size=_KEY_LENGTH // 2).hexdigest()


def decode_images(
    paths: Sequence[str],
    height: int,
    width: int,
    aspect: Aspect = "stretch",
    folder: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> DecodedImages:
    """Decode images to one size through the cache.

    Args:
        paths: N image files.
        height: of each decoded image, in pixels.
        width: of each decoded image, in pixels.
        aspect: see :func:`cutis.data.fit_image`.
        folder: the cache's folder; :func:`cache_folder` when None.
        progress: called with the number of images just finished.

    Raises:
        ImageError: any image is missing or unreadable (all are named together), or the cache cannot be written.
    """
    home = (folder or cache_folder()) / f"{height}x{width}-{aspect}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / "lock"):
            return _decode_locked(paths, height, width, aspect, home, progress)
    except OSError as error:
        raise ImageError(
            f"the cache of decoded images cannot be written ({error.strerror or error})",
            where=str(home),
            fix="Free some space, or set CUTIS_CACHE to a folder with more.",
        ) from error


def _decode_locked(
    paths: Sequence[str],
    height: int,
    width: int,
    aspect: Aspect,
    home: Path,
    progress: Callable[[int], None] | None,
) -> DecodedImages:
    pixels_file, keys_file = home / "pixels.u8", home / "keys.txt"
    size = height * width * 3
    known = keys_file.read_text().split() if keys_file.exists() else []
    stored = pixels_file.stat().st_size // size if pixels_file.exists() else 0
    known = [key for key in known[:stored] if len(key) == _KEY_LENGTH]
    row_of = {key: row for row, key in enumerate(known)}

    with ThreadPoolExecutor() as pool:
        keys, bad = _hash_files(paths, pool)
        wanted = {key: path for key, path in zip(keys, paths, strict=True) if key and key not in row_of}
        if progress:
            progress(len(paths) - len(bad) - len(wanted))
        new = list(wanted.items())
        if new:
            keys_file.write_text("".join(f"{key}\n" for key in known))
            with (
                pixels_file.open("r+b" if pixels_file.exists() else "w+b") as out,
                keys_file.open("a") as index,
            ):
                out.truncate(len(known) * size)
                out.seek(0, os.SEEK_END)
                for start in range(0, len(new), _CHUNK):
                    chunk = new[start : start + _CHUNK]
                    images = pool.map(lambda item: _decode(item[1], height, width, aspect), chunk)
                    for (key, path), image in zip(chunk, images, strict=True):
                        if isinstance(image, str):
                            bad[path] = image
                            continue
                        out.write(image.tobytes())
                        out.flush()
                        index.write(f"{key}\n")
                        row_of[key] = len(row_of)
                    index.flush()
                    if progress:
                        progress(len(chunk))
    if bad:
        raise ImageError(
            f"{len(bad):,} of {len(paths):,} images cannot be read: "
            + listed([f"{path}: {why}" for path, why in bad.items()]),
            fix="Replace them, or take their rows out of the manifest; `cutis data check` lists all.",
        )
    rows = np.array([row_of[key] for key in keys], dtype=np.int64)
    if not len(rows):
        return DecodedImages(np.empty((0, height, width, 3), dtype=np.uint8), rows, keys)
    pixels = np.memmap(pixels_file, dtype=np.uint8, mode="r", shape=(len(row_of), height, width, 3))
    return DecodedImages(pixels, rows, keys)


def _hash_files(paths: Sequence[str], pool: ThreadPoolExecutor) -> tuple[list[str], dict[str, str]]:
    """The content key of each file ("" if it cannot be read), and the reasons of those that cannot."""

    def key_or_reason(path: str) -> tuple[str, str]:
        try:
            return content_key(path), ""
        except OSError as error:
            return "", "does not exist" if isinstance(error, FileNotFoundError) else str(error.strerror or error)

    results = list(pool.map(key_or_reason, paths))
    bad = {path: reason for path, (_, reason) in zip(paths, results, strict=True) if reason}
    return [key for key, _ in results], bad


def _decode(path: str, height: int, width: int, aspect: Aspect) -> Pixels | str:
    try:
        return fit_image(read_image(path), height, width, aspect)
    except ImageError as error:
        return error.problem
