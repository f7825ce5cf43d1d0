"""Malignant against benign, whatever the classes: the question a clinic asks first.

The chance of malignancy is the sum of the malignant and premalignant classes' probabilities (Esteva 2017). Images of
classes that are neither (other diseases, classes that hold both) have no part.
"""

import numpy as np

from cutis.evaluation.agreement import negative_predictive_value_at, positive_predictive_value_at
from cutis.evaluation.arrays import Bools, Counts, Floats, ratio, sums_by
from cutis.evaluation.clinical import (
    benign_flags,
    decision_curve,
    malignancy_probability,
    malignant_flags,
    net_benefit,
    number_needed_to_biopsy,
)
from cutis.evaluation.curves import BandReach
from cutis.evaluation.estimate import Estimate, Part, Resampled
from cutis.evaluation.metrics import predicted_class
from cutis.evaluation.points import (
    PrecisionRecallPoints,
    RocBandPoints,
    RocPoints,
    precision_recall_points,
    roc_band_points,
    roc_points,
)
from cutis.evaluation.ranked import RankedScores, area, area_above, precision_area
from cutis.evaluation.scored import ScoredImages
from cutis.taxonomy import ClassSet

LEAST_SENSITIVITY = 0.8
"""Of the partial area: ISIC 2024's."""
PREVALENCES = (0.02, 0.05, 0.1, 0.2)
"""At which predictive values are told: a test set is far richer in cancers than a clinic."""
_THRESHOLDS = np.linspace(0.01, 0.99, 50)


class AtPrevalence(Part):
    """Predictive values, and lesions biopsied for each malignant one found, where so many lesions are malignant."""

    prevalence: float
    positive_predictive_value: Estimate
    negative_predictive_value: Estimate
    number_needed_to_biopsy: Estimate


class DecisionCurvePoints(Part):
    """Net benefit by threshold probability, at the images' own prevalence; treating none has 0 everywhere."""

    threshold: list[float]
    model: list[Estimate]
    treat_all: list[float]


class ClassSpecificity(Part):
    """Han's two specificities of a malignant class: among benign lesions, and among the other malignant ones."""

    id: str
    benign: Estimate
    malignant: Estimate


class Malignancy(Part):
    """Malignant and premalignant lesions against benign ones.

    Attributes:
        malignant: the classes that count as malignant.
        benign: those that count as benign.
        malignant_images: how many images are of the one.
        benign_images: of the other.
        left_out_images: of neither.
        auc: of the summed probability.
        average_precision: of the same.
        partial_auc: the area above a sensitivity of 80 %, 0 to 0.2 (ISIC 2024).
        sensitivity: malignant lesions answered with any malignant class.
        specificity: benign lesions that were not.
        own_prevalence: predictive values at the share of malignant lesions among these images.
        at_prevalence: predictive values at a clinic's prevalences, from sensitivity and specificity (Bayes).
        class_specificity: by malignant class.
        decision_curve: what the summed probability is worth (Vickers & Elkin 2006).
        roc: its curve; None where one kind is missing.
        roc_band: a simultaneous band.
        precision_recall: the precision-recall curve.
    """

    malignant: list[str]
    benign: list[str]
    malignant_images: int
    benign_images: int
    left_out_images: int
    auc: Estimate
    average_precision: Estimate
    partial_auc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    own_prevalence: AtPrevalence
    at_prevalence: list[AtPrevalence]
    class_specificity: list[ClassSpecificity]
    decision_curve: DecisionCurvePoints
    roc: RocPoints | None
    roc_band: RocBandPoints | None
    precision_recall: PrecisionRecallPoints | None


class MalignancyScores:
    """The statistics of malignant against benign for any weighting, and the result they give."""

    def __init__(self, scored: ScoredImages, classes: ClassSet) -> None:
        self.classes, self.malignant, self.benign = classes, malignant_flags(classes), benign_flags(classes)
        rows: Bools = (self.malignant | self.benign)[scored.truth]
        self.images = None if rows.all() else np.flatnonzero(rows)
        truth = scored.truth[rows]
        self.ill: Bools = self.malignant[truth]
        self.risk = malignancy_probability(scored.probabilities[rows], self.malignant)
        self.ranked = RankedScores(self.ill, self.risk)
        both = bool(self.ill.any() and not self.ill.all())
        self.reach = BandReach(self.ill, self.risk, self.ranked) if both else None
        # Of each image its truth and its answer, and whether it is ill with how many thresholds its risk reaches.
        answers = predicted_class(scored.probabilities)[rows]
        self.cell = (truth * len(classes.ids) + answers).astype(np.int32)
        reached = np.searchsorted(_THRESHOLDS, self.risk, side="right").astype(np.uint8)
        self.step = reached + np.uint8(len(_THRESHOLDS) + 1) * self.ill

    @staticmethod
    def known(scored: ScoredImages, classes: ClassSet) -> bool:
        """Whether there are malignant and benign classes, and images of any."""
        malignant, benign = malignant_flags(classes), benign_flags(classes)
        return bool(malignant.any() and benign.any() and (malignant | benign)[scored.truth].any())

    def statistics(self, weights: Counts) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        each = weights if self.images is None else np.take(weights, self.images, axis=0)
        columns, count = weights.shape[1], len(self.classes.ids)
        walk = None if self.reach is None else self.reach.walk(columns)
        areas, precisions, partial = np.zeros((3, columns))
        for at in self.ranked.blocks(each):
            areas += area(at)
            precisions += precision_area(at)
            partial += area_above(at, LEAST_SENSITIVITY)
            if walk is not None:
                walk.add(at)
        confusion = sums_by(self.cell, count**2, each).reshape(count, count, columns)
        called = confusion[:, self.malignant].sum(axis=1)
        ill, well = (confusion[kind].sum(axis=(0, 1)) for kind in (self.malignant, self.benign))
        found, alarms = called[self.malignant].sum(axis=0), called[self.benign].sum(axis=0)
        harmless = well - alarms
        hit, spared = ratio(found, ill), ratio(harmless, well)
        at_any = (hit[:, None], spared[:, None])
        by_step = sums_by(self.step, 2 * (len(_THRESHOLDS) + 1), each).reshape(2, -1, columns)
        reached = np.cumsum(by_step[:, ::-1], axis=1)[:, -2::-1]
        return {
            "malignancy/auc": areas,
            "malignancy/average_precision": precisions,
            "malignancy/partial_auc": partial,
            "malignancy/band": np.full(columns, np.nan) if walk is None else walk.farthest(),
            "malignancy/sensitivity": hit,
            "malignancy/specificity": spared,
            # At the images' own prevalence from the counts: there these exist without benign images too.
            "malignancy/ppv": np.column_stack(
                [ratio(found, found + alarms), positive_predictive_value_at(PREVALENCES, *at_any)]
            ),
            "malignancy/npv": np.column_stack(
                [ratio(harmless, ill + well - found - alarms), negative_predictive_value_at(PREVALENCES, *at_any)]
            ),
            "malignancy/biopsies": np.column_stack(
                [ratio(found + alarms, found), number_needed_to_biopsy(*at_any, PREVALENCES)]
            ),
            "malignancy/net_benefit": net_benefit(_THRESHOLDS, reached[1].T, reached[0].T, (ill + well)[:, None]),
            "malignancy/of_benign": self._specificities(confusion, self.benign),
            "malignancy/of_malignant": self._specificities(confusion, self.malignant),
        }

    def _specificities(self, confusion: Floats, kind: Bools) -> Floats:
        """How often each malignant class is rightly not the answer to the other images of a kind, r×M."""
        columns = []
        for k in np.flatnonzero(self.malignant):
            others = kind & (np.arange(len(kind)) != k)
            images = confusion[others].sum(axis=(0, 1))
            columns.append(ratio(images - confusion[others, k].sum(axis=0), images))
        return np.stack(columns, axis=1)

    def result(self, told: Resampled, images: int) -> Malignancy:
        """The section; ``images`` is how many were evaluated in all."""
        ids = np.array(self.classes.ids)
        band = None
        if self.reach is not None and told.spread is not None:
            band = roc_band_points(self.reach, told.spread["malignancy/band"], told.confidence)
        curve = decision_curve(self.ill, self.risk, _THRESHOLDS)
        shares = (float(self.ill.mean()), *PREVALENCES)
        at = [
            AtPrevalence(
                prevalence=share,
                positive_predictive_value=told.estimate("malignancy/ppv", place),
                negative_predictive_value=told.estimate("malignancy/npv", place),
                number_needed_to_biopsy=told.estimate("malignancy/biopsies", place),
            )
            for place, share in enumerate(shares)
        ]
        return Malignancy(
            malignant=ids[self.malignant].tolist(),
            benign=ids[self.benign].tolist(),
            malignant_images=int(self.ill.sum()),
            benign_images=int((~self.ill).sum()),
            left_out_images=images - len(self.ill),
            auc=told.estimate("malignancy/auc"),
            average_precision=told.estimate("malignancy/average_precision"),
            partial_auc=told.estimate("malignancy/partial_auc"),
            sensitivity=told.estimate("malignancy/sensitivity"),
            specificity=told.estimate("malignancy/specificity"),
            own_prevalence=at[0],
            at_prevalence=at[1:],
            class_specificity=[
                ClassSpecificity(
                    id=str(class_id),
                    benign=told.estimate("malignancy/of_benign", place),
                    malignant=told.estimate("malignancy/of_malignant", place),
                )
                for place, class_id in enumerate(ids[self.malignant])
            ],
            decision_curve=DecisionCurvePoints(
                threshold=_THRESHOLDS.round(2).tolist(),
                model=told.estimates("malignancy/net_benefit"),
                treat_all=curve.treat_all.tolist(),
            ),
            roc=None if self.reach is None else roc_points(self.ill, self.risk, self.ranked),
            roc_band=band,
            precision_recall=None if self.reach is None else precision_recall_points(self.ill, self.risk, self.ranked),
        )
