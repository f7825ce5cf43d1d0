"""From what readers answered to readings that can be analysed: reader, arm, case, truth, rating.

A timed-out step is a read that was not made; training cases never count.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import polars as pl

from cutis.errors import listed
from cutis.study.allocation import Part
from cutis.study.answers import Answer, check_answer, right_choice
from cutis.study.cases import StudyCase
from cutis.study.design import Question, StudyDesign, StudyError
from cutis.study.readings import Readings, check_readings
from cutis.taxonomy import GRADES, Risk, shipped_taxonomy

Measured = Literal["positive", "correct"]


class AnsweredStep(NamedTuple):
    """One step of one showing of a case: who, in which arm, what was answered; ``answer`` None where time ran out."""

    reader: str
    arm: str
    case: str
    part: Part
    answer: Answer | None


def readings_from_answers(
    design: StudyDesign,
    cases: Sequence[StudyCase],
    steps: Iterable[AnsweredStep],
    *,
    measured: Measured = "positive",
    positive: Sequence[str] | None = None,
    at: Risk = "high",
    first: int = 1,
) -> Readings:
    """The readings of the cases that count, each by its first showing.

    The rating, larger the more suspect:

    - ``malignant``, ``biopsy``, ``diagnosis``: without confidence 1 where the answer is positive, else 0. With it, one
      more than its place on the scale (0–100 or the words' places from 0), negative for a negative answer: a rating of
      1 or more is a positive answer.
    - ``ranked``: how high the first positive diagnosis stands: ``most`` for the first place, down to 1; 0 for none.
    - ``risk``: 0 low, 1 high, 2 dangerous, whatever the confidence.

    With ``measured="correct"`` a right answer is rated as the truth and a wrong one as its opposite. So accuracy is the
    share of right answers, sensitivity that among the positive cases, and :func:`cutis.study.switches` counts what an
    aid turned right and wrong.

    Args:
        design: the study's.
        cases: with the truth.
        steps: all that were made; no reader twice on a case in an arm and part.
        measured: how suspect the case was thought, or whether the diagnosis was right.
        positive: nodes of the tree that count, with their descendants; None for all malignant and premalignant ones.
            A case or choice is positive if it lies within.
        at: of ``risk``: this grade and those above are positive; ``positive`` is then not used.
        first: of ``ranked`` with ``"correct"``: right if the diagnosis stands among so many first places.

    Raises:
        StudyError: an answer is none of this design or is of a case that is not among these; it cannot be told whether
            a case or a choice is positive.
        ReadingsError: nothing was answered, or on positive (or negative) cases alone.
    """
    return _readings(design, cases, (each for each in steps if each.part == "main"), measured, positive, at, first)


def repeated_readings(
    design: StudyDesign,
    cases: Sequence[StudyCase],
    steps: Iterable[AnsweredStep],
    *,
    measured: Measured = "positive",
    positive: Sequence[str] | None = None,
    at: Risk = "high",
    first: int = 1,
) -> Readings:
    """The readings of the cases shown twice, for :func:`cutis.study.agreement_within_readers`.

    Each arm becomes two modalities, ``"ARM, first"`` and ``"ARM, again"``. Arguments, ratings and errors are those of
    :func:`readings_from_answers`.

    Raises:
        StudyError: no case was shown twice.
    """
    made = list(steps)
    twice = {(each.reader, each.arm, each.case) for each in made if each.part == "repeat"}
    if not twice:
        raise StudyError("no case was shown twice", fix="Only a design with repeated_cases has such cases.")
    named = [
        each._replace(arm=f"{each.arm}, {'first' if each.part == 'main' else 'again'}")
        for each in made
        if each.part != "training" and (each.reader, each.arm, each.case) in twice
    ]
    return _readings(design, cases, named, measured, positive, at, first)


def _readings(
    design: StudyDesign,
    cases: Sequence[StudyCase],
    steps: Iterable[AnsweredStep],
    measured: Measured,
    positive: Sequence[str] | None,
    at: Risk,
    first: int,
) -> Readings:
    question = design.question
    truth = _truths(question, cases, positive, at)
    node_of = {each.image_id: each.node for each in cases}
    suspect = _suspect_choices(question, positive, at)
    rows, problems = [], []
    for step in steps:
        who = f"reader '{step.reader}', case '{step.case}', arm '{step.arm}'"
        if step.case not in truth:
            problems.append(f"{who}: the study has no such case")
            continue
        if step.answer is None:
            continue
        problem = check_answer(design, step.answer)
        if problem:
            problems.append(f"{who}: {problem}")
            continue
        ill = truth[step.case]
        if measured == "correct":
            right = right_choice(question, node_of[step.case]) in step.answer.choices[:first]
            rating = float(ill == right)
        else:
            rating = _rating(question, step.answer, suspect)
        rows.append((step.reader, step.arm, step.case, str(int(ill)), str(rating)))
    if problems:
        raise StudyError(f"{len(problems):,} answers cannot be used: {listed(problems)}", fix="Correct them.")
    columns = ["reader", "modality", "case", "truth", "rating"]
    return check_readings(pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row"), where="answers")


def _rating(question: Question, answer: Answer, suspect: set[str]) -> float:
    if question.kind == "risk":
        return float([str(each) for each in GRADES].index(answer.choices[0]))
    if question.kind == "ranked":
        place = next((place for place, each in enumerate(answer.choices) if each in suspect), question.most)
        return float(question.most - place)
    ill = answer.choices[0] in suspect
    if question.confidence == "none":
        return float(ill)
    sure = (
        answer.confidence
        if isinstance(answer.confidence, int)
        else list(question.confidence).index(str(answer.confidence))
    )
    return float(sure + 1) if ill else -float(sure + 1)


def _truths(
    question: Question, cases: Sequence[StudyCase], positive: Sequence[str] | None, at: Risk
) -> dict[str, bool]:
    truths = {each.image_id: _is_positive(question, each.node, positive, at) for each in cases}
    unknown = [f"{each.image_id} ({each.node})" for each in cases if truths[each.image_id] is None]
    if unknown:
        raise StudyError(
            f"of {len(unknown)} cases the tree does not tell whether they are positive: {listed(unknown)}",
            fix="Name the nodes that are (positive).",
        )
    return {case: bool(ill) for case, ill in truths.items()}


def _is_positive(question: Question, node: str, positive: Sequence[str] | None, at: Risk) -> bool | None:
    taxonomy = shipped_taxonomy()
    if question.kind == "risk":
        grade = right_choice(question, node)
        ranks = [str(each) for each in GRADES]
        return None if grade is None else ranks.index(grade) >= ranks.index(at)
    if positive is not None:
        return any(taxonomy.is_within(node, taxonomy[each].id) for each in positive)
    malignancy = taxonomy[node].malignancy
    return {"benign": False, "premalignant": True, "malignant": True}.get(malignancy or "")


def _suspect_choices(question: Question, positive: Sequence[str] | None, at: Risk) -> set[str]:
    """The options that call a case positive."""
    if question.kind == "risk":
        return {each for each in GRADES if GRADES.index(each) >= GRADES.index(at)}
    if question.kind in ("malignant", "biopsy"):
        return {"malignant", "biopsy"}
    found, unknown = set(), []
    for each in question.classes.classes:
        if each.rest:
            continue  # another disease than those asked for: not called positive
        said = {_is_positive(question, node, positive, at) for node in each.nodes}
        if None in said or len(said) > 1:
            unknown.append(each.id)
        elif said == {True}:
            found.add(each.id)
    if unknown:
        raise StudyError(
            f"it cannot be told whether the choices {listed(unknown)} are positive",
            fix="Name the nodes that are (positive), each choice wholly within them or outside.",
        )
    return found
