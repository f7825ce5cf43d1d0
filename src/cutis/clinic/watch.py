"""A watched folder: a photograph dropped in is answered, its results written elsewhere, and it is put away.

The folder is looked through at intervals rather than watched by the system's notifications: these do not exist on
network shares (SMB, NFS), and a file must be seen unchanged for a while anyway before it can be known to be whole.

What holds whenever the watcher is killed: a photograph stands in the folder, in ``done`` or in ``failed``, never in
none of them and never half; its results are whole or not there; and when it is answered again they have the same names
and UIDs, so they are not doubled. One that brings the program down three times is put into ``failed``.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from cutis.clinic.watch_journal import Journal, Stamp
from cutis.data import content_key
from cutis.errors import CutisError, ImageError
from cutis.files import replacing, write_text

DONE, FAILED = "done", "failed"
MOST_BYTES = 512 * 2**20
MOST_BEGINNINGS = 3

_LOCK = ".cutis-watch.lock"
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".download", "~")
_LONGEST_WAIT = 60.0  # seconds between tries when a folder cannot be reached or written

Results = Callable[[bytes, str], Mapping[str, bytes]]
"""From a file's content and name: suffix → content of each result, in the order in which they are to be written."""


class Watched(NamedTuple):
    """How many photographs were answered, and how many could not be."""

    answered: int
    failed: int


def watch_folder(
    inbox: Path,
    outbox: Path,
    results: Results,
    *,
    every: float = 1.0,
    settled_after: float = 2.0,
    leave: bool = False,
    once: bool = False,
    stop: threading.Event | None = None,
    log: Callable[[str], None] = lambda _line: None,
) -> Watched:
    """Answer what is in a folder and what comes into it, until ``stop`` is set.

    Subfolders are read too and kept in the results. Names that begin with a dot or end as unfinished downloads do are
    passed over, as are links. Every file's names have the first eight digits of its content's hash before their suffix,
    so that two photographs of one name do not meet.

    Args:
        inbox: the folder; ``done`` and ``failed`` are made in it, the latter with a line why beside each file.
        outbox: where results go; not inside ``inbox``.
        results: answers one photograph.
        every: seconds between two looks.
        settled_after: seconds for which a file must not change before it is taken to be whole.
        leave: leave answered photographs where they are instead of moving them to ``done``; they are remembered.
        once: end when nothing is left to answer.
        stop: ends it after the photograph in hand.
        log: called with a line at a time; lines hold no name and nothing of a patient.

    Raises:
        CutisError: another watcher is at work, or the folders do not fit.
    """
    if not inbox.is_dir():
        raise CutisError("is not a folder", where=str(inbox), fix="Make it, or name another.")
    if outbox.resolve().is_relative_to(inbox.resolve()):
        raise CutisError("lies in the watched folder", where=str(outbox), fix="Name a place outside.")
    lock = FileLock(inbox / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CutisError("is watched already", where=str(inbox), fix="End the other `cutis watch` first.") from error
    except OSError as error:
        raise CutisError(
            f"cannot be written ({error.strerror or error})", where=str(inbox), fix="Give the right to write there."
        ) from error
    try:
        watcher = _Watcher(inbox, outbox, results, leave=leave, log=log)
        return watcher.run(every, settled_after, stop or threading.Event(), once=once)
    finally:
        lock.release()


class _Watcher:
    def __init__(self, inbox: Path, outbox: Path, results: Results, *, leave: bool, log: Callable[[str], None]) -> None:
        self.inbox, self.outbox, self.results, self.leave, self.log = inbox, outbox, results, leave, log
        self.journal = Journal(inbox)
        self.answered = self.failed = 0
        self.since: dict[str, tuple[Stamp, float]] = {}  # place → its stamp, and from when it has had it

    def run(self, every: float, settled_after: float, stop: threading.Event, *, once: bool) -> Watched:
        wait = every
        while not stop.is_set():
            try:
                waiting = self.look(settled_after, stop)
                wait = every
            except (OSError, CutisError) as error:
                # The share is away or the disk full: nothing is lost, so it is tried again, ever more slowly.
                reason = error.problem if isinstance(error, CutisError) else error.strerror
                wait = min(2 * wait, _LONGEST_WAIT)
                self.log(f"a folder cannot be used ({reason or 'unknown'}); tried again in {wait:.0f} s")
                waiting = True
                if once:
                    raise
            if once and not waiting:
                break
            stop.wait(wait)
        return Watched(self.answered, self.failed)

    def look(self, settled_after: float, stop: threading.Event) -> bool:
        """One look through the folder; whether something is still to be waited for."""
        found = self.places()
        now = time.monotonic()
        self.since = {
            place: self.since[place] if self.since.get(place, (None,))[0] == stamp else (stamp, now)
            for place, stamp in found.items()
        }
        waiting = False
        for place, (stamp, since) in self.since.items():
            if stop.is_set():
                return True
            if self.leave and self.journal.unchanged(place, stamp):
                continue
            if time.monotonic() - since < settled_after or not self.take(place, stamp):
                waiting = True
        return waiting

    def places(self) -> dict[str, Stamp]:
        """Every photograph in the folder by its place in it, the oldest first."""
        found: dict[str, Stamp] = {}
        for folder, folders, files in os.walk(self.inbox, onerror=_raise):
            top = Path(folder) == self.inbox
            folders[:] = [each for each in folders if each[0] != "." and not (top and each in (DONE, FAILED))]
            for name in files:
                if name[0] == "." or name.lower().endswith(_UNFINISHED):
                    continue
                path = Path(folder) / name
                with suppress(FileNotFoundError):  # taken away meanwhile
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode):
                        found[path.relative_to(self.inbox).as_posix()] = Stamp.of(status)
        return dict(sorted(found.items(), key=lambda each: each[1].changed))

    def take(self, place: str, stamp: Stamp) -> bool:
        """Answer one file and put it away; False if it changed meanwhile and has to be looked at again."""
        path = self.inbox / place
        started = time.monotonic()
        try:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
                if Stamp.of(os.fstat(file.fileno())) != stamp:
                    return False
        except FileNotFoundError:
            return True
        key = content_key(content)
        if not self.journal.answered(place, key):
            begun = self.journal.begin(place, key)
            try:
                _check(content, begun)
                self.write(place, key, self.results(content, path.name))
            except ImageError as error:
                return self.fail(place, key, stamp, error)
            except (OSError, CutisError):
                self.journal.end(place, key)
                raise
            self.journal.answer(place, key, stamp)
            self.answered += 1
            self.log(f"{key[:8]} answered in {time.monotonic() - started:.2f} s")
        if self.leave:
            if not self.journal.unchanged(place, stamp):  # touched, or copied anew: the answer holds for its content
                self.journal.answer(place, key, stamp)
            return True
        if not self.put_away(place, key, stamp, DONE):
            return False
        self.journal.end(place, key)
        return True

    def write(self, place: str, key: str, results: Mapping[str, bytes]) -> None:
        for suffix, content in results.items():
            with replacing(self.outbox / f"{_marked(place, key)}{suffix}") as temporary:
                temporary.write_bytes(content)

    def fail(self, place: str, key: str, stamp: Stamp, error: ImageError) -> bool:
        """Put a bad file into ``failed`` with a line why; False if it changed meanwhile."""
        told = CutisError(error.problem, where=Path(place).name, fix=error.fix)
        target = self.inbox / FAILED / f"{_marked(place, key)}{Path(place).suffix}"
        write_text(target.with_name(f"{target.name}.txt"), f"{told}\n")
        moved = self.put_away(place, key, stamp, FAILED)
        self.journal.end(place, key)
        if moved:
            self.failed += 1
            self.log(f"{key[:8]} failed: {error.problem}")
        return moved

    def put_away(self, place: str, key: str, stamp: Stamp, folder: str) -> bool:
        """Move a file within the folder; one that somebody overwrote meanwhile is put back, to be answered itself."""
        path = self.inbox / place
        target = self.inbox / folder / f"{_marked(place, key)}{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if Stamp.of(path.lstat()) != stamp:
                return False
            path.replace(target)
        except FileNotFoundError:
            return True
        if Stamp.of(target.lstat()) != stamp and not path.exists():
            target.replace(path)
            return False
        return True


def _check(content: bytes, begun: int) -> None:
    if len(content) > MOST_BYTES:
        raise ImageError(f"is larger than {MOST_BYTES:,} bytes", fix="Scale it down.")
    if begun >= MOST_BEGINNINGS:
        raise ImageError(
            f"the program ended {begun} times while it was at it", fix="Report it; drop it in to try again."
        )


def _marked(place: str, key: str) -> str:
    """A place without its suffix, with the first digits of the content's hash."""
    return f"{Path(place).with_suffix('').as_posix()}.{key[:8]}"


def _raise(error: OSError) -> None:
    raise error
