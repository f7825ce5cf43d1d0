"""An answer in words, and what is said with every answer that leaves cutis: in DICOM, FHIR and a folder's JSON."""

from cutis.clinic.answer import Answer
from cutis.models import BundleFacts
from cutis.taxonomy import RiskRule

STATEMENT = "Research software, not a medical device: no answer replaces a doctor's."


def model_version(bundle: BundleFacts) -> str:
    """Which model answered, exactly: cutis's version and the first digits of its weights' SHA-256."""
    return f"cutis {bundle.about['cutis']}, weights {bundle.about['weights_sha256'][:16]}"


def sentences(answer: Answer, rule: RiskRule) -> list[str]:
    """What a model says of one photograph, a sentence or two an entry; the statement first.

    Args:
        answer: what it says.
        rule: for the advice; where a text is not reviewed by a clinician, that is said after it.
    """
    of = {each.id: each for each in answer.diagnoses}
    first = answer.diagnoses[0]
    lines = [STATEMENT, f"Most probable of {len(of)} classes: {first.name}, probability {first.probability:.3f}."]
    if answer.above:
        lines.append(
            f"At or above their own thresholds, the furthest above first: {_named(answer, answer.differential)}."
        )
    elif answer.above is not None:
        lines.append(f"No class reaches its own threshold; nearest is {_named(answer, answer.differential)}.")
    if answer.conformal_coverage is not None:
        share = f"{answer.conformal_coverage:.0%}"
        held = _named(answer, answer.conformal_set) or "none, as it is unlike the images of every class"
        lines.append(f"Set that holds the diagnosis in {share} of images like those calibrated on: {held}.")
    if answer.malignant is not None:
        lines.append(f"Probability of a malignant or premalignant class: {answer.malignant:.3f}.")
    if answer.risk is not None:
        advice = rule.advice_for(answer.risk)
        lines.append(f"Risk grade: {advice.title}. {advice.text}{'' if advice.reviewed else ' ' + rule.review}")
    if answer.stranger_than is not None:
        lines.append(
            f"The photograph is stranger to the model than {answer.stranger_than}% of the images it was validated on: "
            + ("do not rely on this answer." if answer.stranger_than == 99 else "be wary of this answer.")
        )
    if answer.seen_in_training not in (None, "no"):
        lines.append(f"The model was trained on this {answer.seen_in_training}; its answer proves nothing.")
    if answer.unfit:
        lines.append(f"The photograph should be taken again: {', '.join(answer.unfit)}.")
    return lines


def _named(answer: Answer, ids: tuple[str, ...]) -> str:
    of = {each.id: each.name for each in answer.diagnoses}
    return ", ".join(of[each] for each in ids)
