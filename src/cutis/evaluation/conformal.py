"""Conformal prediction sets: a set of classes that holds the true one with a stated chance, whatever the model.

Split conformal prediction (Vovk 2005; Angelopoulos & Bates 2021, arXiv:2107.07511): scores of calibration images
say how strange a class may look before it leaves the set. If a new image is exchangeable with the calibration
images, its set holds its class with at least the chosen chance, on average over calibration sets. That is a promise
on average over images: class-conditional sets (Mondrian; Sadinle 2019) promise it for every class apart. No promise
survives a change of clinic or camera: measure coverage there.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike
from pydantic import Field

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, Ints, checked_probabilities, row_blocks
from cutis.evaluation.estimate import Estimate, Part, read_part
from cutis.evaluation.groups import NamedGroups, named_groups
from cutis.evaluation.intervals import cluster_numbers
from cutis.evaluation.proportions import clustered_wilson_interval, wilson_interval
from cutis.taxonomy import ClassSet

Score = Literal["lac", "aps"]


class ConformalSets(Part):
    """A rule that makes prediction sets; JSON-able.

    Attributes:
        score: how strange a class looks for an image. ``"lac"``: 1 − its probability (smallest sets; one may be
            empty, which says that no class looks right). ``"aps"``: the summed probability of the classes that
            are more probable (Romano 2020, without its randomisation, so that one image always has one set; never
            empty, as the most probable class has 0).
        coverage: the chance promised, 0 to 1.
        class_conditional: whether it is promised for each class apart.
        limits: the largest score at which a class is in the set, by class id. None: always in, as too few
            calibration images showed it to promise anything less (see ``always_included``).
        calibration_images: how many a class's limit rests on.
        calibrated_on: which images, in words.
    """

    score: Score
    coverage: float = Field(gt=0, lt=1)
    class_conditional: bool
    limits: dict[str, float | None]
    calibration_images: dict[str, int]
    calibrated_on: str

    @property
    def always_included(self) -> tuple[str, ...]:
        """Classes that every set holds because too few calibration images showed them."""
        return tuple(class_id for class_id, limit in self.limits.items() if limit is None)

    def sets(self, probabilities: Floats) -> Bools:
        """Which classes each image's set holds, N×K.

        Raises:
            PredictionsError: there is not one column a class, or a value is not between 0 and 1.
        """
        _, values = checked_probabilities(np.zeros(len(probabilities), dtype=np.int64), probabilities)
        if values.shape[1] != len(self.limits):
            raise PredictionsError(
                f"there are {values.shape[1]} columns for {len(self.limits)} classes", fix="Give one a class."
            )
        limit = np.array([np.inf if each is None else each for each in self.limits.values()])
        held = np.empty(values.shape, dtype=bool)
        for rows in row_blocks(*values.shape):
            held[rows] = conformity_scores(values[rows], self.score) <= limit
        return held


class GroupCoverage(Part):
    """How often the set held the true class, among the images of a class or group.

    ``coverage`` has a Wilson interval; ``warning`` says what a reader must know.
    """

    name: str
    images: int
    coverage: Estimate
    mean_size: float | None
    warning: str | None = None


class ConformalResult(Part):
    """What prediction sets are worth on images they were not calibrated on.

    ``singletons`` and ``empty`` are shares of the images, ``singletons_right`` the share of singletons that are right;
    ``sizes`` counts the images by the size of their set, from 0 to K.
    """

    promised: float
    overall: GroupCoverage
    by_class: list[GroupCoverage]
    by_group: dict[str, list[GroupCoverage]]
    singletons: float
    singletons_right: float | None
    empty: float
    sizes: list[int]
    always_included: tuple[str, ...]


def read_conformal_sets(path: str | Path) -> ConformalSets:
    """Read ``conformal.json``.

    Raises:
        PredictionsError: there is no such file, or it holds something else.
    """
    return read_part(ConformalSets, path)


def conformity_scores(probabilities: Floats, score: Score) -> Floats:
    """How strange each class looks for each image, N×K, 0 to 1, larger is stranger; see :class:`ConformalSets`."""
    if score == "lac":
        return 1 - probabilities
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    before = np.zeros_like(ranked)
    np.cumsum(ranked[:, :-1], axis=1, out=before[:, 1:])
    scores = np.empty_like(before)
    np.put_along_axis(scores, order, before, axis=1)
    return scores


def conformal_limit(scores: Floats, coverage: float) -> float:
    """The ⌈(n + 1) × coverage⌉-th smallest of n calibration scores; infinite where n is too small to have one.

    A 90 % limit needs 9 scores, a 95 % limit 19, a 99 % limit 99.
    """
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)  # 10 × 0.9 is 9, not 9.000000000000002
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def fit_conformal_sets(
    truth: ArrayLike,
    probabilities: ArrayLike,
    classes: ClassSet,
    *,
    coverage: float = 0.9,
    score: Score = "lac",
    class_conditional: bool = True,
    calibrated_on: str,
) -> ConformalSets:
    """Calibrate prediction sets on images the model did not learn from, one of each patient or lesion at best.

    Args:
        truth: N class numbers.
        probabilities: N×K.
        classes: the K classes.
        coverage: the chance to promise, between 0 and 1.
        score: see :class:`ConformalSets`.
        class_conditional: promise it for every class apart, so that a rare cancer is not paid for by common nevi.
        calibrated_on: the images in words.
    """
    numbers, values = checked_probabilities(truth, probabilities)
    if values.shape[1] != len(classes.ids):
        raise PredictionsError(f"there are {values.shape[1]} columns for {len(classes.ids)} classes")
    if not 0 < coverage < 1:
        raise PredictionsError(f"a coverage of {coverage:g} cannot be promised", fix="Take 0.9.")
    own = conformity_scores(values, score)[np.arange(len(values)), numbers]
    groups = [own[numbers == k] if class_conditional else own for k in range(len(classes.ids))]
    limits = [conformal_limit(group, coverage) for group in groups]
    return ConformalSets(
        score=score,
        coverage=coverage,
        class_conditional=class_conditional,
        limits={
            class_id: None if math.isinf(limit) else limit for class_id, limit in zip(classes.ids, limits, strict=True)
        },
        calibration_images={class_id: len(group) for class_id, group in zip(classes.ids, groups, strict=True)},
        calibrated_on=calibrated_on,
    )


def conformal_result(
    truth: ArrayLike,
    probabilities: ArrayLike,
    conformal: ConformalSets,
    *,
    groups: Mapping[str, ArrayLike | NamedGroups] | None = None,
    clusters: Sequence[Hashable] | Ints | None = None,
    confidence: float = 0.95,
) -> ConformalResult:
    """Coverage overall, per class and per group, and how large the sets are.

    Args:
        truth: N class numbers.
        probabilities: N×K.
        conformal: the rule, calibrated on other images.
        groups: N group names (or numbers of names) by what they are of, e.g. ``{"skin_type": …}``; None for no groups.
        clusters: the patient or lesion of each image: the Wilson intervals then allow for images of one case that
            resemble each other; None takes images as independent.
        confidence: of the Wilson intervals.
    """
    numbers, values = checked_probabilities(truth, probabilities)
    if clusters is not None and len(clusters) != len(numbers):
        raise PredictionsError(f"{len(clusters):,} clusters for {len(numbers):,} images", fix="Name one an image.")
    held = conformal.sets(values)
    hit, size = np.take_along_axis(held, numbers[:, None], axis=1)[:, 0], held.sum(axis=1)
    cases = None if clusters is None else cluster_numbers(clusters)

    def interval(rows: Bools) -> tuple[float, float]:
        if cases is None:
            low, high = wilson_interval(hit[rows].sum(), rows.sum(), confidence=confidence)
            return float(low), float(high)
        share = clustered_wilson_interval(hit[rows], cases[rows], confidence=confidence)
        return share.low, share.high

    def group(name: str, rows: Bools, class_id: str | None = None) -> GroupCoverage:
        any_image = bool(rows.any())
        low, high = interval(rows) if any_image else (math.nan, math.nan)
        warning = None
        if not any_image:
            warning = "no image"
        elif class_id in conformal.always_included:
            warning = (
                f"always in the set: {conformal.calibration_images[class_id]} calibration images cannot promise "
                f"{100 * conformal.coverage:g} %"
            )
        elif high < conformal.coverage:
            warning = f"covered less often than the {100 * conformal.coverage:g} % promised"
        return GroupCoverage(
            name=name,
            images=int(rows.sum()),
            coverage=Estimate(
                value=float(hit[rows].mean()) if any_image else None,
                low=None if math.isnan(low) else low,
                high=None if math.isnan(high) else high,
            ),
            mean_size=float(size[rows].mean()) if any_image else None,
            warning=warning,
        )

    by_group = {}
    for column, values_of in (groups or {}).items():
        if isinstance(values_of, NamedGroups):
            names, number = values_of
        else:
            names, number = named_groups(pl.Series(np.asarray(values_of, dtype=np.str_).tolist(), dtype=pl.String))
        if number.shape != numbers.shape:
            raise PredictionsError(f"{number.shape} groups for {len(numbers):,} images", fix="Name one an image.")
        by_group[column] = [group(each, number == names.index(each)) for each in sorted(names)]
    single = size == 1
    return ConformalResult(
        promised=conformal.coverage,
        overall=group("all", np.ones(len(numbers), dtype=bool)),
        by_class=[group(class_id, numbers == k, class_id) for k, class_id in enumerate(conformal.limits)],
        by_group=by_group,
        singletons=float(single.mean()),
        singletons_right=float(hit[single].mean()) if single.any() else None,
        empty=float((size == 0).mean()),
        sizes=np.bincount(size, minlength=values.shape[1] + 1).tolist(),
        always_included=conformal.always_included,
    )
