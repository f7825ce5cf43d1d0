"""Checkpoints: the whole state of a training run in one file, replaced in one step.

Everything random in training is a function of the seed and the step, so that the step, the weights, their moving
average and the optimiser's state are all there is to keep: a run that was killed ends with the same weights as one
that was not.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cutis.errors import RecipeError
from cutis.files import replacing


@dataclass
class Checkpoint:
    """The state of a run after ``step`` optimiser steps.

    Attributes:
        fingerprint: hash of the recipe and the training data; a run resumes only what it began.
        step: optimiser steps done.
        model: the network's state.
        average: the moving average of the network's state, if the recipe keeps one.
        optimiser: the optimiser's state.
        history: one record of figures an epoch done.
        best: the best state on validation so far and its balanced accuracy, if the recipe asks for it.
        stale: epochs since validation last improved.
        seconds: time spent training so far.
    """

    fingerprint: str
    step: int
    model: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: float = -1.0
    stale: int = 0
    seconds: float = 0.0


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    with replacing(path) as temporary:
        torch.save(vars(checkpoint), temporary)


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint at ``path``, or None if there is none.

    Raises:
        RecipeError: it is damaged, or of another recipe or other data.
    """
    if not path.exists():
        return None
    try:
        checkpoint = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load raises a dozen kinds for a damaged file
        raise RecipeError(
            f"the checkpoint cannot be read ({type(error).__name__})",
            where=str(path),
            fix="Remove it to start again.",
        ) from error
    if checkpoint.fingerprint != fingerprint:
        raise RecipeError(
            "the checkpoint belongs to another recipe or other data",
            where=str(path),
            fix="Resume with the same manifest and recipe, or remove the file to start again.",
        )
    return checkpoint
