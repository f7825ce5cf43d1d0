"""Reading the filled-in answer sheet of a booklet back."""

import re
from collections.abc import Sequence
from pathlib import Path

from cutis.data import read_table
from cutis.errors import listed
from cutis.study.allocation import Item
from cutis.study.answer_readings import AnsweredStep
from cutis.study.answers import Answer, check_answer, options
from cutis.study.booklet import booklet_items, letters
from cutis.study.design import Question, StudyDesign, StudyError
from cutis.taxonomy import folded


def read_answer_sheet(
    path: str | Path, design: StudyDesign, items: Sequence[Item], *, reader: str, period: int = 0
) -> list[AnsweredStep]:
    """What a reader wrote into the sheet of a booklet.

    An answer is the letter, the id or the name of an option; several of a ranked question are parted by commas or
    semicolons. An empty answer is a case that was not read.

    Args:
        path: the table, as :func:`cutis.study.write_answer_sheet` wrote it.
        design: the study's.
        items: the reader's own, from which the booklet was made.
        reader: whose sheet it must be.
        period: whose booklet it belongs to.

    Raises:
        StudyError: a column is missing; the sheet is another reader's or period's; a case number is none of the
            booklet's, stands twice or is missing; an answer is none. All rows are told together.
        ManifestError: the file is not there or is no table.
    """
    numbered = booklet_items(design, items, period)
    sure = design.question.confidence != "none"
    columns = ["reader", "period", "case", "answer", *(["confidence"] if sure else [])]
    table = read_table(path)
    missing = [each for each in columns if each not in table.columns]
    if missing:
        raise StudyError(
            f"column '{missing[0]}' is missing (found: {listed(table.columns)})",
            where=str(path),
            fix=f"Give the columns {', '.join(columns)}.",
        )
    problems, found = [], {}
    for row, cells in enumerate(table.select(columns).iter_rows(), 1):
        of, turn, case, answer, *rest = ("" if each is None else str(each).strip() for each in cells)
        number = int(case) if case.isdecimal() else 0
        if of != reader or turn != str(period + 1):
            problems.append(f"row {row}: is of reader '{of}', period '{turn}', not of '{reader}', {period + 1}")
        elif not 1 <= number <= len(numbered):
            problems.append(f"row {row}: case '{case}' is none of 1 to {len(numbered)}")
        elif number in found:
            problems.append(f"row {row}: case {number} stands twice")
        elif not answer and any(rest):
            problems.append(f"row {row}: case {number} has a confidence and no answer")
        else:
            given = _answer(design.question, answer, rest[0] if rest else None) if answer else None
            problem = check_answer(design, given) if given is not None else None
            if problem:
                problems.append(f"row {row}: case {number}: {problem}")
            found[number] = given
    absent = [str(each) for each in range(1, len(numbered) + 1) if each not in found]
    if absent and not problems:
        problems.append(f"cases {listed(absent)} have no row")
    if problems:
        raise StudyError(
            f"{len(problems)} rows cannot be used: {listed(problems)}", where=str(path), fix="Correct them."
        )
    return [
        AnsweredStep(reader, item.arm, item.case, item.part, found[number]) for number, item in enumerate(numbered, 1)
    ]


def _answer(question: Question, answer: str, confidence: str | None) -> Answer:
    meant = {folded(letter): option for option, letter in letters(question).items()}
    for each in options(question):
        meant |= {folded(each.id): each.id, folded(each.name): each.id}
    whole = meant.get(folded(answer))  # a name may hold a comma
    words = [each.strip() for each in re.split(r"[,;]", answer)] if question.kind == "ranked" else [answer]
    chosen = (whole,) if whole else tuple(meant.get(folded(each), each) for each in words)
    sure: int | str | None = confidence
    if question.confidence == "0-100" and confidence is not None and confidence.isdecimal():
        sure = int(confidence)
    return Answer(choices=chosen, confidence=sure or None if sure == "" else sure)
