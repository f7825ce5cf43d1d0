import polars as pl
import pytest

from cutis.study.agreement import agreement_within_readers
from cutis.study.aid import switches
from cutis.study.answer_readings import AnsweredStep, readings_from_answers, repeated_readings
from cutis.study.answers import Answer, check_answer, options, question_text, right_choice
from cutis.study.cases import StudyCase
from cutis.study.design import Question, StudyDesign, StudyError, parse_design
from cutis.study.feedback import training_feedback
from cutis.study.readings import Readings, ReadingsError

NODES = {"m1": "melanoma-invasive-superficial-spreading", "m2": "basal-cell-carcinoma", "b1": "nevus", "b2": "wart"}
SEVEN = {"kind": "diagnosis", "choices": ["malignant-melanoma", "basal-cell-carcinoma", "nevus", "other"]}


def design(**question) -> StudyDesign:
    return parse_design(
        {
            "title": "t",
            "instructions": "i",
            "consent": "c",
            "manifest": "m.csv",
            "seed": 1,
            "question": question,
            "cases": [{"node": node, "number": 1} for node in NODES.values()],
        }
    )


CASES = [
    StudyCase(image_id=each, image_path="x.jpg", stratum=k, part="main", node=node)
    for k, (each, node) in enumerate(NODES.items())
]


def steps(given: dict[str, object], *, reader="r", arm="unaided", part="main") -> list[AnsweredStep]:
    made = []
    for case, each in given.items():
        choices, confidence = each if isinstance(each, tuple) else (each, None)
        picked = (choices,) if isinstance(choices, str) else tuple(choices or ())
        answer = Answer(choices=picked, confidence=confidence) if picked else None
        made.append(AnsweredStep(reader, arm, case, part, answer))
    return made


def ratings(readings: Readings) -> dict[str, float]:
    return dict(readings.frame.select("case", "rating").iter_rows())


@pytest.mark.parametrize(
    ("question", "answer", "problem"),
    [
        ({"kind": "malignant"}, Answer(choices=("benign",)), None),
        ({"kind": "malignant"}, Answer(choices=()), "nothing is chosen"),
        ({"kind": "malignant"}, Answer(choices=("biopsy",)), "'biopsy' is no choice; there are benign, malignant"),
        ({"kind": "malignant"}, Answer(choices=("benign", "malignant")), "2 are chosen, 1 may be"),
        ({"kind": "malignant"}, Answer(choices=("benign",), confidence=3), "confidence is not asked"),
        ({"kind": "risk"}, Answer(choices=("dangerous",)), None),
        ({"kind": "biopsy", "confidence": "0-100"}, Answer(choices=("biopsy",), confidence=0), None),
        ({"kind": "biopsy", "confidence": "0-100"}, Answer(choices=("biopsy",)), "confidence is missing"),
        ({"kind": "biopsy", "confidence": "0-100"}, Answer(choices=("biopsy",), confidence=101), "not a whole number"),
        ({"kind": "biopsy", "confidence": "0-100"}, Answer(choices=("biopsy",), confidence="50"), "not a whole number"),
        ({"kind": "risk", "confidence": ["low", "sure"]}, Answer(choices=("low",), confidence="sure"), None),
        (
            {"kind": "risk", "confidence": ["low", "sure"]},
            Answer(choices=("low",), confidence="Sure"),
            "not one of low",
        ),
        (SEVEN, Answer(choices=("other",)), None),
        (SEVEN, Answer(choices=("<script>",)), "'<script>' is no choice"),
        ({**SEVEN, "kind": "ranked", "most": 2}, Answer(choices=("nevus", "other")), None),
        ({**SEVEN, "kind": "ranked", "most": 2}, Answer(choices=("nevus",)), None),
        ({**SEVEN, "kind": "ranked", "most": 2}, Answer(choices=("nevus", "nevus")), "chosen twice"),
        ({**SEVEN, "kind": "ranked", "most": 2}, Answer(choices=("nevus", "other", "wart")), "3 are chosen, 2 may be"),
    ],
)
def test_an_answer_is_checked(question, answer, problem):
    told = check_answer(design(**question), answer)
    assert told == problem if problem is None else problem in str(told)


def test_options_have_names_and_a_question_its_words():
    assert options(design(**SEVEN).question)[2] == ("nevus", "Nevus")
    assert [each.id for each in options(design(kind="risk").question)] == ["low", "high", "dangerous"]
    assert question_text(design(kind="malignant").question) == "Is this lesion malignant or benign?"
    assert question_text(design(kind="malignant", text="Bad?").question) == "Bad?"


@pytest.mark.parametrize(
    ("kind", "node", "right"),
    [
        ("malignant", "melanoma-invasive-superficial-spreading", "malignant"),
        ("malignant", "actinic-keratosis", "malignant"),
        ("biopsy", "actinic-keratosis", "biopsy"),
        ("biopsy", "nevus", "reassure"),
        ("risk", "malignant-melanoma", "dangerous"),
        ("risk", "basal-cell-carcinoma", "high"),
        ("risk", "nevus", "low"),
    ],
)
def test_the_right_choice_is_the_tree_s(kind, node, right):
    assert right_choice(Question(kind=kind), node) == right


def test_the_right_diagnosis_is_the_choice_that_holds_the_case_and_none_where_it_lies_above():
    question = design(**SEVEN).question
    assert [right_choice(question, node) for node in NODES.values()] == [
        "malignant-melanoma",
        "basal-cell-carcinoma",
        "nevus",
        "other",
    ]
    assert right_choice(question, "malignant") is None


def test_yes_or_no_becomes_one_or_zero_and_with_confidence_a_signed_rating():
    made = steps({"m1": "malignant", "m2": "benign", "b1": "benign", "b2": "malignant"})
    plain = readings_from_answers(design(kind="malignant"), CASES, made)
    assert ratings(plain) == {"m1": 1, "m2": 0, "b1": 0, "b2": 1}
    assert dict(plain.frame.select("case", "truth").iter_rows()) == {"m1": True, "m2": True, "b1": False, "b2": False}
    assert plain.modalities == ["unaided"]
    made = steps({"m1": ("malignant", 100), "m2": ("malignant", 0), "b1": ("benign", 0), "b2": ("benign", 100)})
    sure = readings_from_answers(design(kind="malignant", confidence="0-100"), CASES, made)
    assert ratings(sure) == {"m1": 101, "m2": 1, "b1": -1, "b2": -101}
    words = design(kind="biopsy", confidence=["guess", "sure"])
    made = steps({"m1": ("biopsy", "sure"), "m2": ("biopsy", "guess"), "b1": ("reassure", "sure")})
    assert ratings(readings_from_answers(words, CASES, made)) == {"m1": 2, "m2": 1, "b1": -2}


def test_a_diagnosis_is_positive_where_its_node_is():
    made = steps({"m1": "malignant-melanoma", "m2": "nevus", "b1": "basal-cell-carcinoma", "b2": "other"})
    assert ratings(readings_from_answers(design(**SEVEN), CASES, made)) == {"m1": 1, "m2": 0, "b1": 1, "b2": 0}
    melanoma = readings_from_answers(design(**SEVEN), CASES, made, positive=["malignant-melanoma"])
    assert ratings(melanoma) == {"m1": 1, "m2": 0, "b1": 0, "b2": 0}
    assert melanoma.positives == 1
    mixed = design(kind="diagnosis", choices=["malignant-melanoma", "nevus", "cutaneous-horn"])
    with pytest.raises(StudyError, match="whether the choices cutaneous-horn are positive"):
        readings_from_answers(mixed, CASES, [])


def test_a_ranked_list_is_rated_by_the_place_of_its_first_positive_diagnosis():
    made = steps(
        {
            "m1": ("malignant-melanoma", "nevus"),
            "m2": ["nevus", "other", "basal-cell-carcinoma"],
            "b1": ["nevus"],
            "b2": ["other", "malignant-melanoma"],
        }
        | {"m1": ["malignant-melanoma", "nevus"]}
    )
    ranked = design(**{**SEVEN, "kind": "ranked", "most": 3})
    assert ratings(readings_from_answers(ranked, CASES, made)) == {"m1": 3, "m2": 1, "b1": 0, "b2": 2}
    first = readings_from_answers(ranked, CASES, made, measured="correct")
    third = readings_from_answers(ranked, CASES, made, measured="correct", first=3)
    assert ratings(first) == {"m1": 1, "m2": 0, "b1": 0, "b2": 0}
    assert ratings(third) == {"m1": 1, "m2": 1, "b1": 0, "b2": 0}


def test_risk_grades_are_rated_in_their_order():
    made = steps({"m1": "high", "m2": "dangerous", "b1": "low", "b2": "low"})
    readings = readings_from_answers(design(kind="risk"), CASES, made)
    assert ratings(readings) == {"m1": 1, "m2": 2, "b1": 0, "b2": 0}
    assert readings.positives == 2
    assert readings_from_answers(design(kind="risk"), CASES, made, at="dangerous").positives == 1


def test_right_answers_are_counted_so_that_the_house_s_statistics_hold():
    before = {"m1": "malignant-melanoma", "m2": "nevus", "b1": "basal-cell-carcinoma", "b2": "other"}
    after = {"m1": "nevus", "m2": "basal-cell-carcinoma", "b1": "nevus", "b2": "other"}
    made = steps(before) + steps(after, arm="aided")
    readings = readings_from_answers(design(**SEVEN), CASES, made, measured="correct")
    right = readings.frame.with_columns(right=(pl.col("rating") == 1) == pl.col("truth"))
    share = dict(right.group_by("modality").agg(pl.col("right").mean()).iter_rows())
    assert share == {"unaided": 0.5, "aided": 0.75}
    total = switches(readings, "unaided", "aided")[-1]
    assert (total.right_both, total.wrong_to_right, total.right_to_wrong) == (1, 2, 1)


def test_timed_out_training_and_repeated_steps_do_not_count():
    made = steps({"m1": "malignant", "b1": "benign", "b2": None})
    made += steps({"m1": "benign"}, part="repeat") + steps({"b1": "malignant"}, part="training")
    readings = readings_from_answers(design(kind="malignant"), CASES, made)
    assert ratings(readings) == {"m1": 1, "b1": 0}


def test_repeated_cases_give_first_and_second_readings_for_kappa():
    main = {"m1": "malignant", "m2": "malignant", "b1": "benign", "b2": "benign"}
    again = {"m1": "malignant", "b1": "benign", "b2": "malignant"}
    made = steps(main) + steps(again, part="repeat")
    readings = repeated_readings(design(kind="malignant"), CASES, made)
    assert readings.modalities == ["unaided, again", "unaided, first"]
    assert readings.cases == ["b1", "b2", "m1"]
    kappa = agreement_within_readers(readings, "unaided, first", "unaided, again", resamples=200)["r"].coefficient
    assert kappa == pytest.approx(0.4)  # observed 2/3, by chance 4/9
    with pytest.raises(StudyError, match="no case was shown twice"):
        repeated_readings(design(kind="malignant"), CASES, steps(main))


def test_answers_that_cannot_be_used_are_all_named():
    made = steps({"m1": "melanoma", "zz": "benign"})
    made.append(AnsweredStep("r", "unaided", "b1", "main", Answer(choices=())))
    with pytest.raises(StudyError) as problem:
        readings_from_answers(design(kind="malignant"), CASES, made)
    told = str(problem.value)
    assert "3 answers cannot be used" in told
    assert all(each in told for each in ("case 'm1'", "case 'zz'", "no such case", "nothing is chosen"))
    with pytest.raises(ReadingsError):
        readings_from_answers(design(kind="malignant"), CASES, [])
    unclear = [StudyCase(image_id="q", image_path="x", stratum=0, part="main", node="cutaneous-horn")]
    with pytest.raises(StudyError, match="does not tell whether they are positive: q"):
        readings_from_answers(design(kind="malignant"), unclear, [])


def test_feedback_tells_the_truth_of_training_cases_only():
    case = CASES[0].model_copy(update={"part": "training"})
    told = training_feedback(design(**SEVEN), case, Answer(choices=("nevus",)))
    assert told == (False, "malignant-melanoma", "Melanoma Invasive, Superficial spreading")
    assert training_feedback(design(kind="malignant"), case, Answer(choices=("malignant",))).right
    assert not training_feedback(design(kind="malignant"), case, None).right
    with pytest.raises(StudyError, match="no training case"):
        training_feedback(design(**SEVEN), CASES[0], None)
