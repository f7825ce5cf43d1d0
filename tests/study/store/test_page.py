"""What a page may show: searched for what it must not hold, at every step of whole studies."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from cutis.study.store import AccessError, Page, heatmap, move_on, picture, read_events, shown_now

from .conftest import AIDED, UNAIDED, Room, design_of, said

Make = Callable[..., Room]

TRUTH = ("malignant-melanoma", "nevus", "Melanoma", "Nevus")
FILES = ("/images/", ".jpg", "/heatmaps/", ".png", "_main_", "_training_")
AI = ("0.8125", "differential", "dangerous")
HIDDEN = ("repeat", "seed", "stratum", "R2", "sha256", "image_id")


def text_of(page: Page) -> str:
    """All that a page gets, but the title, the words of the study itself, and keys: random letters say nothing."""
    return re.sub(r'"key":"[^"]*"', '"key":""', page.model_dump_json(exclude={"title", "instructions", "consent"}))


def pages_of(room: Room, name: str = "R1") -> list[Page]:
    """Every page of a reader from the first case to the end; each second case times out."""
    pages = [room.page(name)]
    for number in range(100):
        if pages[-1].state == "finished":
            return pages
        if pages[-1].state == "wash-out":
            room.now = pages[-1].opens_at or room.now
        key = room.show(name)
        pages.append(room.page(name))
        if number % 2:
            room.wait(60)
        else:
            room.answer(key, said("benign", 17), name)
        pages.append(room.page(name))
        if pages[-1].state == "feedback":
            move_on(room.store, room.tokens[name], key, room.now)
        pages.append(room.page(name))
    raise AssertionError("the study does not end")


@pytest.mark.parametrize(
    "fields",
    [
        {"training_cases": 2, "repeated_cases": 1, "repeat_distance": 2},
        {"reading": "sequential", "arms": [UNAIDED, AIDED], "ai": "built-in", "training_cases": 1},
        {"reading": "crossover", "arms": [UNAIDED, AIDED], "ai": "built-in", "washout_days": 1},
    ],
    ids=["training and repeats", "sequential", "crossover"],
)
def test_no_page_holds_what_a_reader_must_not_see(fields: dict[str, object], make_room: Make) -> None:
    room = make_room(design_of(shown=["age", "sex", "site"], **fields))
    room.sign_in("R1")
    room.answer_of_another = room.sign_in("R2")  # type: ignore[attr-defined]
    room.answer(room.show("R2"), said("malignant", 93), "R2")
    room.now += timedelta(minutes=2)
    aided = feedback = 0
    arm_of = {}
    for page in pages_of(room):
        told = text_of(page.model_copy(update={"coming": None}))  # which names the kinds of aid, not what it says
        for secret in (*FILES, *HIDDEN, "93"):
            assert secret not in told, (secret, page)
        assert not re.search(r'"\w*id":\s*\d', told)  # no number of the database either
        if page.state == "feedback":
            feedback += 1
        else:
            assert not [each for each in TRUTH if each in told and not (page.case and page.case.aid)], page
        shown = page.case or page.feedback
        if shown is None or shown.aid is None:
            assert not [each for each in AI if each in told], page
        if page.case is not None:
            arm_of[page.case.key] = page.case.aid is not None
            aided += page.case.aid is not None
            assert page.case.facts == {"age": page.case.facts["age"], "sex": "female", "site": "anterior torso"}
    assert feedback == fields.get("training_cases", 0)
    assert (aided > 0) == ("ai" in fields)
    # The AI stood where the log says that the arm was aided, and nowhere else.
    steps = [each for each in read_events(room.store, room.study) if each.kind == "shown" and each.chain == 0]
    assert [each.details["arm"] == "aided" for each in steps] == list(arm_of.values())


def test_facts_are_those_that_the_design_shows(make_room: Make) -> None:
    room = make_room(design_of(shown=["site"]))
    room.sign_in()
    room.show()
    page = room.page()
    assert page.case is not None
    assert page.case.facts == {"site": "anterior torso"}


def test_a_repeated_case_has_another_address(make_room: Make) -> None:
    room = make_room(design_of(repeated_cases=1, repeat_distance=2))
    room.sign_in()
    seen: dict[Path, list[str]] = {}
    for _ in range(5):
        key = room.show()
        seen.setdefault(picture(room.store, room.tokens["R1"], key, room.now), []).append(key)
        room.answer(key)
    assert sorted(len(each) for each in seen.values()) == [1, 1, 1, 2]
    assert len({key for each in seen.values() for key in each}) == 5


def test_pictures_are_had_while_their_case_is_before_the_reader(room: Room) -> None:
    token, key = room.tokens["R1"], room.show()
    assert picture(room.store, token, key, room.now).parts[:2] == ("/", "images")
    other = room.show("R2")
    for asked in (other, "guessed", "../../etc/passwd", ""):
        with pytest.raises(AccessError, match="not before you"):
            picture(room.store, token, asked, room.now)
    with pytest.raises(AccessError):  # an unaided arm has none
        heatmap(room.store, token, key, room.now)
    room.answer(key)
    with pytest.raises(AccessError):
        picture(room.store, token, key, room.now)
    key = room.show()
    room.wait(48)
    with pytest.raises(AccessError):  # its time is up, though nobody has recorded that yet
        picture(room.store, token, key, room.now)


def test_a_heatmap_is_had_in_the_aided_step_alone(make_room: Make) -> None:
    room = make_room(design_of(reading="sequential", arms=[UNAIDED, AIDED], ai="built-in"))
    token = room.sign_in()
    first = room.show()
    with pytest.raises(AccessError):
        heatmap(room.store, token, first, room.now)
    room.answer(first)
    second = room.show()
    assert heatmap(room.store, token, second, room.now).parts[:2] == ("/", "heatmaps")
    with pytest.raises(AccessError):
        heatmap(room.store, token, first, room.now)


def test_an_arm_shows_only_the_aids_that_it_names(make_room: Make) -> None:
    arms = [{"id": "risk-only", "aid": ["risk"]}]
    room = make_room(design_of(arms=arms, ai="built-in"))
    token = room.sign_in()
    key = room.show()
    page = room.page()
    assert page.case is not None
    assert page.case.aid is not None
    assert page.case.aid.model_dump(exclude_none=True) == {
        "risk": "dangerous",
        "risk_probabilities": (0.1875, 0.0, 0.8125),
        "unfamiliar": False,
        "heatmap": False,
    }
    with pytest.raises(AccessError):
        heatmap(room.store, token, key, room.now)


def test_a_page_starts_no_clock(room: Room) -> None:
    before = read_events(room.store, room.study)
    for _ in range(3):
        assert shown_now(room.store, room.tokens["R1"], room.now).state == "ready"
    assert read_events(room.store, room.study) == before
