"""An analysis of readings in words: methods and result, for a paper."""

from cutis.evaluation import counted, decimal, joined, p_words
from cutis.study.analysis import Analysis, Difference, EqualityResult, MarginTest, StandaloneAnalysis

_MINUS = "−"
_DESIGNS = {
    "factorial": "Every reader read every case in every modality.",
    "cases in readers": "Each reader read cases of their own in every modality.",
    "cases in modalities": "Each modality had cases of its own, which every reader read.",
    "readers in modalities": "Each modality had readers of its own, who read all cases.",
}
_METHODS = {
    "or": "the method of Obuchowski and Rockette with Hillis' degrees of freedom",
    "dbm": "the method of Dorfman, Berbaum and Metz with Hillis' degrees of freedom",
    "u-statistics": "U-statistics (Gallas), with Satterthwaite's degrees of freedom",
}
_COVARIANCES = {
    "jackknife": "the jackknife",
    "delong": "DeLong's method",
    "unbiased": "unbiased U-statistics",
}
_FACTORS = {
    ("random", "random"): "readers and cases being random",
    ("fixed", "random"): "cases being random and readers fixed: the result is about these readers",
    ("random", "fixed"): "readers being random and cases fixed: the result is about these cases",
}


def mrmc_paragraph(result: Analysis | StandaloneAnalysis) -> str:
    """What was read, what was measured and how, and what was found, as one paragraph with every interval."""
    if isinstance(result, StandaloneAnalysis):
        return _standalone(result)
    sentences = [_material(result), _method(result), _means(result)]
    if len(result.differences) > 1 and result.equality is not None:
        sentences.append(f"The test that all are equal gave {_test(result.equality)}.")
    for difference in result.differences:
        test = result.equality if len(result.differences) == 1 else None
        sentences.append(_difference(difference, result.confidence, test))
        if difference.margin is not None:
            sentences.append(_margin(difference.second, difference.first, difference.margin, result.confidence))
    return " ".join(sentences)


def _material(result: Analysis) -> str:
    sample = result.sample
    design = _DESIGNS.get(sample.design) or (
        f"Not every reader read every case: {sample.missing_reads:,} of "
        f"{sample.reads + sample.missing_reads:,} possible readings were not made."
    )
    modalities = (
        f"in {counted(len(sample.modalities), 'modality', 'modalities')} ({joined(sample.modalities)})"
        if len(sample.modalities) > 1
        else f"in one modality ({sample.modalities[0]})"
    )
    if len(sample.modalities) == 1 and sample.design == "factorial":
        design = "Every reader read every case."
    return f"{_sample_words(result)} {modalities}, {counted(sample.reads, 'reading')} in all. {design}"


def _sample_words(result: Analysis | StandaloneAnalysis, readers: int | None = None) -> str:
    sample = result.sample
    number = len(sample.readers) if readers is None else readers
    kinds = (
        f"{sample.positives:,} with and {sample.negatives:,} without the disease"
        if sample.positives and sample.negatives
        else f"all {'with' if sample.positives else 'without'} the disease"
    )
    return f"{counted(number, 'reader')} read {counted(sample.cases, 'case')} ({kinds})"


def _method(result: Analysis) -> str:
    how = f"{_METHODS[result.method]}, {_FACTORS[result.readers, result.cases]}"
    # The names of these two hold their covariance.
    if result.covariance is not None and result.method == "or":
        how += f"; covariances were estimated by {_COVARIANCES[result.covariance]}"
    verb = "Modalities were compared" if len(result.modalities) > 1 else "The interval was made"
    return f"The endpoint was the {result.endpoint_words}, averaged over readers. {verb} by {how}."


def _means(result: Analysis) -> str:
    told = []
    for number, each in enumerate(result.modalities):
        interval = _interval(each.low, each.high, result.confidence, named=number == 0)
        told.append(f"{decimal(each.estimate)} ({interval}) in {each.modality}")
    return f"The mean was {joined(told)}."


def _difference(difference: Difference, confidence: float, test: EqualityResult | None) -> str:
    found = _test(test) if test is not None else _t(difference)
    interval = _interval(difference.low, difference.high, confidence)
    return (
        f"The difference, {difference.first} minus {difference.second}, was {_signed(difference.difference)} "
        f"({interval}; {found})."
    )


def _margin(new: str, reference: str, tested: MarginTest, confidence: float) -> str:
    shown = "was" if tested.non_inferior else "was not shown to be"
    same = "were" if tested.equivalent else "were not shown to be"
    level = 100 * (1 - confidence)
    return (
        f"With a margin of {tested.margin:g}, {new} {shown} non-inferior to {reference} (one-sided "
        f"{_p(tested.non_inferiority_p)}, at the level of {level / 2:g}%), and the two {same} equivalent "
        f"(two one-sided tests, {_p(tested.equivalence_p)}, at {level:g}%)."
    )


def _standalone(result: StandaloneAnalysis) -> str:
    figures = [row.estimate for row in result.reader_figures]
    own = result.system_figure
    factors = _FACTORS[result.readers, "random"]
    told = (
        f"{_sample_words(result, len(figures))} in {result.modality}; {result.system} answered the same cases alone. "
        f"The endpoint was the {result.endpoint_words}. The readers' differences from {result.system} were analysed as "
        f"figures of one modality by {_METHODS['or']}, {factors}; covariances were estimated by "
        f"{_COVARIANCES[result.covariance]}. "
        f"The mean of the readers was {decimal(sum(figures) / len(figures))} (from {decimal(min(figures))} to "
        f"{decimal(max(figures))}), that of {result.system} {decimal(own.estimate)} "
        f"({_interval(own.low, own.high, result.confidence)}). "
        f"{_difference(result.difference, result.confidence, None)}"
    )
    if result.difference.margin is None:
        return told
    return f"{told} {_margin(result.system, 'the readers', result.difference.margin, result.confidence)}"


def _test(test: EqualityResult) -> str:
    if test.statistic is None:
        return "no test: the variance is 0"
    if test.df2 is None:
        return f"χ²({test.df1:g}) = {test.statistic:.2f}, {_p(test.p)}"
    return f"F({test.df1:g}, {test.df2:.1f}) = {test.statistic:.2f}, {_p(test.p)}"


def _t(difference: Difference) -> str:
    if difference.statistic is None:
        return "no test: the variance is 0"
    name = "z" if difference.df is None else f"t({difference.df:.1f})"
    return f"{name} = {_signed(difference.statistic, 2)}, {_p(difference.p)}"


def _p(p: float | None) -> str:
    # Rounded to two decimals, 0.048 and 0.052 would both be 0.05.
    return f"p = {p:.3f}" if p is not None and 0.045 <= p < 0.055 else p_words(p)


def _interval(low: float | None, high: float | None, confidence: float, *, named: bool = True) -> str:
    name = f"{100 * confidence:g}% CI " if named else ""
    if low is None or high is None:
        return f"{name}–"
    return f"{name}{_signed(low)} to {_signed(high)}" if low < 0 else f"{name}{low:.3f}–{high:.3f}"


def _signed(value: float, decimals: int = 3) -> str:
    text = f"{abs(value):.{decimals}f}"
    return text if value >= 0 or float(text) == 0 else f"{_MINUS}{text}"
