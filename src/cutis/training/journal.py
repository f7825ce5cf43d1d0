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
        path = self._folder / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        # Killed between a line and its checkpoint, a resumed run comes to the same figures again: they are noted once.
        self._noted = json.loads(lines[-1])["step"] if lines else 0
        self._lines = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(self._folder / "tensorboard"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.close()
        self._board.close()

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Note the figures that hold after ``step`` optimiser steps."""
        if step <= self._noted:
            return
        self._lines.write(json.dumps({"step": step, **figures}) + "\n")
        self._lines.flush()
        for name, value in figures.items():
            if name not in ("epoch", "seconds"):
                self._board.add_scalar(name, value, step)
        self._board.flush()
