"""Finding a diagnosis as one types: by name, synonym, ISIC's word, id or code."""

from functools import cache
from typing import NamedTuple

from cutis.taxonomy import folded, shipped_taxonomy

_CODES = {"icd10cm": "ICD-10-CM", "icd11": "ICD-11"}


class Found(NamedTuple):
    """A diagnosis that fits. ``path``: the names above it; ``matched``: the word or code that was found, if another."""

    node: str
    name: str
    path: str
    matched: str


class _Word(NamedTuple):
    folded: str
    shown: str
    node: str
    order: int
    is_name: bool


def search_diagnoses(typed: str, most: int = 12) -> list[Found]:
    """Diagnoses that fit what was typed, best first: whole words, then beginnings, then parts, then near misses.

    Codes are found by their beginnings, with or without the dot; case, accents and hyphens do not matter.

    Args:
        typed: what is in the search box.
        most: how many at most.
    """
    wanted = folded(typed[:100])
    if not wanted:
        return []
    parts = wanted.split()
    ranked: dict[str, tuple[tuple[int, int, int, int], str]] = {}
    for word in _words():
        rank = _rank(word.folded, wanted, parts)
        if rank is None:
            continue
        key = (rank, int(not word.is_name), len(word.folded), word.order)
        if word.node not in ranked or key < ranked[word.node][0]:
            ranked[word.node] = (key, "" if word.is_name else word.shown)
    code = wanted.replace(".", "").replace(" ", "")
    for plain, shown, node, order in _codes():
        if plain.startswith(code):
            key = (0 if plain == code else 1, 0, len(plain), order)
            if node not in ranked or key < ranked[node][0]:
                ranked[node] = (key, shown)
    best = sorted(ranked, key=lambda each: ranked[each][0])[:most]
    if not best:
        best = list(shipped_taxonomy().suggest(typed[:100], most))
    return [_found(each, ranked[each][1] if each in ranked else "") for each in best]


def _rank(word: str, wanted: str, parts: list[str]) -> int | None:
    if word == wanted:
        return 0
    if word.startswith(wanted):
        return 1
    if f" {wanted}" in word:
        return 2
    begun = word.split()
    if len(parts) > 1 and all(any(each.startswith(part) for each in begun) for part in parts):
        return 3
    return 4 if len(wanted) > 2 and wanted in word else None


def _found(node_id: str, matched: str) -> Found:
    taxonomy = shipped_taxonomy()
    path = " › ".join(taxonomy[each].name for each in reversed(taxonomy.ancestors(node_id)))
    return Found(node_id, taxonomy[node_id].name, path, matched)


@cache
def _words() -> tuple[_Word, ...]:
    words = []
    for order, node in enumerate(shipped_taxonomy()):
        words.append(_Word(folded(node.name), node.name, node.id, order, is_name=True))
        others = [*node.synonyms, node.id]
        if node.isic:
            others.append(node.isic.rpartition(":")[2])
        words += [_Word(folded(each), each, node.id, order, is_name=False) for each in others]
    return tuple(words)


@cache
def _codes() -> tuple[tuple[str, str, str, int], ...]:
    return tuple(
        (code.lower().replace(".", ""), f"{system} {code}", node.id, order)
        for order, node in enumerate(shipped_taxonomy())
        for field, system in _CODES.items()
        for code in getattr(node, field)
    )
