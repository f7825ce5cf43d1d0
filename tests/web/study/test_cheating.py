"""What a reader might try with a browser: each attempt is refused, or harmless, and tells nothing."""

import io
import re

from PIL import Image

from cutis.study.store import answers_table, verify_chain

from ..conftest import AIDED, MELANOMA, NEVUS, UNAIDED, design_of
from .reading import Reader

MALIGNANT = {"choice": "malignant", "percent": "80"}
SCRIPT = "<script>alert(1)</script>"


def told(response) -> str:
    """All that a response tells, but the name of the study's own server."""
    return f"{response.status_code}\n{dict(response.headers)}\n{response.content!r}"


def test_another_readers_case_is_as_closed_as_one_that_does_not_exist(make_study) -> None:
    study = make_study()
    one = Reader(study.client()).begin(study.links["R1"]).show()
    two = Reader(study.client()).begin(study.links["R2"]).show()
    guessed = "A" * 22
    for method, address in (("get", "picture"), ("get", "heatmap"), ("post", "answer"), ("post", "move-on")):
        replies = []
        for key in (two.key, guessed, "../../etc/passwd", "' OR 1=1 --", "%00", "😀"):
            data = {"data": {"csrf": one.csrf, **MALIGNANT}} if method == "post" else {}
            reply = getattr(one.client, method)(f"/study/{address}/{key}", **data)
            assert reply.status_code in (403, 404), (address, key)
            replies.append(told(reply))
        assert replies[0] == replies[1]
    assert answers_table(study.store, study.id)["outcome"].to_list() == [None, None]
    assert two.answer(**MALIGNANT).page.status_code == 200


def test_a_later_and_an_earlier_case_cannot_be_looked_at(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    first = reader.key
    assert reader.client.get(f"/study/picture/{first}").status_code == 200
    reader.answer(**MALIGNANT)
    assert reader.client.get(f"/study/picture/{first}").status_code == 403
    reader.show()
    study.clock.wait(48)
    assert reader.client.get(f"/study/picture/{reader.key}").status_code == 403  # the time is up
    assert reader.post(f"/study/move-on/{first}").status_code in (200, 403)
    assert reader.open().heading == "Case 3 of 4"


def test_a_replayed_form_changes_nothing(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    old, csrf = reader.key, reader.csrf
    reader.answer(**MALIGNANT).show()
    for _ in range(3):
        reader.client.post(f"/study/answer/{old}", data={"csrf": csrf, "choice": "benign", "percent": "1"})
        reader.client.post("/study/consent", data={"csrf": csrf, "agree": "yes"})
        reader.client.post("/study/next", data={"csrf": csrf})
    kept = answers_table(study.store, study.id)
    assert kept["choices"].to_list() == ["malignant", None]


def test_html_and_sql_in_fields_are_text_or_refused(make_study) -> None:
    study = make_study(design_of(title=SCRIPT, consent=SCRIPT, instructions=f"{SCRIPT}\n\n'; DROP TABLE reader; --"))
    reader = Reader(study.client())
    reader.join(study.links["R1"])
    pages = [reader.text, reader.send("/study/consent", agree="yes").text, reader.send("/study/instructions").text]
    pages.append(reader.show().text)
    key, csrf = reader.key, reader.csrf
    for field in ("choice", "percent", "confidence", "csrf"):
        fields = {"csrf": csrf, **MALIGNANT, field: f"{SCRIPT}' OR '1'='1"}
        reply = reader.client.post(f"/study/answer/{key}", data=fields)
        assert reply.status_code in (200, 403, 409, 422)
        pages.append(reply.text)
    pages.append(reader.client.get(f"/study?notice={SCRIPT}").text)
    pages.append(reader.client.get(f"/study/{SCRIPT}").text)
    pages.append(reader.client.get(f"/s/{SCRIPT}").text)
    for page in pages:
        assert "<script>" not in page


def test_nothing_tells_the_truth_the_image_or_who_else_reads(make_study) -> None:
    study = make_study(design_of(training_cases=1))
    client = study.client()
    reader = Reader(client).begin(study.links["R1"])
    secrets = re.compile(rf"{MELANOMA}|{NEVUS}_|biopsy-proven|\.jpg|\.db|\bR[12]\b|expert|dangerous|8125")
    in_picture = re.compile(rf"{MELANOMA}|{NEVUS}|biopsy")
    while "Show the case" in reader.text:
        shown = told(reader.page) + told(reader.show().page)
        key = reader.key
        assert not secrets.search(shown.replace(key, "")), secrets.search(shown)
        assert not in_picture.search(told(client.get(f"/study/picture/{key}")))
        if "Training case" in reader.text:
            reader.answer(**MALIGNANT)
            reader.send(f"/study/move-on/{key}")
        else:
            reader.answer(**MALIGNANT)
    assert reader.heading == "All cases are done. Thank you!"


def test_the_unaided_arm_shows_nothing_of_the_ai_by_any_way(make_study) -> None:
    study = make_study(design_of(reading="sequential", arms=[UNAIDED, AIDED], seconds_per_case=None))
    client = study.client()
    reader = Reader(client).begin(study.links["R1"]).show()
    unaided = reader.key
    ai = re.compile(r"What the AI says|Likely diagnoses|Where the AI looked|heatmap|81 %|Dangerous", re.I)
    assert not ai.search(reader.text)
    assert client.get(f"/study/heatmap/{unaided}").status_code == 403
    reader.answer(**MALIGNANT).show()
    assert ai.search(reader.text)
    assert client.get(f"/study/heatmap/{reader.key}").status_code == 200
    assert client.get(f"/study/heatmap/{unaided}").status_code == 403


def test_a_repeated_case_looks_like_any_other(make_study) -> None:
    study = make_study(design_of(repeated_cases=1, repeat_distance=2, cases=[{"node": NEVUS, "number": 4}]))
    client = study.client()
    reader = Reader(client).begin(study.links["R1"])
    pages, pictures = [], []
    for _ in range(5):
        reader.show()
        pictures.append(client.get(f"/study/picture/{reader.key}"))
        # its own key and number, and the patient's age, which it had the first time as well
        pages.append(re.sub(r"Case \d of|\d+ years", "", reader.text.replace(reader.key, "KEY")))
        reader.answer(**MALIGNANT)
    assert len(set(pages)) == 1
    assert len({each.content for each in pictures}) == 4
    assert len({tuple(sorted(set(each.headers) - {"content-length"})) for each in pictures}) == 1


def test_the_picture_is_pixels_alone(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    reply = reader.client.get(f"/study/picture/{reader.key}")
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.headers["cache-control"] == "no-store"
    assert not {"etag", "last-modified"} & set(reply.headers)
    assert "filename" not in reply.headers["content-disposition"]
    with Image.open(io.BytesIO(reply.content)) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_afterwards_the_log_is_whole(make_study) -> None:
    study = make_study()
    reader = Reader(study.client()).begin(study.links["R1"]).show()
    reader.post(f"/study/answer/{reader.key}", choice="x" * 3000, percent="\x00")
    reader.post(f"/study/answer/{reader.key}", **MALIGNANT)
    verify_chain(study.store, study.id)
