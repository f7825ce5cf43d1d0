"""Which MRMC method suits readings, and why: so that nobody has to know it before they have a first result."""

from collections import Counter
from typing import NamedTuple

from cutis.evaluation import counted
from cutis.study.analysis import Analysis, Method
from cutis.study.endpoints import Endpoint
from cutis.study.mrmc import Factor, analyze
from cutis.study.readings import Readings


class MethodChoice(NamedTuple):
    """A method of :func:`cutis.study.analyze`, whether readers are random, and why, in a sentence."""

    method: Method
    readers: Factor
    reason: str


def suited_method(readings: Readings) -> MethodChoice:
    """The method for these readings: Obuchowski and Rockette's where its design is met, else U-statistics.

    Readers are random where each modality has two or more.
    """
    by_modality = Counter(modality for _, modality in readings.frame.select("reader", "modality").unique().iter_rows())
    factor: Factor = "random" if min(by_modality.values()) >= 2 else "fixed"
    method, reason = _method(readings, factor, unequal=len(set(by_modality.values())) > 1)
    if factor == "fixed":
        reason += " A modality has one reader only, so that the result is about these readers alone."
    return MethodChoice(method, factor, reason)


def suited_analysis(
    readings: Readings,
    endpoint: Endpoint,
    *,
    method: Method | None = None,
    reference: str | None = None,
    margin: float | None = None,
    confidence: float = 0.95,
) -> Analysis:
    """:func:`cutis.study.analyze` by the method that suits the readings, or by the one named; readers as they suit.

    Raises:
        ReadingsError: as :func:`cutis.study.analyze`.
    """
    choice = suited_method(readings)
    return analyze(
        readings,
        endpoint,
        method=method or choice.method,
        readers=choice.readers,
        reference=reference,
        margin=margin,
        confidence=confidence,
    )


def _method(readings: Readings, factor: Factor, *, unequal: bool) -> tuple[Method, str]:
    design = readings.design
    if design == "incomplete":
        return "u-statistics", (
            f"{counted(readings.missing, 'reading')} of a complete table {'is' if readings.missing == 1 else 'are'} "
            "not there. The method of Obuchowski and Rockette needs all of them; U-statistics use those that were made."
        )
    if design == "readers in modalities" and (unequal or factor == "fixed"):
        return "u-statistics", (
            "Each modality had readers of its own, not equally many or too few for the method of Obuchowski and "
            "Rockette; U-statistics allow for that."
        )
    told = {
        "factorial": "Every reader read every case in every modality",
        "cases in readers": "Each reader had cases of their own",
        "cases in modalities": "Each modality had cases of its own, read by all readers",
        "readers in modalities": "Each modality had readers of its own, equally many, who read all cases",
    }
    return "or", f"{told[design]}: a design for the method of Obuchowski and Rockette."
