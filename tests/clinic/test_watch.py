"""A watched folder: what is dropped in, half written, broken, doubled; and a watcher that is killed at any moment."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cutis.clinic.watch import watch_folder
from cutis.clinic.watch_journal import NAME, Journal, Stamp
from cutis.data import content_key
from cutis.errors import CutisError, ImageError


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def outbox(tmp_path):
    return tmp_path / "out"


def results(content, name):
    if content.startswith(b"bad"):
        raise ImageError("is truncated", where=name, fix="Replace the file.")
    return {".json": json.dumps({"length": len(content)}).encode()}


def watched(inbox, outbox, answer=results, **options):
    return watch_folder(inbox, outbox, answer, every=0.01, settled_after=0, once=True, **options)


def files(folder):
    """Every file below, but the watcher's own."""
    found = (each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    return sorted(each for each in found if not each.startswith(".cutis"))


def key8(content):
    return content_key(content)[:8]


def test_a_photograph_is_answered_and_put_away(inbox, outbox):
    (inbox / "ward").mkdir()
    (inbox / "a.jpg").write_bytes(b"one")
    (inbox / "ward" / "a.jpg").write_bytes(b"three")
    assert watched(inbox, outbox) == (2, 0)
    assert files(inbox) == [f"done/a.{key8(b'one')}.jpg", f"done/ward/a.{key8(b'three')}.jpg"]
    assert files(outbox) == [f"a.{key8(b'one')}.json", f"ward/a.{key8(b'three')}.json"]
    assert json.loads((outbox / files(outbox)[1]).read_text()) == {"length": 5}
    assert watched(inbox, outbox) == (0, 0)


def test_a_bad_file_goes_to_failed_with_a_line_why(inbox, outbox):
    (inbox / "a.jpg").write_bytes(b"bad")
    (inbox / "b.jpg").write_bytes(b"good")
    assert watched(inbox, outbox) == (1, 1)
    failed = f"failed/a.{key8(b'bad')}.jpg"
    assert files(inbox) == [f"done/b.{key8(b'good')}.jpg", failed, f"{failed}.txt"]
    assert (inbox / f"{failed}.txt").read_text() == "a.jpg: is truncated. Replace the file.\n"


def test_two_of_one_name_do_not_meet(inbox, outbox):
    for content in (b"one", b"two"):
        (inbox / "IMG_0001.jpg").write_bytes(content)
        assert watched(inbox, outbox) == (1, 0)
    assert len(files(inbox)) == len(files(outbox)) == 2


def test_what_is_no_photograph_yet_is_passed_over(inbox, outbox):
    for name in (".hidden", "a.jpg.part", "b.tmp", "c.crdownload", "d.jpg~"):
        (inbox / name).write_bytes(b"half")
    (inbox / "link.jpg").symlink_to(outbox)
    assert watched(inbox, outbox) == (0, 0)
    assert not outbox.exists()


def test_a_file_that_grows_is_waited_for(inbox, outbox):
    path, stop = inbox / "slow.jpg", threading.Event()

    def write():
        for _ in range(8):
            with path.open("ab") as file:
                file.write(b"x" * 10)
            time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    found = watch_folder(
        inbox, outbox, results, every=0.02, settled_after=0.3, once=False, stop=ends_when(stop, outbox)
    )
    writer.join()
    assert found == (1, 0)
    assert json.loads((outbox / files(outbox)[0]).read_text()) == {"length": 80}


def ends_when(stop, outbox, count=1):
    def wait():
        for _ in range(500):
            if outbox.exists() and len(files(outbox)) >= count:
                break
            time.sleep(0.02)
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    return stop


def test_one_overwritten_while_it_is_answered_is_answered_again(inbox, outbox):
    path = inbox / "a.jpg"
    path.write_bytes(b"one")

    def overwriting(content, name):
        if content == b"one":
            path.write_bytes(b"another")
        return results(content, name)

    assert watched(inbox, outbox, overwriting) == (2, 0)
    assert files(inbox) == [f"done/a.{key8(b'another')}.jpg"]
    assert files(outbox) == sorted([f"a.{key8(b'one')}.json", f"a.{key8(b'another')}.json"])


def test_left_in_place_it_is_answered_once(inbox, outbox):
    (inbox / "a.jpg").write_bytes(b"one")
    assert watched(inbox, outbox, leave=True) == (1, 0)
    assert watched(inbox, outbox, leave=True) == (0, 0)
    os.utime(inbox / "a.jpg", (1, 1))  # touched: read again, and known by its content
    assert watched(inbox, outbox, leave=True) == (0, 0)
    (inbox / "a.jpg").write_bytes(b"two")
    assert watched(inbox, outbox, leave=True) == (1, 0)
    assert files(inbox) == ["a.jpg"]


def test_the_log_and_the_journal_name_nobody(inbox, outbox):
    lines = []
    (inbox / "Jane Doe.jpg").write_bytes(b"one")
    (inbox / "John Roe.jpg").write_bytes(b"bad")
    watched(inbox, outbox, log=lines.append)
    assert len(lines) == 2
    told = " ".join(lines) + (inbox / NAME).read_text()
    assert not any(each in told for each in ("Jane", "Doe", "John", "Roe"))
    assert all(key8(each) in " ".join(lines) for each in (b"one", b"bad"))


def test_two_watchers_on_one_folder_are_refused(inbox, outbox):
    stop, inside = threading.Event(), threading.Event()

    def slow(content, name):
        inside.set()
        stop.wait(10)
        return results(content, name)

    (inbox / "a.jpg").write_bytes(b"one")
    first = threading.Thread(target=lambda: watched(inbox, outbox, slow))
    first.start()
    assert inside.wait(10)
    with pytest.raises(CutisError, match=r"is watched already\. End the other"):
        watched(inbox, outbox)
    stop.set()
    first.join()
    assert files(inbox) == [f"done/a.{key8(b'one')}.jpg"]


def test_folders_that_do_not_fit_are_told(inbox):
    with pytest.raises(CutisError, match="is not a folder"):
        watched(inbox / "none", inbox.parent)
    with pytest.raises(CutisError, match="lies in the watched folder"):
        watched(inbox, inbox / "results")
    (inbox / NAME).write_text("no journal\nat all\n")
    with pytest.raises(CutisError, match="is no journal"):
        watched(inbox, inbox.parent / "out")


def test_when_results_cannot_be_written_nothing_is_lost_and_it_is_tried_again(inbox, outbox):
    outbox.write_bytes(b"a file where the folder should be")
    (inbox / "a.jpg").write_bytes(b"one")
    lines, stop = [], threading.Event()

    def log(line):
        lines.append(line)
        if len(lines) == 2:
            outbox.unlink()

    thread = threading.Thread(
        target=lambda: watch_folder(inbox, outbox, results, every=0.01, settled_after=0, stop=stop, log=log)
    )
    thread.start()
    ends_when(stop, outbox)
    thread.join()
    assert [each.partition(" (")[0] for each in lines[:2]] == ["a folder cannot be used"] * 2
    assert files(outbox) == [f"a.{key8(b'one')}.json"]


def test_a_photograph_that_brings_the_program_down_is_put_aside(inbox, outbox):
    (inbox / "crash.jpg").write_bytes(b"crash")

    def crashing(_content, _name):
        raise RuntimeError("a bug")

    for _ in range(3):
        with pytest.raises(RuntimeError):
            watched(inbox, outbox, crashing)
        assert files(inbox) == ["crash.jpg"]
    assert watched(inbox, outbox, crashing) == (0, 1)
    (why,) = (inbox / "failed").glob("*.txt")
    assert "the program ended 3 times while it was at it" in why.read_text()
    (inbox / "failed" / f"crash.{key8(b'crash')}.jpg").rename(inbox / "crash.jpg")
    assert watched(inbox, outbox) == (1, 0)  # dropped in again it is tried afresh


def test_a_journal_cut_off_in_its_last_line_is_read(inbox):
    stamp = Stamp(3, 7, 9)
    Journal(inbox).answer("a.jpg", "k", stamp)
    with (inbox / NAME).open("a") as file:
        file.write('{"file": "cut o')
    again = Journal(inbox)
    assert again.answered("a.jpg", "k")
    assert again.unchanged("a.jpg", stamp)
    assert not again.unchanged("a.jpg", Stamp(3, 8, 9))
    again.end("a.jpg", "k")
    assert not Journal(inbox).answered("a.jpg", "k")


WATCHER = """
import json, sys, time
from pathlib import Path
from cutis.clinic.watch import watch_folder

def results(content, name):
    time.sleep(0.01)
    return {".a.json": json.dumps({"length": len(content)}).encode(), ".b.json": content * 2000}

watch_folder(Path(sys.argv[1]), Path(sys.argv[2]), results, every=0.01, settled_after=0, once=True)
print("ended")
"""


def test_killed_at_any_moment_it_loses_and_doubles_nothing(inbox, outbox):
    """A real process is killed without warning again and again; what stands where must hold after each kill."""
    sent = {f"{number:03d}.jpg": f"photograph {number}".encode() for number in range(60)}
    for name, content in sent.items():
        (inbox / name).write_bytes(content)
    kills = 0
    for delay in (0.30, 0.45, 0.62, 0.33, 0.51, 0.40, 0.75, 0.36):
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHER, str(inbox), str(outbox)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            process.communicate(timeout=delay)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        standing = sorted(Path(each).read_bytes() for each in inbox.rglob("*.jpg"))
        assert standing == sorted(sent.values())  # each once, whole
        for each in outbox.rglob("[0-9]*.a.json"):
            assert json.loads(each.read_text())["length"] in (12, 13)
    last = subprocess.run(
        [sys.executable, "-c", WATCHER, str(inbox), str(outbox)], capture_output=True, text=True, check=True, timeout=60
    )
    assert last.stdout == "ended\n"
    assert kills > 0
    assert files(inbox) == sorted(f"done/{name[:-4]}.{key8(content)}.jpg" for name, content in sent.items())
    whole = [each for each in files(outbox) if not each.startswith(".")]
    assert whole == sorted(
        f"{name[:-4]}.{key8(content)}.{part}.json" for name, content in sent.items() for part in "ab"
    )
