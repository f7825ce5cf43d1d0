"""Deletion and insertion curves: does the answer depend on the pixels that a map ranks first?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cutis.explanation.quality import Floats, Maps
from cutis.explanation.target import TargetScore

Removed = Literal["blur", "mean"]
BLUR = 1 / 8
"""Standard deviation of the blur that removes, in heights of the image: about the size of a small lesion."""


@dataclass(frozen=True, eq=False)
class DeletionCurves:
    """What becomes of the target's probability as pixels go and come.

    Attributes:
        fractions: S + 1 shares of the pixels, from 0 to 1.
        deletion: N × (S + 1): the probability with this share, ranked first by the map, removed.
        insertion: N × (S + 1): the probability with this share alone there.
    """

    fractions: Floats
    deletion: Floats
    insertion: Floats

    @property
    def deletion_auc(self) -> Floats:
        """N areas under the deletion curves, 0 to 1: smaller is better."""
        return np.asarray(np.trapezoid(self.deletion, self.fractions, axis=1))

    @property
    def insertion_auc(self) -> Floats:
        """N areas under the insertion curves, 0 to 1: larger is better."""
        return np.asarray(np.trapezoid(self.insertion, self.fractions, axis=1))


def deletion_curves(
    score: TargetScore,
    images: Tensor,
    maps: Maps,
    *,
    steps: int = 10,
    removed: Removed = "blur",
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> DeletionCurves:
    """Remove pixels in the order of a map, and put them back in the same order (Petsiuk 2018, arXiv:1806.07421).

    The probability is that of the network's softmax, before calibration. Altered images are unlike any that the network
    was trained on, so the figures compare maps of the same images; alone they say little.

    Args:
        score: of the target of each image.
        images: float N × 3 × h × w in [0, 1], on the network's device.
        maps: N × h × w; the largest values go first, the most negative last. Equal values go in an order drawn by
            ``seed``, so that a flat map is a random order and no raster.
        steps: S, in how many equal parts the pixels go: 2 S forward passes an image.
        removed: what stands for a removed pixel, in both curves: the image blurred by :data:`BLUR`, or its mean colour.
        seed: of the order of equal values.
        progress: called with the number of images just finished.
    """
    count, _, height, width = images.shape
    pixels = height * width
    fractions = np.linspace(0, 1, steps + 1)
    chance = np.random.default_rng(seed).permutation(pixels)
    deletion, insertion = np.empty((count, steps + 1)), np.empty((count, steps + 1))
    for row in range(count):
        place = np.empty(pixels, dtype=np.int64)
        place[np.lexsort((chance, -maps[row].ravel()))] = np.arange(pixels)
        first = place.reshape(height, width) < np.round(fractions * pixels)[:, None, None]  # (S + 1) × h × w
        gone = torch.from_numpy(first[:, None]).to(images.device)
        image, nothing = images[row], removed_image(images[row], removed)
        # Nothing deleted is all inserted, and the reverse: both ends are asked for once.
        altered = torch.cat([torch.where(gone, nothing, image), torch.where(gone[1:-1], image, nothing)])
        with torch.inference_mode():
            odds = score.on([row] * len(altered))(altered.contiguous(memory_format=torch.channels_last))
        probability = torch.sigmoid(odds.double()).cpu().numpy()
        deletion[row] = probability[: steps + 1]
        insertion[row] = [probability[steps], *probability[steps + 1 :], probability[0]]
        if progress:
            progress(1)
    return DeletionCurves(fractions, deletion, insertion)


def deletion_insertion(
    score: TargetScore, images: Tensor, maps: Maps, steps: int = 10, *, removed: Removed = "blur"
) -> tuple[Floats, Floats]:
    """The areas under the deletion and the insertion curves, N each; see :func:`deletion_curves`."""
    curves = deletion_curves(score, images, maps, steps=steps, removed=removed)
    return curves.deletion_auc, curves.insertion_auc


def removed_image(image: Tensor, removed: Removed) -> Tensor:
    """An image with every pixel removed: 3 × h × w in [0, 1]."""
    if removed == "mean":
        return image.mean(dim=(1, 2), keepdim=True).expand_as(image)
    planes: npt.NDArray[np.float32] = image.permute(1, 2, 0).cpu().contiguous().numpy()
    blurred = cv2.GaussianBlur(planes, (0, 0), BLUR * image.shape[1], borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(blurred).permute(2, 0, 1).to(image.device)
