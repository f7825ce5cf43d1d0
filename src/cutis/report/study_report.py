"""The report of a reader study: one page, the same as PDF, and every figure and table for a paper."""

from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from cutis.evaluation import Estimate, counted, percent, percent_interval
from cutis.files import replacing, write_text
from cutis.report.drawing import Figure
from cutis.report.page_environment import page_environment
from cutis.report.paper import free_path
from cutis.report.report_table import ReportTable, told
from cutis.report.study_report_agreement import agreement, times
from cutis.report.study_report_blocks import (
    Block,
    Items,
    Note,
    Paragraph,
    Pasted,
    Pictured,
    Section,
    Tabled,
    Tiles,
)
from cutis.report.study_report_comparisons import aid, compared
from cutis.report.study_report_limits import limits
from cutis.report.study_report_methods import methods
from cutis.report.study_report_pdf import figure_pdf, write_study_pdf
from cutis.report.study_report_sections import answered, confusion, reader_confusions, readers, studied
from cutis.study import Analysis, StudyFindings

_NOTICE = "Research software, not a medical device; not for the care of a patient."
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


class WrittenStudyReport(NamedTuple):
    """The files written, ``report.html`` and ``report.pdf`` first, and what must be known of them."""

    files: list[Path]
    notes: list[str]


def write_study_report(
    found: StudyFindings, folder: str | Path, *, now: datetime, title: str = ""
) -> WrittenStudyReport:
    """Write ``report.html``, ``report.pdf``, ``figures`` (SVG, PDF, CSV) and ``tables`` (LaTeX, CSV).

    Args:
        found: by :func:`cutis.study.study_findings`.
        folder: where, made if it is not there; files of other names stay.
        now: for the date.
        title: the heading; by default the study's.

    Raises:
        CutisError: a file cannot be written.
    """
    folder = Path(folder)
    version = metadata.version("cutis")
    sections = report_sections(found, version)
    heading = title or found.record.title
    subtitle = f"Reader study, reported on {now.strftime('%-d %B %Y')} by cutis {version}. {_NOTICE}"
    html = (
        page_environment()
        .get_template("study_report.html.jinja")
        .render(title=heading, subtitle=subtitle, sections=sections, policy=_POLICY, notice=_NOTICE, version=version)
    )
    written: dict[Path, str | bytes] = {}
    texts: dict[Path, str] = {}
    for figure in _figures(sections):
        path = free_path(folder / "figures", figure.name, ".svg", texts)
        texts[path] = figure.svg()
        texts[path.with_suffix(".csv")] = figure.csv()
        written[path.with_suffix(".pdf")] = figure_pdf(figure)
    extra = reader_confusions(found)
    for table in [*_tables(sections), *([extra] if extra is not None else [])]:
        path = free_path(folder / "tables", table.name, ".csv", texts)
        texts[path] = table.csv()
        if table is not extra:
            texts[path.with_suffix(".tex")] = table.tex()
    written |= texts
    page, paper = folder / "report.html", folder / "report.pdf"
    write_text(page, html)
    notes = write_study_pdf(paper, heading, subtitle, sections, f"{heading[:60]} · {_NOTICE}", now)
    for path, content in written.items():
        if isinstance(content, str):
            write_text(path, content)
        else:
            with replacing(path) as temporary:
                temporary.write_bytes(content)
    return WrittenStudyReport([page, paper, *sorted(written)], notes)


def report_sections(found: StudyFindings, version: str) -> list[Section]:
    """The report's sections, those that the data allow."""
    texts, sources = methods(found, version)
    pasted = Section(
        "methods",
        "Methods, to be taken over",
        [
            Paragraph(
                "Written from the design and the analyses that were made. Check it, and say what it cannot know.",
                quiet=True,
            ),
            Pasted(texts),
            Pasted(sources),
        ],
    )
    parts = [
        _short(found),
        studied(found),
        answered(found),
        readers(found),
        compared(found),
        confusion(found),
        aid(found),
        agreement(found),
        times(found),
        Section("limits", "Limits", [Items(limits(found))]),
        pasted,
        _missing(found),
    ]
    return [each for each in parts if each is not None]


def _short(found: StudyFindings) -> Section:
    """What was found, in a few sentences and figures."""
    record = found.record
    blocks: list[Block] = []
    if record.notes:
        blocks.append(Note("Read this first", record.notes, "shout"))
    if record.closed is False and any(each.state not in ("finished", "withdrawn") for each in record.states):
        blocks.append(Note("Interim", ["Readers are still reading. Nobody who reads should see this."], "warn"))
    tiles = [("readers", f"{len(record.readings.readers):,}", ""), ("cases", f"{len(record.readings.cases):,}", "")]
    if found.analyses:
        main = found.analyses[0]
        for each in main.modalities[:3]:
            value = Estimate(value=each.estimate, low=each.low, high=each.high)
            name = f"mean {_brief(main)}, {record.arm_title(each.modality)}"
            words = told(value, "decimal")
            tiles.append((name, words.main, words.beside))
    blocks.append(Tiles(tiles))
    blocks.append(Items(_sentences(found)))
    note = (
        "Intervals tell what chance alone could have given. What the design, the readers and the cases may have added "
        "stands under Limits."
    )
    blocks.append(Note("How to read it", [note]))
    return Section("short", "In short", blocks)


def _sentences(found: StudyFindings) -> list[str]:
    record = found.record
    texts = []
    if found.analyses:
        main = found.analyses[0]
        for each in main.differences:
            first, second = record.quoted(each.first), record.quoted(each.second)
            ahead, behind = (first, second) if each.difference > 0 else (second, first)
            low, high = each.low, each.high
            if each.difference <= 0 and low is not None and high is not None:
                low, high = -high, -low
            ends = (
                ""
                if low is None or high is None
                else f", {100 * found.confidence:g}% CI {_signed(low)} to {_signed(high)}"
            )
            p = told(each.p, "p").main
            p = p if p[0] in "<>" else f"= {p}"
            texts.append(
                f"The readers’ mean {_brief(main)} was {abs(each.difference):.3f} higher in {ahead} than in "
                f"{behind}{ends}; p {p}."
            )
    overall = [each for each in found.groups if each.group is None]
    for row in overall:
        texts.append(
            f"{record.quoted(row.arm or '')}: readers found {_share(row.sensitivity)} of {record.positive} cases "
            f"and cleared {_share(row.specificity)} of {record.negative} ones."
        )
    if found.model_row is not None:
        row = found.model_row
        texts.append(f"{found.model} alone found {_share(row.sensitivity)} and cleared {_share(row.specificity)}.")
    for aided in found.aid:
        if aided.switches:
            all_ = aided.switches[-1]
            texts.append(
                f"{record.quoted(aided.aided)} turned {counted(all_.wrong_to_right, 'wrong answer')} right and "
                f"{counted(all_.right_to_wrong, 'right answer')} wrong, of {all_.answers:,}."
            )
    late = sum(each.timed_out or 0 for each in found.counts)
    if late:
        texts.append(
            f"{counted(late, 'case')} timed out and {'is' if late == 1 else 'are'} left out, not counted as wrong."
        )
    return texts


def _missing(found: StudyFindings) -> Section | None:
    """What a report can have and this one has not, and why."""
    record = found.record
    rows = [f"{what}: {why}" for what, why in found.missing]
    if record.answers is None:
        rows.append("Time limit, timed-out answers, withdrawals, times and repeats: only a study folder knows of them.")
    if not record.group_names:
        rows.append("Groups of readers: nobody named them (--groups).")
    if found.model is None:
        rows.append("The model beside the readers: no predictions were given (--predictions).")
    if not record.pairs and len(record.arms) > 1:
        rows.append("What an aid changed: no arm was named as being without one (--unaided).")
    if len(record.arms) == 1:
        rows.append("A comparison of arms: there is one.")
    return Section("missing", "What is not in this report", [Items(rows)]) if rows else None


def _figures(sections: Sequence[Section]) -> list[Figure]:
    blocks = [block for section in sections for block in section.blocks if isinstance(block, Pictured)]
    return [figure for block in blocks for _, figure in block.figures]


def _tables(sections: Sequence[Section]) -> list[ReportTable]:
    return [block.table for section in sections for block in section.blocks if isinstance(block, Tabled)]


def _brief(analysis: Analysis) -> str:
    return "AUC" if analysis.endpoint == "auc" else analysis.endpoint_words


def _share(estimate: Estimate) -> str:
    ends = percent_interval(estimate)
    return percent(estimate.value) if estimate.low is None else f"{percent(estimate.value)} ({ends})"


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
