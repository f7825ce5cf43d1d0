"""Methods text of a study's report, and its sources."""

from collections.abc import Callable, Iterator

from cutis.evaluation import counted, joined
from cutis.report.study_report_comparisons import in_arms
from cutis.study import StudyFindings, design_in_words

Cite = Callable[..., str]
"""From keys of :data:`SOURCES` to their numbers in brackets."""

SOURCES = {
    "or": "Obuchowski NA, Rockette HE. Commun Stat Simul Comput 1995;24:285–308.",
    "hillis": "Hillis SL. Stat Med 2007;26:596–619; 2014;33:330–360.",
    "jackknife": "Efron B. The Jackknife, the Bootstrap and Other Resampling Plans. SIAM, 1982.",
    "u": "Gallas BD. Acad Radiol 2006;13:353–362. Gallas BD, Bandos A, Samuelson FW, Wagner RF. "
    "Commun Stat Theory Methods 2009;38:2586–2603.",
    "wilson": "Wilson EB. J Am Stat Assoc 1927;22:209–212.",
    "campbell": "Campbell G. Stat Med 1994;13:499–508.",
    "marginal": "Miglioretti DL, Heagerty PJ. Am J Epidemiol 2007;165:453–463. Cameron AC, Gelbach JB, Miller DL. "
    "J Bus Econ Stat 2011;29:238–249.",
    "mixed": "Bates D, Mächler M, Bolker B, Walker S. J Stat Softw 2015;67(1):1–48.",
    "mcnemar": "McNemar Q. Psychometrika 1947;12:153–157.",
    "krippendorff": "Krippendorff K. Computing Krippendorff’s alpha-reliability. University of Pennsylvania, 2011.",
    "fleiss": "Fleiss JL. Psychol Bull 1971;76:378–382.",
    "cohen": "Cohen J. Educ Psychol Meas 1960;20:37–46.",
    "schuirmann": "Schuirmann DJ. J Pharmacokinet Biopharm 1987;15:657–680.",
}


def methods(found: StudyFindings, version: str) -> tuple[list[str], list[str]]:
    """Paragraphs for the methods of a paper, with numbers in brackets, and the sources that these numbers stand for."""
    cited: list[str] = []

    def cite(*keys: str) -> str:
        for key in keys:
            if key not in cited:
                cited.append(key)
        return "[" + ",".join(str(cited.index(key) + 1) for key in keys) + "]"

    texts = [" ".join(_material(found))]
    analysis = " ".join(_comparison(found, cite))
    if analysis:
        texts.append(analysis)
    aid = " ".join(_aid(found, cite))
    if aid:
        texts.append(aid)
    texts.append(" ".join([*_agreement(found, cite), f"Analyses were made with cutis {version}, research software."]))
    return texts, [f"{number}. {SOURCES[key]}" for number, key in enumerate(cited, 1)]


def _material(found: StudyFindings) -> Iterator[str]:
    record = found.record
    readings = record.readings
    kinds = f"{readings.positives:,} {record.positive} and {readings.negatives:,} {record.negative}"
    groups = [f"{each}: {len(record.of_group(each))}" for each in record.group_names]
    who = f" ({'; '.join(groups)})" if groups else ""
    yield (
        f"{counted(len(readings.readers), 'reader')}{who} read {counted(len(readings.cases), 'case')} ({kinds}) in "
        f"{counted(len(record.arms), 'arm')} ({joined([each.title for each in record.arms])})."
    )
    if record.design is not None:
        told = dict(design_in_words(record.design))
        yield from (told[each] for each in ("Cases", "Question", "Arms", "Beside the photograph", "Time", "Answers"))
        yield "The order of cases was random for each reader, and arms were balanced over readers (Latin squares)."
    if record.threshold is not None and not readings.binary:
        yield f"A rating of {record.threshold:g} or more counted as {record.positive}."


def _comparison(found: StudyFindings, cite: Cite) -> Iterator[str]:
    if not found.analyses:
        return
    main = found.analyses[0]
    others = [each.endpoint_words for each in found.analyses[1:]]
    yield f"The main endpoint was the {main.endpoint_words}, averaged over readers."
    if others:
        yield f"Further endpoints were {joined(others)}, without adjustment for their number."
    factors = (
        "readers and cases being random, so that the result is meant for other readers and cases of these kinds"
        if main.readers == "random"
        else "cases being random and readers fixed, so that the result is about these readers"
    )
    several = len(main.modalities) > 1
    verb = "Arms were compared" if several else "Intervals were made"
    if main.method == "u-statistics":
        yield f"{verb} by U-statistics {cite('u')}, {factors}. {in_arms(found.choice.reason)}"
    else:
        yield (
            f"{verb} by the method of Obuchowski and Rockette {cite('or')} with the degrees of freedom of Hillis "
            f"{cite('hillis')} and covariances by the jackknife over cases {cite('jackknife')}, {factors}. "
            f"{in_arms(found.choice.reason)}"
        )
    late = sum(each.timed_out or 0 for each in found.counts)
    if late:
        yield (
            f"{counted(late, 'case was', 'cases were')} not answered in time; they were taken as reads that were not "
            "made, and not replaced."
        )
    if any(each.margin for analysis in found.analyses for each in analysis.differences):
        yield f"Equivalence was tested by two one-sided tests {cite('schuirmann')}."
    if found.groups:
        yield (
            "Figures of groups are means over readers with intervals by the same method; the geometric mean’s is by "
            "the delta method."
        )
    yield f"Single readers’ shares have Wilson’s intervals {cite('wilson')}, over cases."
    if found.comparisons:
        yield (
            f"{found.model} was set against the readers on the same cases, with a simultaneous band of its ROC curve "
            f"{cite('campbell')}; its intervals are by resampling whole patients or lesions where these are known."
        )


def _aid(found: StudyFindings, cite: Cite) -> Iterator[str]:
    if not found.aid:
        return
    what = "the right diagnosis" if found.record.correct is not None else "the right side (positive or not)"
    yield f"For what the aid changed, an answer was right if it named {what}."
    if any(each.switches for each in found.aid):
        yield (
            "Answers of a reader to the same case without and with the aid were compared; each reader’s changes were "
            f"tested by McNemar’s exact test {cite('mcnemar')}."
        )
    if any(each.ai for each in found.aid):
        yield (
            "Automation bias is the share of answers, right without the aid, that turned wrong where the aid was wrong."
        )
    yield (
        "The odds of a right answer were modelled in two ways: for the mean over readers and cases, by a marginal "
        f"logistic model with a standard error that allows for both {cite('marginal')}; and for one reader on one "
        "case, by a logistic mixed model with random intercepts of readers and cases, fitted by maximum likelihood "
        f"with Laplace’s approximation {cite('mixed')}, without and with an effect of the aid that differs by reader."
    )


def _agreement(found: StudyFindings, cite: Cite) -> Iterator[str]:
    if found.between:
        yield (
            f"Agreement between readers is told as Krippendorff’s alpha {cite('krippendorff')}, Fleiss’ kappa "
            f"{cite('fleiss')} and Cohen’s kappa over pairs {cite('cohen')}, with intervals by resampling cases."
        )
    if found.within:
        yield "Agreement of readers with themselves is from cases shown twice; only first showings count elsewhere."
    if found.times:
        yield "Times run from the showing of a case to the answer that was kept, by the server’s clock."
