"""Queries and the cases like them, side by side, as one HTML page."""

from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cutis.data import PHANTOM_SOURCE
from cutis.evaluation import counted, joined
from cutis.explanation import CaseLibrary, NearestCases
from cutis.files import write_text
from cutis.report.inline import content_hash
from cutis.report.thumbnails import Thumbnail, thumbnails

_TEMPLATES = Path(__file__).parent / "templates"
NOT_KNOWN = "diagnosis not known"


@dataclass(frozen=True)
class ShownCase:
    """A picture with its words; ``similarity`` is empty for a query."""

    image_id: str
    diagnosis: str
    picture: Thumbnail
    similarity: str
    note: str


@dataclass(frozen=True)
class ShownQuery:
    """A query, the cases like it, and these in a sentence."""

    query: ShownCase
    cases: list[ShownCase]
    told: str


def write_similar_page(
    library: CaseLibrary,
    queries: CaseLibrary,
    found: NearestCases,
    path: str | Path,
    *,
    title: str = "Cases like these",
    most: int = 200,
) -> None:
    """Write queries and their nearest cases as one self-contained HTML file without a script.

    Args:
        library: the cases that were searched.
        queries: what was asked for.
        found: their nearest cases.
        path: the file to write, whole or not at all.
        title: the page's heading.
        most: how many queries are shown, the first.
    """
    shown = min(most, len(queries))
    rows = found.row[:shown]
    paths = queries.cases["image_path"].to_list()[:shown]
    theirs = library.cases["image_path"].gather(np.unique(rows[rows >= 0])).to_list()
    pictures = thumbnails([*paths, *theirs], 240, quality=76)
    style = "\n".join((_TEMPLATES / each).read_text(encoding="utf-8") for each in ("report.css", "similar.css"))
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(counted=counted)
    drawings = sum(int((each.cases["source"] == PHANTOM_SOURCE).sum()) for each in (library, queries))
    html = environment.get_template("similar.html.jinja").render(
        title=title,
        queries=[_shown(library, queries, found, place, pictures) for place in range(shown)],
        asked=len(queries),
        images=len(library),
        model=library.model,
        drawings=drawings,
        policy=f"default-src 'none'; style-src {content_hash(style)}; img-src data:; base-uri 'none'; "
        "form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file
        version=metadata.version("cutis"),
    )
    write_text(path, html)


def told_in_words(diagnoses: list[str | None]) -> str:
    """How many of the cases found have each diagnosis, the commonest first: ``"3 Melanoma, 2 Nevus"``."""
    counts = Counter(each or NOT_KNOWN for each in diagnoses)
    return joined([f"{number} {name}" for name, number in counts.most_common()])


def _shown(
    library: CaseLibrary,
    queries: CaseLibrary,
    found: NearestCases,
    place: int,
    pictures: dict[str | None, Thumbnail],
) -> ShownQuery:
    cases = []
    for row, similarity in zip(found.row[place].tolist(), found.similarity[place].tolist(), strict=True):
        if row >= 0:
            cases.append(_case(library, row, pictures, f"{similarity:.2f}"))
    diagnoses = [library.cases["named_diagnosis"][int(row)] for row in found.row[place] if row >= 0]
    told = f"Of these {len(cases)}: {told_in_words(diagnoses)}." if cases else "No case is left to compare with."
    return ShownQuery(_case(queries, place, pictures, ""), cases, told)


def _case(library: CaseLibrary, row: int, pictures: dict[str | None, Thumbnail], similarity: str) -> ShownCase:
    case = library.cases.row(row, named=True)
    seen = case["seen_in_training"] not in (None, "no")
    return ShownCase(
        image_id=case["image_id"],
        diagnosis=case["named_diagnosis"] or NOT_KNOWN,
        picture=pictures[case["image_path"]],
        similarity=similarity,
        note="seen in training" if seen else "",
    )
