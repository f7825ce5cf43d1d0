"""Small pictures of a library's photographs: pixels and nothing else."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cutis.data import read_image
from cutis.errors import ImageError
from cutis.files import replacing

SIDE = 320
"""Pixels of the longer side: enough for a column of a grid on a screen with two pixels a point."""


class Thumbnails:
    """Thumbnails, made once and kept in a folder.

    Args:
        folder: made when the first is. A photograph that changes gets a new one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def jpeg(self, path: Path) -> bytes:
        """The thumbnail of a photograph: upright, without what the file says of place, time and camera.

        Raises:
            ImageError: the photograph is missing or damaged.
        """
        try:
            told = path.stat()
        except OSError:
            read_image(path)  # which says what is wrong with it
            raise
        name = hashlib.sha256(f"{path}\n{told.st_mtime_ns}\n{told.st_size}".encode(errors="surrogatepass")).hexdigest()
        kept = self._folder / name[:2] / f"{name[2:32]}.jpg"
        try:
            return kept.read_bytes()
        except FileNotFoundError:
            made = thumbnail_jpeg(path)
        with replacing(kept) as temporary:
            temporary.write_bytes(made)
        return made


def thumbnail_jpeg(path: Path) -> bytes:
    """A photograph, upright and small, as JPEG without what its file says of place, time and camera.

    Raises:
        ImageError: it is missing or damaged.
    """
    picture = _small_jpeg(path) or Image.fromarray(read_image(path))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    # From the pixels: a picture carries what its file said along.
    Image.fromarray(np.asarray(picture)).save(out, "JPEG", quality=85)
    return out.getvalue()


def _small_jpeg(path: Path) -> Image.Image | None:
    """A JPEG, decoded at a fraction of its size, which is many times faster; None for other files."""
    try:
        with Image.open(path) as image:
            if image.format not in ("JPEG", "MPO"):
                return None
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError("is truncated or damaged", where=str(path), fix="Replace the file.") from error
