"""Integrated gradients: the score's difference between the image and plain skin, dealt out to the pixels."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from cutis.explanation.occlusion import skin_colour
from cutis.explanation.target import TargetScore, differentiable

STEPS = 32
"""Points on the way from skin to image (Gauss–Legendre); Sundararajan 2017 took 20 to 300."""
_AT_A_TIME = 8


def integrated_gradients(
    score: TargetScore,
    images: Tensor,
    *,
    seed: int = 0,  # noqa: ARG001 - nothing is drawn
    progress: Callable[[int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Integrated gradients (Sundararajan 2017, arXiv:1703.01365), summed over the colour channels.

    The way starts at an image of nothing but the skin's colour (:func:`cutis.explanation.occlusion.skin_colour`). From
    black, as is common, dark pixels could get nothing: attribution is proportional to the distance from the start. For
    the same reason pixels of the skin's very colour get nothing here.

    Args:
        score: of what, by which network.
        images: float N × 3 × H × W, RGB in [0, 1].
        seed: has no effect.
        progress: called with 1 after each image.

    Returns:
        N × H × W, log-odds a pixel; a map's sum is the score of the image less that of plain skin (nearly: a sum over
        steps stands for the integral).
    """
    method = IntegratedGradients(lambda steps, rows: score.on(rows)(steps))
    maps = []
    for row in range(len(images)):
        with differentiable(images[row : row + 1]) as x:
            gained = method.attribute(
                x,
                baselines=skin_colour(x).expand_as(x),
                additional_forward_args=torch.tensor([row]),
                n_steps=STEPS,
                internal_batch_size=_AT_A_TIME,
            )
        maps.append(gained.detach().sum(dim=1).float().cpu().numpy())
        if progress:
            progress(1)
    return np.concatenate(maps)
