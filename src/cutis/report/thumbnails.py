"""Small pictures that stand inside a page."""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from PIL import Image

from cutis.data import read_image
from cutis.errors import ImageError


class Thumbnail(NamedTuple):
    """A picture as a ``data:`` address, or None with the reason why there is none (empty if there is)."""

    address: str | None
    missing: str


def thumbnail(path: str | None, side: int, *, quality: int = 82) -> Thumbnail:
    """An image file as a JPEG whose longest side has at most ``side`` pixels; ``quality`` is Pillow's, 1 to 95."""
    if path is None:
        return Thumbnail(None, "The manifest names no image file.")
    try:
        image = Image.fromarray(read_image(path))
    except ImageError as error:
        return Thumbnail(None, f"The image file {error.problem}.")
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return Thumbnail("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"), "")


def thumbnails(paths: Sequence[str | None], side: int, *, quality: int = 82) -> dict[str | None, Thumbnail]:
    """The thumbnail of each path, every file read once."""
    files = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as pool:
        made = pool.map(lambda each: thumbnail(each, side, quality=quality), files)
        return dict(zip(files, made, strict=True))
