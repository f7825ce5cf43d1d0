"""Places on the body: the clinic's words for the ISIC archive's."""

from functools import cache

from cutis.data import isic_anatom_site
from cutis.web.clinic.sent import SITES
from cutis.web.clinic.words import clinic_words
from cutis.web.strings import ENGLISH


def site_key(site: str | None) -> str:
    """The key of :data:`SITES` of an ISIC path; empty where there is none."""
    return _keys().get(site or "", "")


def site_name(site: str) -> str:
    """A place in words: the clinic's, else the last part of the ISIC archive's path."""
    key = site_key(site)
    return clinic_words(ENGLISH)(f"site.{key}") if key else site.rpartition(":")[2]


@cache
def _keys() -> dict[str, str]:
    paths = {key: isic_anatom_site(word) for key, word in SITES.items()}
    return {path: key for key, path in paths.items() if path is not None}
