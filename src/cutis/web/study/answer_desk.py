"""Answers that arrive in one moment are written in one transaction.

While one is on its way to the disk, those that arrive wait, and are then written together. Nobody is told that an
answer is kept before it is.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cutis.study.store import Acknowledgement, GivenAnswer, Store, answer_together

MOST_TOGETHER = 100
"""Answers a transaction: bounds how long the first of them waits for the last."""

_Waiting = tuple[GivenAnswer, asyncio.AbstractEventLoop, "asyncio.Future[Acknowledgement]"]


class AnswerDesk:
    """Takes answers to a store; to be shared by all of a server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[_Waiting] = deque()
        self._busy = False
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, "answers")

    async def answer(self, given: GivenAnswer) -> Acknowledgement:
        """As :func:`cutis.study.store.answer`."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[Acknowledgement] = loop.create_future()
        with self._lock:
            self._waiting.append((given, loop, kept))
            begin, self._busy = not self._busy, True
        if begin:
            self._writer.submit(self._write_all)
        return await kept

    def _write_all(self) -> None:
        while True:
            with self._lock:
                now = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]
                if not now:
                    self._busy = False
                    return
            told: Sequence[Acknowledgement | BaseException]
            try:
                told = answer_together(self._store, [given for given, _, _ in now])
            except BaseException as error:  # noqa: BLE001 - each who waits is told
                told = [error] * len(now)
            for loop in {each for _, each, _ in now}:
                pairs = [(kept, each) for (_, of, kept), each in zip(now, told, strict=True) if of is loop]
                try:
                    loop.call_soon_threadsafe(_tell, pairs)
                except RuntimeError:  # the server has stopped: nobody is there to be told
                    continue


def _tell(pairs: Sequence[tuple["asyncio.Future[Acknowledgement]", Acknowledgement | BaseException]]) -> None:
    for kept, told in pairs:
        if kept.done():  # whoever asked is gone
            continue
        if isinstance(told, BaseException):
            kept.set_exception(told)
        else:
            kept.set_result(told)
