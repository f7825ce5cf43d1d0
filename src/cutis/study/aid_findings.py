"""What an aid changed in a study: switched answers, automation bias, and odds ratios by two models."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import polars as pl

from cutis.study.aid import OddsRatio, Switches, aided_odds_ratio, switches
from cutis.study.mixed_model import MixedOddsRatio, aided_mixed_model
from cutis.study.readings import Readings
from cutis.study.study_record import StudyRecord

AI = "the AI shown"
_Found = TypeVar("_Found")


class Attempt(Protocol):
    """Runs work; where the data do not allow it keeps the reason under ``what``, and gives None."""

    def __call__(self, what: str, work: Callable[[], _Found]) -> _Found | None:
        """``what``: to be found, in words. ``work``: gives it."""


class AiAnswers(NamedTuple):
    """Whose answers tell where the aid was wrong, and by case whether they are right."""

    name: str
    right: Mapping[str, bool]


class AidFindings(NamedTuple):
    """What an aid changed, of answers that are right or wrong.

    Attributes:
        unaided: the arm without.
        aided: the arm with it.
        switches: of each reader and, last, of all; empty where no case was answered in both arms.
        by_group: likewise of each group, by name.
        ai: whose answers tell where the aid was wrong: the AI as shown, or a model; None where they are not known.
        ai_cases: how many cases its answer is known of; switches are of these alone.
        marginal: odds ratio for the mean over readers and cases.
        mixed: for one reader on one case.
        mixed_by_reader: the same with an effect of the aid that differs from reader to reader.
    """

    unaided: str
    aided: str
    switches: list[Switches]
    by_group: dict[str, Switches]
    ai: str | None
    ai_cases: int | None
    marginal: OddsRatio | None
    mixed: MixedOddsRatio | None
    mixed_by_reader: MixedOddsRatio | None


def aid_findings(
    record: StudyRecord, unaided: str, aided: str, ai: AiAnswers | None, attempt: Attempt, *, confidence: float
) -> AidFindings | None:
    """What the aid of one arm changed; None where nobody said which answers are right.

    Args:
        record: the study.
        unaided: the arm without.
        aided: the arm with it.
        ai: the aid's own answers, where they are known.
        attempt: for each figure that the data may not allow.
        confidence: of intervals.
    """
    judged = record.judged
    if judged is None:
        return None
    pair = judged.only(modalities=[unaided, aided])
    title = f"“{record.arm_title(aided)}” against “{record.arm_title(unaided)}”"
    known = None if ai is None else [case for case in pair.cases if case in ai.right]
    counted = pair if ai is None else _with_ai(pair, ai.right, unaided)
    in_both = _readers_of(pair, unaided) & _readers_of(pair, aided)
    changed: list[Switches] = []
    by_group: dict[str, Switches] = {}
    system = None if ai is None else AI
    if in_both:
        changed = attempt(f"Switched answers, {title}", lambda: switches(counted, unaided, aided, system=system)) or []
        for group in record.group_names if len(record.group_names) > 1 else []:
            own = [each for each in record.of_group(group) if each in in_both]
            if own:
                kept = counted.only(readers=[*own, *([] if system is None else [system])])
                told = attempt(
                    f"Switched answers of {group}, {title}", partial(switches, kept, unaided, aided, system=system)
                )
                if told:
                    by_group[group] = told[-1]
    level = confidence
    return AidFindings(
        unaided=unaided,
        aided=aided,
        switches=changed,
        by_group=by_group,
        ai=None if ai is None else ai.name,
        ai_cases=None if known is None else len(known),
        marginal=attempt(
            f"The marginal odds ratio, {title}", lambda: aided_odds_ratio(pair, unaided, aided, confidence=level)
        ),
        mixed=attempt(f"The mixed model, {title}", lambda: aided_mixed_model(pair, unaided, aided, confidence=level)),
        mixed_by_reader=attempt(
            f"The mixed model with readers' own effects of the aid, {title}",
            lambda: aided_mixed_model(pair, unaided, aided, aid_by_reader=True, confidence=level),
        )
        if in_both
        else None,
    )


def _with_ai(pair: Readings, right: Mapping[str, bool], arm: str) -> Readings:
    """The readings of the cases that the AI's answer is known of, with the AI as one more reader."""
    frame = pair.frame.filter(pl.col("case").is_in(list(right)))
    truth = dict(frame.select("case", "truth").unique().iter_rows())
    rows = [(AI, arm, case, ill, float(ill == right[case])) for case, ill in truth.items()]
    return Readings(pl.concat([frame, pl.DataFrame(rows, schema=frame.schema, orient="row")]))


def _readers_of(readings: Readings, arm: str) -> set[str]:
    return set(readings.frame.filter(pl.col("modality") == arm)["reader"])
