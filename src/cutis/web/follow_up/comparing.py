"""Two photographs of a lesion compared: aligned and measured, one pair at a time, and remembered as numbers only."""

import io
import threading
from collections import OrderedDict
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from cutis.data import Pixels
from cutis.follow_up import Alignment, LesionChange, Store, align, aligned, lesion_change, pixels_of

SHOWN_SIDE = 1600
"""Pixels of the longer side of what is shown."""

_MOST = 500


class Compared(NamedTuple):
    """What was found of a pair; ``alignment`` None where they could not be aligned."""

    alignment: Alignment | None
    change: LesionChange


class Comparisons:
    """Compares pairs of photographs. Pixels are read from the database each time and never kept here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: OrderedDict[tuple[str, str], Compared] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def of(self, earlier: str, later: str) -> Compared:
        """Align and measure a pair; about a second the first time.

        Args:
            earlier: a photograph's ``uid``.
            later: another's.

        Raises:
            AccessError: there is no such photograph.
        """
        with self._one_at_a_time:
            found = self._found.get((earlier, later))
            if found is None:
                then, now = pixels_of(self._store, earlier), pixels_of(self._store, later)
                alignment = align(then, now)
                found = Compared(alignment, lesion_change(then, now, alignment))
                self._found[earlier, later] = found
                if len(self._found) > _MOST:
                    self._found.popitem(last=False)
            else:
                self._found.move_to_end((earlier, later))
            return found

    def aligned_webp(self, earlier: str, later: str) -> bytes | None:
        """The earlier photograph as the later one would show it, transparent elsewhere; None if not aligned.

        Raises:
            AccessError: there is no such photograph.
        """
        alignment = self.of(earlier, later).alignment
        if alignment is None:
            return None
        then, now = pixels_of(self._store, earlier), pixels_of(self._store, later)
        scale = min(1.0, SHOWN_SIDE / max(now.shape[:2]))
        size = max(1, round(now.shape[0] * scale)), max(1, round(now.shape[1] * scale))
        matrix = alignment.matrix * scale
        matrix[:, 2] += (scale - 1) / 2  # pixels' middles lie at whole numbers
        return _encoded(aligned(then, matrix, size), "WEBP")


def shown_jpeg(pixels: Pixels) -> bytes:
    """A photograph as large as it is shown beside another."""
    scale = min(1.0, SHOWN_SIDE / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return _encoded(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels, "JPEG")


def _encoded(pixels: Pixels | cv2.typing.MatLike, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(out, kind, quality=92)
    return out.getvalue()
