"""The result of an evaluation, as it is written to ``evaluation.json``."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cutis.files import write_json
from cutis.taxonomy import ClassSet


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Part):
    """A figure with its interval, 0 to 1; None where it is not defined (a class without images has no
    sensitivity).

    ``undefined_resamples`` counts the bootstrap resamples in which it was not defined: the interval rests on
    the others.
    """

    value: float | None
    low: float | None
    high: float | None
    undefined_resamples: int = 0


class RocPoints(_Part):
    """The corners of a ROC curve, 200 at most; ``threshold`` is None at (0, 0), where nothing is positive."""

    false_positive_rate: list[float]
    sensitivity: list[float]
    threshold: list[float | None]


class ClassResult(_Part):
    """One class against all others.

    ``images`` and ``lesions`` count the truth (``lesions`` is None where the manifest names none),
    ``answered`` the images that were called so.
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
    auc: Estimate
    roc: RocPoints | None


class Overall(_Part):
    """Figures over all classes. ``top_k_accuracy`` has the keys 1 to 3, fewer with fewer classes."""

    balanced_accuracy: Estimate
    accuracy: Estimate
    macro_auc: Estimate
    macro_specificity: Estimate
    top_k_accuracy: dict[int, Estimate]


class ConfusionMatrix(_Part):
    """Images by truth (row) and answer (column) in the classes' order, and each cell's share of its row."""

    counts: list[list[int]]
    row_share: list[list[Estimate]]


class OutsideClasses(_Part):
    """Evaluated images whose diagnosis is none of the classes, or missing: counted, not scored.

    ``words`` counts them by the data set's own word, else the ISIC diagnosis, else ``"(no diagnosis)"``.
    """

    images: int
    words: dict[str, int]


class Intervals(_Part):
    """How the intervals were made.

    ``clusters`` counts what was resampled, by kind: patients where known, else lesions, else single images.
    """

    method: str
    clusters: dict[str, int]
    resamples: int
    seed: int
    confidence: float


class Evaluation(_Part):
    """What predictions are worth on a manifest.

    Attributes:
        cutis_version: the version that computed it.
        evaluated_at: when, ISO 8601, UTC.
        classes: the classes told apart.
        subset: the manifest's subset that was evaluated; None for all rows that are not excluded.
        sources: images by data set.
        licenses: the licences of the images.
        images: how many were scored.
        lesions: how many they show; None where the manifest names none.
        patients: whose they are; None where the manifest names none.
        training_data_known: whether it is known for every scored image that the model was not trained on it,
            its lesion, its patient or its group. (What it is known to have been trained on is refused.)
        decision: how probabilities became an answer.
        tied_images: images whose largest probability is shared by two classes or more.
        overall: figures over all classes.
        by_class: figures of each class, in the order of ``classes``.
        confusion: the confusion matrix.
        outside_classes: images that could not be scored.
        predictions_not_evaluated: predictions for manifest rows outside the evaluated subset.
        intervals: how the intervals were made.
        warnings: what a reader must know, in words.
    """

    cutis_version: str
    evaluated_at: str
    classes: ClassSet
    subset: str | None
    sources: dict[str, int]
    licenses: list[str]
    images: int
    lesions: int | None
    patients: int | None
    training_data_known: bool
    decision: str
    tied_images: int
    overall: Overall
    by_class: list[ClassResult]
    confusion: ConfusionMatrix
    outside_classes: OutsideClasses
    predictions_not_evaluated: int
    intervals: Intervals
    warnings: list[str]


def write_evaluation(evaluation: Evaluation, path: str | Path) -> None:
    """Write ``evaluation.json``, whole or not at all; ``Evaluation.model_validate_json`` reads it."""
    write_json(path, evaluation.model_dump(mode="json"))
