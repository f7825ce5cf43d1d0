"""Predictions measured against a manifest: every figure with an interval."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cutis import __version__
from cutis.errors import PredictionsError
from cutis.evaluation.intervals import clustered_bootstrap, percentile_interval
from cutis.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_mean,
    negative_predictive_value,
    one_vs_rest_auc,
    positive_predictive_value,
    predicted_class,
    roc_curve,
    sensitivity,
    specificity,
    thinned,
    top_k_accuracy,
)
from cutis.evaluation.predictions import Predictions
from cutis.evaluation.result import (
    ClassResult,
    ConfusionMatrix,
    Estimate,
    Evaluation,
    Intervals,
    OutsideClasses,
    Overall,
    RocPoints,
)
from cutis.evaluation.scored import ScoredImages, scored_images
from cutis.taxonomy import ClassSet

Floats = NDArray[np.float64]

DECISION = "The answer is the class of the largest probability; where two are largest, the one that stands first."
FEW_IMAGES = 10  # below this, one image moves a class's sensitivity by 10 points or more
FEW_CLUSTERS = 30  # below this, percentile intervals are known to be too narrow


def evaluate(
    predictions: Predictions,
    manifest: pl.DataFrame,
    *,
    subset: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Evaluation:
    """Measure predictions against a manifest.

    The truth of an image is the class that holds its diagnosis. Images whose diagnosis no class holds are
    counted and not scored. Intervals are percentiles of a bootstrap that resamples whole patients where they
    are known, else lesions, else images.

    Args:
        predictions: one probability a class and image, of whatever origin.
        manifest: as :func:`cutis.data.read_manifest` gives it.
        subset: ``"train"``, ``"val"`` or ``"test"``; None takes ``"test"`` if the manifest has it, else
            every row that is not ``"excluded"``.
        resamples: of the bootstrap, 100 or more.
        seed: of the bootstrap; the same seed gives the same intervals.
        confidence: what the intervals should cover, between 0 and 1.

    Raises:
        PredictionsError: predictions and manifest do not match, or no evaluated image belongs to any class.
        LeakError: the model was trained on an evaluated image, its lesion, patient or group.
    """
    if resamples < 100:
        raise PredictionsError(
            f"{resamples} resamples are too few for an interval", fix="Take 100 or more, best 2,000."
        )
    if not 0 < confidence < 1:
        raise PredictionsError(f"confidence {confidence:g} is not between 0 and 1", fix="Take 0.95.")
    scored = scored_images(predictions, manifest, subset=subset)
    classes = predictions.classes
    clusters = _clusters(scored.frame)
    point, spread = _point_and_spread(scored, classes, clusters, resamples, seed)

    def estimate(name: str, *index: int) -> Estimate:
        at: Any = (..., *index)
        values = spread[name][at] if spread is not None else None
        return _estimate(float(point[name][at][0]), values, confidence)

    by_class = [_class_result(scored, classes, k, point["confusion"][0], estimate) for k in range(len(classes.ids))]
    largest = scored.probabilities.max(axis=1, keepdims=True)
    tied = int(((scored.probabilities == largest).sum(axis=1) > 1).sum())
    kinds = [kind for kind, *_ in dict.fromkeys(clusters)]
    return Evaluation(
        cutis_version=__version__,
        evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        classes=classes,
        subset=scored.subset,
        sources=_counts(scored.frame["source"].fill_null("(not named)")),
        licenses=scored.frame["license"].drop_nulls().unique().sort().to_list(),
        images=len(scored.frame),
        lesions=_distinct(scored.frame, "lesion_id"),
        patients=_distinct(scored.frame, "patient_id"),
        training_data_known=bool(scored.seen_known.all()),
        decision=DECISION,
        tied_images=tied,
        overall=Overall(
            balanced_accuracy=estimate("balanced_accuracy"),
            accuracy=estimate("accuracy"),
            macro_auc=estimate("macro_auc"),
            macro_specificity=estimate("macro_specificity"),
            top_k_accuracy={k: estimate("top_k", k - 1) for k in _ranks(classes)},
        ),
        by_class=by_class,
        confusion=ConfusionMatrix(
            counts=point["confusion"][0].astype(int).tolist(),
            row_share=[
                [estimate("row_share", row, column) for column in range(len(classes.ids))]
                for row in range(len(classes.ids))
            ],
        ),
        outside_classes=OutsideClasses(images=sum(scored.outside.values()), words=scored.outside),
        predictions_not_evaluated=scored.not_evaluated,
        intervals=Intervals(
            method="percentile bootstrap of whole clusters (patient where known, else lesion, else image)",
            clusters={kind: kinds.count(kind) for kind in ("patient", "lesion", "image") if kind in kinds},
            resamples=resamples,
            seed=seed,
            confidence=confidence,
        ),
        warnings=_warnings(scored, by_class, len(kinds), tied),
    )


def _point_and_spread(
    scored: ScoredImages, classes: ClassSet, clusters: Sequence[tuple[str, ...]], resamples: int, seed: int
) -> tuple[dict[str, Floats], dict[str, Floats] | None]:
    """Every statistic, each image counted once (1×…), and in the resamples (R×…; None with one cluster)."""
    truth, probabilities = scored.truth, scored.probabilities
    answers = predicted_class(probabilities)

    def statistics(weights: Floats) -> dict[str, Floats]:
        confusion = confusion_matrix(truth, answers, len(classes.ids), weights)
        auc = one_vs_rest_auc(truth, probabilities, weights)
        with np.errstate(invalid="ignore"):
            row_share = confusion / confusion.sum(axis=2, keepdims=True)
        return {
            "confusion": confusion,
            "row_share": row_share,
            "accuracy": accuracy(confusion),
            "balanced_accuracy": balanced_accuracy(confusion),
            "sensitivity": sensitivity(confusion),
            "specificity": specificity(confusion),
            "macro_specificity": macro_mean(specificity(confusion)),
            "positive_predictive_value": positive_predictive_value(confusion),
            "negative_predictive_value": negative_predictive_value(confusion),
            "auc": auc,
            "macro_auc": macro_mean(auc),
            "top_k": np.stack([top_k_accuracy(truth, probabilities, k, weights) for k in _ranks(classes)], axis=1),
        }

    point = statistics(np.ones((len(truth), 1)))
    if len(set(clusters)) < 2:
        return point, None
    return point, clustered_bootstrap(statistics, clusters, resamples=resamples, seed=seed)


def _ranks(classes: ClassSet) -> range:
    return range(1, min(3, len(classes.ids)) + 1)


def _estimate(value: float, values: Floats | None, confidence: float) -> Estimate:
    low = high = None
    undefined = 0
    if values is not None and not np.isnan(value):
        undefined = int(np.isnan(values).sum())
        low, high = (float(end) for end in percentile_interval(values, confidence))
    return Estimate(value=None if np.isnan(value) else value, low=low, high=high, undefined_resamples=undefined)


def _class_result(
    scored: ScoredImages, classes: ClassSet, k: int, confusion: Floats, estimate: Callable[..., Estimate]
) -> ClassResult:
    each = classes.classes[k]
    own = scored.truth == k
    return ClassResult(
        id=each.id,
        name=each.name,
        malignancy=each.malignancy,
        images=int(own.sum()),
        lesions=_distinct(scored.frame.filter(own), "lesion_id") if _distinct(scored.frame, "lesion_id") else None,
        answered=int(confusion[:, k].sum()),
        sensitivity=estimate("sensitivity", k),
        specificity=estimate("specificity", k),
        positive_predictive_value=estimate("positive_predictive_value", k),
        negative_predictive_value=estimate("negative_predictive_value", k),
        auc=estimate("auc", k),
        roc=_roc_points(own, scored.probabilities[:, k]) if own.any() and not own.all() else None,
    )


def _roc_points(positive: NDArray[np.bool_], scores: Floats) -> RocPoints:
    curve = thinned(roc_curve(positive, scores), most=200)
    return RocPoints(
        false_positive_rate=curve.false_positive_rate.tolist(),
        sensitivity=curve.sensitivity.tolist(),
        threshold=[None, *curve.threshold[1:].tolist()],
    )


def _clusters(frame: pl.DataFrame) -> list[tuple[str, ...]]:
    """Each image's patient, else lesion, else itself: (kind, source, id), as two sources may share an id."""
    # A lesion belongs to one patient: where only some of its images name them, it is theirs all the same.
    lesion_patient = pl.col("patient_id").drop_nulls().first().over("source", "lesion_id")
    patient = pl.when(pl.col("lesion_id").is_null()).then("patient_id").otherwise(lesion_patient)
    table = frame.select(pl.col("source").fill_null(""), patient.alias("patient_id"), "lesion_id", "image_id")
    return [
        ("patient", source, patient_id)
        if patient_id is not None
        else ("lesion", source, lesion_id)
        if lesion_id is not None
        else ("image", source, image_id)
        for source, patient_id, lesion_id, image_id in table.iter_rows()
    ]


def _distinct(frame: pl.DataFrame, column: str) -> int | None:
    """How many lesions or patients there are; None where none is named."""
    return frame.select("source", column).drop_nulls(column).n_unique() or None


def _counts(column: pl.Series) -> dict[str, int]:
    counted = column.alias("value").value_counts().sort("count", "value", descending=[True, False])
    return dict(counted.iter_rows())


def _warnings(scored: ScoredImages, by_class: Sequence[ClassResult], clusters: int, tied: int) -> list[str]:
    told = []
    unknown = int((~scored.seen_known).sum())
    if unknown:
        told.append(
            f"For {unknown:,} of the {len(scored.frame):,} images it is not known whether the model was "
            "trained on them or on others of the same lesions or patients. If so, these figures are too good."
        )
    if scored.subset != "test":
        training = int((scored.frame["subset"] == "train").sum())
        if training:
            told.append(f"{training:,} of the images are marked 'train' in the manifest: this is no test.")
    if scored.without_subset:
        told.append(f"{scored.without_subset:,} rows of the manifest belong to no subset and were not evaluated.")
    if clusters < FEW_CLUSTERS:
        told.append(f"There are only {clusters} independent cases: the intervals are likely too narrow.")
    absent = [each.name for each in by_class if not each.images]
    if absent:
        told.append(f"No image shows {', '.join(absent)}: no sensitivity, no AUC, and no part in the macro means.")
    few = [f"{each.name} ({each.images})" for each in by_class if 0 < each.images < FEW_IMAGES]
    if few:
        told.append(f"Few images: {', '.join(few)}. One image more or less moves their figures by over 10 points.")
    if tied:
        told.append(f"In {tied:,} images two or more classes share the largest probability: the first was taken.")
    return told
