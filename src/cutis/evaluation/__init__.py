"""Measuring predictions against a manifest: figures with intervals. Reads predictions, never a model."""

from cutis.evaluation.evaluate import evaluate
from cutis.evaluation.intervals import bootstrap_weights, clustered_bootstrap, percentile_interval
from cutis.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    binary_auc,
    confusion_matrix,
    macro_auc,
    macro_mean,
    negative_predictive_value,
    one_vs_rest_auc,
    positive_predictive_value,
    predicted_class,
    roc_curve,
    sensitivity,
    specificity,
    top_k_accuracy,
)
from cutis.evaluation.predictions import SEEN_IN_TRAINING, Predictions, read_predictions, write_predictions
from cutis.evaluation.result import (
    ClassResult,
    ConfusionMatrix,
    Estimate,
    Evaluation,
    Intervals,
    OutsideClasses,
    Overall,
    RocPoints,
    write_evaluation,
)
from cutis.evaluation.scored import ScoredImages, scored_images

__all__ = [
    "SEEN_IN_TRAINING",
    "ClassResult",
    "ConfusionMatrix",
    "Estimate",
    "Evaluation",
    "Intervals",
    "OutsideClasses",
    "Overall",
    "Predictions",
    "RocPoints",
    "ScoredImages",
    "accuracy",
    "balanced_accuracy",
    "binary_auc",
    "bootstrap_weights",
    "clustered_bootstrap",
    "confusion_matrix",
    "evaluate",
    "macro_auc",
    "macro_mean",
    "negative_predictive_value",
    "one_vs_rest_auc",
    "percentile_interval",
    "positive_predictive_value",
    "predicted_class",
    "read_predictions",
    "roc_curve",
    "scored_images",
    "sensitivity",
    "specificity",
    "top_k_accuracy",
    "write_evaluation",
    "write_predictions",
]
