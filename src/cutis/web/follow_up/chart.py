"""Answers over time: in words for tables, and as places in a drawing.

The clinic's page shows no probability, before a tap, of a photograph stranger than 99 of 100, and never a reassuring
grade of one. So it is here: such an answer is told to be one, and its point is hollow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cutis.follow_up import KeptAnswer, KeptPhotograph
from cutis.web.clinic.words import clinic_words, percent
from cutis.web.strings import ENGLISH

WIDTH, HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 14, 32
_STRANGE = 99


@dataclass(frozen=True)
class ToldAnswer:
    """An answer in a line of a table.

    Attributes:
        model: its name.
        sha256: the first digits of its weights' hash: two models may have one name.
        first: the most probable class.
        first_percent: its probability, in words.
        malignant: that of cancers and precursors together, in words; empty where the model does not define it.
        grade: of risk; empty where there is none, or where it would reassure without a ground.
        strange: whether the photograph is stranger than 99 of 100 of those the model was checked with.
        unfit: whether it should have been taken again.
    """

    model: str
    sha256: str
    first: str
    first_percent: str
    malignant: str
    grade: str
    strange: bool
    unfit: bool


@dataclass(frozen=True)
class Point:
    """A photograph in the drawing: ``x`` and ``y`` in its units; ``strange``: drawn hollow."""

    x: float
    y: float
    day: date
    percent: str
    strange: bool


@dataclass(frozen=True)
class Series:
    """One model's points, oldest first; ``line``: of a polyline."""

    model: str
    points: tuple[Point, ...]
    line: str


@dataclass(frozen=True)
class Chart:
    """The drawing. ``rules``: heights and words of the lines at 0, 25, 50, 75 and 100 %."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    rules: tuple[tuple[float, str], ...]
    series: tuple[Series, ...]
    first: date
    last: date


def told_answer(kept: KeptAnswer) -> ToldAnswer:
    """An answer in words."""
    w = clinic_words(ENGLISH)
    answer = kept.answer
    first = answer.diagnoses[0]
    strange = answer.stranger_than == _STRANGE
    grade = "" if answer.risk is None or (strange and answer.risk == "low") else str(answer.risk)
    return ToldAnswer(
        kept.model.name,
        kept.model.weights_sha256[:8],
        first.name,
        percent(w, first.probability),
        "" if answer.malignant is None else percent(w, answer.malignant),
        grade,
        strange,
        bool(answer.unfit),
    )


def chart_of(photographs: Sequence[KeptPhotograph]) -> Chart | None:
    """The probability of cancer or a precursor over time, a series a model; None with fewer than two days.

    Args:
        photographs: of one lesion, in any order.
    """
    w = clinic_words(ENGLISH)
    found = [
        (each.facts.taken_on, one)
        for each in sorted(photographs, key=lambda each: (each.facts.taken_on, each.added_at))
        for one in each.answers
        if one.answer.malignant is not None
    ]
    days = [day for day, _ in found]
    if not days or min(days) == max(days):
        return None
    first, last = min(days), max(days)
    within, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def height(share: float) -> float:
        return round(_TOP + high * (1 - share), 1)

    by_model: dict[str, list[Point]] = {}
    names: dict[str, str] = {}
    for day, one in found:
        x = round(_LEFT + within * (day - first).days / (last - first).days, 1)
        share = one.answer.malignant or 0.0
        point = Point(x, height(share), day, percent(w, share), one.answer.stranger_than == _STRANGE)
        by_model.setdefault(one.model.weights_sha256, []).append(point)
        names[one.model.weights_sha256] = f"{one.model.name} ({one.model.weights_sha256[:8]})"
    series = tuple(
        Series(names[sha256], tuple(points), " ".join(f"{each.x},{each.y}" for each in points))
        for sha256, points in by_model.items()
    )
    rules = tuple((height(share / 100), f"{share} %") for share in (0, 25, 50, 75, 100))
    return Chart(WIDTH, HEIGHT, _LEFT, WIDTH - _RIGHT, HEIGHT - _BOTTOM, rules, series, first, last)
