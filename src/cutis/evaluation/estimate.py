"""Figures with intervals: what every section of an evaluation is made of."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Counts, Floats, Ints
from cutis.evaluation.intervals import (
    bootstrap_counts,
    cluster_numbers,
    clustered_bootstrap,
    joined_resamples,
    percentile_interval,
)

Statistics = Callable[[Floats], Mapping[str, Floats]]


class Part(BaseModel):
    """A part of a result, as JSON holds it: complete, and never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


AnyPart = TypeVar("AnyPart", bound=Part)


def read_part(kind: type[AnyPart], path: str | Path) -> AnyPart:
    """Read a part from its JSON file.

    Raises:
        PredictionsError: there is no such file, or it holds something else.
    """
    try:
        return kind.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise PredictionsError(
            f"cannot be read ({error.strerror or error})", where=str(path), fix="Name another."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(each) for each in first["loc"]) or "the whole"
        raise PredictionsError(
            f"does not hold {kind.__name__} ({at}: {first['msg']})", where=str(path), fix="Name a file that does."
        ) from error


class Estimate(Part):
    """A figure with its interval; None where it is not defined (a class without images has no sensitivity).

    ``undefined_resamples`` counts the bootstrap resamples in which it was not defined: the interval rests on
    the others.
    """

    value: float | None
    low: float | None
    high: float | None
    undefined_resamples: int = 0


class Intervals(Part):
    """How the intervals were made.

    ``clusters`` counts what was resampled, by kind: patients where known, else lesions, else single images.
    ``resamples_asked`` is how many were asked for, where fewer were made because there are very many images.
    """

    method: str
    clusters: dict[str, int]
    resamples: int
    seed: int
    confidence: float
    resamples_asked: int | None = None


def estimated(value: float, resampled: Floats | None, confidence: float) -> Estimate:
    """A figure with the percentile interval of its R resampled values; NaN means not defined, None no resamples."""
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None)
    if resampled is None:
        return Estimate(value=value, low=None, high=None)
    low, high = (float(end) for end in percentile_interval(resampled, confidence))
    return Estimate(
        value=value,
        low=None if np.isnan(low) else low,
        high=None if np.isnan(high) else high,
        undefined_resamples=int(np.isnan(resampled).sum()),
    )


class Resampled:
    """Named statistics of a sample (1×… each) and of its resamples (R×…; None where there was one cluster)."""

    def __init__(self, point: Mapping[str, Floats], spread: Mapping[str, Floats] | None, confidence: float) -> None:
        self.point, self.spread, self.confidence = point, spread, confidence

    def estimate(self, name: str, *index: int) -> Estimate:
        """One figure of a statistic, with its interval."""
        at: Any = (..., *index)
        spread = None if self.spread is None else self.spread[name][at]
        return estimated(float(self.point[name][at][0]), spread, self.confidence)

    def estimates(self, name: str) -> list[Estimate]:
        """All figures of a statistic that has K of them."""
        return [self.estimate(name, k) for k in range(self.point[name].shape[1])]


def resampled(
    statistics: Statistics,
    clusters: Sequence[Hashable] | Ints,
    *,
    resamples: int,
    seed: int,
    confidence: float,
    width: int = 1,
) -> Resampled:
    """Statistics of a sample and of a bootstrap of its whole clusters; without resamples where there is one cluster.

    Args:
        statistics: from weights N×r to named arrays r×….
        clusters: the cluster of each of N images.
        resamples: how many.
        seed: the same seed gives the same resamples.
        confidence: of the estimates.
        width: as in :func:`cutis.evaluation.bootstrap_weights`.
    """
    point = statistics(np.ones((len(clusters), 1)))
    several = len(clusters) > 0 and any(each != clusters[0] for each in clusters)
    spread = clustered_bootstrap(statistics, clusters, resamples=resamples, seed=seed, width=width) if several else None
    return Resampled(point, spread, confidence)


def resampled_counts(
    statistics: Callable[[Counts], Mapping[str, Floats]],
    clusters: Ints,
    *,
    resamples: int,
    seed: int,
    confidence: float,
    width: int = 1,
) -> Resampled:
    """As :func:`resampled`, for statistics of weights that are bytes: the same resamples in less memory.

    Args:
        statistics: from weights N×r, whole numbers up to 255, to named arrays r×….
        clusters: the number of each of N images' cluster.
        resamples: how many.
        seed: the same seed gives the same resamples.
        confidence: of the estimates.
        width: how many numbers a resample the statistics hold at once.
    """
    point = statistics(np.ones((len(clusters), 1), dtype=np.uint8))
    if not (clusters != clusters[:1]).any():
        return Resampled(point, None, confidence)
    member = cluster_numbers(clusters)
    parts = [statistics(counts) for counts in bootstrap_counts(member, resamples, seed, width)]
    return Resampled(point, joined_resamples(parts), confidence)
