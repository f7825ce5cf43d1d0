"""A reader's way through plain forms: what is shown when, and that nothing is lost, doubled or told too early."""

import pytest

from cutis.study.store import (
    answers_table,
    close_study,
    invite,
    pause_study,
    progress,
    read_events,
    resume_study,
    verify_chain,
)
from cutis.web.strings import strings

from ..conftest import AIDED, MELANOMA, NEVUS, UNAIDED, design_of
from .reading import Reader

MALIGNANT = {"choice": "malignant", "percent": "80"}


def outcomes(study) -> list[str | None]:
    return answers_table(study.store, study.id)["outcome"].to_list()


def test_the_whole_way_without_scripts(make_study) -> None:
    study = make_study()
    reader = Reader(study.client())
    assert reader.join(study.links["R1"]).heading == "Do you take part?"
    assert reader.send("/study/consent", agree="yes").heading == "Instructions"
    assert reader.send("/study/instructions").heading == "Case 1 of 4"
    for number in range(1, 5):
        assert reader.show().heading == "Is this lesion malignant or benign?"
        reader.answer(choice="benign", percent=str(number))
        assert "Your answer is saved." in reader.text
    assert reader.heading == "All cases are done. Thank you!"
    kept = answers_table(study.store, study.id)
    assert kept["outcome"].to_list() == ["answered"] * 4
    assert kept["confidence"].to_list() == ["1", "2", "3", "4"]


def test_looking_at_a_link_uses_nothing_up_and_pressing_the_button_does(make_study) -> None:
    study = make_study()
    link = study.links["R1"]
    for _ in range(3):
        assert study.client().get(link).status_code == 200
    first = Reader(study.client()).join(link)
    assert first.heading == "Do you take part?"
    second = Reader(study.client()).join(link)
    assert second.page.status_code == 410
    assert second.heading == "This link does not work any more"
    assert first.open().heading == "Do you take part?"


def test_without_a_session_there_is_nothing(make_study) -> None:
    study = make_study()
    client = study.client()
    for address in ("/study", "/study/picture/abc", "/study/heatmap/abc", "/study/withdraw"):
        answer = client.get(address)
        assert answer.status_code == 403
        assert "You are not signed in here" in answer.text
    for address in ("consent", "next", "answer/abc", "events/abc", "withdraw"):
        assert client.post(f"/study/{address}").status_code == 403


def test_consent_needs_its_tick(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).join(study.links["R1"])
    assert reader.post("/study/consent").status_code == 422
    assert reader.post("/study/next").status_code == 409
    assert reader.open().heading == "Do you take part?"


def test_reload_and_a_second_tab_show_the_same_case_with_less_time(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    key = reader.key
    study.clock.wait(10)
    other_tab = Reader(reader.client).open()
    assert (reader.open().key, other_tab.key) == (key, key)
    assert 'data-left="35.000"' in reader.text
    assert reader.post("/study/next").status_code == 200  # a double click shows no second case
    assert reader.open().key == key


def test_a_form_sent_twice_is_one_answer_and_the_first_stands(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    address = f"/study/answer/{reader.key}"
    reader.post(address, **MALIGNANT)
    again = reader.post(address, **MALIGNANT)
    assert again.status_code == 200
    assert "Your answer is saved." in again.text
    changed = reader.post(address, choice="benign", percent="3")
    assert changed.status_code == 409
    assert "Your first answer stands" in changed.text
    assert answers_table(study.store, study.id)["choices"].to_list() == ["malignant"]


def test_scripts_get_the_same_as_json(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    address, headers = f"/study/answer/{reader.key}", {"accept": "application/json"}

    def post(**fields: str):
        return reader.client.post(address, data={"csrf": reader.csrf, **fields}, headers=headers)

    assert post(choice="malignant").status_code == 422
    for _ in range(2):
        assert post(**MALIGNANT).json() == {"outcome": "answered", "next": "/study?notice=saved"}
    assert post(choice="benign", percent="1").json()["code"] == "kept"
    reader.open().show()
    study.clock.wait(48)
    address = f"/study/answer/{reader.key}"
    assert post().json() == {"outcome": "timed out", "next": "/study?notice=timed-out"}
    assert outcomes(study) == ["answered", "timed out"]


def test_what_is_no_answer_leaves_the_case_open_and_says_so(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    key = reader.key
    for fields in (
        {},
        {"choice": "malignant"},
        {"percent": "80"},
        {"choice": "nevus", "percent": "80"},
        {"choice": "malignant", "percent": "101"},
        {"choice": "malignant", "percent": "٣"},
        {"choice": "malignant", "confidence": "80"},
        {"choice": ["malignant", "benign"], "percent": "80"},
        {"choice": "a" * 5000, "percent": "80"},
        {"choice": "malignant\x00", "percent": "80"},
    ):
        answer = reader.post(f"/study/answer/{key}", **fields)
        assert answer.status_code == 422, fields
        assert "This is not complete yet" in answer.text
    assert outcomes(study) == [None]
    assert reader.answer(**MALIGNANT).page.status_code == 200


def test_a_late_answer_is_a_time_out(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    study.clock.wait(47.5)
    assert "The time was up" in reader.answer(**MALIGNANT).text
    assert reader.heading == "Case 2 of 4"
    assert outcomes(study) == ["timed out"]


def test_a_reader_who_left_finds_the_next_case(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    study.clock.wait(4000)
    assert reader.open().heading == "Case 2 of 4"
    assert outcomes(study) == ["timed out"]


def test_before_a_case_it_is_said_what_comes(make_study) -> None:
    study = make_study(design_of(reading="sequential", arms=[UNAIDED, AIDED]))
    reader = Reader(study.client()).begin(study.links["R1"])
    assert "The patient: Age, Sex, Site" in reader.text
    assert "You have 45 seconds" in reader.text
    assert "What the AI says" not in reader.text
    reader.show().answer(**MALIGNANT)
    assert "The same lesion again, now with the AI" in reader.text
    assert "What the AI says: Likely diagnoses, Risk, Where the AI looked" in reader.text
    assert "/study/pause" not in reader.text  # a case is open


def test_pause_and_resume(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"])
    assert reader.send("/study/pause").heading == "You have paused"
    assert reader.post("/study/next").status_code == 409
    assert reader.open().send("/study/resume").heading == "Case 1 of 4"
    reader.show()
    assert reader.post("/study/pause").status_code == 409


def test_training_tells_the_truth_afterwards_only(make_study) -> None:
    study = make_study(design_of(training_cases=2))
    reader = Reader(study.client()).begin(study.links["R1"])
    assert "Afterwards you are told" in reader.text
    reader.show()
    assert "Training case" in reader.text
    assert "Right answer" not in reader.text
    reader.answer(**MALIGNANT)
    assert reader.heading in ("✓ Right", "✗ Not right")
    assert "Diagnosis" in reader.text
    key = reader.key
    assert reader.send(f"/study/move-on/{key}").heading == "Case 2 of 6"
    reader.show()
    study.clock.wait(60)
    assert reader.open().heading == "The time was up"


def test_an_answer_may_be_changed_where_the_design_says_so(make_study) -> None:
    study = make_study(design_of(change_answers=True))
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    key = reader.key
    assert "Saved: Malignant (80 of 100)" in reader.answer(**MALIGNANT).text
    assert "Saved: Benign (5 of 100)" in reader.answer(choice="benign", percent="5").text
    assert reader.send(f"/study/move-on/{key}").heading == "Case 2 of 4"
    assert reader.post(f"/study/answer/{key}", **MALIGNANT).status_code == 409
    assert answers_table(study.store, study.id)["choices"].to_list() == ["benign"]


def test_a_ranked_question_keeps_the_order(make_study) -> None:
    study = make_study(design_of(question={"kind": "ranked", "choices": [MELANOMA, NEVUS], "most": 2}))
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    assert reader.text.count("<select") == 2
    assert reader.post(f"/study/answer/{reader.key}", choice=[NEVUS, NEVUS]).status_code == 422
    reader.answer(choice=[NEVUS, MELANOMA])
    reader.show().answer(choice=["", MELANOMA])
    assert answers_table(study.store, study.id)["choices"].to_list() == [f"{NEVUS}|{MELANOMA}", MELANOMA]


def test_how_sure_in_words_that_are_numbers_stays_words(make_study) -> None:
    study = make_study(design_of(question={"kind": "biopsy", "confidence": ["1", "2", "3"]}))
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    assert reader.text.count('name="confidence"') == 3
    reader.answer(choice="biopsy", confidence="2")
    assert answers_table(study.store, study.id)["confidence"].to_list() == ["2"]


def test_a_sequential_case_is_first_without_then_with_the_ai(make_study) -> None:
    study = make_study(design_of(reading="sequential", arms=[UNAIDED, AIDED]))
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    assert "First without the AI" in reader.text
    assert "What the AI says" not in reader.text
    reader.answer(**MALIGNANT).show()
    assert "Now with the AI" in reader.text
    assert "What the AI says" in reader.text
    assert "Your answer before: Malignant (80 of 100)" in reader.text
    assert "checked" not in reader.text.replace("checked data-keys", "")  # nobody is nudged to repeat it


def test_wash_out_says_when_to_come_back(make_study) -> None:
    study = make_study(design_of(reading="crossover", washout_days=14, arms=[UNAIDED, AIDED]))
    reader = Reader(study.client()).begin(study.links["R1"])
    for _ in range(4):
        reader.show().answer(**MALIGNANT)
    assert reader.heading == "This part is done"
    assert "2031-03-15, 09:00 (UTC)" in reader.text
    assert reader.post("/study/next").status_code == 409
    study.clock.wait(14 * 86_400)
    assert reader.open().heading == "Case 1 of 4"


def test_going_on_at_another_machine_ends_the_session_here(make_study) -> None:
    study = make_study()
    here = Reader(study.client()).begin(study.links["R1"]).show()
    key, csrf = here.key, here.csrf
    shown = here.post("/study/elsewhere").text
    link = shown.split('value="https://study.test')[1].split('"')[0]
    assert here.open().key == key  # nothing ends before the link is used
    there = Reader(study.client()).join(link)
    assert there.key == key
    assert here.open().page.status_code == 403
    assert there.answer(**MALIGNANT).heading == "Case 2 of 4"
    assert here.client.post(f"/study/answer/{key}", data={"csrf": csrf, **MALIGNANT}).status_code == 403


def test_a_closed_study_says_so(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    csrf, key = reader.csrf, reader.key
    close_study(study.store, study.id, study.clock())
    assert reader.open().heading == "This study is closed"
    late = reader.client.post(f"/study/answer/{key}", data={"csrf": csrf, **MALIGNANT})
    assert late.status_code == 409
    assert reader.client.get(f"/study/picture/{key}").status_code == 403
    assert Reader(study.client()).join(study.links["R2"]).page.status_code == 409


def test_withdrawing_asks_first_and_then_ends_everything(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show().answer(**MALIGNANT)
    assert reader.open("/study/withdraw").heading == "Withdraw from the study?"
    assert reader.send("/study/withdraw").heading == "You have withdrawn"
    assert not reader.client.cookies.get("__Host-cutis-reader")
    assert reader.open().page.status_code == 403
    assert outcomes(study) == []


def test_what_the_browser_shows_is_recorded(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    address, csrf = f"/study/events/{reader.key}", {"x-csrf-token": reader.csrf}
    told = {"window": [390, 844], "image": [358, 268], "pixel_ratio": 2.5, "zoom": 1.5, "pinch": 1}
    for kind in ("displayed", "zoomed", "hidden"):
        assert reader.client.post(address, json={"kind": kind, **told}, headers=csrf).status_code == 204
    for bad in (
        {"kind": "answered", **told},
        {"kind": "zoomed", **told, "name": "Jo"},
        {"kind": "zoomed", **told, "window": [390, "<b>"]},
        {"kind": "zoomed", **told, "zoom": 1e999},
        [],
    ):
        content = str(bad).replace("'", '"').replace("inf", "Infinity")
        assert reader.client.post(address, content=content, headers=csrf).status_code == 400
    browser = [each.details for each in read_events(study.store, study.id) if each.kind in ("displayed", "zoomed")]
    assert [each["browser"]["zoom"] for each in browser] == [1.5, 1.5]
    assert answers_table(study.store, study.id).select("zoomed", "hidden").row(0) == (1, 1)


def test_signing_out_asks_first_and_ends_the_session_here_and_on_the_server(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"])
    cookie = reader.client.cookies["__Host-cutis-reader"]
    assert 'href="/study/sign-out"' in reader.text
    asked = reader.open("/study/sign-out")
    assert asked.heading == "Sign out on this machine?"
    assert 'action="/study/elsewhere"' in asked.text  # a link for later
    assert reader.send("/study/sign-out").heading == "You are signed out"
    assert not reader.client.cookies.get("__Host-cutis-reader")
    assert reader.open().page.status_code == 403
    thief = study.client(cookies={"__Host-cutis-reader": cookie})
    assert thief.get("/study").status_code == 403  # the cookie is worth nothing any more
    reader_id = next(each.id for each in progress(study.store, study.id, study.clock()) if each.name == "R1")
    again = Reader(study.client()).join("/s/" + invite(study.store, reader_id, study.clock()))
    assert again.heading == "Case 1 of 4"
    verify_chain(study.store, study.id)


def test_signing_out_in_the_middle_of_a_case_says_that_its_clock_runs_on(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    assert "/study/sign-out" not in reader.text
    assert "Its clock runs on" in reader.open("/study/sign-out").text


def test_while_the_study_pauses_readers_are_told_so(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    pause_study(study.store, study.id, study.clock())
    assert reader.answer(**MALIGNANT).heading == "The study is paused"
    assert "Your answer is saved." in reader.text
    assert "/study/next" not in reader.text
    assert reader.post("/study/next").status_code == 409
    waiting = Reader(study.client()).begin(study.links["R2"])  # consent and instructions can be read meanwhile
    assert waiting.heading == "The study is paused"
    resume_study(study.store, study.id, study.clock())
    assert reader.open().heading == "Case 2 of 4"


def test_the_browser_tells_when_it_sent_an_answer_itself(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"])
    for sent_by in ("time limit", "reader", "the devil"):
        reader.show().answer(**MALIGNANT, sent_by=sent_by)
    assert answers_table(study.store, study.id)["sent_by"].to_list() == ["time limit", "reader", "reader"]


AI_ALONE = {"arms": [AIDED]}


def test_an_aided_page_tells_all_that_the_ai_tells(make_study) -> None:
    study = make_study(design_of(**AI_ALONE))
    text = Reader(study.client()).begin(study.links["R1"]).show().text
    for told in (
        "Diagnoses that reach their thresholds",
        "81 %",
        "Probability of each grade",
        "orange speaks for its first answer, blue against",
        "<b>Dangerous</b>",
    ):
        assert told in text, told
    assert "unlike those the AI was trained on" not in text
    assert "No diagnosis reaches" not in text


def test_where_the_ai_is_unsure_the_page_says_so(make_study) -> None:
    nearest = ({"id": MELANOMA, "name": "Melanoma", "probability": 0.4},)
    study = make_study(
        design_of(**AI_ALONE), differential=nearest, above=False, unfamiliar=True, risk_probabilities=None
    )
    text = Reader(study.client()).begin(study.links["R1"]).show().text
    assert "No diagnosis reaches its threshold; the nearest is Melanoma." in text
    assert "This photograph is unlike those the AI was trained on" in text
    assert "Probability of each grade" not in text
    study = make_study(design_of(**AI_ALONE), above=None, unfamiliar=None)
    text = Reader(study.client()).begin(study.links["R1"]).show().text
    assert "Likely diagnoses" in text  # without thresholds


def test_grades_are_told_only_where_the_design_shows_the_risk(make_study) -> None:
    study = make_study(design_of(arms=[{"id": "list", "aid": ["differential"]}]))
    text = Reader(study.client()).begin(study.links["R1"]).show().text
    assert "Diagnoses that reach" in text
    assert "Probability of each grade" not in text
    assert "Dangerous" not in text


@pytest.mark.parametrize("language", ["es", "zh", "ko"])
def test_the_pages_are_in_the_language_that_the_study_declares(make_study, language) -> None:
    study = make_study(design_of(language=language, training_cases=1, arms=[AIDED]))
    t = strings(language)
    reader = Reader(study.client(headers={"accept-language": language})).join(study.links["R1"])
    assert f'<html lang="{language}">' in reader.text
    assert reader.heading == t("consent.heading")
    reader.send("/study/consent", agree="yes")
    assert reader.send("/study/instructions").heading == t("progress.of", number=1, cases=5)
    reader.show()
    assert reader.heading == t("question.malignant")
    for key in ("option.malignant", "option.benign", "case.female", "aid.heading", "case.save"):
        assert t(key) in reader.text, key
    for english in ("Malignant", "female", "Risk", "Save", "Photograph"):
        assert english not in reader.text, english
    reader.answer(**MALIGNANT)
    assert t("feedback.right-answer") in reader.text
    assert t("option.malignant") in reader.text or t("option.benign") in reader.text
