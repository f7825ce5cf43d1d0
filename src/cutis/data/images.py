"""Image files: reading them strictly, fitting them to a size, and finding the bad ones before any work starts."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image, ImageOps, UnidentifiedImageError

from cutis.errors import ImageError

Pixels = npt.NDArray[np.uint8]
Aspect = Literal["stretch", "crop", "pad"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

_FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),  # what many phones write as .jpg
    "PNG": (".png",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}


SENT_FORMATS = ("JPEG", "PNG", "WEBP")
"""What is decoded of a file that came over the network; with JPEG goes MPO, which many phones write as .jpg."""


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be trusted: its id, its file and the reason."""

    image_id: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.image_id} ({self.path}): {self.reason}"


def read_image(path: str | Path) -> Pixels:
    """Decode an image file whole, upright (EXIF orientation applied), as RGB.

    Returns:
        uint8 array, height × width × 3.

    Raises:
        ImageError: the file is missing, empty, truncated, not an image, or absurdly large (over 179 megapixels).
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _decoded(file, str(path), None, None)
    except FileNotFoundError as error:
        raise ImageError("does not exist", where=str(path), fix="Check the path.") from error
    except IsADirectoryError as error:
        raise ImageError("is a folder, not an image", where=str(path), fix="Name a file.") from error
    except OSError as error:
        raise ImageError(
            f"cannot be read ({error.strerror or error})", where=str(path), fix="Check the file."
        ) from error


def read_photograph(content: bytes, where: str, *, most_pixels: int) -> Pixels:
    """Decode what somebody sent, as :func:`read_image` does a file; its type is told from the content, not the name.

    Args:
        content: a JPEG, PNG or WebP file, one picture; nothing else is tried, as every decoder is a door.
        where: what the file is called in an error.
        most_pixels: height times width that are decoded at most; checked before decoding.

    Returns:
        uint8 array, height × width × 3, upright, without anything else the file held.

    Raises:
        ImageError: empty, truncated, another type, or too large.
    """
    return _decoded(io.BytesIO(content), where, SENT_FORMATS, most_pixels)


def _decoded(file: IO[bytes], where: str, formats: tuple[str, ...] | None, most_pixels: int | None) -> Pixels:
    if not file.read(1):
        raise ImageError("is empty", where=where, fix="Replace the file.")
    file.seek(0)
    try:
        with Image.open(file, formats=formats) as image:
            if most_pixels is not None and image.width * image.height > most_pixels:
                raise ImageError(
                    f"has {image.width:,} × {image.height:,} pixels; at most {most_pixels:,} are read",
                    where=where,
                    fix="Scale it down.",
                )
            image.load()
            upright = ImageOps.exif_transpose(image)
            return np.asarray(_rgb(upright))
    except UnidentifiedImageError as error:
        what = "is not an image" if formats is None else "is no JPEG, PNG or WebP photograph"
        raise ImageError(what, where=where, fix="Replace the file.") from error
    except Image.DecompressionBombError as error:
        raise ImageError("has too many pixels to be a photograph", where=where, fix="Scale it down.") from error
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow tells a truncated or damaged file by any of these.
        reason = str(error) or type(error).__name__
        raise ImageError(f"is truncated or damaged ({reason})", where=where, fix="Replace the file.") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # A transparent pixel has no colour of its own: show it on white, as a viewer would.
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    if image.mode.startswith("I;16") or image.mode == "I":
        return Image.fromarray((np.asarray(image, dtype=np.float64) / 257).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def fit_image(image: Pixels, height: int, width: int, aspect: Aspect = "stretch") -> Pixels:
    """Scale an image to exactly ``height`` × ``width``.

    A portrait photograph is first turned by a quarter for a landscape target, and the reverse: a lesion has no upright
    position, and turning loses nothing where stretching distorts and cropping cuts.

    Args:
        image: uint8, any height × width × 3.
        height: of the result, in pixels.
        width: of the result, in pixels.
        aspect: how a remaining difference of shape is met: ``"stretch"`` scales each axis by itself, ``"crop"`` cuts
            the longer sides equally, ``"pad"`` adds mirrored margins.
    """
    if (image.shape[0] - image.shape[1]) * (height - width) < 0:
        image = np.rot90(image)
    if aspect == "crop":
        image = _cropped(image, height / width)
    elif aspect == "pad":
        image = _padded(image, height / width)
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    shrinking = image.shape[0] * image.shape[1] > height * width
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method), dtype=np.uint8)


def network_input(image: Pixels, height: int, width: int) -> Pixels:
    """A decoded image at a network's size, bilinearly, as augmentation interpolates: uint8, height × width × 3."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _cropped(image: Pixels, ratio: float) -> Pixels:
    rows, columns = image.shape[:2]
    keep_rows, keep_columns = min(rows, round(columns * ratio)), min(columns, round(rows / ratio))
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    return image[top : top + max(1, keep_rows), left : left + max(1, keep_columns)]


def _padded(image: Pixels, ratio: float) -> Pixels:
    rows, columns = image.shape[:2]
    more_rows, more_columns = max(0, round(columns * ratio) - rows), max(0, round(rows / ratio) - columns)
    margins = (
        more_rows // 2,
        more_rows - more_rows // 2,
        more_columns // 2,
        more_columns - more_columns // 2,
    )
    return np.asarray(cv2.copyMakeBorder(np.ascontiguousarray(image), *margins, cv2.BORDER_REFLECT), dtype=np.uint8)


def check_images(manifest: pl.DataFrame, progress: Callable[[int], None] | None = None) -> list[BadImage]:
    """Decode every image of a manifest and name each that is unreadable or is not what its file name says.

    Rows without ``image_path`` (labels only) are passed over.

    Args:
        manifest: a manifest with whole paths, as :func:`cutis.data.read_manifest` returns it.
        progress: called with the number of images just finished.
    """
    rows = manifest.filter(pl.col("image_path").is_not_null()).select("image_id", "image_path").rows()

    def check(row: tuple[str, str]) -> BadImage | None:
        image_id, path = row
        bad = None
        try:
            read_image(path)
            reason = _misnamed(path)
            if reason:
                bad = BadImage(image_id, path, reason)
        except ImageError as error:
            bad = BadImage(image_id, path, error.problem)
        if progress:
            progress(1)
        return bad

    with ThreadPoolExecutor() as pool:
        return [bad for bad in pool.map(check, rows) if bad]


def _misnamed(path: str) -> str | None:
    with Image.open(path) as image:
        found = image.format or "unknown"
    suffix = Path(path).suffix.lower()
    if found in _FORMATS and suffix not in _FORMATS[found]:
        return f"is named {suffix} but holds {found}"
    return None


def image_paths(manifest: pl.DataFrame) -> Sequence[str]:
    """The paths of a manifest whose every row must have an image.

    Raises:
        ImageError: rows without an image, with their number and the first ids.
    """
    missing = manifest.filter(pl.col("image_path").is_null())["image_id"].to_list()
    if missing:
        raise ImageError(
            f"{len(missing):,} of {len(manifest):,} rows have no image file, the first is '{missing[0]}'",
            fix="Import the data set with its images, or leave these rows out.",
        )
    return manifest["image_path"].to_list()
