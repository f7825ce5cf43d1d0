"""How little an image resembles those a network learnt from: the distance of its features to theirs, and its scale.

``familiarity.json`` (the numbers, and what they rest on) and ``familiarity.safetensors`` (``features``: float16 N × D,
of length 1 each). The features are those the head decides on, without those of the patient: a photograph is no
stranger because nobody wrote down the age.

The score is the distance to the tenth nearest of the training images' features (Sun 2022, arXiv:2204.06507). Of the
scores tried on the model that comes with cutis it told smartphone photographs, drawings and spoilt images from
dermoscopy best while it also rose with the chance of a wrong answer; the energy of the logits (Liu 2020) tells
smartphone photographs hardly from dermoscopy, and the Mahalanobis distance (Lee 2018) says little of wrong answers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors.numpy import load, save

from cutis.evaluation import NeighbourDistance, fit_neighbours
from cutis.files import write_json

FILE, FEATURES_FILE = "familiarity.json", "familiarity.safetensors"
NEIGHBOURS = 10
"""Which nearest training image counts."""
FEWEST_IMAGES = 20
"""Validation images below which no limit is set: one in twenty would be none."""

Floats = npt.NDArray[np.float64]


class FamiliarityFacts(BaseModel):
    """What ``familiarity.json`` holds.

    ``median``, ``limit_95`` and ``limit_99`` are the distances that half, 95 % and 99 % of the validation images
    keep.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: Literal["neighbours"] = "neighbours"
    neighbours: int = Field(ge=1)
    fitted_on: str
    measured_on: str
    median: float = Field(ge=0)
    limit_95: float
    limit_99: float

    @model_validator(mode="after")
    def _rising(self) -> "FamiliarityFacts":
        if not self.median < self.limit_95 <= self.limit_99:
            raise ValueError("its limits do not rise")
        return self


@dataclass(frozen=True, eq=False)
class Familiarity:
    """A network's training images as it sees them, and how far from them its validation images lie."""

    learnt: NeighbourDistance
    facts: FamiliarityFacts

    def scores(self, features: npt.ArrayLike) -> Floats:
        """The unfamiliarity of images, N × D features to N: 0 is a median validation image, 1 is ``limit_95``.

        Raises:
            PredictionsError: the features are not this network's, or not finite.
        """
        return self.scaled(self.learnt.scores(features))

    def scaled(self, distances: Floats) -> Floats:
        """Distances as unfamiliarity."""
        scaled: Floats = (distances - self.facts.median) / (self.facts.limit_95 - self.facts.median)
        return scaled

    def stranger_than(self, score: float) -> Literal[99, 95] | None:
        """Of how many percent of the validation images an image is surely stranger: 99, 95, or not said."""
        limit_95, limit_99 = self.scaled(np.array([self.facts.limit_95, self.facts.limit_99]))
        return 99 if score > limit_99 else 95 if score > limit_95 else None

    def write(self, folder: Path) -> None:
        """Write both files into a bundle's folder."""
        write_json(folder / FILE, self.facts.model_dump(mode="json"))
        content = save({"features": self.learnt.features.astype(np.float16)})
        (folder / FEATURES_FILE).write_bytes(content)


def measured_familiarity(
    learnt: NeighbourDistance, distances: npt.ArrayLike, *, fitted_on: str, measured_on: str
) -> Familiarity | None:
    """Set the scale by the distances of N validation images.

    Args:
        learnt: the features of training images.
        distances: N, of images that were not trained on, by ``learnt.scores``.
        fitted_on: the training images, in words.
        measured_on: the validation images, in words.

    Returns:
        None where there are fewer than ``FEWEST_IMAGES``, or where they do not differ.
    """
    values = np.asarray(distances, dtype=np.float64)
    if len(values) < FEWEST_IMAGES:
        return None
    median, limit_95, limit_99 = (float(each) for each in np.quantile(values, [0.5, 0.95, 0.99], method="inverted_cdf"))
    if not median < limit_95:
        return None
    facts = FamiliarityFacts(
        neighbours=learnt.neighbours,
        fitted_on=fitted_on,
        measured_on=measured_on,
        median=median,
        limit_95=limit_95,
        limit_99=limit_99,
    )
    return Familiarity(learnt, facts)


def read_familiarity(folder: Path) -> Familiarity | None:
    """Read both files from a bundle's folder; None where there are none.

    Raises:
        OSError, ValueError, KeyError, SafetensorError, PredictionsError: one is missing or damaged.
    """
    if not (folder / FILE).exists():
        return None
    facts = FamiliarityFacts.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
    features = load((folder / FEATURES_FILE).read_bytes())["features"]
    return Familiarity(fit_neighbours(features, facts.neighbours), facts)
