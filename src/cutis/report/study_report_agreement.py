"""Sections of a study's report: agreement of readers, and the time of their answers."""

from cutis.evaluation import Estimate, counted
from cutis.report.report_table import Column, ReportTable, Value
from cutis.report.study_report_blocks import Block, Heading, Items, Paragraph, Section, Tabled
from cutis.study import StudyFindings

_MEASURED = {"called": "positive or not", "diagnosis": "diagnosis", "rating": "rating (ordinal)"}


def agreement(found: StudyFindings) -> Section | None:
    """How far readers agree with each other, and with themselves; None where neither is known."""
    if not found.between and not found.within:
        return None
    blocks: list[Block] = []
    if found.between:
        blocks += [
            Paragraph(
                "1 is full agreement, 0 what chance alone would give. Alpha allows for missing answers.", quiet=True
            ),
            Tabled(_between(found)),
        ]
    if found.within:
        blocks += [Heading("Readers with themselves"), Tabled(_within(found))]
    elif found.record.design is not None and not found.record.design.repeated_cases:
        blocks.append(
            Paragraph("No case was shown twice, so nothing is known of how far readers agree with themselves.")
        )
    return Section("agreement", "Agreement", blocks)


def _between(found: StudyFindings) -> ReportTable:
    rows: list[list[Value]] = [
        [
            _MEASURED[each.measured],
            found.record.arm_title(each.arm),
            each.group or "All",
            each.readers,
            each.alpha,
            each.fleiss,
            each.cohen,
            _range(each.cohen_range),
        ]
        for each in found.between
    ]
    columns = [Column("Of what"), Column("Arm"), Column("Group"), Column("Readers", "count")]
    columns += [Column("Krippendorff’s alpha", "coefficient"), Column("Fleiss’ kappa", "coefficient")]
    columns += [Column("Cohen’s kappa, mean of pairs", "coefficient"), Column("least to largest")]
    if not found.record.group_names or len(found.record.group_names) < 2:
        columns.pop(2)
        for row in rows:
            row.pop(2)
    caption = f"{100 * found.confidence:g}% intervals by resampling cases."
    return ReportTable("agreement_between", caption, columns, rows)


def _range(ends: tuple[float, float] | None) -> str | None:
    return None if ends is None else f"{ends[0]:.2f} to {ends[1]:.2f}".replace("-", "−")


def _within(found: StudyFindings) -> ReportTable:
    rows: list[list[Value]] = [
        [each.reader, found.record.arm_title(each.arm), each.cases, each.same, each.kappa] for each in found.within
    ]
    columns = [
        Column("Reader"),
        Column("Arm"),
        Column("Cases shown twice", "count"),
        Column("Same answer, %", "percent"),
    ]
    columns.append(Column("Cohen’s kappa", "coefficient"))
    caption = "Positive or not, at the first and the second showing of the same case."
    return ReportTable("agreement_within", caption, columns, rows)


def times(found: StudyFindings) -> Section | None:
    """Time of an answer by arm and group; None where no times are known."""
    if not found.times:
        return None
    record = found.record
    rows: list[list[Value]] = [
        [
            each.group or "All",
            record.arm_title(each.arm),
            each.readers,
            each.answers,
            Estimate(value=each.median, low=each.lower, high=each.upper),
            each.reader_mean,
        ]
        for each in found.times
    ]
    columns = [Column("Group"), Column("Arm"), Column("Readers", "count"), Column("Answers", "count")]
    columns += [Column("Median, s", "seconds"), Column("Mean of readers’ medians, s", "seconds")]
    caption = "Seconds from showing to answer, with quartiles over answers; what timed out has no time."
    blocks: list[Block] = [Tabled(ReportTable("times", caption, columns, rows))]
    told = []
    for each in found.time_differences:
        ends = ""
        if each.low is not None and each.high is not None:
            ends = f" ({100 * found.confidence:g}% CI {_seconds(each.low)} to {_seconds(each.high)} s)"
        longer = "longer" if each.seconds >= 0 else "shorter"
        told.append(
            f"{record.quoted(each.second)} took {abs(each.seconds):.1f} s {longer} an answer than "
            f"{record.quoted(each.first)}{ends}: mean over {counted(each.readers, 'reader')} of the difference of "
            "medians."
        )
    if told:
        blocks.append(Items(told))
    if record.design is not None and record.design.reading == "sequential":
        blocks.append(Paragraph("With the AI is the time of the second answer alone, after the first.", quiet=True))
    return Section("times", "Time", blocks)


def _seconds(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")
