"""Photographs as a reader gets them: pixels and nothing else."""

import io
import threading
from collections import OrderedDict
from pathlib import Path

from cutis.study import case_picture

KEPT_BYTES = 128 * 1024 * 1024
"""How much is kept in memory; what was not asked for longest goes first."""


class Pictures:
    """Photographs, made anew as JPEG; to be shared by all threads of a process.

    Whatever a data set's file was, a reader gets the same kind: what :func:`cutis.study.case_picture` makes of it,
    without a name, a date, a camera, an embedded preview or the hash by which the file could be looked up.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def jpeg(self, path: Path) -> bytes:
        """The photograph in a file.

        Raises:
            ImageError: it is missing or damaged.
        """
        try:
            told = path.stat()
            key = (str(path), told.st_mtime_ns, told.st_size)
        except OSError:
            return reader_jpeg(path)  # which says what is wrong with it
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = reader_jpeg(path)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += len(made)
            while self._size > KEPT_BYTES:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made


def reader_jpeg(path: Path) -> bytes:
    """One photograph, made anew; see :class:`Pictures`.

    Raises:
        ImageError: it is missing or damaged.
    """
    out = io.BytesIO()
    # Little is lost: each colour at full resolution, quality 95.
    case_picture(path).save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()
