"""The main tables of an evaluation in LaTeX, for a paper."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cutis.evaluation import NOT_DEFINED, Estimate, Evaluation
from cutis.report.bars import FIGURE_WORDS, SUBGROUP_WORDS, compared_subgroups, in_sentence

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "√": r"$\surd$",
    "·": r"$\cdot$",
}


@dataclass(frozen=True)
class LatexTable:
    """One table: its file's name, its caption, the heads of its columns and its rows, all as plain words."""

    name: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def tex(self) -> str:
        """A ``table`` environment; the document needs the package booktabs."""
        lines = [
            "% Made by cutis. Needs \\usepackage{booktabs}.",
            "\\begin{table}",
            "\\centering",
            f"\\caption{{{escaped(self.caption)}}}",
            f"\\label{{tab:{self.name}}}",
            f"\\begin{{tabular}}{{l{'r' * (len(self.head) - 1)}}}",
            "\\toprule",
            _row(self.head),
            "\\midrule",
            *(_row(each) for each in self.rows),
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
        ]
        return "\n".join(lines) + "\n"


def escaped(words: str) -> str:
    """Words as LaTeX shows them, whatever characters they hold."""
    return "".join(_SPECIAL.get(each, each) for each in words)


def latex_tables(evaluation: Evaluation) -> Iterator[LatexTable]:
    """All tables that the evaluation has."""
    confidence = f"{100 * evaluation.intervals.confidence:g}% intervals in brackets"
    sample = f"{evaluation.images:,} images"
    yield _overall(evaluation, f"Figures over all diagnoses ({sample}; {confidence}).")
    yield _by_class(evaluation, f"Each diagnosis against all others ({sample}; {confidence}).")
    if evaluation.malignancy is not None:
        yield from _malignancy(evaluation, confidence)
    yield LatexTable(
        "confusion",
        f"Images by true diagnosis (rows) and answer (columns; {sample}).",
        ["Truth", *evaluation.classes.ids, "Images"],
        [
            [each.id, *(f"{count:,}" for count in row), f"{each.images:,}"]
            for each, row in zip(evaluation.by_class, evaluation.confusion.counts, strict=True)
        ],
    )
    section = evaluation.calibration
    yield LatexTable(
        "calibration",
        f"Calibration ({sample}; {confidence}).",
        ["Figure", "Value"],
        [
            ["Calibration error of the answers", _number(section.expected_calibration_error)],
            ["Mean calibration error of the diagnoses", _number(section.classwise_calibration_error)],
            ["Brier score", _number(section.brier_score)],
            ["Log loss", _number(section.log_loss)],
        ],
    )
    if evaluation.operating_points is not None:
        yield _operating_points(evaluation, confidence)
    if evaluation.conformal is not None:
        yield _coverage(evaluation, confidence)
    yield from _subgroups(evaluation, confidence)


def _overall(evaluation: Evaluation, caption: str) -> LatexTable:
    overall = evaluation.overall
    rows = [["Balanced accuracy, %", _percent(overall.balanced_accuracy)], ["Accuracy, %", _percent(overall.accuracy)]]
    rows += [[f"Top-{k} accuracy, %", _percent(each)] for k, each in overall.top_k_accuracy.items() if k > 1]
    rows += [
        ["Mean AUC", _number(overall.macro_auc)],
        ["Mean average precision", _number(overall.macro_average_precision)],
        ["Mean specificity, %", _percent(overall.macro_specificity)],
        ["Mean F1", _number(overall.macro_f1)],
        ["Geometric mean of sensitivity and specificity, %", _percent(overall.geometric_mean)],
        ["Matthews correlation", _number(overall.matthews_correlation)],
        ["Cohen's kappa", _number(overall.kappa)],
    ]
    if overall.weighted_kappa is not None:
        rows.append(["Cohen's kappa, quadratically weighted", _number(overall.weighted_kappa)])
    return LatexTable("overall", caption, ["Figure", "Value"], rows)


def _by_class(evaluation: Evaluation, caption: str) -> LatexTable:
    rows = [
        [
            each.name,
            f"{each.images:,}",
            _percent(each.sensitivity),
            _percent(each.specificity),
            _percent(each.positive_predictive_value),
            _percent(each.negative_predictive_value),
            _number(each.auc),
            _number(each.average_precision),
        ]
        for each in evaluation.by_class
    ]
    head = [
        "Diagnosis",
        "Images",
        "Sensitivity, %",
        "Specificity, %",
        "PPV, %",
        "NPV, %",
        "AUC",
        "Average precision",
    ]
    return LatexTable("by_class", caption, head, rows)


def _malignancy(evaluation: Evaluation, confidence: str) -> Iterator[LatexTable]:
    section = evaluation.malignancy
    assert section is not None
    sample = f"{section.malignant_images:,} malignant or premalignant against {section.benign_images:,} benign images"
    yield LatexTable(
        "malignancy",
        f"Malignant against benign ({sample}; {confidence}).",
        ["Figure", "Value"],
        [
            ["Sensitivity, %", _percent(section.sensitivity)],
            ["Specificity, %", _percent(section.specificity)],
            ["AUC", _number(section.auc)],
            ["Area above 80% sensitivity", _number(section.partial_auc)],
            ["Average precision", _number(section.average_precision)],
        ],
    )
    yield LatexTable(
        "prevalence",
        f"Predictive values for malignancy and biopsies for each malignant lesion found ({confidence}).",
        ["Malignant lesions, %", "PPV, %", "NPV, %", "Biopsies"],
        [
            [
                f"{100 * at.prevalence:.1f}",
                _percent(at.positive_predictive_value),
                _percent(at.negative_predictive_value),
                _number(at.number_needed_to_biopsy, 1),
            ]
            for at in (section.own_prevalence, *section.at_prevalence)
        ],
    )


def _operating_points(evaluation: Evaluation, confidence: str) -> LatexTable:
    section = evaluation.operating_points
    assert section is not None
    names = {each.id: each.name for each in evaluation.by_class}
    rows = [
        [
            names[each.id],
            NOT_DEFINED if each.threshold is None else f"{each.threshold:.3f}",
            _percent(each.sensitivity),
            _percent(each.specificity),
            _percent(section.differential.truth_listed_by_class[each.id]),
        ]
        for each in section.by_class
    ]
    caption = f"Each diagnosis at its threshold, chosen on {section.thresholds.chosen_on} ({confidence})."
    head = ["Diagnosis", "Threshold", "Sensitivity, %", "Specificity, %", "Truth in the list, %"]
    return LatexTable("operating_points", caption, head, rows)


def _coverage(evaluation: Evaluation, confidence: str) -> LatexTable:
    section = evaluation.conformal
    assert section is not None
    names = {each.id: each.name for each in evaluation.by_class}
    rows = [
        [
            names.get(each.name, "All"),
            f"{each.images:,}",
            _percent(each.coverage),
            NOT_DEFINED if each.mean_size is None else f"{each.mean_size:.2f}",
        ]
        for each in (section.overall, *section.by_class)
    ]
    caption = f"Prediction sets that promise {100 * section.promised:g}% ({confidence})."
    return LatexTable("conformal", caption, ["Diagnosis", "Images", "Holds the truth, %", "Mean size"], rows)


def _subgroups(evaluation: Evaluation, confidence: str) -> Iterator[LatexTable]:
    for result in compared_subgroups(evaluation):
        rows = [
            [
                each.group + (" (too few)" if each.warnings else ""),
                f"{each.images:,}",
                f"{each.cases:,}",
                _percent(each.balanced_accuracy),
                _number(each.macro_auc),
                _percent(each.malignant_sensitivity),
                _percent(each.malignant_specificity),
            ]
            for each in result.groups
        ]
        head = [SUBGROUP_WORDS[result.column], "Images", "Cases"]
        head += [words if figure == "macro_auc" else f"{words}, %" for figure, words in FIGURE_WORDS.items()]
        caption = f"Figures by {in_sentence(result.column)} ({confidence})."
        yield LatexTable(f"subgroups_{result.column}", caption, head, rows)


def _percent(estimate: Estimate) -> str:
    """``"82.1 [76.0–87.4]"``, without a percent sign."""
    return _told(estimate, 100, 1)


def _number(estimate: Estimate, decimals: int = 3) -> str:
    return _told(estimate, 1, decimals)


def _told(estimate: Estimate, times: int, decimals: int) -> str:
    if estimate.value is None:
        return NOT_DEFINED
    words = f"{times * estimate.value:.{decimals}f}"
    if estimate.low is not None and estimate.high is not None:
        words += f" [{times * estimate.low:.{decimals}f}–{times * estimate.high:.{decimals}f}]"
    return words


def _row(cells: Sequence[str]) -> str:
    return " & ".join(escaped(each) for each in cells) + r" \\"
