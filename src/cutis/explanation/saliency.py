"""Saliency: how much a small change of each pixel would move the score; and the same, smoothed (SmoothGrad)."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import NoiseTunnel, Saliency
from torch import Tensor

from cutis.explanation.target import TargetScore, differentiable

NOISE = 0.15
"""SmoothGrad's standard deviation, as a share of the image's range of values; Smilkov 2017 found 10 to 20 % best."""
COPIES = 24
"""Noisy copies an image; Smilkov 2017 saw little gain beyond 50, and most of it by 20."""
_AT_A_TIME = 8


def saliency(
    score: TargetScore,
    images: Tensor,
    *,
    seed: int = 0,  # noqa: ARG001 - nothing is drawn
    progress: Callable[[int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Sum over the colour channels of the absolute gradient of the score by the pixel.

    Simonyan 2013 (arXiv:1312.6034) took the largest channel; the sum (L1) is Esteva's (2017, extended data Fig. 4).

    Args:
        score: of what, by which network.
        images: float N × 3 × H × W, RGB in [0, 1].
        seed: has no effect.
        progress: called with the number of images done.

    Returns:
        N × H × W, ≥ 0: log-odds a unit of colour, where a unit is from black to white.
    """
    with differentiable(images) as x:
        gradient = Saliency(score).attribute(x)
    if progress:
        progress(len(images))
    return _summed(gradient)


def smoothgrad(
    score: TargetScore, images: Tensor, *, seed: int = 0, progress: Callable[[int], None] | None = None
) -> npt.NDArray[np.float32]:
    """Saliency of the gradient's mean over noisy copies of the image (Smilkov 2017, arXiv:1706.03825).

    Gradients are averaged with their sign, so that those which only flicker cancel; then as :func:`saliency`. Every
    image gets the same noise, so its map does not depend on the images beside it.

    Args:
        score: of what, by which network.
        images: float N × 3 × H × W, RGB in [0, 1].
        seed: of the noise.
        progress: called with 1 after each image.

    Returns:
        N × H × W, ≥ 0, in the units of :func:`saliency`.
    """
    method = NoiseTunnel(Saliency(lambda copies, rows: score.on(rows)(copies)))
    maps = []
    for row in range(len(images)):
        # captum draws from the global generator; forked, so that the caller's is not moved.
        with (
            torch.random.fork_rng(devices=range(torch.cuda.device_count())),
            differentiable(images[row : row + 1]) as x,
        ):
            torch.manual_seed(seed)
            gradient = method.attribute(
                x,
                nt_type="smoothgrad",
                nt_samples=COPIES,
                nt_samples_batch_size=_AT_A_TIME,
                stdevs=NOISE * float(images[row].detach().max() - images[row].detach().min()),
                additional_forward_args=torch.tensor([row]),
                abs=False,
            )
        maps.append(_summed(gradient))
        if progress:
            progress(1)
    return np.concatenate(maps)


def _summed(gradient: Tensor) -> npt.NDArray[np.float32]:
    return gradient.detach().abs().sum(dim=1).float().cpu().numpy()
