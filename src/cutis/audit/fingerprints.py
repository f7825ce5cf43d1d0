"""What each image is known by: its file's hash, its camera and moment, a perceptual hash and CNN features.

They are kept by the hash of the file's content, so that a second audit reads no image. One folder holds
``records.bin`` (rows of one size: hashes and the network's answer, no pixels) and ``images.txt`` (a line a row: content
key, camera and moment). A row is written before its line: an interrupted run leaves at worst rows without lines, which
the next run overwrites.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl
from filelock import FileLock
from PIL import Image

from cutis.data import Pixels, cache_folder, content_key, read_image
from cutis.errors import ImageError, listed

BACKBONE = "tf_efficientnet_lite0"
FEATURE_WIDTH = 352
WHITENING = Path(__file__).with_name("fingerprint_whitening.npz")
"""Mean (352) and matrix (352 × 352) of :func:`whitened`, learnt by ``benchmarks/fingerprint_whitening.py`` from
pairs of one lesion in half of HAM10000 (CC BY-NC 4.0) and from ISIC 2017 (CC0)."""

_VIEW = 96
_SCALES = (1.0, 0.5)
_STAGES = (1, 2, 3)
_BATCH = 32
_KEY_LENGTH = 32
# The number is of the way fingerprints are made: a new way does not read what the old one kept.
_CACHE = "audit-fingerprints-2"
_RECORD = np.dtype([("perceptual", "<u8", (8,)), ("pooled", "<f4", (FEATURE_WIDTH,))])


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What N images are known by, in the manifest's order of its rows that have an ``image_path``.

    Attributes:
        keys: content hash of each file, as :func:`cutis.data.content_key` gives it.
        taken: camera and moment as ``Make|Model|DateTimeOriginal[.SubSec]``; None where the file does not tell.
        perceptual: uint64 N × 8, see :func:`perceptual_hashes`.
        features: float32 N × 352, unit length, nearly the same in all 8 orientations; cosines of unlike images are
            around 0.1, 99 of 100 below 0.4.
    """

    keys: list[str]
    taken: list[str | None]
    perceptual: npt.NDArray[np.uint64]
    features: npt.NDArray[np.float32]


class _Read(NamedTuple):
    """What is taken from a file before the network sees it."""

    key: str
    taken: str | None
    perceptual: npt.NDArray[np.uint64]
    views: Pixels


def fingerprint_images(
    manifest: pl.DataFrame, *, folder: Path | None = None, progress: Callable[[int], None] | None = None
) -> Fingerprints:
    """Fingerprints of every image of a manifest, from the cache where they are known.

    Args:
        manifest: rows without ``image_path`` are passed over.
        folder: the cache's folder; :func:`cutis.data.cache_folder` when None.
        progress: called with the number of images just finished.

    Raises:
        ImageError: any image is missing or unreadable (all are named together), or the cache cannot be written.
        WeightsError: the backbone's weights are not installed.
    """
    paths = manifest["image_path"].drop_nulls().to_list() if "image_path" in manifest.columns else []
    home = (folder or cache_folder()) / _CACHE
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / "lock"):
            return _through_cache(paths, home, progress or (lambda _: None))
    except OSError as error:
        raise ImageError(
            f"the cache of fingerprints cannot be written ({error.strerror or error})",
            where=str(home),
            fix="Free some space, or set CUTIS_CACHE to a folder with more.",
        ) from error


def _through_cache(paths: Sequence[str], home: Path, progress: Callable[[int], None]) -> Fingerprints:
    records_file, lines_file = home / "records.bin", home / "images.txt"
    stored = records_file.stat().st_size // _RECORD.itemsize if records_file.exists() else 0
    # What follows the last line break was cut off, even if a whole key stands in it.
    text = lines_file.read_bytes() if lines_file.exists() else b""
    lines = text[: text.rfind(b"\n") + 1].decode().splitlines(keepends=True)[:stored]
    row_of = {line[:_KEY_LENGTH]: row for row, line in enumerate(lines)}

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(_key_or_reason, paths))
        bad = {path: reason for path, (_, reason) in zip(paths, found, strict=True) if reason}
        if bad:
            raise _unreadable(bad, len(paths))
        keys = [key for key, _ in found]
        wanted = {key: path for key, path in zip(keys, paths, strict=True) if key not in row_of}
        progress(len(paths) - len(wanted))
        if wanted:
            with (
                records_file.open("r+b" if records_file.exists() else "w+b") as records,
                lines_file.open("r+b" if lines_file.exists() else "w+b") as index,
            ):
                records.truncate(len(lines) * _RECORD.itemsize)
                index.truncate(len("".join(lines).encode()))
                records.seek(0, os.SEEK_END)
                index.seek(0, os.SEEK_END)
                for batch, pooled in _computed(wanted, pool, bad, progress):
                    rows = np.empty(len(batch), dtype=_RECORD)
                    rows["perceptual"] = [each.perceptual for each in batch]
                    rows["pooled"] = pooled
                    records.write(rows.tobytes())
                    records.flush()
                    for each in batch:
                        line = f"{each.key} {each.taken or ''}\n"
                        index.write(line.encode())
                        row_of[each.key] = len(row_of)
                        lines.append(line)
                    index.flush()
    if bad:
        raise _unreadable(bad, len(paths))
    rows_wanted = np.array([row_of[key] for key in keys], dtype=np.int64)
    if not len(rows_wanted):
        return Fingerprints([], [], np.empty((0, 8), np.uint64), np.empty((0, FEATURE_WIDTH), np.float32))
    table = np.memmap(records_file, dtype=_RECORD, mode="r", shape=(len(row_of),))
    taken = [lines[row][_KEY_LENGTH + 1 : -1] or None for row in rows_wanted]
    return Fingerprints(keys, taken, table["perceptual"][rows_wanted], whitened(table["pooled"][rows_wanted]))


def _computed(
    wanted: dict[str, str], pool: ThreadPoolExecutor, bad: dict[str, str], progress: Callable[[int], None]
) -> Iterator[tuple[list[_Read], npt.NDArray[np.float32]]]:
    """Batches of files read, with what the network says of them. Unreadable files are added to ``bad``.

    From the first of these on the rest is only read, to name all unreadable ones soon.
    """
    network = FeatureNetwork()
    items = list(wanted.items())

    def submit(start: int) -> list[Future[_Read | str]]:
        return [pool.submit(_read, key, path) for key, path in items[start : start + _BATCH]]

    coming = submit(0)
    for start in range(0, len(items), _BATCH):
        now, coming = coming, submit(start + _BATCH)
        batch = []
        for (_, path), future in zip(items[start : start + _BATCH], now, strict=True):
            read = future.result()
            if isinstance(read, str):
                bad[path] = read
            else:
                batch.append(read)
        if batch and not bad:
            yield batch, network.pooled(np.stack([each.views for each in batch]))
        progress(len(now))


def _key_or_reason(path: str) -> tuple[str, str]:
    try:
        return content_key(path), ""
    except OSError as error:
        return "", "does not exist" if isinstance(error, FileNotFoundError) else str(error.strerror or error)


def _unreadable(bad: dict[str, str], total: int) -> ImageError:
    return ImageError(
        f"{len(bad):,} of {total:,} images cannot be read: " + listed([f"{path}: {why}" for path, why in bad.items()]),
        fix="Replace them, or take their rows out of the manifest; `cutis data check` lists all.",
    )


def _read(key: str, path: str) -> _Read | str:
    try:
        image = read_image(path)
    except ImageError as error:
        return error.problem
    return _Read(key, camera_and_moment(path), perceptual_hashes(image), views_of(image))


def camera_and_moment(path: str | Path) -> str | None:
    """``Make|Model|DateTimeOriginal[.SubSec]`` of a photograph's EXIF; None unless camera and moment are both there.

    Scanners, screenshots and archives that strip EXIF leave none. A clock at midnight of a first of January was never
    set and is no moment.
    """
    with Image.open(path) as image:
        exif = image.getexif()
        original = exif.get_ifd(0x8769)
    make, model = (_words(exif.get(tag)) for tag in (0x010F, 0x0110))
    moment, fraction = _words(original.get(0x9003)), _words(original.get(0x9291))
    if not (make or model):
        return None
    try:
        when = datetime.strptime(moment, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    if (when.month, when.day, when.hour, when.minute, when.second) == (1, 1, 0, 0, 0):
        return None
    return f"{make}|{model}|{moment}" + (f".{fraction}" if fraction else "")


def _words(value: object) -> str:
    text = value.decode("ascii", "ignore") if isinstance(value, bytes) else str(value or "")
    return re.sub(r"[\s\x00-\x1f\x7f|]+", " ", text).strip()


def perceptual_hashes(image: Pixels) -> npt.NDArray[np.uint64]:
    """The 64-bit perceptual hash of an image in its 8 orientations.

    The signs of the 8 × 8 lowest frequencies of a cosine transform (without the constant ones) of the image as 32 × 32
    grey values: pHash (Zauner 2010) with the sign in place of the median, which makes turning and mirroring mere
    exchanges and changes of sign. One transform serves all orientations.

    Args:
        image: uint8, height × width × 3.

    Returns:
        uint64, 8: the image turned by 0, 1, 2 and 3 quarters (as ``np.rot90``), then the same of its left–right mirror
        image.
    """
    grey = cv2.cvtColor(_resized(image, 32), cv2.COLOR_RGB2GRAY).astype(np.float32)
    upright = cv2.dct(grey)[1:9, 1:9]
    odd = np.array([-1, 1] * 4, dtype=np.float32)
    turned: list[npt.NDArray[np.float32]] = []
    for block in (upright, upright * odd):
        turned.append(block)
        for _ in range(3):
            turned.append(turned[-1].T * odd[:, None])
    # Not quite 0: the rounding of a blank image's transform is no pattern.
    bits = np.packbits(np.stack(turned).reshape(8, 64) > 0.01, axis=1)
    return bits.view("<u8")[:, 0].astype(np.uint64)


def views_of(image: Pixels) -> Pixels:
    """What the network sees of an image: the whole and its inner half, uint8 2 × 96 × 96 × 3.

    Features averaged over two scales find a lesion again in a close-up. Stretched to a square, all orientations of an
    image are orientations of one view.
    """
    height, width = image.shape[:2]
    views = []
    for scale in _SCALES:
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        top, left = (height - rows) // 2, (width - columns) // 2
        views.append(_resized(image[top : top + rows, left : left + columns], _VIEW))
    return np.stack(views)


def _resized(image: Pixels, side: int) -> Pixels:
    shrinking = image.shape[0] * image.shape[1] > side * side
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=method), dtype=np.uint8)


class FeatureNetwork:
    """The first stages of EfficientNet-Lite0 (ImageNet weights): what a lesion looks like in detail, not its class.

    Raises:
        WeightsError: the weights are not installed.
    """

    def __init__(self) -> None:
        import torch  # noqa: PLC0415 - takes seconds, and a cached audit needs none

        from cutis.models import Architecture, LesionClassifier, best_device, find_weights, keep_memory  # noqa: PLC0415

        keep_memory()
        self._device = best_device()
        weights = find_weights(BACKBONE, "imagenet")
        network = LesionClassifier(Architecture(backbone=BACKBONE), 2, (_VIEW, _VIEW), weights)
        self._network = network.to(self._device).eval().to(memory_format=torch.channels_last)

    def pooled(self, views: Pixels) -> npt.NDArray[np.float32]:
        """Mean and standard deviation of each channel of stages 1–3 over two scales and two orientations.

        Each is averaged over an image as it is and transposed (a quarter turn and a mirror image). Averaging over all 8
        orientations costs four times as much and finds no more once whitened.

        Args:
            views: uint8 N × 2 × 96 × 96 × 3, from :func:`views_of`.

        Returns:
            float32 N × 352.
        """
        import torch  # noqa: PLC0415 - see above

        from cutis.models import to_input  # noqa: PLC0415

        with torch.inference_mode():
            total = torch.zeros(len(views), FEATURE_WIDTH)
            for scale in range(len(_SCALES)):
                upright = (to_input(views[:, scale], self._device) - self._network.mean) / self._network.std
                for seen in (upright, upright.transpose(2, 3).contiguous(memory_format=torch.channels_last)):
                    stages = self._network.backbone.forward_intermediates(
                        seen, indices=list(_STAGES), intermediates_only=True, stop_early=True
                    )
                    parts = [part for stage in stages for part in (stage.mean((2, 3)), stage.std((2, 3)))]
                    total += torch.cat(parts, dim=1).float().cpu()
            return (total / (2 * len(_SCALES))).numpy()


def whitened(pooled: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Features at unit length in which two photographs of one lesion differ alike in all directions.

    Within-pair whitening (Mikolajczyk & Matas 2007; Radenović 2018): of HAM10000's pairs of one lesion that it was not
    learnt from, 88% are found by the 5 nearest of each image; without it, 55%.

    Args:
        pooled: float32 N × 352, from :meth:`FeatureNetwork.pooled`.
    """
    with np.load(WHITENING) as learnt:
        white = (pooled - learnt["mean"].astype(np.float32)) @ learnt["matrix"].astype(np.float32)
    return np.asarray(white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-12), dtype=np.float32)
