"""The journal of a training run: one JSON line an epoch, and the same figures for TensorBoard."""

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter


class Journal:
    """Appends figures to ``FOLDER/metrics.jsonl`` and ``FOLDER/tensorboard``; a resumed run goes on in both."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lines = (self._folder / "metrics.jsonl").open("a", encoding="utf-8")
        self._board = SummaryWriter(str(self._folder / "tensorboard"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.close()
        self._board.close()

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Note the figures that hold after ``step`` optimiser steps."""
        self._lines.write(json.dumps({"step": step, **figures}) + "\n")
        self._lines.flush()
        for name, value in figures.items():
            if name not in ("epoch", "seconds"):
                self._board.add_scalar(name, value, step)
        self._board.flush()
