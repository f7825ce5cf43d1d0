"""What answers photographs for the pages and the API: decoding off the event loop, several requests in one run of the
network, bounded in number, time and memory. Nothing is written to a disk, and nothing is kept.
"""

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np

from cutis.audit import photograph_quality
from cutis.clinic import Answer, Patient, Photograph, answers
from cutis.clinic import photograph as decoded_photograph
from cutis.data import fit_image
from cutis.errors import ImageError
from cutis.models import OnnxBundle
from cutis.taxonomy import RiskRule
from cutis.web.clinic.heatmap import Heatmap, HeatmapProcess
from cutis.web.refusals import Refusal

if TYPE_CHECKING:  # the log names the request, whose figures name the engine
    from cutis.web.clinic.audit_log import AuditLog
    from cutis.web.clinic.similar import SimilarCase, SimilarCases  # imported only where cases are to be shown

_T = TypeVar("_T")

_DECODERS = 2
_GATHER_SECONDS = 0.002
_MOST_IN_A_RUN = 8


@dataclass(frozen=True)
class Limits:
    """What one server takes.

    Attributes:
        file_bytes: of one photograph's file.
        files: photographs in a request.
        body_bytes: of a request.
        held_bytes: of all requests that are being read or answered at the same time.
        pixels: height times width of a photograph, checked before decoding.
        whole_bytes: of decoded photographs that pages hold whole at the same time, about.
        body_seconds: how long a request may take to arrive.
        seconds: for an answer, from then on; a heatmap has ``heatmap_seconds``.
        heatmap_seconds: for a heatmap; the first one starts torch.
        waiting: photographs that are decoded, wait or are answered at the same time.
        heatmaps_waiting: the same of heatmaps, of which one is made at a time.
    """

    file_bytes: int = 20_000_000
    files: int = 16
    body_bytes: int = 64_000_000
    held_bytes: int = 512_000_000
    pixels: int = 50_000_000
    whole_bytes: int = 600_000_000
    body_seconds: float = 60.0
    seconds: float = 30.0
    heatmap_seconds: float = 60.0
    waiting: int = 128
    heatmaps_waiting: int = 4


@dataclass(frozen=True)
class Sent:
    """A photograph's file as it was sent, with what is known of the patient."""

    content: bytes
    name: str
    patient: Patient = field(default_factory=Patient)


@dataclass(frozen=True)
class BadPhotograph:
    """A file among those sent that is no photograph: its place, its name, and what is wrong."""

    place: int
    name: str
    problem: str


class BadPhotographs(Exception):  # noqa: N818 - an answer to the sender, not a fault
    """Files that cannot be answered, all of a request named together."""

    def __init__(self, bad: Sequence[BadPhotograph]) -> None:
        super().__init__("; ".join(f"{each.name}: {each.problem}" for each in bad))
        self.bad = tuple(bad)


@dataclass(eq=False)
class _Asked:
    photograph: Photograph
    patient: Patient
    found: "asyncio.Future[Answer]"


class Engine:
    """Answers photographs with one bundle. One a process; all its coroutines run in one event loop at a time.

    Args:
        bundle: the model.
        rule: costs and grades of risk.
        limits: what is taken.
        folder: where the bundle lies, from which heatmaps load it in torch; None: it is the one that comes with cutis.
        audit: where each answer is noted; None: nowhere.
        cases: of known diagnosis, to be shown beside an answer; None: none are.

    Attributes:
        ready: whether it is warm and not closed.
        waiting: photographs that are decoded, wait or are answered now.
        answered: photographs answered since the start.
        runs: runs of the network since the start; each answered one or several of them.
    """

    def __init__(
        self,
        bundle: OnnxBundle,
        *,
        rule: RiskRule,
        limits: Limits | None = None,
        folder: Path | None = None,
        audit: "AuditLog | None" = None,
        cases: "SimilarCases | None" = None,
    ) -> None:
        self.bundle = bundle
        self.rule = rule
        self.limits = limits or Limits()
        self.cases = cases
        self.ready = False
        self.waiting = 0
        self.answered = 0
        self.runs = 0
        self._audit = audit
        self._queue: deque[_Asked] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._whole_bytes = 0
        self._counting = threading.RLock()
        self._decoders, self._network = _threads()
        self._heatmaps = HeatmapProcess(bundle, folder, self.limits.heatmap_seconds, self.limits.heatmaps_waiting)
        cv2.setNumThreads(1)  # the network has the cores; two decoders are enough beside it

    async def warm(self) -> None:
        """Answer a grey picture, so that nobody waits for what is only done the first time."""
        height, width = self.bundle.image.decoded
        grey = Photograph("grey", np.full((height, width, 3), 128, dtype=np.uint8), "")
        await asyncio.get_running_loop().run_in_executor(self._network, self._answered, [(grey, Patient())])
        self.ready = True

    async def photograph(self, content: bytes, name: str) -> Photograph:
        """Decode what was sent, off the event loop.

        Raises:
            ImageError: it is no photograph, damaged or too large.
            Refusal: 503, too many wait; 504, it took too long.
        """

        def whole() -> Photograph:
            if self._whole_bytes > self.limits.whole_bytes:
                raise Refusal(503, "server-busy", back="/")
            found = decoded_photograph(content, name, most_pixels=self.limits.pixels)
            self._hold(found.pixels.nbytes)
            weakref.finalize(found.pixels, self._hold, -found.pixels.nbytes)
            return found

        with self._taken(1):
            return await self._timed(self._decoded(whole))

    async def photograph_of(self, sent: Sent) -> Photograph:
        """As :meth:`photograph`.

        Raises:
            BadPhotographs: it is no photograph.
            Refusal: 503, too many wait; 504, it took too long.
        """
        try:
            return await self.photograph(sent.content, sent.name)
        except ImageError as error:
            raise BadPhotographs([BadPhotograph(0, sent.name, _words(error))]) from error

    async def answer(self, photograph: Photograph, patient: Patient, *, quality: bool = True) -> Answer:
        """What the model says of one photograph; requests of the same moment share a run of the network.

        Args:
            photograph: decoded.
            patient: what is known of the patient.
            quality: whether to measure the photograph's quality too, which takes longer than the network.

        Raises:
            Refusal: 503, too many wait; 504, it took too long.
        """
        with self._taken(1):
            found = await self._timed(self._answer(lambda: photograph, patient, quality=quality))
        self._note("predict", 1)
        return found

    async def answers(self, sent: Sequence[Sent], *, quality: bool = False) -> list[Answer]:
        """What the model says of N files: all are decoded and answered, or none.

        No more than two whole photographs are in memory at a time, however many are sent.

        Raises:
            BadPhotographs: files that are no photographs, named together.
            Refusal: 503, too many wait; 504, it took too long.
        """
        with self._taken(len(sent)):
            jobs = [self._answer_sent(each, quality=quality) for each in sent]
            found = await self._timed(_together(jobs))
        bad = [
            BadPhotograph(place, sent[place].name, _words(each))
            for place, each in enumerate(found)
            if isinstance(each, ImageError)
        ]
        if bad:
            raise BadPhotographs(bad)
        self._note("predict", len(sent))
        return [each for each in found if isinstance(each, Answer)]

    async def heatmap(self, photograph: Photograph, patient: Patient, node: str | None = None) -> Heatmap:
        """Where the network looked, by Grad-CAM, in torch and in a process of its own, one at a time.

        Args:
            photograph: decoded.
            patient: what is known of the patient.
            node: a class or a node of the tree; None: the most probable class.

        Raises:
            TaxonomyError: nothing that can be explained is called so.
            Refusal: 503, too many wait; 504, it took too long.
        """
        found = await self._heatmaps.heatmap(photograph, patient, node)
        self._note("explain", 1)
        return found

    async def similar(self, photograph: Photograph) -> "list[SimilarCase]":
        """The cases that the network sees as nearest.

        Raises:
            Refusal: 404, the server has no cases; 503, too many wait; 504, it took too long.
        """
        if self.cases is None:
            raise Refusal(404, "no-page", back="/")
        with self._taken(1):
            run = asyncio.get_running_loop().run_in_executor(self._network, self.cases.nearest, photograph)
            found = await self._timed(_awaited(run))
        self._note("similar", 1)
        return found

    async def close(self) -> None:
        """Finish what runs, then stop all threads and processes."""
        self.ready = False
        if self._runner is not None and not self._runner.done():
            await self._runner
        await asyncio.to_thread(self._heatmaps.close)
        self._decoders.shutdown()
        self._network.shutdown()
        self._decoders, self._network = _threads()  # an app may be started again; none of them runs until it is used

    async def _answer_sent(self, sent: Sent, *, quality: bool) -> Answer | ImageError:
        def decoded() -> Photograph:
            return decoded_photograph(sent.content, sent.name, most_pixels=self.limits.pixels)

        try:
            return await self._answer(decoded, sent.patient, quality=quality)
        except ImageError as error:
            return error

    async def _answer(self, whole: Callable[[], Photograph], patient: Patient, *, quality: bool) -> Answer:
        height, width = self.bundle.image.decoded

        def prepared() -> tuple[Photograph, tuple[str, ...], tuple[str, ...]]:
            seen = whole()
            judged = photograph_quality(seen.pixels) if quality else None
            # What waits is as small as the network sees it.
            fitted = fit_image(seen.pixels, height, width, self.bundle.image.aspect)
            small = Photograph(seen.name, fitted.copy() if fitted.base is not None else fitted, seen.key)
            return small, judged.reasons if judged else (), judged.notes if judged else ()

        small, unfit, notes = await self._decoded(prepared)
        asked = _Asked(small, patient, asyncio.get_running_loop().create_future())
        self._queue.append(asked)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        found = await asked.found
        return found.model_copy(update={"unfit": unfit, "notes": notes}) if quality else found

    async def _run(self) -> None:
        """Answer what waits, some at a time, until nothing does."""
        await asyncio.sleep(_GATHER_SECONDS)
        loop = asyncio.get_running_loop()
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(_MOST_IN_A_RUN, len(self._queue)))]
            batch = [each for each in batch if not each.found.done()]  # whose sender has given up
            if not batch:
                continue
            try:
                found = await loop.run_in_executor(
                    self._network, self._answered, [(each.photograph, each.patient) for each in batch]
                )
            except Exception as error:  # noqa: BLE001 - it is each sender's to be told of
                for each in batch:
                    if not each.found.done():
                        each.found.set_exception(error)
                continue
            self.runs += 1
            self.answered += len(batch)
            for each, answer in zip(batch, found, strict=True):
                if not each.found.done():
                    each.found.set_result(answer)

    def _answered(self, batch: Sequence[tuple[Photograph, Patient]]) -> list[Answer]:
        photographs, patients = [each for each, _ in batch], [each for _, each in batch]
        return answers(self.bundle, photographs, patients, rule=self.rule, quality=False)

    def _note(self, what: str, images: int) -> None:
        if self._audit is not None:
            self._audit.write(what, images)

    def _hold(self, size: int) -> None:
        with self._counting:
            self._whole_bytes += size

    async def _decoded(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    async def _timed(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await work
        except TimeoutError as error:
            raise Refusal(504, "took-too-long", back="/") from error

    @contextmanager
    def _taken(self, photographs: int) -> Iterator[None]:
        """Count photographs in; refuse them where too many wait."""
        if self.waiting + photographs > self.limits.waiting:
            raise Refusal(503, "server-busy", back="/")
        self.waiting += photographs
        try:
            yield
        finally:
            self.waiting -= photographs


def _threads() -> tuple[ThreadPoolExecutor, ThreadPoolExecutor]:
    return ThreadPoolExecutor(_DECODERS, "cutis-decode"), ThreadPoolExecutor(1, "cutis-network")


async def _awaited(work: Awaitable[_T]) -> _T:
    return await work


async def _together(jobs: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All at once; where one fails, or time is up, none goes on."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in jobs]
    return [each.result() for each in tasks]


def _words(error: ImageError) -> str:
    return f"{error.problem.rstrip('.')}. {error.fix}"
