"""The result of an evaluation, as it is written to ``evaluation.json``."""

from math import isnan
from pathlib import Path

from cutis.evaluation.by_class import ClassResult, ConfusionMatrix, Overall
from cutis.evaluation.challenge import Isic2018Scores
from cutis.evaluation.conformal import ConformalResult
from cutis.evaluation.estimate import Intervals, Part
from cutis.evaluation.group_thresholds import GroupThresholdResults
from cutis.evaluation.leakage import Leakage
from cutis.evaluation.malignancy import Malignancy
from cutis.evaluation.operating_points import OperatingPoints
from cutis.evaluation.other_diseases import OtherDiseases
from cutis.evaluation.refusal import Unfamiliarity
from cutis.evaluation.reliability import Calibration
from cutis.evaluation.subgroups import SubgroupResults
from cutis.files import write_json
from cutis.taxonomy import ClassSet


class OutsideClasses(Part):
    """Evaluated images whose diagnosis is none of the classes, or missing: counted, not scored.

    ``words`` counts them by the data set's own word, else the tree's node, else ``"(no diagnosis)"``.
    """

    images: int
    words: dict[str, int]


class CategoryFigures(Part):
    """One category as the challenge's own package scores it; see :class:`cutis.evaluation.CategoryScores`."""

    accuracy: float | None
    sensitivity: float | None
    specificity: float | None
    dice: float | None
    ppv: float | None
    npv: float | None
    auc: float | None
    auc_above_80_sensitivity: float | None
    average_precision: float | None


class ChallengeFigures(Part):
    """ISIC 2018 task 3 as the challenge scores it, every image with weight 1.

    Its habits differ from all other figures here: a tied largest probability is wrong whatever the truth (``undecided``
    counts them), and a category is called from a probability above 0.5. None where the package gives no number.
    """

    balanced_accuracy: float | None
    undecided: int
    macro_average: CategoryFigures
    per_category: dict[str, CategoryFigures]

    @classmethod
    def of(cls, scores: Isic2018Scores) -> "ChallengeFigures":
        """The scores, with None for NaN."""

        def category(name: str) -> CategoryFigures:
            each = scores.macro_average if name == "macro" else scores.per_category[name]
            values = {figure: getattr(each, figure) for figure in CategoryFigures.model_fields}
            return CategoryFigures(**{figure: None if isnan(value) else value for figure, value in values.items()})

        balanced = scores.balanced_accuracy
        return cls(
            balanced_accuracy=None if isnan(balanced) else balanced,
            undecided=scores.undecided,
            macro_average=category("macro"),
            per_category={name: category(name) for name in scores.per_category},
        )


class Evaluation(Part):
    """What predictions are worth on a manifest.

    Attributes:
        cutis_version: the version that computed it.
        evaluated_at: when, ISO 8601, UTC.
        classes: the classes at which it was measured.
        predicted_classes: the classes the predictions had; more than ``classes`` where they were rolled up.
        subset: the manifest's subset that was evaluated; None for all rows that are not excluded.
        sources: images by data set.
        licenses: the licences of the images.
        images: how many were scored.
        lesions: how many they show; None where the manifest names none.
        patients: whose they are; None where the manifest names none.
        training_data_known: whether it is known for every scored image that the model was not trained on it,
            its lesion, its patient or its group. (What it is known to have been trained on is refused.)
        leakage: what is known of images on both sides.
        decision: how probabilities became an answer.
        tied_images: images whose largest probability is shared by two classes or more.
        overall: figures over all classes.
        by_class: figures of each class, in the order of ``classes``.
        confusion: the confusion matrix.
        malignancy: malignant against benign; None where the classes do not know it.
        calibration: whether the probabilities are what they say.
        subgroups: figures by skin type, sex, age, …: each column in which any image has a value.
        other: what the class of other diseases saves; None where there is none.
        operating_points: what given thresholds do; None where none were given.
        conformal: what given prediction sets are worth; None where none were given.
        challenge: ISIC 2018's scores, where the classes are its seven.
        outside_classes: images that could not be scored.
        predictions_not_evaluated: predictions for manifest rows outside the evaluated subset.
        intervals: how the intervals were made.
        warnings: what a reader must know, in words.
        group_thresholds: what thresholds of a group's own gain and cost; None where none were given.
        unfamiliarity: what a score of unfamiliarity is worth; None where the predictions have none.
    """

    cutis_version: str
    evaluated_at: str
    classes: ClassSet
    predicted_classes: ClassSet
    subset: str | None
    sources: dict[str, int]
    licenses: list[str]
    images: int
    lesions: int | None
    patients: int | None
    training_data_known: bool
    leakage: Leakage
    decision: str
    tied_images: int
    overall: Overall
    by_class: list[ClassResult]
    confusion: ConfusionMatrix
    malignancy: Malignancy | None
    calibration: Calibration
    subgroups: list[SubgroupResults]
    other: OtherDiseases | None
    operating_points: OperatingPoints | None
    conformal: ConformalResult | None
    challenge: ChallengeFigures | None
    outside_classes: OutsideClasses
    predictions_not_evaluated: int
    intervals: Intervals
    warnings: list[str]
    group_thresholds: GroupThresholdResults | None = None
    unfamiliarity: Unfamiliarity | None = None


def write_evaluation(evaluation: Evaluation, path: str | Path) -> None:
    """Write ``evaluation.json``, whole or not at all; ``Evaluation.model_validate_json`` reads it."""
    write_json(path, evaluation.model_dump(mode="json"))
