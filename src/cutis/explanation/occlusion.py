"""Occlusion: what the score loses when a square of skin colour covers a place. And what colour hides a place at all."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import Occlusion
from torch import Tensor

from cutis.explanation.target import TargetScore

SQUARE = 5
"""The square's side is the image's shorter side divided by this; it moves by half its side."""
_AT_A_TIME = 32


def skin_colour(images: Tensor) -> Tensor:
    """The colour that hides a place: of each image, the median of each channel over the lightest third of its pixels.

    That is skin unless a lesion leaves too little of it or is lighter than the skin; dark corners, hair and ink have no
    part in it. To hide is to ask what the network would say were this place plain skin; black or grey would be a thing
    of its own to it. Where the colour is the lesion's, hiding takes away structure only.

    Args:
        images: float N × 3 × H × W.

    Returns:
        N × 3 × 1 × 1.
    """
    colours = []
    for image in images.detach():
        lightness = image.sum(dim=0)
        colours.append(image[:, lightness >= lightness.flatten().quantile(2 / 3)].median(dim=1).values)
    return torch.stack(colours)[:, :, None, None]


def occlusion(
    score: TargetScore,
    images: Tensor,
    *,
    seed: int = 0,  # noqa: ARG001 - nothing is drawn
    progress: Callable[[int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Loss of the score under a sliding square (Zeiler & Fergus 2014, arXiv:1311.2901), mean over those on a pixel.

    Args:
        score: of what, by which network.
        images: float N × 3 × H × W, RGB in [0, 1].
        seed: has no effect.
        progress: called with 1 after each image.

    Returns:
        N × H × W, log-odds: positive where covering speaks against the target, so that the place speaks for it.
    """
    side = max(2, min(images.shape[2:]) // SQUARE)
    step = max(1, side // 2)
    method = Occlusion(lambda covered, rows: score.on(rows)(covered))
    maps = []
    for row in range(len(images)):
        x = images[row : row + 1]
        with torch.inference_mode():
            lost = method.attribute(
                x,
                sliding_window_shapes=(3, side, side),
                strides=(3, step, step),
                baselines=skin_colour(x).expand_as(x),
                additional_forward_args=torch.tensor([row]),
                perturbations_per_eval=_AT_A_TIME,
            )
        maps.append(lost[:, 0].float().cpu().numpy())  # a square covers all channels alike
        if progress:
            progress(1)
    return np.concatenate(maps)
