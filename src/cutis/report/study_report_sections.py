"""Sections of a study's report: what was studied, who answered, how readers did, and what was taken for what."""

from collections.abc import Sequence

import numpy as np

from cutis.evaluation import counted, joined
from cutis.report.drawing import Figure
from cutis.report.human_machine import matrix_figure
from cutis.report.report_table import Column, ReportTable, Value
from cutis.report.study_report_blocks import Block, Facts, Heading, Items, Paragraph, Pictured, Section, Tabled
from cutis.report.study_report_figures import points_figure, points_key
from cutis.study import GroupFigures, Matrix, StudyFindings, design_in_words

MOST_MATRICES = 8
"""With more options a confusion matrix is a table of its own, not a drawing in the page's row."""


def studied(found: StudyFindings) -> Section:
    """The design in words, cases, readers by group, arms."""
    record, design = found.record, found.record.design
    readings = record.readings
    rows = []
    if design is not None:
        rows += [each for each in design_in_words(design) if each[0] != "Readers"]
        state = "closed" if record.closed else "open: readers can still answer"
        rows.append(("State", f"The study is {state}."))
    else:
        rows.append(("Arms", f"{joined([each.title for each in record.arms])}."))
        rows.append(("Reads", f"{_DESIGNS[readings.design]} {counted(len(readings.frame), 'reading')} in all."))
    groups = [f"{each}: {len(record.of_group(each))}" for each in record.group_names]
    rows.append(
        ("Readers who answered", f"{len(readings.readers):,}{' (' + '; '.join(groups) + ')' if groups else ''}.")
    )
    kinds = f"{readings.positives:,} {record.positive}, {readings.negatives:,} {record.negative}"
    rows.append(("Cases answered", f"{len(readings.cases):,}: {kinds}."))
    rows.append(("Called positive", _called(found)))
    blocks: list[Block] = [Facts(rows)]
    if design is not None and len({each.stratum for each in record.cases}) > 1:
        blocks.append(Tabled(_strata(found)))
    return Section("studied", "What was studied", blocks)


_DESIGNS = {
    "factorial": "Every reader read every case in every arm.",
    "cases in readers": "Each reader read cases of their own, in every arm.",
    "cases in modalities": "Each arm had cases of its own, read by every reader.",
    "readers in modalities": "Each arm had readers of its own, who read all cases.",
    "incomplete": "Not every reader read every case in every arm.",
}


_POSITIVE_ANSWERS = {
    "malignant": "The answer “malignant”, however sure.",
    "biopsy": "The answer “biopsy or treat”, however sure.",
    "diagnosis": "An answer that is {}.",
    "ranked": "An answer whose first place (or places, as asked for) holds a diagnosis that is {}.",
    "risk": "An answer that is {}.",
}


def _called(found: StudyFindings) -> str:
    record = found.record
    if record.design is not None:
        return f"{_POSITIVE_ANSWERS[record.design.question.kind].format(record.positive)}"
    if record.threshold is None:
        return "Answers are 0 and 1." if record.readings.binary else "Nobody said from which rating on."
    if record.readings.binary:
        return "An answer of 1."
    return f"A rating of {record.threshold:g} or more; ratings reach from {_ends(found)}."


def _ends(found: StudyFindings) -> str:
    column = found.record.readings.frame["rating"].to_numpy()
    return f"{column.min():g} to {column.max():g}".replace("-", "−")


def _strata(found: StudyFindings) -> ReportTable:
    design = found.record.design
    assert design is not None
    rows: list[list[Value]] = []
    for place, stratum in enumerate(design.cases):
        parts = [each.part for each in found.record.cases if each.stratum == place]
        rows.append([stratum.name, parts.count("main"), parts.count("training")])
    rows.append(["All", *(sum(int(str(row[k])) for row in rows) for k in (1, 2))])
    columns = [Column("Diagnosis"), Column("Cases", "count"), Column("For training", "count")]
    return ReportTable("cases", "Cases by diagnosis.", columns, rows, frozenset({len(rows) - 1}))


def answered(found: StudyFindings) -> Section:
    """How many of the cases asked were answered, by group and arm, and how far readers came."""
    record = found.record
    known = record.answers is not None
    columns = [Column("Group"), Column("Arm"), Column("Readers", "count"), Column("Cases", "count")]
    columns += [Column("Reads asked", "count"), Column("Answered", "count")]
    columns += [Column("Timed out", "count"), Column("Open", "count")] if known else [Column("Not there", "count")]
    rows: list[list[Value]] = []
    for each in found.counts:
        row: list[Value] = [each.group or "All", record.arm_title(each.arm), each.readers, each.cases, each.asked]
        rows.append([*row, each.answered, *([each.timed_out, each.open] if known else [each.open])])
    totals: list[Value] = [sum(int(str(row[k] or 0)) for row in rows) for k in range(4, len(columns))]
    strong = frozenset[int]()
    if len(rows) > 1:
        rows.append(["All", "", None, None, *totals])
        strong = frozenset({len(rows) - 1})
    caption = "Cases that count; training cases and second showings are not among them."
    blocks: list[Block] = [Tabled(ReportTable("completeness", caption, columns, rows, strong))]
    if record.states:
        states = sorted({each.state for each in record.states})
        told = [f"{sum(each.state == state for each in record.states)} {state}" for state in states]
        blocks.append(Paragraph(f"Of {counted(len(record.states), 'reader')} added to the study: {joined(told)}."))
    if not known:
        blocks.append(
            Paragraph(
                "A table of readings does not tell which reads timed out, who withdrew, or how long an answer took.",
                quiet=True,
            )
        )
    return Section("answered", "How much was answered", blocks)


def readers(found: StudyFindings) -> Section:
    """Readers as points by group, the papers' table, and each reader's figures."""
    record = found.record
    blocks: list[Block] = []
    groups = record.group_names or [""]
    if record.called is not None:
        figures = []
        for arm in record.arms:
            rows = [each for each in found.readers if each.arm == arm.id]
            figures.append((arm.title, points_figure(arm.id, arm.title, rows, groups, found.comparisons.get(arm.id))))
        band = any(each.band is not None for each in found.comparisons.values())
        blocks.append(Pictured(figures, points_key(groups, found.model, band=band)))
        if found.comparisons:
            blocks.append(Items([_place(found, arm.id) for arm in record.arms if arm.id in found.comparisons]))
        blocks += [Heading("By group"), Tabled(group_table(found))]
    blocks += [Heading("Each reader"), Tabled(_reader_table(found))]
    return Section("readers", "How readers did", blocks)


def _place(found: StudyFindings, arm: str) -> str:
    told = found.comparisons[arm]
    band = "" if told.outside_band is None else f", {told.outside_band} outside its band"
    return (
        f"{found.record.quoted(arm)}: {counted(told.on_or_above, 'reader')} on or above the curve of {told.model}, "
        f"{told.below} below{band}."
    )


def group_table(found: StudyFindings) -> ReportTable:
    """The papers' table: groups, groups with the AI, the network."""
    rows: list[list[Value]] = []
    several = len(found.record.group_names) > 1
    for each in found.groups:
        name = each.group or ("All readers" if several or not found.record.group_names else found.record.group_names[0])
        rows.append([f"{name}{' *' if each.fixed else ''}", found.record.arm_title(each.arm or ""), *_figures(each)])
    strong = {place for place, each in enumerate(found.groups) if each.group is None and several}
    if found.model_row is not None:
        rows.append([found.model or "", "alone", *_figures(found.model_row)])
        strong.add(len(rows) - 1)
    columns = [Column("Group"), Column("Arm"), Column("Readers", "count")]
    names = ("Sensitivity (TPR), %", "Specificity (TNR), %", "Balanced accuracy, %", "Geometric mean, %")
    columns += [Column(name, "percent") for name in names]
    level = f"{100 * found.confidence:g}% intervals"
    caption = f"Means over readers with {level} for other readers and cases; called {found.record.positive} or not."
    if any(each.fixed and each.arm for each in found.groups):
        caption += " *: one reader; the interval is over cases."
    return ReportTable("groups", caption, columns, rows, frozenset(strong))


def _figures(each: GroupFigures) -> list[Value]:
    size: Value = each.readers if each.arm else None
    return [size, each.sensitivity, each.specificity, each.balanced_accuracy, each.geometric_mean]


def _reader_table(found: StudyFindings) -> ReportTable:
    record, rows = found.record, found.readers
    wanted: list[tuple[Column, list[Value], bool]] = [
        (Column("Reader"), [each.reader for each in rows], True),
        (Column("Group"), [each.group for each in rows], bool(record.group_names)),
        (Column("Arm"), [record.arm_title(each.arm) for each in rows], len(record.arms) > 1),
        (Column("Cases", "count"), [each.cases for each in rows], True),
        (Column("Timed out", "count"), [each.late for each in rows], any(each.late for each in rows)),
        (Column("AUC", "decimal"), [each.auc for each in rows], any(each.auc for each in rows)),
        (Column("Right diagnosis, %", "percent"), [each.right for each in rows], any(each.right for each in rows)),
        (Column("Sensitivity, %", "percent"), [each.sensitivity for each in rows], record.called is not None),
        (Column("Found", "count"), [f"{each.found} of {each.positives}" for each in rows], record.called is not None),
        (Column("Specificity, %", "percent"), [each.specificity for each in rows], record.called is not None),
        (
            Column("Cleared", "count"),
            [f"{each.spared} of {each.negatives}" for each in rows],
            record.called is not None,
        ),
        (Column("Median time, s", "seconds"), [each.seconds for each in rows], any(each.seconds for each in rows)),
    ]
    kept = [(column, cells) for column, cells, there in wanted if there]
    level = f"{100 * found.confidence:g}%"
    caption = f"{level} intervals over cases (Wilson; of AUCs by the jackknife or U-statistics)."
    if record.called is not None:
        caption += f" Found: of {record.positive} cases. Cleared: of {record.negative} cases."
    cells = [list(row) for row in zip(*(cells for _, cells in kept), strict=True)]
    return ReportTable("readers", caption, [column for column, _ in kept], cells)


def confusion(found: StudyFindings) -> Section | None:
    """Confusion matrices of all readers by arm, and of the model; None where answers are not known to be right."""
    record = found.record
    if not found.confusions.by_arm:
        return None
    labels = list(record.options) if record.named is not None else [record.positive, record.negative]
    matrices = [
        (f"Readers, {each.title}", _matrix(f"readers_{each.id}", found.confusions.by_arm[each.id], labels))
        for each in record.arms
        if each.id in found.confusions.by_arm
    ]
    if record.named is None and found.comparisons:
        own = next(iter(found.comparisons.values()))
        matrices.append((own.model, matrix_figure(own.matrices[0], own.labels)))
    blocks: list[Block] = [
        Paragraph(
            "Rows: the truth. Columns: the answer, by the number of its row. The darker a cell, the larger its share "
            "of the row."
            + (" Of answers with several diagnoses the first counts." if record.named is not None else ""),
            quiet=True,
        ),
        Pictured(matrices, side="small" if len(labels) <= MOST_MATRICES else "half"),
    ]
    if record.named is not None and found.comparisons:
        binary = [
            (f"{each.name}, {record.arm_title(arm)}" if each.name == "All readers" else each.name, each)
            for arm, told in found.comparisons.items()
            for each in told.matrices[1:2]
        ]
        own = next(iter(found.comparisons.values()))
        drawn = [(name, matrix_figure(Matrix(name=name, counts=each.counts), own.labels)) for name, each in binary]
        blocks += [
            Heading(f"{record.positive.capitalize()} or not"),
            Pictured([*drawn, (own.model, matrix_figure(own.matrices[0], own.labels))], side="small"),
        ]
    return Section("confusion", "What was taken for what", blocks)


def reader_confusions(found: StudyFindings) -> ReportTable | None:
    """Every reader's confusion matrix as one long table, for a file of its own."""
    if not found.confusions.by_reader:
        return None
    record = found.record
    labels = list(record.options) if record.named is not None else [record.positive, record.negative]
    rows: list[list[Value]] = [
        [reader, record.arm_title(arm), labels[i], labels[j], int(table[i, j])]
        for (reader, arm), table in found.confusions.by_reader.items()
        for i in range(len(labels))
        for j in range(len(labels))
    ]
    columns = [Column("Reader"), Column("Arm"), Column("Truth"), Column("Answer"), Column("Cases", "count")]
    return ReportTable("confusion_by_reader", "Confusion matrix of each reader.", columns, rows)


def _matrix(name: str, counts: np.ndarray, labels: Sequence[str]) -> Figure:
    return matrix_figure(Matrix(name=name, counts=counts.tolist()), list(labels))
