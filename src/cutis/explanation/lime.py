"""LIME: which regions speak for the target and which against, by a linear model of what hiding them does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from skimage.segmentation import slic
from sklearn.linear_model import Ridge
from torch import Tensor

from cutis.data import Pixels
from cutis.explanation.occlusion import skin_colour
from cutis.explanation.target import TargetScore

SEGMENTS = 48
"""About how many superpixels; far fewer than samples, or the surrogate would be guesswork."""
SAMPLES = 500
"""Images with regions hidden, the whole one among them."""
KERNEL_WIDTH = 0.25
"""Of the kernel that weighs a sample by its nearness to the whole image: as in Ribeiro's own code for images."""
_AT_A_TIME = 25


@dataclass(frozen=True, eq=False)
class Superpixels:
    """An image's regions, and what each adds to the score.

    Attributes:
        segments: int64 H × W: the region of each pixel, 0 … K − 1.
        weights: float32, K: log-odds that showing the region adds; negative where it speaks against the target.
    """

    segments: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]


def lime(
    score: TargetScore, images: Tensor, *, seed: int = 0, progress: Callable[[int], None] | None = None
) -> npt.NDArray[np.float32]:
    """LIME (Ribeiro 2016, arXiv:1602.04938) on superpixels: each pixel has the weight of its region.

    Args:
        score: of what, by which network.
        images: float N × 3 × H × W, RGB in [0, 1].
        seed: of the samples; every image draws the same, whatever stands beside it.
        progress: called with 1 after each image.

    Returns:
        N × H × W, log-odds a region.
    """
    maps = []
    for row in range(len(images)):
        regions = explain_superpixels(score.on([row]), images[row], samples=SAMPLES, seed=seed)
        maps.append(regions.weights[regions.segments])
        if progress:
            progress(1)
    return np.stack(maps)


def lime_segments(image: Pixels) -> npt.NDArray[np.int64]:
    """Superpixels by SLIC (Achanta 2012, doi:10.1109/TPAMI.2012.120): the regions that :func:`lime` uses.

    The image is smoothed (σ of 2 pixels) for it: with less, fine structure such as dense hair runs regions together.

    Args:
        image: uint8 H × W × 3.

    Returns:
        H × W, the region of each pixel, 0 … K − 1.
    """
    found = slic(image, n_segments=SEGMENTS, compactness=10, sigma=2, start_label=0, channel_axis=-1)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)


def explain_superpixels(score: TargetScore, image: Tensor, *, samples: int = SAMPLES, seed: int = 0) -> Superpixels:
    """The weight of each superpixel in a linear model of the score.

    Samples show each region with probability ½; hidden ones get the skin's colour
    (:func:`cutis.explanation.occlusion.skin_colour`), where Ribeiro's code takes the region's own mean: that would hide
    structure but leave colour, by which a lesion is told. A sample counts by √exp(−d²/width²), with d the cosine
    distance between its regions and all; the surrogate is ridge regression with a penalty of 1, both as there.

    Args:
        score: of one image.
        image: float 3 × H × W, RGB in [0, 1].
        samples: how many, the whole image among them.
        seed: of the samples.
    """
    segments = lime_segments((image.permute(1, 2, 0) * 255).round().byte().cpu().numpy())
    shown = np.random.default_rng(seed).random((samples, int(segments.max()) + 1)) < 0.5
    shown[0] = True
    weights = surrogate_weights(shown, _scores(score, image, segments, shown))
    return Superpixels(segments, weights)


def surrogate_weights(shown: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Coefficients of the linear surrogate, K.

    Args:
        shown: S × K: which regions each sample shows.
        scores: S.
    """
    distance = 1 - np.sqrt(shown.mean(axis=1))  # cosine distance from the sample that shows all
    nearness = np.sqrt(np.exp(-((distance / KERNEL_WIDTH) ** 2)))
    surrogate = Ridge(alpha=1.0).fit(shown.astype(np.float64), scores, sample_weight=nearness)
    return np.asarray(surrogate.coef_, dtype=np.float32)


def _scores(
    score: TargetScore, image: Tensor, segments: npt.NDArray[np.int64], shown: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    # Not captum's Lime: it makes and keeps its samples one by one, and draws them from torch's global generator.
    scores = np.empty(len(shown))
    with torch.inference_mode():
        hidden = skin_colour(image[None])[0, :, 0, 0]
        height, width = segments.shape
        pixels = image.permute(1, 2, 0).flatten()  # channels last, which convolutions like best
        hidden = hidden.repeat(height * width)
        places = torch.from_numpy(segments.ravel()).to(image.device).repeat_interleave(3)
        visible = torch.from_numpy(shown).to(image.device)
        for start in range(0, len(shown), _AT_A_TIME):
            mask = visible[start : start + _AT_A_TIME].index_select(1, places)
            batch = torch.where(mask, pixels, hidden).view(-1, height, width, 3).permute(0, 3, 1, 2)
            scores[start : start + len(batch)] = score.on([0] * len(batch))(batch).cpu().numpy()
    return scores
