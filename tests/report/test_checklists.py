"""The checklists: numbered as published, filled in where the evaluation knows, left to the authors elsewhere."""

import csv
import re

import pytest

from cutis.evaluation import scored_images
from cutis.report.checklists import FOR_AUTHORS, answers, checklists, filled_checklists, write_checklists


def numbers(name):
    return [each.number for each in checklists()[name].items]


def letters(number, last):
    return [f"{number}{chr(code)}" for code in range(ord("a"), ord(last) + 1)]


def test_items_are_numbered_as_published():
    assert numbers("claim_2024") == [str(n) for n in range(1, 45)]
    stard = {15: "d", 16: "c", 17: "b", 26: "b", 40: "b"}
    assert numbers("stard_ai") == [x for n in range(1, 41) for x in (letters(n, stard[n]) if n in stard else [str(n)])]
    tripod = {3: "c", 5: "b", 6: "c", 8: "c", 9: "c", 12: "g", 18: "f", 20: "c", 23: "b", 27: "c"}
    assert numbers("tripod_ai") == [
        x for n in range(1, 28) for x in (letters(n, tripod[n]) if n in tripod else [str(n)])
    ]


def test_every_answer_that_an_item_names_is_one_that_can_be_given(whole):
    known = answers(whole.evaluation, scored_images(whole.predictions, whole.manifest), {})
    named = {key for each in checklists().values() for item in each.items for key in item.answers}
    assert named == set(known)


def test_what_is_known_is_told_and_the_rest_is_left_to_the_authors(whole):
    scored = scored_images(whole.predictions, whole.manifest)
    evaluation = whole.evaluation
    filled = {
        each.file: {item.number: item for item in each.items} for each in filled_checklists(evaluation, scored, {})
    }
    performance = filled["tripod_ai"]["23a"]
    assert f"Balanced accuracy {100 * evaluation.overall.balanced_accuracy.value:.1f}%" in performance.answer
    assert f"AUC {evaluation.malignancy.auc.value:.3f}" in performance.answer
    assert performance.authors == ""
    assert filled["claim_2024"]["20"].answer.startswith("Trained on no image, lesion, patient or group")
    for number in ("1", "17", "18a", "25"):
        assert (filled["tripod_ai"][number].answer, filled["tripod_ai"][number].authors) == ("", FOR_AUTHORS)
    assert filled["tripod_ai"]["12c"].answer == ""  # nothing was told of the model
    assert filled["stard_ai"]["15c"].authors == f"{FOR_AUTHORS}: whether set beforehand"
    told = {"Model": "Ours", "Network": "EfficientNet", "Training": "40 epochs"}
    with_model = {
        each.file: {item.number: item for item in each.items} for each in filled_checklists(evaluation, scored, told)
    }
    assert with_model["tripod_ai"]["12c"].answer == "Model: Ours. Network: EfficientNet. Training: 40 epochs."


def test_nothing_is_claimed_that_is_not_known(whole):
    scored = scored_images(whole.predictions, whole.manifest)
    leakage = whole.evaluation.leakage
    evaluation = whole.evaluation.model_copy(
        update={
            "training_data_known": False,
            "malignancy": None,
            "operating_points": None,
            "subgroups": [],
            "warnings": [],
            "licenses": [],
        }
    )
    known = answers(evaluation, scored, {})
    for key in (
        "disjoint",
        "malignancy",
        "thresholds",
        "subgroups",
        "subgroup_methods",
        "licences",
        "warnings",
        "dates",
    ):
        assert known[key] == "", key
    allowed = evaluation.model_copy(update={"leakage": leakage.model_copy(update={"allowed": "a try-out"})})
    assert answers(allowed, scored, {})["disjoint"] == "A leak was allowed: a try-out."


def test_sentences_are_sentences(whole):
    known = answers(whole.evaluation, scored_images(whole.predictions, whole.manifest), {"Network": "X"})
    for key, words in known.items():
        assert not words or (words[0].isupper() or words[0].isdigit() or words.startswith("test")), (key, words)
        assert not words or words.endswith("."), (key, words)
        assert not re.search(r"\.\.|None|\s{2}", words), (key, words)


def test_files_for_the_authors_have_one_row_an_item(whole, tmp_path):
    written = write_checklists(whole.evaluation, whole.predictions, whole.manifest, tmp_path)
    assert [path.name for path in written] == [
        "checklist_claim_2024.csv",
        "checklist_stard_ai.csv",
        "checklist_tripod_ai.csv",
    ]
    with written[-1].open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["item"] for row in rows] == numbers("tripod_ai")
    assert all(row["known_to_cutis"] or row["for_the_authors"] == FOR_AUTHORS for row in rows)


@pytest.mark.parametrize("name", ["claim_2024", "stard_ai", "tripod_ai"])
def test_a_checklist_says_whose_it_is(name):
    assert re.search(r"20(24|25), ", checklists()[name].citation)
