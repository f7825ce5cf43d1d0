"""The words of the clinic's pages, one TOML file a language under ``strings/``, and which language a visitor gets."""

import tomllib
from functools import cache
from importlib import resources

from fastapi import Request

from cutis.web.strings import ENGLISH, Strings

LANGUAGES = {"en": "English", "es": "Español", "zh": "中文", "ko": "한국어"}
"""Each language's code and its own name for itself, English first."""

# Classes of other sets that are the same diagnosis as one that has words here.
_SAME = {
    "melanoma": "mel",
    "malignant-melanoma": "mel",
    "nevus": "nv",
    "seborrheic_keratosis": "sk",
    "seborrheic-keratosis": "sk",
    "basal-cell-carcinoma": "bcc",
    "squamous-cell-carcinoma": "scc",
    "actinic-keratosis": "ak",
}


@cache
def clinic_words(language: str) -> Strings:
    """The words of one of :data:`LANGUAGES`."""
    text = resources.files("cutis.web.clinic").joinpath("strings", f"{language}.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return Strings(language, {f"{table}.{key}": words for table, keys in tables.items() for key, words in keys.items()})


def language_of(request: Request) -> str:
    """The language that the address names (``?lang=es``), else the first of the browser's that we have, else English.

    It stands in the address, so that no cookie is needed to remember it.
    """
    if (chosen := request.query_params.get("lang")) in LANGUAGES:
        return str(chosen)
    asked = [each.split(";")[0].split("-")[0].strip().lower() for each in _accepted(request)]
    return next((each for each in asked if each in LANGUAGES), ENGLISH)


def class_key(class_id: str) -> str:
    """Under which key ``[name]`` and ``[plain]`` hold a class, if they do."""
    return _SAME.get(class_id, class_id)


def class_name(w: Strings, class_id: str, name: str) -> tuple[str, str]:
    """A class's name to read, and the language it is in: the bundle's own English one where there is no other."""
    if w.language == ENGLISH:
        return name, ENGLISH
    words = w.words.get(f"name.{class_key(class_id)}")
    return (words, w.language) if words else (name, ENGLISH)


def often(w: Strings, probability: float) -> str:
    """A probability as people count: "about 5 in 10"."""
    if probability < 0.01:
        return w("often.fewer")
    if probability > 0.99:
        return w("often.more")
    if 0.095 <= probability < 0.945:
        return w("often.in-10", n=round(10 * probability))
    return w("often.in-100", n=round(100 * probability))


def percent(w: Strings, probability: float) -> str:
    """The same as a percentage, never 0 or 100."""
    if probability < 0.01:
        return w("often.least-percent")
    return w("often.most-percent") if probability > 0.99 else w("often.percent", percent=round(100 * probability))


def _accepted(request: Request) -> list[str]:
    return request.headers.get("accept-language", "").split(",")
