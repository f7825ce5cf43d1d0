"""What given thresholds do on the images of an evaluation."""

import numpy as np

from cutis.errors import PredictionsError, listed
from cutis.evaluation.arrays import Bools, Counts, Floats, ratio, sums_by, weighted
from cutis.evaluation.clinical import benign_flags, malignant_flags
from cutis.evaluation.estimate import Estimate, Part, Resampled
from cutis.evaluation.scored import ScoredImages
from cutis.evaluation.threshold_transfer import Transfer, transfer_cost
from cutis.evaluation.thresholds import (
    MalignantSpecificity,
    Thresholds,
    called_classes,
    listed_classes,
    malignant_specificity,
)
from cutis.taxonomy import ClassSet


class OperatingPoint(Part):
    """One class at its threshold, whatever the other classes' probabilities, and what a better one would save."""

    id: str
    threshold: float | None
    sensitivity: Estimate
    specificity: Estimate
    transfer: Transfer


class DifferentialLists(Part):
    """The lists of all classes at or above their thresholds (Han 2018); the nearest one where none is.

    ``sizes`` counts the images by the length of their list, from 0 (none) to K; ``none_above`` is the share of images
    where no class reached its threshold. ``truth_listed`` is how often the true class is in the list, ``truth_first``
    how often it stands first, by probability over threshold.
    """

    mean_size: Estimate
    sizes: list[int]
    none_above: Estimate
    truth_listed: Estimate
    truth_listed_by_class: dict[str, Estimate]
    truth_first: Estimate


class OperatingPoints(Part):
    """Thresholds chosen elsewhere, on these images; ``thresholds`` says where and how they were chosen."""

    thresholds: Thresholds
    by_class: list[OperatingPoint]
    malignant_specificity: list[MalignantSpecificity]
    differential: DifferentialLists


class AtThresholds:
    """The statistics of thresholds for any weighting, and the result they give.

    Raises:
        PredictionsError: the thresholds are of other classes.
    """

    def __init__(self, scored: ScoredImages, classes: ClassSet, thresholds: Thresholds) -> None:
        if set(thresholds.classes) != set(classes.ids):
            raise PredictionsError(
                f"the thresholds are for {listed(list(thresholds.classes))}, evaluated are {listed(classes.ids)}",
                fix="Give thresholds of these classes, or none.",
            )
        in_order = {class_id: thresholds.classes[class_id] for class_id in classes.ids}
        self.thresholds = thresholds.model_copy(update={"classes": in_order})
        self.scored, self.classes = scored, classes
        self.called = called_classes(scored.probabilities, self.thresholds)
        self.shown, first = listed_classes(scored.probabilities, self.thresholds)
        self.in_list: Bools = np.take_along_axis(self.shown, scored.truth[:, None], axis=1)[:, 0]
        # Of each image: is the truth in its list, does it stand first, is none above, and how long is the list.
        none, size = ~self.called.any(axis=1), self.shown.sum(axis=1, dtype=np.uint8)
        self.list_facts = np.column_stack([self.in_list, first == scored.truth, none, size])

    def statistics(self, weights: Counts) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        truth, count, columns = self.scored.truth, len(self.classes.ids), weights.shape[1]
        own, total = sums_by(truth, count, weights), weights.sum(axis=0)
        others = total - own
        hits, alarms = np.empty((2, count, columns))
        for k in range(count):
            met = sums_by(np.uint8(2) * (truth == k) + self.called[:, k], 4, weights)
            hits[k], alarms[k] = met[3], met[1]
        listed_by_class = sums_by(2 * truth + self.in_list, 2 * count, weights)[1::2]
        in_list, first, none, size = weighted(self.list_facts, weights) / total
        return {
            "thresholds/sensitivity": ratio(hits, own).T,
            "thresholds/specificity": ratio(others - alarms, others).T,
            "thresholds/listed": in_list,
            "thresholds/listed_by_class": ratio(listed_by_class, own).T,
            "thresholds/first": first,
            "thresholds/size": size,
            "thresholds/none": none,
        }

    def result(self, told: Resampled) -> OperatingPoints:
        """The section."""
        truth, ids = self.scored.truth, self.classes.ids
        costs = transfer_cost(truth, self.scored.probabilities, self.thresholds)
        malignant = malignant_flags(self.classes)
        rows = (malignant | benign_flags(self.classes))[truth]
        return OperatingPoints(
            thresholds=self.thresholds,
            by_class=[
                OperatingPoint(
                    id=class_id,
                    threshold=self.thresholds.classes[class_id].value,
                    sensitivity=told.estimate("thresholds/sensitivity", k),
                    specificity=told.estimate("thresholds/specificity", k),
                    transfer=costs[k],
                )
                for k, class_id in enumerate(ids)
            ],
            malignant_specificity=malignant_specificity(truth[rows], self.called[rows], malignant, self.classes),
            differential=DifferentialLists(
                mean_size=told.estimate("thresholds/size"),
                sizes=np.bincount(
                    np.where(self.called.any(axis=1), self.shown.sum(axis=1), 0), minlength=len(ids) + 1
                ).tolist(),
                none_above=told.estimate("thresholds/none"),
                truth_listed=told.estimate("thresholds/listed"),
                truth_listed_by_class={
                    class_id: told.estimate("thresholds/listed_by_class", k) for k, class_id in enumerate(ids)
                },
                truth_first=told.estimate("thresholds/first"),
            ),
        )
