"""The answers: figures over all classes, and of each class against all others."""

import numpy as np

from cutis.evaluation.agreement import cohen_kappa, f1_score, geometric_mean, matthews_correlation
from cutis.evaluation.arrays import Counts, Floats, ratio, sums_by
from cutis.evaluation.curves import BandReach
from cutis.evaluation.delong import auc_interval, delong_auc
from cutis.evaluation.estimate import Estimate, Part, Resampled
from cutis.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_mean,
    negative_predictive_value,
    positive_predictive_value,
    predicted_class,
    rank_of_truth,
    sensitivity,
    specificity,
)
from cutis.evaluation.points import (
    PrecisionRecallPoints,
    RocBandPoints,
    RocPoints,
    precision_recall_points,
    roc_band_points,
    roc_points,
)
from cutis.evaluation.ranked import RankedScores, area, precision_area
from cutis.evaluation.scored import ScoredImages, distinct_by
from cutis.taxonomy import ClassSet, class_set

MOST_CLASSES_FOR_CELLS = 60
"""With more classes the cells of the confusion matrix have no intervals: their resamples would fill the memory."""


class Overall(Part):
    """Figures over all classes. ``top_k_accuracy`` has the keys 1 to 3, fewer with fewer classes.

    Macro figures are means over the classes that have one. ``geometric_mean`` is the macro mean of
    √(sensitivity · specificity). ``weighted_kappa`` (quadratic) is there for the ordered classes of ``risk3`` alone.
    """

    balanced_accuracy: Estimate
    accuracy: Estimate
    macro_auc: Estimate
    macro_average_precision: Estimate
    macro_specificity: Estimate
    macro_f1: Estimate
    geometric_mean: Estimate
    matthews_correlation: Estimate
    kappa: Estimate
    weighted_kappa: Estimate | None
    top_k_accuracy: dict[int, Estimate]


class ClassResult(Part):
    """One class against all others.

    ``images`` and ``lesions`` count the truth (``lesions`` is None where the manifest names none),
    ``answered`` the images that were called so. ``auc_delong`` has DeLong's interval, which holds for independent
    images: it is None unless every image is a case of its own. The curves are None where all images show the class,
    or none does; the band also where there are no resamples.
    """

    id: str
    name: str
    malignancy: str
    images: int
    lesions: int | None
    answered: int
    sensitivity: Estimate
    specificity: Estimate
    positive_predictive_value: Estimate
    negative_predictive_value: Estimate
    f1: Estimate
    geometric_mean: Estimate
    auc: Estimate
    auc_delong: Estimate | None
    average_precision: Estimate
    roc: RocPoints | None
    roc_band: RocBandPoints | None
    precision_recall: PrecisionRecallPoints | None


class ConfusionMatrix(Part):
    """Images by truth (row) and answer (column) in the classes' order, and each cell's share of its row."""

    counts: list[list[int]]
    row_share: list[list[Estimate]]


class Answers:
    """The statistics of answers and scores for any weighting of the images, and the results they give."""

    def __init__(self, scored: ScoredImages, classes: ClassSet, *, independent: bool) -> None:
        self.scored, self.classes, self.independent = scored, classes, independent
        self.count = len(classes.ids)
        self.answers = predicted_class(scored.probabilities)
        self.ranks = range(1, min(3, self.count) + 1)
        self.rank = np.minimum(rank_of_truth(scored.truth, scored.probabilities), 3).astype(np.uint8)
        self.ordered = classes.ids == class_set("risk3").ids
        own = [scored.truth == k for k in range(self.count)]
        self.ranked = [RankedScores(own[k], scored.probabilities[:, k]) for k in range(self.count)]
        self.reach = [
            BandReach(own[k], scored.probabilities[:, k], self.ranked[k]) if own[k].any() and not own[k].all() else None
            for k in range(self.count)
        ]

    def statistics(self, weights: Counts) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        confusion = confusion_matrix(self.scored.truth, self.answers, self.count, weights)
        ranked_as = np.cumsum(sums_by(self.rank, 4, weights), axis=0)
        curves = self._curves(weights)
        found = {
            "accuracy": accuracy(confusion),
            "balanced_accuracy": balanced_accuracy(confusion),
            "sensitivity": sensitivity(confusion),
            "specificity": specificity(confusion),
            "macro_specificity": macro_mean(specificity(confusion)),
            "positive_predictive_value": positive_predictive_value(confusion),
            "negative_predictive_value": negative_predictive_value(confusion),
            "f1": f1_score(confusion),
            "macro_f1": macro_mean(f1_score(confusion)),
            "geometric_mean": geometric_mean(confusion),
            "macro_geometric_mean": macro_mean(geometric_mean(confusion)),
            "matthews_correlation": matthews_correlation(confusion),
            "kappa": cohen_kappa(confusion),
            "macro_auc": macro_mean(curves["auc"]),
            "macro_average_precision": macro_mean(curves["average_precision"]),
            "top_k": np.stack([ratio(ranked_as[k - 1], ranked_as[-1]) for k in self.ranks], axis=1),
        }
        if self.ordered:
            found["weighted_kappa"] = cohen_kappa(confusion, "quadratic")
        if self.count <= MOST_CLASSES_FOR_CELLS:
            found["row_share"] = ratio(confusion, confusion.sum(axis=2, keepdims=True))
        return found | curves

    def _curves(self, weights: Counts) -> dict[str, Floats]:
        columns = weights.shape[1]
        areas, precisions, reaches = np.zeros((3, columns, self.count))
        for k, (ranked, reach) in enumerate(zip(self.ranked, self.reach, strict=True)):
            walk = None if reach is None else reach.walk(columns)
            for at in ranked.blocks(weights):
                areas[:, k] += area(at)
                precisions[:, k] += precision_area(at)
                if walk is not None:
                    walk.add(at)
            reaches[:, k] = np.nan if walk is None else walk.farthest()
        return {"auc": areas, "average_precision": precisions, "band": reaches}

    def overall(self, told: Resampled) -> Overall:
        """The figures over all classes."""
        return Overall(
            balanced_accuracy=told.estimate("balanced_accuracy"),
            accuracy=told.estimate("accuracy"),
            macro_auc=told.estimate("macro_auc"),
            macro_average_precision=told.estimate("macro_average_precision"),
            macro_specificity=told.estimate("macro_specificity"),
            macro_f1=told.estimate("macro_f1"),
            geometric_mean=told.estimate("macro_geometric_mean"),
            matthews_correlation=told.estimate("matthews_correlation"),
            kappa=told.estimate("kappa"),
            weighted_kappa=told.estimate("weighted_kappa") if self.ordered else None,
            top_k_accuracy={k: told.estimate("top_k", k - 1) for k in self.ranks},
        )

    def by_class(self, told: Resampled) -> list[ClassResult]:
        """The figures of each class."""
        lesions = distinct_by(self.scored.frame, "lesion_id", self.scored.truth, self.count)
        return [self._class(k, told, None if lesions is None else lesions[k]) for k in range(self.count)]

    def confusion(self, told: Resampled) -> ConfusionMatrix:
        """Counts, and shares of the rows."""
        counts = confusion_matrix(self.scored.truth, self.answers, self.count)
        if self.count <= MOST_CLASSES_FOR_CELLS:
            shares = [[told.estimate("row_share", i, j) for j in range(self.count)] for i in range(self.count)]
        else:
            share = ratio(counts, counts.sum(axis=1, keepdims=True))
            shares = [
                [Estimate(value=None if np.isnan(each) else float(each), low=None, high=None) for each in row]
                for row in share
            ]
        return ConfusionMatrix(counts=counts.astype(int).tolist(), row_share=shares)

    def _class(self, k: int, told: Resampled, lesions: int | None) -> ClassResult:
        each, scores, reach = self.classes.classes[k], self.scored.probabilities[:, k], self.reach[k]
        own = self.scored.truth == k
        delong = None
        if self.independent and reach is not None:
            value, variance = delong_auc(own, scores)
            ends = auc_interval(value, variance, confidence=told.confidence)
            low, high = (None if np.isnan(end) else end for end in ends)
            delong = Estimate(value=value, low=low, high=high)
        band = None
        if reach is not None and told.spread is not None:
            band = roc_band_points(reach, told.spread["band"][:, k], told.confidence)
        return ClassResult(
            id=each.id,
            name=each.name,
            malignancy=each.malignancy,
            images=int(own.sum()),
            lesions=lesions,
            answered=int((self.answers == k).sum()),
            sensitivity=told.estimate("sensitivity", k),
            specificity=told.estimate("specificity", k),
            positive_predictive_value=told.estimate("positive_predictive_value", k),
            negative_predictive_value=told.estimate("negative_predictive_value", k),
            f1=told.estimate("f1", k),
            geometric_mean=told.estimate("geometric_mean", k),
            auc=told.estimate("auc", k),
            auc_delong=delong,
            average_precision=told.estimate("average_precision", k),
            roc=None if reach is None else roc_points(own, scores, self.ranked[k]),
            roc_band=band,
            precision_recall=None if reach is None else precision_recall_points(own, scores, self.ranked[k]),
        )
