"""Two predictions on the same images: what differs, by how much, and whether chance would do as much."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import scipy

from cutis import __version__
from cutis.errors import PredictionsError, listed
from cutis.evaluation.arrays import Floats, Ints
from cutis.evaluation.estimate import Estimate, Intervals, Part
from cutis.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_mean,
    one_vs_rest_auc,
    predicted_class,
)
from cutis.evaluation.paired_tests import (
    PairedDifference,
    bootstrap_non_inferiority,
    holm,
    mcnemar_test,
    paired_bootstrap,
    paired_permutation,
)
from cutis.evaluation.predictions import Predictions
from cutis.evaluation.scored import FEW_CLUSTERS, FEW_IMAGES, ScoredImages, clusters_of, distinct, scored_images
from cutis.taxonomy import ClassSet


class NonInferiority(Part):
    """Whether the second is less than ``margin`` worse, by the interval's low end; ``p`` is one-sided."""

    margin: float
    p: float
    non_inferior: bool


class Difference(Part):
    """A figure of both; ``difference`` is second minus first, −1 to 1, with its interval; ``p`` is two-sided.

    All None where the figure is not defined; ``non_inferiority`` also where no margin was given.
    """

    first: float | None
    second: float | None
    difference: Estimate
    p: float | None
    non_inferiority: NonInferiority | None


class ClassDifference(Part):
    """One class's AUC against all others in both; ``p_holm`` is adjusted for the number of classes."""

    id: str
    name: str
    images: int
    auc: Difference
    p_holm: float | None


class RightAnswers(Part):
    """Images by who answered rightly, and McNemar's test of them, which takes images as independent."""

    both: int
    first_only: int
    second_only: int
    neither: int
    p_exact: float
    p_mid: float


class Comparison(Part):
    """How two predictions differ on the same images.

    Attributes:
        cutis_version: the version that computed it.
        compared_at: when, ISO 8601, UTC.
        names: what the two are called.
        classes: the classes told apart.
        subset: the manifest's subset; None for all rows that are not excluded.
        images: how many were compared.
        lesions: how many they show; None where the manifest names none.
        patients: whose they are; None where the manifest names none.
        outside_classes: evaluated images whose diagnosis is none of the classes: not compared.
        balanced_accuracy: mean sensitivity over the classes present.
        accuracy: share of right answers.
        macro_auc: mean one-versus-rest AUC over the classes present.
        by_class: each class's AUC.
        right_answers: McNemar's table and test.
        intervals: how the intervals were made; the p-values come from as many exchanges with the same seed.
        warnings: what a reader must know, in words.
    """

    cutis_version: str
    compared_at: str
    names: tuple[str, str]
    classes: ClassSet
    subset: str | None
    images: int
    lesions: int | None
    patients: int | None
    outside_classes: int
    balanced_accuracy: Difference
    accuracy: Difference
    macro_auc: Difference
    by_class: list[ClassDifference]
    right_answers: RightAnswers
    intervals: Intervals
    warnings: list[str]


def compare(
    first: Predictions,
    second: Predictions,
    manifest: pl.DataFrame,
    *,
    subset: str | None = None,
    margin: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    names: tuple[str, str] = ("the first model", "the second model"),
) -> Comparison:
    """Compare two predictions on the same images.

    Intervals of the differences are percentiles of a bootstrap that resamples whole patients where they are known, else
    lesions, else images, and gives both the same resamples. p-values are from exchanging the two models' answers within
    whole patients (lesions, images), AUCs on each model's own ranks, so that calibration plays no part (Venkatraman &
    Begg 1996). Each class's AUC is adjusted for the number of classes (Holm 1979).

    Args:
        first: predictions of the one, the reference of a non-inferiority test.
        second: predictions of the other, of the same classes and with the same evaluated images.
        manifest: as :func:`cutis.data.read_manifest` gives it.
        subset: as for :func:`cutis.evaluation.evaluate`.
        margin: the largest loss that would not matter (0.02 is two points), set before looking; None tests none.
        resamples: of the bootstrap and of the exchanges, 100 or more.
        seed: of both.
        confidence: of the intervals, between 0 and 1.
        names: what to call them.

    Raises:
        PredictionsError: the classes differ, an evaluated image is missing in one, or there is one case only.
        LeakError: one was trained on an evaluated image, its lesion, patient or group.
    """
    _check_options(resamples, confidence, margin)
    _same_classes(first, second, names)
    ours, theirs = (_scored(each, manifest, subset, name) for each, name in zip((first, second), names, strict=True))
    classes, truth = first.classes, ours.truth
    whole = clusters_of(ours.frame)
    clusters = whole.number
    if whole.cases < 2:
        raise PredictionsError(
            f"the {len(truth):,} images belong to one {next(iter(whole.kinds))}: no chance can be told from it",
            fix="Compare on more cases.",
        )
    one, other = _Answers(truth, ours.probabilities), _Answers(truth, theirs.probabilities)
    differences = paired_bootstrap(
        one.statistics, other.statistics, clusters, resamples=resamples, seed=seed, confidence=confidence
    )
    chances = paired_permutation(one.followed_by(other).statistics, clusters, resamples=resamples, seed=seed)

    def told(name: str, *at: int) -> Difference:
        return _difference(differences[name], float(chances[name][at]), at, margin, confidence)

    aucs = [told("auc", k) for k in range(len(classes.ids))]
    adjusted = holm([np.nan if each.p is None else each.p for each in aucs])
    exact = mcnemar_test(one.answers == truth, other.answers == truth)
    mid = mcnemar_test(one.answers == truth, other.answers == truth, "mid_p")
    counts = np.bincount(truth, minlength=len(classes.ids))
    return Comparison(
        cutis_version=__version__,
        compared_at=datetime.now(UTC).isoformat(timespec="seconds"),
        names=names,
        classes=classes,
        subset=ours.subset,
        images=len(truth),
        lesions=distinct(ours.frame, "lesion_id"),
        patients=distinct(ours.frame, "patient_id"),
        outside_classes=sum(ours.outside.values()),
        balanced_accuracy=told("balanced_accuracy"),
        accuracy=told("accuracy"),
        macro_auc=told("macro_auc"),
        by_class=[
            ClassDifference(
                id=each.id,
                name=each.name,
                images=int(counts[k]),
                auc=aucs[k],
                p_holm=None if np.isnan(adjusted[k]) else float(adjusted[k]),
            )
            for k, each in enumerate(classes.classes)
        ],
        right_answers=RightAnswers(
            both=int(((one.answers == truth) & (other.answers == truth)).sum()),
            first_only=exact.first_only,
            second_only=exact.second_only,
            neither=int(((one.answers != truth) & (other.answers != truth)).sum()),
            p_exact=exact.p,
            p_mid=mid.p,
        ),
        intervals=Intervals(
            method="paired percentile bootstrap of whole clusters (patient where known, else lesion, else image)",
            clusters=whole.kinds,
            resamples=resamples,
            seed=seed,
            confidence=confidence,
        ),
        warnings=_warnings(ours, theirs, names, classes, counts, whole.cases),
    )


class _Answers:
    """Truth, answers and within-class ranks of a model, and the statistics that are compared."""

    def __init__(self, truth: Ints, probabilities: Floats, answers: Ints | None = None) -> None:
        self.truth = truth
        self.answers = predicted_class(probabilities) if answers is None else answers
        self.ranks: Floats = scipy.stats.rankdata(probabilities, axis=0) if answers is None else probabilities

    def followed_by(self, other: "_Answers") -> "_Answers":
        """Both models' images, one model after the other, each with the ranks it had among its own."""
        return _Answers(
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.ranks, other.ranks]),
            np.concatenate([self.answers, other.answers]),
        )

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        confusion = confusion_matrix(self.truth, self.answers, self.ranks.shape[1], weights)
        auc = one_vs_rest_auc(self.truth, self.ranks, weights)
        return {
            "balanced_accuracy": balanced_accuracy(confusion),
            "accuracy": accuracy(confusion),
            "macro_auc": macro_mean(auc),
            "auc": auc,
        }


def _difference(
    of: PairedDifference, p: float, at: tuple[int, ...], margin: float | None, confidence: float
) -> Difference:
    value = float(of.difference[at])
    if np.isnan(value):
        nothing = Estimate(value=None, low=None, high=None)
        return Difference(first=None, second=None, difference=nothing, p=None, non_inferiority=None)
    index: Any = (..., *at)
    resampled = of.resamples[index]
    tested = None
    if margin is not None:
        found = bootstrap_non_inferiority(value, resampled, margin=margin, confidence=confidence)
        tested = NonInferiority(margin=margin, p=found.p, non_inferior=found.non_inferior)
    return Difference(
        first=float(of.first[at]),
        second=float(of.second[at]),
        difference=Estimate(
            value=value,
            low=float(of.low[at]),
            high=float(of.high[at]),
            undefined_resamples=int(np.isnan(resampled).sum()),
        ),
        p=p,
        non_inferiority=tested,
    )


def _scored(predictions: Predictions, manifest: pl.DataFrame, subset: str | None, name: str) -> ScoredImages:
    try:
        return scored_images(predictions, manifest, subset=subset)
    except PredictionsError as error:
        raise PredictionsError(error.problem, where=error.where or name, fix=error.fix) from error


def _same_classes(first: Predictions, second: Predictions, names: tuple[str, str]) -> None:
    if first.classes == second.classes:
        return
    if first.classes.ids == second.classes.ids:
        raise PredictionsError(
            f"{names[0]} and {names[1]} give the same ids to different classes ('{first.classes.name}' and "
            f"'{second.classes.name}')",
            fix="Read both with the same --classes.",
        )
    raise PredictionsError(
        f"{names[0]} tells {listed(first.classes.ids)} apart, {names[1]} {listed(second.classes.ids)}",
        fix="Compare predictions of the same classes, in the same order.",
    )


def _check_options(resamples: int, confidence: float, margin: float | None) -> None:
    if resamples < 100:
        raise PredictionsError(
            f"{resamples} resamples are too few for an interval", fix="Take 100 or more, best 2,000."
        )
    if not 0 < confidence < 1:
        raise PredictionsError(f"confidence {confidence:g} is not between 0 and 1", fix="Take 0.95.")
    if margin is not None and not 0 < margin < 1:
        raise PredictionsError(f"margin {margin:g} is not between 0 and 1", fix="Take 0.02 for two points.")


def _warnings(
    ours: ScoredImages,
    theirs: ScoredImages,
    names: Sequence[str],
    classes: ClassSet,
    counts: Ints,
    clusters: int,
) -> list[str]:
    told = []
    for scored, name in zip((ours, theirs), names, strict=True):
        unknown = int((~scored.seen_known).sum())
        if unknown:
            told.append(
                f"For {unknown:,} of the {len(scored.truth):,} images it is not known whether {name} was trained on "
                "them or on others of the same lesions or patients. If so, its figures are too good."
            )
    if clusters < FEW_CLUSTERS:
        told.append(f"There are only {clusters} independent cases: the intervals are likely too narrow.")
    elif clusters < len(ours.truth):
        told.append("McNemar's test takes images as independent, which those of one lesion or patient are not.")
    absent = [each.name for each, count in zip(classes.classes, counts, strict=True) if not count]
    if absent:
        told.append(f"No image shows {', '.join(absent)}: no AUC, and no part in the macro means.")
    few = [f"{e.name} ({count})" for e, count in zip(classes.classes, counts, strict=True) if 0 < count < FEW_IMAGES]
    if few:
        told.append(f"Few images: {', '.join(few)}. Their differences say little.")
    return told
