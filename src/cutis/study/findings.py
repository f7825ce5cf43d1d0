"""All figures of a reader study's report, computed once; what cannot be had is told with its reason."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import polars as pl

from cutis.errors import CutisError
from cutis.evaluation import Predictions, clusters_of, predicted_class
from cutis.study.agreement_table import BetweenReaders, WithinReader, agreement_between, agreement_within
from cutis.study.aid_findings import AI, AiAnswers, AidFindings, aid_findings
from cutis.study.analysis import Analysis
from cutis.study.answered_cases import answered_cases, kinds_of
from cutis.study.answering import (
    AnswerCounts,
    AnswerTimes,
    TimeDifference,
    answer_counts,
    answer_times,
    time_difference,
)
from cutis.study.endpoints import Endpoint, auc, balanced_accuracy, per_case, sensitivity, specificity
from cutis.study.group_table import GroupFigures, group_figures, model_figures
from cutis.study.human_machine import ReaderComparison, compare_with_readers
from cutis.study.method_choice import MethodChoice, suited_analysis, suited_method
from cutis.study.reader_table import Confusions, ReaderRow, confusions, reader_rows
from cutis.study.readings import Readings, ReadingsError
from cutis.study.study_record import StudyRecord

_Found = TypeVar("_Found")


class Model(NamedTuple):
    """A model's predictions of the cases that were read, with the manifest that holds their truth."""

    name: str
    predictions: Predictions
    manifest: pl.DataFrame


@dataclass
class StudyFindings:
    """Every figure of a study's report.

    ``analyses``: of the main endpoint first. ``by_group``: the main endpoint's analysis of each group of two readers or
    more. ``comparisons``: with a model, by arm. ``missing``: what could not be had, as (what, why).
    """

    record: StudyRecord
    choice: MethodChoice
    confidence: float
    analyses: list[Analysis] = field(default_factory=list)
    by_group: dict[str, Analysis] = field(default_factory=dict)
    groups: list[GroupFigures] = field(default_factory=list)
    model: str | None = None
    model_row: GroupFigures | None = None
    readers: list[ReaderRow] = field(default_factory=list)
    comparisons: dict[str, ReaderComparison] = field(default_factory=dict)
    confusions: Confusions = field(default_factory=lambda: Confusions({}, {}))
    aid: list[AidFindings] = field(default_factory=list)
    between: list[BetweenReaders] = field(default_factory=list)
    within: list[WithinReader] = field(default_factory=list)
    counts: list[AnswerCounts] = field(default_factory=list)
    times: list[AnswerTimes] = field(default_factory=list)
    time_differences: list[TimeDifference] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)

    def attempt(self, what: str, work: Callable[[], _Found]) -> _Found | None:
        """What ``work`` gives; None where the data do not allow it, which the report then tells."""
        try:
            return work()
        except CutisError as error:
            self.missing.append((what, str(error)))
            return None


def study_findings(
    record: StudyRecord,
    *,
    model: Model | None = None,
    reference: str | None = None,
    margin: float | None = None,
    positive: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> StudyFindings:
    """Compute what a report of the study tells.

    Args:
        record: the study.
        model: to set readers against; also the AI's own answers, where the record does not know what was shown.
        reference: the arm that others are compared with; the first one when None.
        margin: of non-inferiority and equivalence, for all endpoints.
        positive: the model's class that is looked for; None takes malignant and premalignant ones.
        resamples: of every bootstrap.
        seed: of every bootstrap.
        confidence: of all intervals, between 0 and 1.

    Raises:
        ReadingsError: there is no such reference, or margin, resamples or confidence are out of range.
    """
    if resamples < 100 or not 0 < confidence < 1 or (margin is not None and not 0 < margin < np.inf):
        raise ReadingsError(
            "resamples, confidence or margin are out of range",
            fix="Take 100 resamples or more, a confidence between 0 and 1, a margin above 0.",
        )
    reference = reference or record.arms[0].id
    if reference not in record.readings.modalities:
        raise ReadingsError(f"there is no arm '{reference}'", fix=f"There are {', '.join(record.readings.modalities)}.")
    found = StudyFindings(record, suited_method(record.readings), confidence)
    found.counts = answer_counts(record)
    _analyses(found, reference, margin)
    _groups(found)
    if model is not None:
        _with_model(found, model, positive, resamples, seed)
    found.readers = reader_rows(record, found.analyses, confidence)
    found.confusions = confusions(record)
    ai = _ai_answers(found, model, positive)
    told = [aid_findings(record, *pair, ai, found.attempt, confidence=confidence) for pair in record.pairs]
    found.aid = [each for each in told if each is not None]
    settings = {"resamples": resamples, "seed": seed, "confidence": confidence}
    found.between = agreement_between(record, **settings)  # type: ignore[arg-type]
    found.within = agreement_within(record, **settings)  # type: ignore[arg-type]
    found.times = answer_times(record)
    differences = [time_difference(record, *pair, confidence=confidence) for pair in record.pairs]
    found.time_differences = [each for each in differences if each is not None]
    return found


def _endpoints(record: StudyRecord) -> list[tuple[Readings, Endpoint]]:
    wanted: list[tuple[Readings, Endpoint]] = []
    if not record.readings.binary:
        wanted.append((record.readings, auc()))
    if record.correct is not None:
        wanted.append((record.correct, _right_answers(record)))
    if record.called is not None:
        wanted += [(record.called, each) for each in (balanced_accuracy(), sensitivity(), specificity())]
    return wanted


def _right_answers(record: StudyRecord) -> Endpoint:
    """Accuracy, by the name of what was asked: a right answer is rated as the truth."""
    risk = record.design is not None and record.design.question.kind == "risk"
    words = f"share of right {'grades' if risk else 'diagnoses'}"
    return per_case("accuracy", words, lambda rating, positive: (rating >= 1) == positive, bounded=True)


def _analyses(found: StudyFindings, reference: str, margin: float | None) -> None:
    record = found.record
    analysis = partial(
        suited_analysis, method=found.choice.method, reference=reference, margin=margin, confidence=found.confidence
    )
    for place, (readings, measured) in enumerate(_endpoints(record)):
        told = found.attempt(f"The analysis of the {measured.words}", partial(analysis, readings, measured))
        if told is not None:
            found.analyses.append(told)
        if place or len(record.group_names) < 2 or len(record.arms) < 2:
            continue
        for group in record.group_names:
            what = f"The comparison of arms within the group “{group}”"
            own = found.attempt(what, partial(analysis, readings.only(readers=record.of_group(group)), measured))
            if own is not None and own.differences:
                found.by_group[group] = own


def _groups(found: StudyFindings) -> None:
    record = found.record
    called = record.called
    if called is None:
        why = "Ratings are finer than 0 and 1, and nobody said from which rating on a case is called positive."
        fix = "Name it (--threshold)."
        found.missing.append(("Sensitivity, specificity, confusion, and what an aid changed", f"{why} {fix}"))
        return
    groups: list[str | None] = [None, *(record.group_names if len(record.group_names) > 1 else [])]
    for group in [*groups[1:], None]:
        for arm in record.arms:
            here = called.only(modalities=[arm.id]).readers
            readers = [each for each in record.of_group(group) if each in here]
            if not readers:
                continue
            row = found.attempt(
                f"The figures of {group or 'all readers'} in “{arm.title}”",
                partial(
                    group_figures,
                    called,
                    arm.id,
                    group,
                    readers,
                    method=found.choice.method,
                    confidence=found.confidence,
                ),
            )
            if row is not None:
                found.groups.append(row)


def _with_model(found: StudyFindings, model: Model, positive: str | None, resamples: int, seed: int) -> None:
    record = found.record
    for arm in record.arms:
        told = found.attempt(
            f"{model.name} beside the readers in “{arm.title}”",
            partial(
                compare_with_readers,
                model.predictions,
                model.manifest,
                (record.called or record.readings).only(modalities=[arm.id]),
                name=model.name,
                positive=positive,
                resamples=resamples,
                seed=seed,
                confidence=found.confidence,
            ),
        )
        if told is not None:
            found.comparisons[arm.id] = told
    if not found.comparisons:
        return
    found.model = model.name
    scored, _ = answered_cases(model.predictions, model.manifest, record.readings.cases)
    kinds = kinds_of(model.predictions.classes, positive)
    kept = (kinds.positive | kinds.negative)[scored.truth]
    found.model_row = model_figures(
        kinds.positive[predicted_class(scored.probabilities[kept])],
        kinds.positive[scored.truth[kept]],
        clusters_of(scored.frame.filter(pl.Series(kept))).number,
        resamples=resamples,
        seed=seed,
        confidence=found.confidence,
    )


def _ai_answers(found: StudyFindings, model: Model | None, positive: str | None) -> AiAnswers | None:
    """The aid's own answers: as they were shown, or a model's."""
    record = found.record
    if record.ai_right is not None:
        return AiAnswers(AI, record.ai_right)
    if model is None or not found.comparisons:
        return None
    scored, _ = answered_cases(model.predictions, model.manifest, record.readings.cases)
    kinds = kinds_of(model.predictions.classes, positive)
    answer = predicted_class(scored.probabilities)
    right = answer == scored.truth
    if record.correct is None:
        right = kinds.positive[answer] == kinds.positive[scored.truth]
    return AiAnswers(model.name, dict(zip(scored.frame["image_id"].to_list(), right.tolist(), strict=True)))
