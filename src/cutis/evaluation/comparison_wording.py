"""A comparison in words: a paragraph for the methods and results of a paper."""

from cutis.evaluation.comparison import Comparison, Difference, NonInferiority
from cutis.evaluation.wording import counted, decimal, joined

_MINUS = "−"


def p_words(p: float | None) -> str:
    """A p-value as papers write it: ``"p = 0.03"``, ``"p = 0.004"``, ``"p < 0.001"``, ``"p > 0.99"``.

    Two decimals from 0.01 upwards, three below and where two would round across 0.05.
    """
    if p is None:
        return "p not defined"
    if p < 0.001:
        return "p < 0.001"
    if p > 0.99:
        return "p > 0.99"
    three = p < 0.01 or 0.045 <= p < 0.055
    # Rounding may not lift a p below 0.01 to "0.010", nor one below 0.05 to "0.050".
    if three and (f"{p:.3f}" == "0.010" or (p < 0.05 and f"{p:.3f}" == "0.050")):
        return f"p = {p:.4f}"
    return f"p = {p:.3f}" if three else f"p = {p:.2f}"


def comparison_paragraph(comparison: Comparison) -> str:
    """The comparison as one paragraph: what was compared, how, and what was found, with every figure's interval."""
    first, second = comparison.names
    sentences = [
        _material(comparison),
        _method(comparison),
        *(
            _result(name, figure, first, second, comparison.intervals.confidence)
            for name, figure in (
                ("Balanced accuracy", comparison.balanced_accuracy),
                ("Accuracy", comparison.accuracy),
                ("The macro-averaged AUC", comparison.macro_auc),
            )
        ),
        _classes(comparison),
        _right_answers(comparison),
    ]
    margin = _margin(comparison)
    return " ".join([*sentences, *([margin] if margin else [])])


def _material(comparison: Comparison) -> str:
    first, second = comparison.names
    of = [
        counted(number, word)
        for number, word in ((comparison.lesions, "lesion"), (comparison.patients, "patient"))
        if number is not None
    ]
    where = f" of the {_subset(comparison.subset)} set" if comparison.subset else ""
    from_whom = f" ({', '.join(of)})" if of else ""
    return (
        f"{_capital(first)} and {second} were compared on the same {counted(comparison.images, 'image')}{from_whom}"
        f"{where}, in {counted(len(comparison.classes.ids), 'class', 'classes')}."
    )


def _method(comparison: Comparison) -> str:
    intervals = comparison.intervals
    kinds = list(intervals.clusters)
    whole = joined(
        [f"{intervals.clusters[kind]:,} {kind}{'' if intervals.clusters[kind] == 1 else 's'}" for kind in kinds]
    )
    within = joined([f"{kind}s" for kind in kinds]).replace(" and ", " or ")
    return (
        f"Differences are {comparison.names[1]} minus {comparison.names[0]}, with "
        f"{100 * intervals.confidence:g}% confidence intervals from a paired percentile bootstrap of whole {within} "
        f"({whole}; {intervals.resamples:,} resamples); two-sided p-values are from a permutation test that exchanged "
        f"the two models' answers within whole {within} ({intervals.resamples:,} exchanges)."
    )


def _result(name: str, figure: Difference, first: str, second: str, confidence: float) -> str:
    if figure.difference.value is None:
        return f"{name} is not defined on these images."
    return (
        f"{name} was {decimal(figure.first)} for {first} and {decimal(figure.second)} for {second} "
        f"({_told(figure, confidence)}, {p_words(figure.p)})."
    )


def _told(figure: Difference, confidence: float) -> str:
    of = figure.difference
    interval = f", {100 * confidence:g}% CI {_signed(of.low)} to {_signed(of.high)}" if of.low is not None else ""
    return f"difference {_signed(of.value)}{interval}"


def _classes(comparison: Comparison) -> str:
    alpha = 1 - comparison.intervals.confidence
    tested = [each for each in comparison.by_class if each.p_holm is not None]
    if not tested:
        return "No class has an AUC on these images."
    differing = [each for each in tested if each.p_holm is not None and each.p_holm < alpha]
    adjusted = f"After Holm's correction for {counted(len(tested), 'class', 'classes')}, one-versus-rest AUCs"
    if not differing:
        least = min(each.p_holm for each in tested if each.p_holm is not None)
        return f"{adjusted} differed in no class (smallest adjusted {p_words(least)})."
    named = joined(
        [
            f"{each.name} ({decimal(each.auc.first)} against {decimal(each.auc.second)}; "
            f"{_told(each.auc, comparison.intervals.confidence)}, adjusted {p_words(each.p_holm)})"
            for each in differing
        ]
    )
    return f"{adjusted} differed in {named}{'' if len(differing) == len(tested) else ' and in no other class'}."


def _right_answers(comparison: Comparison) -> str:
    first, second = comparison.names
    right = comparison.right_answers
    return (
        f"{_capital(first)} alone was right in {counted(right.first_only, 'image')}, {second} alone in "
        f"{right.second_only:,} (McNemar's test, images taken as independent: exact {p_words(right.p_exact)}, "
        f"mid-{p_words(right.p_mid)})."
    )


def _margin(comparison: Comparison) -> str | None:
    figures = [
        ("balanced accuracy", comparison.balanced_accuracy.non_inferiority),
        ("accuracy", comparison.accuracy.non_inferiority),
        ("macro-averaged AUC", comparison.macro_auc.non_inferiority),
    ]
    tested: list[tuple[str, NonInferiority]] = [(name, each) for name, each in figures if each is not None]
    if not tested:
        return None
    first, second = comparison.names
    shown = [f"{name} (one-sided {p_words(each.p)})" for name, each in tested if each.non_inferior]
    open_ = [f"{name} (one-sided {p_words(each.p)})" for name, each in tested if not each.non_inferior]
    told = [f"{second} was non-inferior to {first} in {joined(shown)}"] if shown else []
    told += [f"{'' if shown else second + ' '}was not shown to be non-inferior in {joined(open_)}"] if open_ else []
    return f"With a margin of {tested[0][1].margin:g}, {' but '.join(told)}."


def _signed(value: float | None) -> str:
    if value is None:
        return "–"
    text = f"{abs(value):.3f}"
    return text if value >= 0 or text == "0.000" else f"{_MINUS}{text}"


def _subset(subset: str) -> str:
    return {"val": "validation", "train": "training"}.get(subset, subset)


def _capital(words: str) -> str:
    # Only an article is raised: a model's own name keeps its spelling.
    return "T" + words[1:] if words.startswith("the ") else words
