"""Progress bars for long verbs, on standard error and only on a terminal: what is done, how fast, how long it takes."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Speed(ProgressColumn):
    """Units a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f} {self._unit}/s" if speed else "", style="progress.data.speed")


def progress_bar(unit: str = "images") -> Progress:
    """A rich progress bar, to be entered with ``with``."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # A log file wants lines, not a redrawn bar.
        disable=not Console(stderr=True).is_terminal,
    )


def stages(bar: Progress) -> Callable[[str, int], Callable[[int], None]]:
    """A bar a stage: called with its name and number of steps, gives what is called with the steps just done."""

    def begin(name: str, total: int) -> Callable[[int], None]:
        task = bar.add_task(name, total=total)
        return lambda steps: bar.advance(task, steps)

    return begin
