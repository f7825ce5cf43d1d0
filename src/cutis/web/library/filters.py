"""The filters of the grid: in the address, in words, and as a tree of diagnoses with their counts."""

from typing import NamedTuple, get_args
from urllib.parse import urlencode

from fastapi import Request

from cutis.annotation import CONFIRM_TYPES, NO_DIAGNOSIS, QUALITIES, Filters, Progress, search_diagnoses
from cutis.taxonomy import shipped_taxonomy
from cutis.web.library.visit import Problem

ANNOTATOR_PROGRESS: dict[Progress, str] = {"": "All", "to do": "Not yet annotated by me", "done": "Annotated by me"}
CURATOR_PROGRESS: dict[Progress, str] = {
    "": "All",
    "untouched": "Not yet annotated",
    "one": "Annotated by one",
    "disagreed": "Annotators disagree",
    "agreed": "Annotators agree",
    "adjudicated": "Adjudicated",
}


class Branch(NamedTuple):
    """A line of the list of diagnoses. ``depth``: 0 or 1."""

    node: str
    name: str
    images: int
    depth: int
    query: str


def filters_of(request: Request, *, curates: bool) -> Filters:
    """The filters in an address.

    A diagnosis is named by ``node``, or in words by ``diagnosis``, as browsers without scripts send it.

    Raises:
        Problem: a filter has a value that there is not.
    """
    asked = {name: request.query_params.get(name, "") for name in (*Filters._fields, "diagnosis")}
    long = [name for name, value in asked.items() if len(value) > 200]
    if long:
        raise Problem(f"The filter {long[0]} is too long.")
    node, typed = asked["node"], asked.pop("diagnosis").strip()
    taxonomy = shipped_taxonomy()
    if node and node != NO_DIAGNOSIS and node not in taxonomy:
        raise Problem(f"There is no diagnosis '{node}'.")
    if typed and not node:
        found = search_diagnoses(typed, 1)
        if not found:
            raise Problem(f"No diagnosis is called '{typed}'.")
        asked["node"] = found[0].node
    allowed = CURATOR_PROGRESS if curates else ANNOTATOR_PROGRESS
    for name, known in (("progress", tuple(allowed)), ("quality", QUALITIES), ("confirm_type", CONFIRM_TYPES)):
        if asked[name] and asked[name] not in known:
            status = 403 if asked[name] in get_args(Progress) else 422
            raise Problem(f"There is no such filter for you: {name} '{asked[name]}'.", status=status)
    return Filters(**asked)  # type: ignore[arg-type]  # progress was checked


def query_of(filters: Filters, **more: object) -> str:
    """Filters as the part of an address behind the question mark, with it; empty without any."""
    given = {name: str(value) for name, value in {**filters._asdict(), **more}.items() if value not in ("", None)}
    return f"?{urlencode(given)}" if given else ""


def branches(counts: dict[str, int], filters: Filters) -> list[Branch]:
    """The diagnoses below the chosen one that have images, two levels, each with its count, in the tree's order.

    A level that has one diagnosis with all the images of its parent is skipped: there is nothing to choose.
    """
    taxonomy = shipped_taxonomy()
    chosen = filters.node if filters.node in taxonomy else ""
    found: list[Branch] = []

    def add(above: str, depth: int) -> None:
        for each in taxonomy.children(above) if above else taxonomy.roots:
            if each not in counts:
                continue
            shown = _deepest_alone(each, counts)
            query = query_of(filters._replace(node=shown))
            found.append(Branch(shown, taxonomy[shown].name, counts[shown], depth, query))
            if depth == 0:
                add(shown, 1)

    add(chosen, 0)
    return found


def _deepest_alone(node: str, counts: dict[str, int]) -> str:
    below = [each for each in shipped_taxonomy().children(node) if each in counts]
    while len(below) == 1 and counts[below[0]] == counts[node]:
        node = below[0]
        below = [each for each in shipped_taxonomy().children(node) if each in counts]
    return node
