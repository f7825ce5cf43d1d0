"""Sections of a study's report: arms compared (MRMC), and what the aid changed."""

from typing import Any

from cutis.evaluation import Estimate, counted, percent
from cutis.report.report_table import Column, ReportTable, Value
from cutis.report.study_report_blocks import Block, Heading, Items, Paragraph, Pictured, Section, Tabled
from cutis.report.study_report_figures import differences_figure
from cutis.study import AidFindings, Analysis, MixedOddsRatio, OddsRatio, StudyFindings, Switches, mrmc_paragraph


def compared(found: StudyFindings) -> Section | None:
    """The multi-reader multi-case analyses: in words, as tables, and each reader's difference."""
    if not found.analyses:
        return None
    main = found.analyses[0]
    several = len(main.modalities) > 1
    blocks: list[Block] = [Paragraph(f"{in_arms(found.choice.reason)} {_why_mrmc(main)}")]
    blocks += [Heading(f"Main endpoint: {main.endpoint_words}"), Paragraph(in_arms(mrmc_paragraph(main)))]
    for difference in main.differences:
        titles = (found.record.arm_title(difference.first), found.record.arm_title(difference.second))
        figure = differences_figure(main, difference.first, difference.second, titles)
        if figure is not None:
            better = found.record.quoted(difference.second)
            name = f"Each reader: {titles[0]} − {titles[1]}. Left of the dashed line {better} was better."
            blocks.append(Pictured([(name, figure)], side="half"))
    blocks.append(Heading("All endpoints"))
    blocks.append(Tabled(_means(found)))
    if several:
        blocks.append(Tabled(_differences(found)))
    if found.by_group:
        blocks.append(Tabled(_by_group(found)))
    components = _components(found)
    if components.rows:
        blocks.append(Tabled(components))
    return Section("compared", "Arms compared" if several else "Readers as a whole", blocks)


def in_arms(text: str) -> str:
    """Sentences of the statistics, which speak of modalities, as a study's report says it."""
    words = {
        "A modality": "An arm",
        "a modality": "an arm",
        "modality": "arm",
        "modalities": "arms",
        "Modalities": "Arms",
    }
    for word, said in words.items():
        text = text.replace(word, said)
    return text


def _why_mrmc(main: Analysis) -> str:
    if main.readers == "random":
        return (
            "Intervals and tests allow for other readers and other cases than these (multi-reader multi-case analysis)."
        )
    return "Intervals and tests allow for other cases, not for other readers."


def _means(found: StudyFindings) -> ReportTable:
    arms = [each.modality for each in found.analyses[0].modalities]
    rows: list[list[Value]] = []
    for analysis in found.analyses:
        by_arm = {
            each.modality: Estimate(value=each.estimate, low=each.low, high=each.high) for each in analysis.modalities
        }
        rows.append([analysis.endpoint_words, *(by_arm.get(arm) for arm in arms)])
    columns = [Column("Endpoint"), *(Column(found.record.arm_title(arm), "decimal") for arm in arms)]
    caption = f"Means over readers; {100 * found.confidence:g}% intervals from the arm’s own readings."
    return ReportTable("means", caption, columns, rows)


def _differences(found: StudyFindings) -> ReportTable:
    record = found.record
    margins = any(each.margin for analysis in found.analyses for each in analysis.differences)
    rows: list[list[Value]] = []
    for analysis in found.analyses:
        for each in analysis.differences:
            row: list[Value] = [
                analysis.endpoint_words,
                f"{record.arm_title(each.first)} − {record.arm_title(each.second)}",
                Estimate(value=each.difference, low=each.low, high=each.high),
                _test(each.statistic, each.df),
                each.p,
            ]
            if margins:
                row += [each.margin.non_inferiority_p, each.margin.equivalence_p] if each.margin else [None, None]
            rows.append(row)
    columns = [Column("Endpoint"), Column("Difference of"), Column("Difference", "difference"), Column("Test")]
    columns.append(Column("p", "p"))
    caption = f"Differences of means over readers; {100 * found.confidence:g}% intervals; p not adjusted."
    if margins:
        columns += [Column("p, second not inferior", "p"), Column("p, equivalent", "p")]
        margin = next(each.margin.margin for each in found.analyses[0].differences if each.margin)
        caption += f" Margin {margin:g}; p for non-inferiority is one-sided, to be held against half the level."
    return ReportTable("differences", caption, columns, rows)


def _test(statistic: float | None, df: float | None) -> str:
    if statistic is None:
        return "–"
    return f"{'z' if df is None else f't({df:.1f})'} = {statistic:.2f}".replace("-", "−")


def _by_group(found: StudyFindings) -> ReportTable:
    record, main = found.record, found.analyses[0]
    rows: list[list[Value]] = []
    for group, analysis in found.by_group.items():
        means = {each.modality: each.estimate for each in analysis.modalities}
        for each in analysis.differences:
            name = f"{record.arm_title(each.first)} − {record.arm_title(each.second)}"
            row: list[Value] = [group, len(analysis.sample.readers), name, means[each.first], means[each.second]]
            rows.append([*row, Estimate(value=each.difference, low=each.low, high=each.high), each.p])
    columns = [Column("Group"), Column("Readers", "count"), Column("Difference of")]
    columns += [Column("First", "decimal"), Column("Second", "decimal"), Column("Difference", "difference")]
    columns.append(Column("p", "p"))
    caption = (
        f"{main.endpoint_words.capitalize() if main.endpoint != 'auc' else 'AUC'} by group of readers; p not adjusted."
    )
    return ReportTable("differences_by_group", caption, columns, rows)


def _components(found: StudyFindings) -> ReportTable:
    rows: list[list[Value]] = []
    for each in found.analyses:
        part = each.components
        if part is not None:
            rows.append(
                [each.endpoint_words, part.reader, part.modality_reader, part.error, part.cov1, part.cov2, part.cov3]
            )
    names = ("Reader", "Arm × reader", "Error", "Cov1", "Cov2", "Cov3")
    caption = (
        "Variance components (Obuchowski and Rockette), for planning another study: Cov1 same reader, other arm; Cov2 "
        "other reader, same arm; Cov3 both other. Estimates can be negative."
    )
    return ReportTable("components", caption, [Column("Endpoint"), *(Column(each, "small") for each in names)], rows)


def aid(found: StudyFindings) -> Section | None:
    """What the aid changed; None where nothing is known of it."""
    if not found.aid:
        return None
    what = (
        "named the right diagnosis" if found.record.correct is not None else "was on the right side (positive or not)"
    )
    blocks: list[Block] = [Paragraph(f"An answer counts as right here if it {what}.", quiet=True)]
    for each in found.aid:
        blocks += _one_aid(found, each, headed=len(found.aid) > 1)
    return Section("aid", "What the aid changed", blocks)


def _one_aid(found: StudyFindings, each: AidFindings, *, headed: bool) -> list[Block]:
    record = found.record
    before, after = record.arm_title(each.unaided), record.arm_title(each.aided)
    blocks: list[Block] = [Heading(f"{after} against {before}")] if headed else []
    if each.switches:
        all_ = each.switches[-1]
        net = all_.wrong_to_right - all_.right_to_wrong
        more = "more" if net >= 0 else "fewer"
        changed = (
            f"Of {counted(all_.answers, 'answer')} given in both arms, {all_.wrong_to_right:,} turned from wrong to "
            f"right and {all_.right_to_wrong:,} from right to wrong: {abs(net):,} {more} right answers."
        )
        told = [changed]
        if all_.right_before_wrong_aid is not None and all_.misled is not None:
            told.append(_bias(each, all_))
        blocks += [Items(told), Tabled(_switches(found, each))]
        if each.ai is None:
            blocks.append(
                Paragraph(
                    "Automation bias (right answers given up where the aid was wrong) cannot be told: the aid’s own "
                    "answers are not known. Give its predictions (--predictions).",
                    quiet=True,
                )
            )
    else:
        text = "No reader answered the same cases in both arms, so no answer could change: arms are compared as wholes."
        blocks.append(Paragraph(text))
    blocks.append(Tabled(_odds(found, each)))
    return blocks


def _bias(each: AidFindings, all_: Switches) -> str:
    before, misled = all_.right_before_wrong_aid or 0, all_.misled or 0
    if not before:
        return f"Where {each.ai} was wrong, no answer had been right before."
    return (
        f"Automation bias: where {each.ai} was wrong, {counted(before, 'answer')} had been right without it; "
        f"{misled:,} of them ({percent(misled / before)}) turned wrong with it."
    )


def _switches(found: StudyFindings, each: AidFindings) -> ReportTable:
    bias = each.ai is not None
    named = [(row.reader, found.record.groups.get(row.reader or ""), row) for row in each.switches[:-1]]
    ordered: list[tuple[str | None, str | None, Switches]] = [
        *named,
        *((f"All: {group}", None, row) for group, row in each.by_group.items()),
        ("All", None, each.switches[-1]),
    ]
    rows: list[list[Value]] = []
    for name, group, row in ordered:
        cells: list[Value] = [name, group, row.answers, row.right_both, row.wrong_both]
        cells += [row.wrong_to_right, row.right_to_wrong, row.p]
        if bias:
            cells += [row.right_before_wrong_aid, row.misled]
        rows.append(cells)
    columns = [Column("Reader"), Column("Group")]
    names = ("Answers", "Right in both", "Wrong in both", "Wrong to right", "Right to wrong")
    columns += [*(Column(head, "count") for head in names), Column("p", "p")]
    if bias:
        columns += [Column("Right before, aid wrong", "count"), Column("of these misled", "count")]
    if not found.record.group_names:
        columns.pop(1)
        for cells in rows:
            cells.pop(1)
    caption = "Answers to the same cases without and with the aid. p: McNemar’s exact test, for one reader alone."
    if bias and each.ai_cases is not None:
        caption += f" Counts are of the {each.ai_cases:,} cases of which the answer of {each.ai} is known."
    strong = frozenset(range(len(named), len(rows)))
    return ReportTable(f"switches_{each.aided}", caption, columns, rows, strong)


def _odds(found: StudyFindings, each: AidFindings) -> ReportTable:
    rows: list[list[Value]] = []
    marginal: list[tuple[str, OddsRatio | None]] = [("Marginal: mean over readers and cases", each.marginal)]
    mixed: list[tuple[str, MixedOddsRatio | None]] = [
        ("Mixed: one reader on one case", each.mixed),
        ("Mixed, effect differing by reader", each.mixed_by_reader),
    ]
    for name, told in marginal:
        if told is not None:
            rows.append([name, _ratio(told), told.p, None, None, None])
    for name, fit in mixed:
        if fit is not None:
            rows.append([name, _ratio(fit), fit.p, fit.reader_sd, fit.case_sd, fit.aid_sd])
    columns = [Column("Model"), Column("Odds ratio", "ratio"), Column("p", "p"), Column("SD of readers", "ratio")]
    columns += [Column("SD of cases", "ratio"), Column("SD of the effect", "ratio")]
    after, before = found.record.quoted(each.aided), found.record.quoted(each.unaided)
    caption = (
        f"Odds of a right answer in {after} over {before}; above 1 the aid helps. "
        f"{100 * found.confidence:g}% intervals; SDs in log odds. "
        "With few readers the last row is the careful one, and the analysis of the arms above the main one."
    )
    return ReportTable(f"odds_ratios_{each.aided}", caption, columns, rows)


def _ratio(told: Any) -> Estimate:
    finite = told.odds_ratio == told.odds_ratio  # NaN where all answers of an arm are right, or all wrong
    return Estimate(value=told.odds_ratio, low=told.low, high=told.high) if finite else _NONE


_NONE = Estimate(value=None, low=None, high=None)
