"""From what was measured of a pair to a confidence that both images show the same lesion, and the limits for it.

Weights and limits are read from ``link_thresholds.toml``, which ``benchmarks/audit_calibration.py`` fits and writes.
"""

import tomllib
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cutis.audit.verification import Verified
from cutis.errors import CutisError, listed

SHIPPED = Path(__file__).with_name("link_thresholds.toml")

TERMS = ("inliers", "fit")
"""What the log odds are a weighted sum of: log(1 + inliers), and that times the correlation (0 where nothing was
aligned, or where it is negative): many keypoints on one transform, under which the pixels fit as well. The features'
similarity adds nothing to these two: it finds candidates, and has said there what it can."""


class LinkThresholds(BaseModel):
    """How pairs are scored and judged.

    Attributes:
        same: the score from which two images are taken to show the same lesion, and join one group.
        suspected: the score from which a pair is listed for a person to look at.
        intercept: log odds where every term is 0.
        weights: of each of :data:`TERMS`.
        fitted_on: on what, in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    same: float = Field(gt=0, le=1)
    suspected: float = Field(gt=0, le=1)
    intercept: float
    weights: dict[str, float]
    fitted_on: str

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.suspected > self.same:
            raise ValueError("suspected is above same")
        if set(self.weights) != set(TERMS):
            raise ValueError(f"weights must be those of {', '.join(TERMS)}")
        return self


def read_link_thresholds(path: str | Path = SHIPPED) -> LinkThresholds:
    """Read a file of weights and limits; the shipped one if none is named.

    Raises:
        CutisError: the file is missing, not TOML, or does not hold what it should.
    """
    try:
        return LinkThresholds.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise CutisError(
            f"cannot be read ({error.strerror or error})", where=str(path), fix="Check the path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CutisError(f"is not TOML ({error})", where=str(path), fix="Correct it there.") from error
    except ValidationError as error:
        told = [f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}" for each in error.errors()]
        raise CutisError(
            f"does not hold thresholds of links: {listed(told)}",
            where=str(path),
            fix=f"Compare it with {SHIPPED.name}.",
        ) from error


def score_terms(verified: Verified) -> npt.NDArray[np.float64]:
    """The values of :data:`TERMS`: M pairs × 2."""
    correlation = np.nan_to_num(verified.correlation.astype(np.float64), nan=0.0)
    inliers = np.log1p(verified.inliers.astype(np.float64))
    return np.column_stack([inliers, inliers * np.maximum(correlation, 0)])


def link_scores(verified: Verified, thresholds: LinkThresholds) -> npt.NDArray[np.float64]:
    """Confidence that the images of each pair show the same lesion: float64 M, 0–1."""
    weights = np.array([thresholds.weights[term] for term in TERMS])
    return np.asarray(1 / (1 + np.exp(-thresholds.intercept - score_terms(verified) @ weights)))
