"""Malignant against benign, whatever the classes: the question a clinic asks first.

The chance of malignancy is the sum of the malignant and premalignant classes' probabilities (Esteva 2017). Images of
classes that are neither (other diseases, classes that hold both) have no part.
"""

import numpy as np

from cutis.evaluation.agreement import negative_predictive_value_at, positive_predictive_value_at
from cutis.evaluation.arrays import Bools, Floats, ratio
from cutis.evaluation.clinical import (
    benign_flags,
    decision_curve,
    malignancy_probability,
    malignant_flags,
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
        self.rows: Bools = (self.malignant | self.benign)[scored.truth]
        self.truth = scored.truth[self.rows]
        self.ill: Bools = self.malignant[self.truth]
        self.answers = predicted_class(scored.probabilities)[self.rows]
        self.risk = malignancy_probability(scored.probabilities[self.rows], self.malignant)
        self.called: Bools = self.malignant[self.answers]
        self.ranked = RankedScores(self.ill, self.risk)
        both = bool(self.ill.any() and not self.ill.all())
        self.reach = BandReach(self.ill, self.risk, self.ranked) if both else None

    @staticmethod
    def known(scored: ScoredImages, classes: ClassSet) -> bool:
        """Whether there are malignant and benign classes, and images of any."""
        malignant, benign = malignant_flags(classes), benign_flags(classes)
        return bool(malignant.any() and benign.any() and (malignant | benign)[scored.truth].any())

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        each = weights[self.rows]
        at = self.ranked.cumulated(each)
        ill, well = each[self.ill], each[~self.ill]
        found = self.called[self.ill].astype(float) @ ill
        harmless = (~self.called[~self.ill]).astype(float) @ well
        called = self.called.astype(float) @ each
        hit, spared = ratio(found, ill.sum(axis=0)), ratio(harmless, well.sum(axis=0))
        at_any = (hit[:, None], spared[:, None])
        nothing = np.full(weights.shape[1], np.nan)
        return {
            "malignancy/auc": area(at),
            "malignancy/average_precision": precision_area(at),
            "malignancy/partial_auc": area_above(at, LEAST_SENSITIVITY),
            "malignancy/band": nothing if self.reach is None else self.reach.farthest_of(at),
            "malignancy/sensitivity": hit,
            "malignancy/specificity": spared,
            # At the images' own prevalence from the counts: there these exist without benign images too.
            "malignancy/ppv": np.column_stack(
                [ratio(found, called), positive_predictive_value_at(PREVALENCES, *at_any)]
            ),
            "malignancy/npv": np.column_stack(
                [ratio(harmless, each.sum(axis=0) - called), negative_predictive_value_at(PREVALENCES, *at_any)]
            ),
            "malignancy/biopsies": np.column_stack(
                [ratio(called, found), number_needed_to_biopsy(*at_any, PREVALENCES)]
            ),
            "malignancy/net_benefit": decision_curve(self.ill, self.risk, _THRESHOLDS, weights=each).model,
            "malignancy/of_benign": self._specificities(each, ~self.ill),
            "malignancy/of_malignant": self._specificities(each, self.ill),
        }

    def _specificities(self, weights: Floats, rows: Bools) -> Floats:
        """How often each malignant class is rightly not the answer, r×M."""
        columns = []
        for k in np.flatnonzero(self.malignant):
            others = rows & (self.truth != k)
            each = weights[others]
            columns.append(ratio((self.answers[others] != k).astype(float) @ each, each.sum(axis=0)))
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
            left_out_images=images - len(self.truth),
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
            roc=None if self.reach is None else roc_points(self.ill, self.risk),
            roc_band=band,
            precision_recall=None if self.reach is None else precision_recall_points(self.ill, self.risk),
        )
