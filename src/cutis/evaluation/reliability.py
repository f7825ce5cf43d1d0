"""Whether the probabilities of an evaluation are what they say."""

import numpy as np

from cutis.evaluation.arrays import Counts, Floats, weighted
from cutis.evaluation.calibration import (
    BrierParts,
    ReliabilityCurve,
    binned_error,
    brier_losses,
    brier_parts,
    log_losses,
    probability_bins,
    reliability_curve,
    top_label,
)
from cutis.evaluation.clinical import benign_flags, malignancy_probability, malignant_flags
from cutis.evaluation.estimate import Estimate, Part, Resampled
from cutis.evaluation.malignancy import MalignancyScores
from cutis.evaluation.metrics import macro_mean
from cutis.evaluation.scored import ScoredImages
from cutis.taxonomy import ClassSet

ERROR_BINS = 15
"""Of calibration errors: of equal mass, fixed by all images."""


class ClassCalibration(Part):
    """One class against all others: its reliability curve and its calibration error."""

    id: str
    curve: ReliabilityCurve
    expected_calibration_error: Estimate


class Calibration(Part):
    """Are the probabilities what they say?

    Attributes:
        top_label: how often answers were right, by the probability they were given with.
        malignancy: how often lesions were malignant, by their summed probability; None where it is not known which
            classes are.
        by_class: each class against all others.
        expected_calibration_error: of the answers, 15 bins of equal mass (Guo 2017, Naeini 2015). Noise counts as
            error: the fewer images, the larger; a resample's is larger still, and so its interval lies high.
        classwise_calibration_error: mean over the classes (Kull 2019).
        brier_score: 0 to 2, summed over the classes.
        brier_parts: its parts, summed over the classes, each in 15 bins of equal mass.
        log_loss: 0 and up.
    """

    top_label: ReliabilityCurve
    malignancy: ReliabilityCurve | None
    by_class: list[ClassCalibration]
    expected_calibration_error: Estimate
    classwise_calibration_error: Estimate
    brier_score: Estimate
    brier_parts: BrierParts
    log_loss: Estimate


class Reliability:
    """The statistics of calibration for any weighting, and the result they give."""

    def __init__(self, scored: ScoredImages, classes: ClassSet) -> None:
        self.scored, self.classes = scored, classes
        right, said = top_label(scored.truth, scored.probabilities)
        self.right, self.said = right, said
        # The answers first, then the classes: in which bin each probability was said.
        said_of = [said, *scored.probabilities.T]
        self.bins = [probability_bins(each, ERROR_BINS).astype(np.uint8) for each in said_of]
        losses = brier_losses(scored.truth, scored.probabilities), log_losses(scored.truth, scored.probabilities)
        self.losses = np.column_stack(losses)

    def statistics(self, weights: Counts) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        truth, probabilities = self.scored.truth, self.scored.probabilities
        errors = [binned_error(self.right - self.said, self.bins[0], weights)]
        for k in range(len(self.classes.ids)):
            errors.append(binned_error((truth == k) - probabilities[:, k], self.bins[k + 1], weights))
        by_class = np.stack(errors[1:], axis=1)
        (brier, log), total = weighted(self.losses, weights), weights.sum(axis=0)
        return {
            "calibration/top_label": errors[0],
            "calibration/by_class": by_class,
            "calibration/classwise": macro_mean(by_class),
            "calibration/brier": brier / total,
            "calibration/log": log / total,
        }

    def result(self, told: Resampled) -> Calibration:
        """The section."""
        truth, probabilities = self.scored.truth, self.scored.probabilities
        parts = [brier_parts(truth == k, probabilities[:, k], bins=ERROR_BINS) for k in range(len(self.classes.ids))]
        curve = None
        if MalignancyScores.known(self.scored, self.classes):
            ill = malignant_flags(self.classes)
            rows = (ill | benign_flags(self.classes))[truth]
            curve = reliability_curve(
                ill[truth[rows]], malignancy_probability(probabilities[rows], ill), confidence=told.confidence
            )
        return Calibration(
            top_label=reliability_curve(self.right, self.said, confidence=told.confidence),
            malignancy=curve,
            by_class=[
                ClassCalibration(
                    id=class_id,
                    curve=reliability_curve(truth == k, probabilities[:, k], confidence=told.confidence),
                    expected_calibration_error=told.estimate("calibration/by_class", k),
                )
                for k, class_id in enumerate(self.classes.ids)
            ],
            expected_calibration_error=told.estimate("calibration/top_label"),
            classwise_calibration_error=told.estimate("calibration/classwise"),
            brier_score=told.estimate("calibration/brier"),
            brier_parts=BrierParts(
                **{name: sum(getattr(each, name) for each in parts) for name in BrierParts.model_fields}
            ),
            log_loss=told.estimate("calibration/log"),
        )
