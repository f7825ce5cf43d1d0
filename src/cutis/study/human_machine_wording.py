"""A comparison of readers with a model in words."""

from cutis.evaluation import Estimate, counted, decimal, percent
from cutis.study.human_machine import ReaderComparison


def reader_comparison_paragraph(comparison: ReaderComparison) -> str:
    """The comparison in sentences, for the results of a paper."""
    mean, confidence = comparison.mean, comparison.intervals.confidence
    readers = counted(mean.readers, "reader")
    told = (
        f"{readers} and {comparison.model} answered {comparison.cases:,} cases ({comparison.positives:,} "
        f"{comparison.positive}, {comparison.negatives:,} {comparison.negative}). The readers' mean sensitivity was "
        f"{_with_sd(mean.sensitivity, mean.sensitivity_sd)} and their mean specificity "
        f"{_with_sd(mean.specificity, mean.specificity_sd)}. The AUC of {comparison.model} was "
        f"{decimal(comparison.auc.value)}{_interval(comparison.auc, confidence)}. At the readers' mean specificity its "
        f"sensitivity was {_points(mean.sensitivity_difference, confidence)} the readers' mean. "
        f"Of {readers}, {comparison.on_or_above:,} stood on or above its ROC curve and {comparison.below:,} below it"
    )
    if comparison.outside_band is not None:
        told += f"; {comparison.outside_band:,} stood outside its simultaneous {100 * confidence:g}% band"
    return told + "."


def _with_sd(share: float, sd: float | None) -> str:
    return percent(share, 1) if sd is None else f"{percent(share, 1)} (SD {100 * sd:.1f})"


def _interval(estimate: Estimate, confidence: float) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" ({100 * confidence:g}% CI {estimate.low:.3f}–{estimate.high:.3f})"


def _points(difference: Estimate, confidence: float) -> str:
    """``"4.1 points above (95% CI of the difference −1.0 to 9.2)"``."""
    value = difference.value or 0.0
    told = f"{abs(100 * value):.1f} points {'below' if value < 0 else 'above'}"
    if difference.low is None or difference.high is None:
        return told
    ends = " to ".join(f"{100 * end:.1f}".replace("-", "−") for end in (difference.low, difference.high))
    return f"{told} ({100 * confidence:g}% CI of the difference {ends})"
