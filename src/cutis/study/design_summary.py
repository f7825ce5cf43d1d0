"""What a design says, in words: for whoever is to run the study, before it is made."""

from cutis.study.answers import options, question_text
from cutis.study.design import BUILT_IN, Arm, StudyDesign
from cutis.taxonomy import shipped_taxonomy

_READING = {
    "one arm": "Each reader stays in one of the arms.",
    "crossover": "Each reader reads in every arm, one part after the other.",
    "sequential": "Each case is answered twice at once: first without the AI, then with it.",
}
_ONE_PER = {
    "patient": "Never two images of one patient.",
    "lesion": "Never two images of one lesion.",
    "image": "Several images of one lesion or patient can be among them.",
}
_AIDS = {"differential": "its list of diagnoses", "risk": "its risk grade", "heatmap": "where it looked"}


def design_in_words(design: StudyDesign) -> list[tuple[str, str]]:
    """What is said of each part of a design, as (part, sentences); its own texts are not among them."""
    told = [
        ("Cases", _cases(design)),
        ("Question", f"{question_text(design.question)} {_choices(design)}"),
        (
            "Arms",
            " ".join(_arm(each) for each in design.arms) + (f" {_reading(design)}" if len(design.arms) > 1 else ""),
        ),
        ("Beside the photograph", _beside(design)),
        ("Time", _time(design)),
        ("Answers", _answers(design)),
        ("Readers", f"Groups: {', '.join(design.readers_groups)}."),
    ]
    if design.ai is not None:
        which = "the model that comes with cutis" if design.ai == BUILT_IN else design.ai
        told.append(("AI", f"It is {which}. Cases that it has seen in training are left out."))
    return told


def strata_in_words(design: StudyDesign) -> list[tuple[str, int, str]]:
    """Of each stratum its diagnoses, how many cases, and its filter."""
    taxonomy = shipped_taxonomy()
    return [
        (
            ", ".join(taxonomy[node].name for node in each.node),
            each.number,
            "; ".join(f"{column} is {' or '.join(values)}" for column, values in each.where.items()),
        )
        for each in design.cases
    ]


def showings(design: StudyDesign) -> int:
    """How many cases are shown to one reader, over all periods, training cases and repeats among them."""
    each_period = design.training_cases + design.repeated_cases
    main = design.number_of_cases if design.case_sets == "different" else design.number_of_cases * design.periods
    return main + design.periods * each_period


def _cases(design: StudyDesign) -> str:
    told = f"{design.number_of_cases} cases, drawn at random within each diagnosis. {_ONE_PER[design.one_image_per]}"
    if design.training_cases:
        told += f" Before them {design.training_cases} for training, after which the right answer is told."
    if design.repeated_cases:
        told += (
            f" {design.repeated_cases} are shown twice, at least {design.repeat_distance} others between, "
            "to see how far a reader agrees with themselves."
        )
    return told + f" A reader is shown {showings(design)} in all."


def _choices(design: StudyDesign) -> str:
    question = design.question
    names = ", ".join(each.name for each in options(question))
    told = f"Choices: {names}."
    if question.kind == "ranked":
        told += f" Up to {question.most} may be named, the likeliest first."
    if question.confidence == "0-100":
        told += " Then: how sure, from 0 to 100."
    elif question.confidence != "none":
        told += f" Then: how sure ({', '.join(question.confidence)})."
    return told


def _arm(arm: Arm) -> str:
    if not arm.aid:
        return f"“{arm.title}”: no AI."
    shown = [_AIDS[each] for each in arm.aid]
    said = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"“{arm.title}”: of the AI, {said}."


def _reading(design: StudyDesign) -> str:
    told = _READING[design.reading]
    if design.reading == "crossover":
        same = "The same cases in each part" if design.case_sets == "same" else "Other cases in each part"
        told += f" {same}, {design.washout_days} days between." if design.washout_days else f" {same}."
    return told


def _beside(design: StudyDesign) -> str:
    shown = f"{', '.join(design.shown)}, where known." if design.shown else "Nothing of the patient."
    return f"{shown[0].upper()}{shown[1:]} The photograph can{'' if design.zoom else 'not'} be enlarged."


def _time(design: StudyDesign) -> str:
    if design.seconds_per_case is None:
        return "No limit. Readers can pause between cases."
    return (
        f"{design.seconds_per_case} seconds for each answer, by the server's clock; later answers count as timed out. "
        "Readers can pause between cases."
    )


def _answers(design: StudyDesign) -> str:
    if design.change_answers:
        return "An answer can be changed while its case is open, not afterwards."
    return "A saved answer cannot be changed."
