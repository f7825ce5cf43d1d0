"""A reader's part of a study on paper, as Han 2018 tested readers: a PDF with one case a page, and an answer sheet.

A case has its place in the booklet as its number, nothing else: no id, no file name, no truth. Images are decoded and
written anew, so that what their files say of patient or diagnosis stays behind. Paper keeps no time and hides no next
page, so a design with a time limit, or a sequential one, is read in the browser only.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import polars as pl
from fpdf import FPDF
from fpdf.fonts import TTFFont
from PIL import Image

from cutis.data import read_image
from cutis.errors import listed
from cutis.files import replacing
from cutis.study.ai_outputs import AiOutput
from cutis.study.allocation import Item
from cutis.study.answers import options, question_text
from cutis.study.cases import StudyCase
from cutis.study.design import Question, StudyDesign, StudyError

NOTICE = "For research only. Not a medical device; not for the care of a patient."
_MARGIN = 20  # mm
_WIDTH, _PICTURE = 170, 150  # mm: of the text, and the most an image is high
_LARGEST = 1600  # pixels a side: 240 a printed inch
_WRITTEN = datetime(2000, 1, 1, tzinfo=UTC)  # in every booklet, so that one made again is the same file


def write_booklet(
    path: str | Path,
    design: StudyDesign,
    items: Sequence[Item],
    cases: Sequence[StudyCase],
    *,
    reader: str,
    period: int = 0,
    ai: Mapping[str, AiOutput] | None = None,
) -> None:
    """Write one reader's booklet of one period as PDF, with the printable answer sheet as its last pages.

    Training cases are left out: paper gives no feedback.

    Args:
        path: ends in ``.pdf``.
        design: the study's.
        items: the reader's, as :func:`cutis.study.allocate` gives them.
        cases: the study's.
        reader: a code for the reader, printed on every page; no name of a person.
        period: of a crossover study; a booklet each.
        ai: what the AI shows, needed where the arm shows it.

    Raises:
        StudyError: the design keeps a time, is sequential or shows a heatmap; there is no such period; AI outputs lack.
        ImageError: an image cannot be read.
    """
    if Path(path).suffix.lower() != ".pdf":
        raise StudyError("does not end in .pdf", where=str(path), fix="Name such a file.")
    numbered = booklet_items(design, items, period)
    aid = design.arm(numbered[0].arm).aid
    case_of = {each.image_id: each for each in cases}
    lacking = [each.case for each in numbered if aid and (ai is None or each.case not in ai)]
    if lacking:
        raise StudyError(f"what the AI shows is missing for {len(lacking)} cases: {listed(lacking)}", fix="Give it.")
    pdf = _document(design.title)
    _check_letters(pdf, design, reader)
    _title_page(pdf, design, reader, len(numbered))
    for number, item in enumerate(numbered, 1):
        shown = ai[item.case] if aid and ai is not None else None
        told = f"Reader {reader} · case {number} of {len(numbered)}"
        _case_page(pdf, design, case_of[item.case], shown, aid, told)
    _sheet_pages(pdf, design, reader, len(numbered))
    with replacing(path) as temporary:
        pdf.output(str(temporary))


def write_answer_sheet(
    path: str | Path, design: StudyDesign, items: Sequence[Item], *, reader: str, period: int = 0
) -> None:
    """Write the empty table that belongs to a booklet: CSV with reader, period, number, answer and confidence.

    Raises:
        StudyError: as :func:`write_booklet`.
    """
    count = len(booklet_items(design, items, period))
    empty: list[str | None] = [None] * count
    columns: dict[str, Sequence[str | None]] = {
        "reader": [reader] * count,
        "period": [str(period + 1)] * count,
        "case": [str(each) for each in range(1, count + 1)],
        "answer": empty,
    }
    if design.question.confidence != "none":
        columns["confidence"] = empty
    with replacing(path) as temporary:
        pl.DataFrame(columns).write_csv(temporary)


def booklet_items(design: StudyDesign, items: Sequence[Item], period: int) -> list[Item]:
    """The items of a period's booklet, in the order of its case numbers 1, 2, ….

    Raises:
        StudyError: the design cannot be read on paper, or there is no such period.
    """
    problem = None
    if design.seconds_per_case is not None:
        problem = f"the design gives {design.seconds_per_case} s a case, and paper keeps no time"
    elif design.reading == "sequential":
        problem = "the design is sequential, and a reader of paper can turn the page"
    elif any("heatmap" in each.aid for each in design.arms):
        problem = "the design shows heatmaps, which a booklet does not hold"
    if problem:
        raise StudyError(problem, fix="Run this study in the browser, or change the design.")
    numbered = [each for each in items if each.period == period and each.part != "training"]
    if not numbered:
        raise StudyError(f"there is no period {period + 1}", fix=f"The design has {design.periods}.")
    return numbered


def letters(question: Question) -> dict[str, str]:
    """The letter that stands on paper for each option's id: A, B, …, then AA, AB, …."""
    ids = [each.id for each in options(question)]
    first = [""] + [chr(65 + each) for each in range(26)]
    return {each: first[place // 26] + chr(65 + place % 26) for place, each in enumerate(ids)}


def how_to_answer(design: StudyDesign) -> str:
    """What to write into the sheet, in words."""
    question = design.question
    told = "Write the letter of one answer."
    if question.kind == "ranked":
        told = f"Write the letters of up to {question.most} answers, the likeliest first, as in: B, A."
    if question.confidence == "0-100":
        told += " Then write how sure you are, from 0 (not at all) to 100 (certain)."
    elif question.confidence != "none":
        told += f" Then write how sure you are: {', '.join(question.confidence)}."
    return told


class _Document(FPDF):
    def footer(self) -> None:
        self.set_y(-14)
        self.set_font("DejaVu", size=8)
        self.cell(0, 5, NOTICE, align="C")

    def say(self, text: str, *, size: float = 11, bold: bool = False) -> None:
        """A paragraph over the whole width."""
        self.set_font("DejaVu", style="B" if bold else "", size=size)
        self.multi_cell(_WIDTH, size * 0.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
        self.ln(size * 0.25)


def _document(title: str) -> _Document:
    from matplotlib import get_data_path  # noqa: PLC0415 - it has a font with Latin, Greek and Cyrillic letters

    pdf = _Document(format="A4")
    fonts = Path(get_data_path()) / "fonts" / "ttf"
    pdf.add_font("DejaVu", fname=fonts / "DejaVuSans.ttf")
    pdf.add_font("DejaVu", style="B", fname=fonts / "DejaVuSans-Bold.ttf")
    pdf.set_margin(_MARGIN)
    pdf.set_auto_page_break(True, _MARGIN)
    pdf.set_title(title)
    pdf.set_creator("cutis")
    pdf.set_producer("cutis")
    pdf.set_creation_date(_WRITTEN)
    return pdf


def _check_letters(pdf: _Document, design: StudyDesign, reader: str) -> None:
    """Raise StudyError where the booklet's font lacks a letter of the design's texts."""
    named = [each.name for each in options(design.question)]
    text = "".join([design.title, design.instructions, design.consent, question_text(design.question), reader, *named])
    text += how_to_answer(design)
    font = pdf.fonts["dejavu"]
    assert isinstance(font, TTFFont)
    lacking = sorted({each for each in text if not each.isspace() and ord(each) not in font.cmap})
    if lacking:
        raise StudyError(
            f"the booklet's font has no letter for {listed(lacking)}",
            where=design.title,
            fix="Write the texts in Latin, Greek or Cyrillic letters, or run the study in the browser.",
        )


def _title_page(pdf: _Document, design: StudyDesign, reader: str, cases: int) -> None:
    pdf.add_page()
    pdf.say(design.title, size=20, bold=True)
    pdf.say(f"Reader {reader} · {cases} cases", size=12)
    pdf.say(design.instructions)
    pdf.say(question_text(design.question), bold=True)
    letter = letters(design.question)
    pdf.say("\n".join(f"{letter[each.id]}   {each.name}" for each in options(design.question)))
    pdf.say(how_to_answer(design))
    pdf.say(design.consent)
    pdf.ln(6)
    pdf.say("Date: ____________________      I agree (initials): ____________________")


def _case_page(
    pdf: _Document, design: StudyDesign, case: StudyCase, ai: AiOutput | None, aid: Sequence[str], head: str
) -> None:
    pdf.add_page()
    pdf.say(head, size=14, bold=True)
    picture = Image.fromarray(read_image(case.image_path))
    picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    encoded = BytesIO()
    picture.save(encoded, format="JPEG", quality=95, subsampling=0)
    scale = min(_WIDTH / picture.width, _PICTURE / picture.height)
    width, height = picture.width * scale, picture.height * scale
    pdf.image(encoded, x=_MARGIN + (_WIDTH - width) / 2, y=pdf.get_y(), w=width, h=height)
    pdf.set_y(pdf.get_y() + height + 6)
    if design.shown:
        pdf.say(_patient_told(design, case))
    letter = letters(design.question)
    pdf.say(" · ".join(f"{letter[each.id]}\u00a0{each.name}" for each in options(design.question)), size=9)
    if ai is not None and "differential" in aid:
        named = ", ".join(f"{each.name} {each.probability:.0%}" for each in ai.differential)
        unsure = " (none reaches its threshold; this one comes nearest)" if ai.above is False else ""
        pdf.say(f"AI's diagnoses: {named}{unsure}")
    if ai is not None and "risk" in aid and ai.risk is not None:
        pdf.say(f"AI's risk grade: {ai.risk}")
    if ai is not None and ai.unfamiliar:
        pdf.say("The AI knows few images like this one: its answer may be far off.")


def _patient_told(design: StudyDesign, case: StudyCase) -> str:
    known = {"age": None if case.age is None else f"{case.age} years", "sex": case.sex, "site": case.site}
    return " · ".join(f"{each.capitalize()}: {known[each] or 'not known'}" for each in design.shown)


def _sheet_pages(pdf: _Document, design: StudyDesign, reader: str, cases: int) -> None:
    sure = design.question.confidence != "none"
    pdf.add_page()
    pdf.say(f"Answer sheet · reader {reader}", size=14, bold=True)
    pdf.say(how_to_answer(design), size=10)
    pdf.set_font("DejaVu", size=10)
    # The heading stands on every page of the table again.
    with pdf.table(col_widths=(1, 4, 3) if sure else (1, 7), line_height=7, text_align="CENTER") as table:
        table.row(("Case", "Answer", "How sure") if sure else ("Case", "Answer"))
        for number in range(1, cases + 1):
            table.row((str(number), "", "") if sure else (str(number), ""))
