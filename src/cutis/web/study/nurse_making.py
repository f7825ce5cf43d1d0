"""A study that is being made while its nurse looks on: one at a time, in a thread of its own."""

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from cutis.errors import CutisError
from cutis.study import Stage

_log = logging.getLogger("cutis.web")


class MakingState(NamedTuple):
    """How far it is. ``study``: its id once it is made; ``problem``: why it was not."""

    title: str
    stage: str = ""
    done: int = 0
    total: int = 0
    study: int | None = None
    problem: str | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.study is None and self.problem is None


class _Stopped(Exception):  # noqa: N818 - the server ends, which is no fault
    pass


class Making:
    """The study that is made now, or was made last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: MakingState | None = None
        self._form = ""
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def state(self) -> MakingState | None:
        """How far it is; None before the first."""
        with self._lock:
            return self._state

    def start(self, form: str, title: str, work: Callable[[Stage], int]) -> bool:
        """Begin, unless this very form began one already (a double click), or another is being made.

        Args:
            form: a random name of the form that was sent.
            title: the study's.
            work: makes the study, and returns its id.

        Returns:
            Whether this form's study is being made, or is made.
        """
        with self._lock:
            if form == self._form:
                return True
            if self._stopping or (self._state is not None and self._state.running):
                return False
            self._form, self._state = form, MakingState(title)
            self._thread = threading.Thread(target=self._run, args=(work,), name="making a study")
            self._thread.start()
            return True

    def stop(self) -> None:
        """End what is being made, and wait for that; nothing of it stays."""
        with self._lock:
            self._stopping = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self, work: Callable[[Stage], int]) -> None:
        try:
            study = work(self._begin)
        except _Stopped:
            self._change(problem="the server was stopped")
        except CutisError as error:
            self._change(problem=str(error))
        except Exception:  # noqa: BLE001 - a thread's fault has no other place to be told
            _log.exception("a study could not be made")
            self._change(problem="something went wrong; the server's log tells what")
        else:
            self._change(study=study)

    def _begin(self, name: str, total: int) -> Callable[[int], None]:
        self._change(stage=name, done=0, total=total)

        def advance(steps: int) -> None:
            with self._lock:
                if self._stopping:
                    raise _Stopped
                assert self._state is not None
                self._state = self._state._replace(done=self._state.done + steps)

        return advance

    def _change(self, **values: Any) -> None:
        with self._lock:
            assert self._state is not None
            self._state = self._state._replace(**values)
