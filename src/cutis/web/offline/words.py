"""The words that only the offline page has; for all else it uses the clinic page's."""

import tomllib
from functools import cache
from importlib import resources

from cutis.web.strings import Strings


@cache
def offline_words(language: str) -> Strings:
    """The words of one of :data:`cutis.web.clinic.words.LANGUAGES`; keys are ``table.name``."""
    text = resources.files("cutis.web.offline").joinpath("strings", f"{language}.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return Strings(language, {f"{table}.{key}": word for table, words in tables.items() for key, word in words.items()})
