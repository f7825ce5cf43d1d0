"""What may give a diagnosis away without a look at the lesion: columns of a manifest, facts of the files, the frame
around the lesion, a thumbnail.
"""

import hashlib
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image

from cutis.data import SCHEMA, DecodedImages, decode_images
from cutis.errors import ImageError, listed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]

ClueKind = Literal["patient", "record", "missing", "other column", "file", "border", "thumbnail"]
"""``patient``: known when the lesion is seen. ``record``: known with the diagnosis or later, or on where the image came
from. ``missing``: whether a column is filled in. ``other column``: cutis does not know the column. ``file``: form and
name of the file. ``border``, ``thumbnail``: part of the pixels."""

PATIENT_COLUMNS = ("age_approx", "sex", "anatom_site", "fitzpatrick_skin_type")
FILE_SIZE, BORDER, THUMBNAIL = "file size", "image border", "thumbnail"
RECORD_COLUMNS = ("diagnosis_confirm_type", "source", "attribution", "license", "image_type", "acquired_at")

_BINS = 50
_BIN_ROWS = 20
_LEAST_ROWS = 10
_MOST_VALUES = 100
_HEIGHT, _WIDTH = 48, 64
_FRAME = (5, 6)  # rows and columns: a tenth of each side
_CELLS = 8
_LEAST_SEEN = 0.05
_CHUNK = 512


class Clue(NamedTuple):
    """One thing looked at alone: values (of which there are ``distinct``) or features of the image, never both.

    Attributes:
        name: a column's name, or e.g. ``"file size"``.
        kind: what it is.
        rows: M row numbers of the frame at which it is known.
        missing: rows of the frame, or of its images, at which it is not.
        values: M numbers 0 … V−1.
        distinct: V.
        features: M×D.
        note: what a reader must know about it; may be empty.
    """

    name: str
    kind: ClueKind
    rows: Ints
    missing: int = 0
    values: Ints | None = None
    distinct: int | None = None
    features: Floats | None = None
    note: str = ""


def column_clues(frame: pl.DataFrame) -> tuple[list[Clue], dict[str, str]]:
    """The columns of a manifest that may predict a diagnosis, the image's id, and whether a column is filled in.

    Numbers and dates are cut at their quantiles into at most 50 values. Words that stand in fewer than 10 rows, or are
    not among the 100 most frequent, are one value. Columns that are filled in in the same rows are one clue.

    Returns:
        the clues, and why each other column was left out.
    """
    named: list[tuple[str, ClueKind, pl.Series]] = [(each, "patient", frame[each]) for each in PATIENT_COLUMNS]
    named += [(each, "record", frame[each]) for each in RECORD_COLUMNS]
    named += [(each, "other column", _plain(frame[each])) for each in frame.columns if each not in SCHEMA]
    whole = [name for name, _, column in named if column.null_count() not in (0, len(column))]
    by_pattern: dict[bytes, list[str]] = {}
    for each in whole:
        by_pattern.setdefault(frame[each].is_null().to_numpy().tobytes(), []).append(each)
    named += [
        (f"whether {listed(each, 3)} {'is' if len(each) == 1 else 'are'} recorded", "missing", frame[each[0]].is_null())
        for each in by_pattern.values()
    ]
    digits = frame["image_id"].str.extract(r"(\d{1,15})\D*$", 1).cast(pl.Int64)
    form = frame["image_id"].str.replace_all(r"\d+", "#")
    named += [("number in image_id", "file", digits), ("form of image_id", "file", form)]
    return _clues(named, np.arange(len(frame)))


def file_clues(frame: pl.DataFrame) -> tuple[list[Clue], dict[str, str]]:
    """Facts of the image files: size in bytes, width × height, format with its JPEG tables, camera (EXIF).

    Returns:
        the clues, and why each other fact was left out.

    Raises:
        ImageError: files are missing or are no images; all are named together.
    """
    rows = np.flatnonzero(frame["image_path"].is_not_null().to_numpy())
    if not len(rows):
        return [], {"image files": "the manifest has none"}
    with ThreadPoolExecutor() as pool:
        facts = list(pool.map(_file_facts, frame["image_path"].drop_nulls()))
    bad = [each for each in facts if isinstance(each, str)]
    if bad:
        raise ImageError(
            f"{len(bad):,} of {len(facts):,} images cannot be read: {listed(bad)}",
            fix="Replace them, or take their rows out of the manifest; `cutis data check` lists all.",
        )
    names = (FILE_SIZE, "width × height", "file format and compression", "camera")
    table = pl.DataFrame([each for each in facts if not isinstance(each, str)], schema=names, orient="row")
    return _clues([(column.name, "file", column) for column in table], rows)


def pixel_clues(frame: pl.DataFrame, progress: Callable[[int], None] | None = None) -> list[Clue]:
    """The outer tenth of every image without its lesion, and a thumbnail of 8 × 8 cells.

    The border is a colour histogram (4 × 4 × 4), the mean colour of each outer cell and of the whole. Where a mask is
    at hand the lesion is left out of it; a cell that the lesion fills has the mean colour. Images are decoded at
    48 × 64 through the cache.

    Args:
        frame: rows of a manifest.
        progress: called with the number of images just decoded.

    Raises:
        ImageError: images or masks are missing or unreadable; all are named together.
    """
    rows = np.flatnonzero(frame["image_path"].is_not_null().to_numpy())
    if not len(rows):
        return []
    images = decode_images(frame["image_path"].drop_nulls().to_list(), _HEIGHT, _WIDTH, progress=progress)
    masked = frame[rows]["mask_path"].is_not_null().to_numpy()
    masks = decode_images(frame[rows]["mask_path"].drop_nulls().to_list(), _HEIGHT, _WIDTH)
    place = np.where(masked, np.cumsum(masked) - 1, -1)
    parts = [
        _border_and_thumbnail(images, masks, np.arange(start, min(start + _CHUNK, len(rows))), place)
        for start in range(0, len(rows), _CHUNK)
    ]
    border, thumbnail, seen = (np.concatenate(each) for each in zip(*parts, strict=True))
    visible = seen >= _LEAST_SEEN
    unmasked, covered = int((~masked).sum()), int((~visible).sum())
    notes = []
    if unmasked:
        notes.append(f"{unmasked:,} images have no mask: of these the border may show part of the lesion")
    if covered:
        notes.append(f"{covered:,} images are left out, as the lesion covers their border")
    return [
        Clue(BORDER, "border", rows[visible], covered, features=border[visible], note="; ".join(notes)),
        Clue(THUMBNAIL, "thumbnail", rows, features=thumbnail),
    ]


def _clues(named: list[tuple[str, ClueKind, pl.Series]], rows: Ints) -> tuple[list[Clue], dict[str, str]]:
    clues, left = [], {}
    for name, kind, column in named:
        known = column.is_not_null().to_numpy()
        values, reason = _values(column.drop_nulls())
        if reason:
            left[name] = reason
            continue
        present, values = np.unique(values, return_inverse=True)
        note = "it also grows with the detail of the picture" if name == FILE_SIZE else ""
        clues.append(
            Clue(name, kind, rows[known], int((~known).sum()), values.astype(np.int64), len(present), note=note)
        )
    return clues, left


def _values(column: pl.Series) -> tuple[Ints, str]:
    """A number a value, or the reason why there is nothing to learn from the column."""
    if not len(column):
        return np.empty(0, dtype=np.int64), "not recorded"
    if column.dtype in (pl.String, pl.Boolean):
        words = column.cast(pl.String).alias("word")
        counts = words.value_counts().sort(["count", "word"], descending=[True, False])
        common = counts.filter(pl.col("count") >= _LEAST_ROWS)["word"].head(_MOST_VALUES)
        number = {word: each for each, word in enumerate(common)}
        values = words.replace_strict(number, default=len(number), return_dtype=pl.Int64).to_numpy()
    else:
        numbers = column.cast(pl.Float64).to_numpy()
        bins = int(np.clip(len(numbers) // _BIN_ROWS, 2, _BINS))
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
        values = np.searchsorted(edges, numbers, side="left").astype(np.int64)
    if column.n_unique() == 1:
        return values, "the same wherever it is recorded"
    return values, "" if len(np.unique(values)) > 1 else f"no value stands in {_LEAST_ROWS} rows"


def _plain(column: pl.Series) -> pl.Series:
    """A column that cutis does not know as words or numbers; words that are many numbers are numbers."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.fill_nan(None) if column.dtype.is_float() else column
    if column.dtype.is_temporal():
        return column.to_physical()
    if column.dtype.is_nested() or column.dtype == pl.Object:
        return pl.Series(column.name, [None if each is None else str(each) for each in column], dtype=pl.String)
    words = column.cast(pl.String)
    numbers = words.cast(pl.Float64, strict=False).fill_nan(None)
    return numbers if numbers.null_count() == words.null_count() and numbers.n_unique() > _BIN_ROWS else words


def _file_facts(path: str) -> tuple[int, str, str, str | None] | str:
    """Bytes, width × height, format and camera; what is wrong where it cannot be read."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            tables = str(sorted(getattr(image, "quantization", {}).items()))
            form = f"{image.format} {hashlib.blake2b(tables.encode(), digest_size=4).hexdigest()}"
            exif = image.getexif()
            camera = " ".join(str(exif[tag]).strip("\0 ") for tag in (271, 272) if tag in exif)
            return Path(path).stat().st_size, f"{image.width} × {image.height}", form, camera or None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{path}: {error}"


def _border_and_thumbnail(
    images: DecodedImages, masks: DecodedImages, chosen: Ints, place: Ints
) -> tuple[Floats, Floats, Floats]:
    """Features of some images, and the share of each one's border that is no lesion: n×(64+84+3), n×192, n."""
    pixels = np.stack([images[int(each)] for each in chosen])
    free = np.ones(pixels.shape[:3], dtype=bool)
    for number, row in enumerate(chosen):
        if place[row] >= 0:
            # Two pixels more: a tight mask, or JPEG's coarse colour, must not let the lesion's rim through.
            lesion = cv2.dilate(masks[int(place[row])][..., 0], np.ones((5, 5), dtype=np.uint8))
            free[number] = lesion == 0
    free[:, _FRAME[0] : -_FRAME[0], _FRAME[1] : -_FRAME[1]] = False
    frame_pixels = _HEIGHT * _WIDTH - (_HEIGHT - 2 * _FRAME[0]) * (_WIDTH - 2 * _FRAME[1])
    level = (pixels // 64).astype(np.int64)
    cell = level[..., 0] * 16 + level[..., 1] * 4 + level[..., 2] + 64 * np.arange(len(chosen))[:, None, None]
    histogram = np.bincount(cell[free], minlength=64 * len(chosen)).reshape(-1, 64).astype(np.float64)
    counted = np.maximum(histogram.sum(axis=1, keepdims=True), 1)
    colour: Singles = pixels.astype(np.float32) / np.float32(255)
    share: Singles = free[..., None].astype(np.float32)
    mean = (colour * share).sum(axis=(1, 2)) / counted.astype(np.float32)
    inside, weight = _cells(colour * share), _cells(share)
    cells = np.where(weight > 0, inside / np.maximum(weight, 1), mean[:, None, None])
    outer = np.ones((_CELLS, _CELLS), dtype=bool)
    outer[1:-1, 1:-1] = False
    # The root spreads the histogram's small shares, where most of its differences lie.
    border = np.hstack([np.sqrt(histogram / counted), cells[:, outer].reshape(len(chosen), -1), mean])
    thumbnail = _cells(colour).reshape(len(chosen), -1) / ((_HEIGHT // _CELLS) * (_WIDTH // _CELLS))
    return border.astype(np.float64), thumbnail.astype(np.float64), free.sum(axis=(1, 2)) / frame_pixels


def _cells(pixels: Singles) -> Singles:
    """Sums over 8 × 8 cells: n×48×64×C to n×8×8×C."""
    split = pixels.reshape(len(pixels), _CELLS, _HEIGHT // _CELLS, _CELLS, _WIDTH // _CELLS, -1)
    return np.asarray(split.sum(axis=(2, 4)), dtype=np.float32)
