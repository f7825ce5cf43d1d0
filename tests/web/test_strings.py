"""The words of the pages: each that a page asks for is there, none is there for nothing."""

import re

import pytest

from cutis.study import Question, options, question_text
from cutis.web.rendering import ROOM
from cutis.web.strings import ENGLISH, languages, strings

# The pages for use without a network have words of their own.
PATHS = [path for path in ROOM.rglob("*") if path.suffix in (".py", ".jinja") and "offline" not in path.parts]
TEXTS = [path.read_text(encoding="utf-8") for path in PATHS]


def test_every_key_that_is_written_out_exists() -> None:
    asked = {key for text in TEXTS for key in re.findall(r"""\bt\(\s*["']([a-z-]+\.[a-z.-]+[a-z])["']\s*[,)]""", text)}
    assert len(asked) > 60
    assert asked <= set(strings(ENGLISH).words)


def test_no_words_are_left_over() -> None:
    whole = "\n".join(TEXTS)
    families = {"refusal", "notice", "question.", "option."}  # their keys are made from a code
    families |= {"aid.risk-", "case.age", "case.sex", "case.site", "case.female", "case.male", "aid."}
    left = [
        key
        for key in strings(ENGLISH).words
        if f'"{key}"' not in whole and f"'{key}'" not in whole and not key.startswith(tuple(families))
    ]
    assert left == []


def test_english_says_what_the_study_itself_says() -> None:
    t = strings(ENGLISH)
    for kind in ("biopsy", "malignant", "risk", "diagnosis", "ranked"):
        choices = {"choices": "ham7"} if kind in ("diagnosis", "ranked") else {}
        question = Question.model_validate({"kind": kind, **choices})
        assert t(f"question.{kind}") == question_text(question)
        if not choices:
            assert [t(f"option.{each.id}") for each in options(question)] == [each.name for each in options(question)]


def test_every_refusal_has_title_and_text() -> None:
    codes = {code for text in TEXTS for code in re.findall(r'Refusal\(\s*\d+,\s*"([a-z-]+)"', text)}
    assert len(codes) > 10
    for code in codes:
        assert strings(ENGLISH)(f"refusal.{code}.title")
        assert strings(ENGLISH)(f"refusal.{code}.text")


@pytest.mark.parametrize("language", languages())
def test_languages_say_the_same_with_the_same_braces(language: str) -> None:
    words, english = strings(language).words, strings(ENGLISH).words
    assert words.keys() == english.keys()
    for key, text in words.items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[key])), key


@pytest.mark.parametrize("language", [each for each in languages() if each != ENGLISH])
def test_other_languages_are_not_english_and_say_that_they_need_a_review(language: str) -> None:
    words, english = strings(language).words, strings(ENGLISH).words
    same = {
        key for key, text in words.items() if text == english[key] and re.search("[a-z]{3}", re.sub("{.*?}", "", text))
    }
    assert same == set()
    head = (ROOM / "strings" / f"{language}.toml").read_text(encoding="utf-8").split("[app]")[0]
    assert "reviewed by one before a" in " ".join(head.split())
    assert "native clinician" in head


def test_a_language_that_is_not_there_is_english_and_says_so() -> None:
    assert strings("xx").language == "en"
    assert strings("en-GB").language == "en"
