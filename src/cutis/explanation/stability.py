"""Stability: the map of an image moved by a few pixels should be the same map, moved."""

import torch
from torch import Tensor

from cutis.explanation.methods import Method
from cutis.explanation.quality import Floats, Maps, rank_correlation
from cutis.explanation.target import TargetScore

SHIFT = (6, 8)
"""Pixels down and to the right: 3 % of a side of the default network's 192 × 256."""


def shift_stability(
    method: Method, score: TargetScore, images: Tensor, maps: Maps, *, shift: tuple[int, int] = SHIFT
) -> Floats:
    """Rank correlation of each map with the map of the shifted image shifted back, where they overlap: N, −1 to 1.

    What comes in at the edge is the image mirrored. A map that ignores the image is stable as well: read this beside
    the randomisation test.

    Args:
        method: whose maps they are; ``seed`` 0 is taken for its own draws, as for ``maps``.
        score: of the target of each image.
        images: float N × 3 × h × w in [0, 1], on the network's device.
        maps: N × h × w, of these images by this method.
        shift: pixels down and to the right; negative is up and to the left.
    """
    others = method.attribute(score, shifted(images, shift))
    height, width = maps.shape[1:]
    here = tuple(slice(max(0, -by), size - max(0, by)) for by, size in zip(shift, (height, width), strict=True))
    there = tuple(slice(max(0, by), size - max(0, -by)) for by, size in zip(shift, (height, width), strict=True))
    return rank_correlation(maps[:, here[0], here[1]], others[:, there[0], there[1]])


def shifted(images: Tensor, shift: tuple[int, int]) -> Tensor:
    """Images moved by whole pixels, down and to the right, mirrored at the edge: N × 3 × h × w."""
    down, right = shift
    height, width = images.shape[2:]
    padded = torch.nn.functional.pad(images, (abs(right), abs(right), abs(down), abs(down)), mode="reflect")
    top, left = abs(down) - down, abs(right) - right
    moved = padded[:, :, top : top + height, left : left + width]
    return moved.contiguous(memory_format=torch.channels_last)
