"""The words of the pages: one TOML file a language under ``strings/``, so that another can be added.

A study's own texts (title, consent, instructions, question) and the names of diagnoses are not in it.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

ENGLISH = "en"


class Strings:
    """The words of a language; called with a key such as ``"ready.next"`` and what stands in its braces."""

    def __init__(self, language: str, words: Mapping[str, str]) -> None:
        self.language = language
        self.words = dict(words)

    def __call__(self, key: str, **values: object) -> str:
        """The words of a key.

        Raises:
            KeyError: there is no such key, or a value for a brace is missing.
        """
        return self.words[key].format(**values) if values else self.words[key]


def languages() -> list[str]:
    """The languages there are, English first."""
    found = [each.name.removesuffix(".toml") for each in resources.files("cutis.web").joinpath("strings").iterdir()]
    return sorted(found, key=lambda each: (each != ENGLISH, each))


@cache
def strings(language: str) -> Strings:
    """The words of a language, or of its main language (``de`` for ``de-AT``), or else English.

    The page then says so in its ``lang`` attribute; the study's own texts carry theirs.
    """
    known = languages()
    name = next((each for each in (language, language.split("-", maxsplit=1)[0]) if each in known), ENGLISH)
    text = resources.files("cutis.web").joinpath("strings", f"{name}.toml").read_text(encoding="utf-8")
    return Strings(name, dict(_flat(tomllib.loads(text))))


def _flat(table: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        found += _flat(value, f"{above}{key}.") if isinstance(value, dict) else [(above + key, value)]
    return found
