"""The methods that explain an answer by a map of its image: what each is called, tells and is taken from.

Reading this table imports no torch; a method is imported when it is first used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    from cutis.explanation.target import TargetScore


class Attribute(Protocol):
    """The one verb of every method."""

    def __call__(
        self, score: "TargetScore", images: "Tensor", *, seed: int = 0, progress: Callable[[int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        """Maps N × H × W, finite, in the method's own units: log-odds, or log-odds a unit of colour.

        Args:
            score: of what, by which network.
            images: float N × 3 × H × W, RGB in [0, 1], on the network's device.
            seed: of the methods that draw samples; the map of an image depends on nothing else than image and seed.
            progress: called with the number of images just finished.
        """
        ...


@dataclass(frozen=True)
class Method:
    """A method of explanation.

    Attributes:
        name: as a user names it.
        title: to read.
        signed: whether negative values speak against the target; else all are ≥ 0 and tell only how much.
        told: what its map tells a clinician, in one sentence.
        paper: the source.
        attribute: makes the maps.
    """

    name: str
    title: str
    signed: bool
    told: str
    paper: str
    attribute: Attribute


def _when_used(module: str, function: str) -> Attribute:
    def attribute(
        score: "TargetScore", images: "Tensor", *, seed: int = 0, progress: Callable[[int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        method: Attribute = getattr(import_module(f"cutis.explanation.{module}"), function)
        return method(score, images, seed=seed, progress=progress)

    return attribute


METHODS: dict[str, Method] = {
    each.name: each
    for each in (
        Method(
            name="saliency",
            title="Saliency",
            signed=False,
            told="Bright pixels are those where a small change of colour would move the probability most.",
            paper="Simonyan 2013, arXiv:1312.6034; as drawn by Esteva 2017, doi:10.1038/nature21056",
            attribute=_when_used("saliency", "saliency"),
        ),
        Method(
            name="smoothgrad",
            title="SmoothGrad",
            signed=False,
            told="Saliency averaged over copies of the image with noise, so that single pixels count less.",
            paper="Smilkov 2017, arXiv:1706.03825",
            attribute=_when_used("saliency", "smoothgrad"),
        ),
        Method(
            name="integrated-gradients",
            title="Integrated gradients",
            signed=True,
            told="How much each pixel speaks for the diagnosis or against it, on the way from plain skin to the image.",
            paper="Sundararajan 2017, arXiv:1703.01365",
            attribute=_when_used("integrated_gradients", "integrated_gradients"),
        ),
        Method(
            name="gradcam",
            title="Grad-CAM",
            signed=True,
            told="Which areas, in coarse outline, the network takes to speak for the diagnosis or against it.",
            paper="Selvaraju 2017, arXiv:1610.02391",
            attribute=_when_used("gradcam", "gradcam"),
        ),
        Method(
            name="lime",
            title="LIME",
            signed=True,
            told="Which regions speak for the diagnosis and which against, found by covering regions with skin colour.",
            paper="Ribeiro 2016, arXiv:1602.04938",
            attribute=_when_used("lime", "lime"),
        ),
        Method(
            name="occlusion",
            title="Occlusion",
            signed=True,
            told="How much the diagnosis loses, or gains, when a square of skin colour covers this place.",
            paper="Zeiler & Fergus 2014, arXiv:1311.2901",
            attribute=_when_used("occlusion", "occlusion"),
        ),
    )
}
"""Every method, by its name."""
