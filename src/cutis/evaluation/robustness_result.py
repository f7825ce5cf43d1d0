"""The result of a robustness evaluation, as it is written to ``robustness.json``."""

from pathlib import Path

from cutis.evaluation.estimate import Estimate, Intervals, Part, read_part
from cutis.files import write_json
from cutis.taxonomy import ClassSet


class RobustnessFigures(Part):
    """The figures of one condition, or their change against the clean images.

    Attributes:
        error: 1 − balanced accuracy.
        malignant_sensitivity: malignant and premalignant lesions answered with any such class.
        malignant_specificity: benign lesions that were not.
        malignant_auc: of the summed probability of malignancy.
        melanoma_sensitivity: melanomas answered as melanoma.
        melanoma_auc: of melanoma's own probability, against all others.
    """

    error: Estimate
    malignant_sensitivity: Estimate
    malignant_specificity: Estimate
    malignant_auc: Estimate
    melanoma_sensitivity: Estimate
    melanoma_auc: Estimate


FIGURES = tuple(RobustnessFigures.model_fields)


class AtStrength(Part):
    """One corruption at one strength; ``change`` is against the clean images, both in the same resamples.

    ``flipped`` is the share of images whose answer is another than that of the clean image, right or wrong.
    """

    strength: int
    figures: RobustnessFigures
    change: RobustnessFigures
    flipped: Estimate


class CorruptionResult(Part):
    """One corruption: at each strength, and the means over its strengths.

    ``corruption_error`` and ``relative_corruption_error`` (:func:`corruption_errors`,
    :func:`relative_corruption_errors`) are not defined without a baseline.
    """

    name: str
    at: list[AtStrength]
    mean: RobustnessFigures
    mean_change: RobustnessFigures
    mean_flipped: Estimate
    corruption_error: Estimate
    relative_corruption_error: Estimate


class RobustnessResult(Part):
    """What corruptions cost.

    Attributes:
        cutis_version: the version that computed it.
        evaluated_at: when, ISO 8601, UTC.
        model: what the model is called.
        classes: the classes told apart.
        subset: the manifest's subset; None for all rows that are not excluded.
        sources: images by data set.
        images: how many were scored at each strength.
        images_of_class: by class.
        malignant_images: of malignant and premalignant classes.
        lesions: how many they show; None where the manifest names none.
        patients: whose they are; None where the manifest names none.
        images_key: a hash of which images with which truth: a baseline must have the same.
        training_data_known: as in :class:`cutis.evaluation.Evaluation`.
        outside_classes: evaluated images whose diagnosis is none of the classes: not scored.
        clean: the figures without corruption.
        corruptions: each corruption.
        mean: over all corruptions and strengths.
        mean_change: against the clean images.
        mean_flipped: share of images whose answer changed.
        baseline: what the baseline is called; None without one.
        mean_corruption_error: mCE: the mean of the corruption errors, 1 where the baseline loses as much.
        relative_mean_corruption_error: the same of the rise above the clean error.
        intervals: how the intervals were made; the baseline's errors are taken as they are, without chance.
        warnings: what a reader must know, in words.
    """

    cutis_version: str
    evaluated_at: str
    model: str
    classes: ClassSet
    subset: str | None
    sources: dict[str, int]
    images: int
    images_of_class: dict[str, int]
    malignant_images: int
    lesions: int | None
    patients: int | None
    images_key: str
    training_data_known: bool
    outside_classes: int
    clean: RobustnessFigures
    corruptions: list[CorruptionResult]
    mean: RobustnessFigures
    mean_change: RobustnessFigures
    mean_flipped: Estimate
    baseline: str | None
    mean_corruption_error: Estimate
    relative_mean_corruption_error: Estimate
    intervals: Intervals
    warnings: list[str]

    @property
    def strengths(self) -> list[int]:
        """The strengths measured, the same for every corruption."""
        return [each.strength for each in self.corruptions[0].at]


def write_robustness(result: RobustnessResult, path: str | Path) -> None:
    """Write ``robustness.json``, whole or not at all; :func:`read_robustness` reads it."""
    write_json(path, result.model_dump(mode="json"))


def read_robustness(path: str | Path) -> RobustnessResult:
    """Read a ``robustness.json``.

    Raises:
        PredictionsError: there is no such file, or it holds something else.
    """
    return read_part(RobustnessResult, path)
