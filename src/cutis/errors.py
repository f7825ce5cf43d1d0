"""The one family of errors that a user of cutis meets.

Each message says what was wrong, where (file, row, column) and what to do. The command line prints it in
one line and exits with status 2; `--debug` shows the traceback.
"""

from collections.abc import Callable
from functools import partial
from typing import Any


class CutisError(Exception):
    """Bad input, told in one line.

    Args:
        problem: what was wrong, e.g. ``"column 'image_id' is missing"``.
        where: the file, row or column, e.g. ``"ham.csv, row 17"``; empty if the problem says it.
        fix: what to do about it, as an imperative sentence; empty only where nothing can be done.
    """

    def __init__(self, problem: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(problem, where, fix)
        self.problem = problem
        self.where = where
        self.fix = fix

    def __reduce__(self) -> tuple[Callable[..., "CutisError"], tuple[Any, ...]]:
        # An error of another process, e.g. of one of several folds trained at a time, keeps its words.
        return partial(type(self), where=self.where, fix=self.fix), (self.problem,)

    def __str__(self) -> str:
        message = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{message.rstrip('.')}. {self.fix}" if self.fix else message


class TaxonomyError(CutisError):
    """A tree of diagnoses is not valid, or holds no such diagnosis."""


class ManifestError(CutisError):
    """A manifest, or a data set to be imported into one, does not hold what it should."""


class ImageError(CutisError):
    """An image file is missing, truncated, empty or not an image."""


class SplitError(CutisError):
    """A split cannot be made, or would put one lesion or patient on both sides."""


class RecipeError(CutisError):
    """A training recipe is not valid."""


class WeightsError(CutisError):
    """Pretrained weights cannot be had."""


class BundleError(CutisError):
    """A model bundle is incomplete, damaged or of another version."""


class PredictionsError(CutisError):
    """A predictions table does not fit its classes or its manifest."""


class AuditError(CutisError):
    """An audit cannot be made or read, or does not fit the images."""


class LeakError(CutisError):
    """The model was trained on what it is being tested on."""


def listed(items: "list[str] | tuple[str, ...]", most: int = 10) -> str:
    """The first items, comma-separated, with how many more there are: for error messages."""
    shown = ", ".join(str(item) for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most:,} more"
