"""What a watched folder's watcher has begun and done, so that one that was killed goes on where it was.

A file of lines, appended and forced to the disk. It holds hashes only: names of files may name patients.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from cutis.errors import CutisError
from cutis.files import write_text

NAME = ".cutis-watch.jsonl"


class Stamp(NamedTuple):
    """What tells that a file has not changed: size, time of change in nanoseconds, and inode."""

    size: int
    changed: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """From what ``stat`` gives."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


class Journal:
    """``begun``, ``answered`` or ``over`` for each file; a file is its place in the folder and its content.

    Args:
        folder: the watched folder.

    Raises:
        CutisError: a journal of another program stands there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._begun: dict[str, int] = {}
        self._answered: dict[str, str] = {}  # file → stamp
        self._stamps: set[str] = set()
        if self._path.exists():
            self._read()
        self._write_anew()

    def answered(self, place: str, key: str) -> bool:
        """Whether its results are written."""
        return _file(place, key) in self._answered

    def unchanged(self, place: str, stamp: Stamp) -> bool:
        """Whether a file that was answered has since kept its stamp, so that it need not be read again."""
        return _stamp(place, stamp) in self._stamps

    def begin(self, place: str, key: str) -> int:
        """Note that it is begun; how often it was begun before without an end."""
        file = _file(place, key)
        before = self._begun.get(file, 0)
        self._begun[file] = before + 1
        self._append({"file": file, "state": "begun"})
        return before

    def answer(self, place: str, key: str, stamp: Stamp) -> None:
        """Note that its results are written."""
        file, mark = _file(place, key), _stamp(place, stamp)
        self._note(file, "answered", mark)
        self._append({"file": file, "state": "answered", "stamp": mark})

    def end(self, place: str, key: str) -> None:
        """Note that it is out of the folder, or to be tried afresh."""
        self._note(_file(place, key), "over", "")
        self._append({"file": _file(place, key), "state": "over"})

    def _note(self, file: str, state: str, mark: str) -> None:
        self._begun.pop(file, None)
        self._stamps.discard(self._answered.pop(file, ""))
        if state == "answered":
            self._answered[file] = mark
            self._stamps.add(mark)

    def _read(self) -> None:
        lines = self._path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
                file, state = entry["file"], entry["state"]
            except (ValueError, TypeError, KeyError) as error:
                if number == len(lines):  # the line that was being written when it was killed
                    return
                raise CutisError(
                    "is no journal of `cutis watch`", where=f"{self._path}, line {number}", fix="Remove it."
                ) from error
            if state == "begun":
                self._begun[file] = self._begun.get(file, 0) + 1
            else:
                self._note(file, state, entry.get("stamp", ""))

    def _write_anew(self) -> None:
        lines = [{"file": file, "state": "answered", "stamp": mark} for file, mark in self._answered.items()]
        lines += [{"file": file, "state": "begun"} for file, times in self._begun.items() for _ in range(times)]
        write_text(self._path, "".join(f"{json.dumps(each)}\n" for each in lines))

    def _append(self, entry: dict[str, str]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(entry)}\n")
            file.flush()
            os.fsync(file.fileno())


def _file(place: str, key: str) -> str:
    return _hash(place, key)


def _stamp(place: str, stamp: Stamp) -> str:
    return _hash(place, *(str(each) for each in stamp[:2]))  # not the inode: a share may give another after a restart


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode(errors="surrogateescape"), digest_size=16).hexdigest()
