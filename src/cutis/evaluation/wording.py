"""Figures in words: percentages, intervals, counts, always written the same way."""

from cutis.evaluation.estimate import Estimate

NOT_DEFINED = "–"
MALIGNANCY_WORDS = {
    "benign": "benign",
    "premalignant": "premalignant",
    "malignant": "malignant",
    "unknown": "not given",
}


def percent(share: float | None, decimals: int = 0) -> str:
    """``0.8213`` as ``"82%"``; a dash where there is no figure."""
    return NOT_DEFINED if share is None else f"{100 * share:.{decimals}f}%"


def percent_interval(estimate: Estimate, decimals: int = 0) -> str:
    """``"76–87%"``; a dash where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return NOT_DEFINED
    return f"{100 * estimate.low:.{decimals}f}–{100 * estimate.high:.{decimals}f}%"


def decimal(value: float | None) -> str:
    """``0.9734`` as ``"0.973"``, the way an AUC is written; a dash where there is no figure."""
    return NOT_DEFINED if value is None else f"{value:.3f}"


def decimal_interval(estimate: Estimate) -> str:
    """``"0.966–0.979"``; a dash where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return NOT_DEFINED
    return f"{estimate.low:.3f}–{estimate.high:.3f}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """``"1 lesion"``, ``"1,437 lesions"``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def joined(words: list[str]) -> str:
    """``"a, b and c"``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
