"""A map of images as one HTML page: points to zoom into, filter and colour, their pictures, and how far to trust it."""

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cutis.data import PHANTOM_SOURCE
from cutis.evaluation import counted, decimal, joined, percent
from cutis.explanation import MapFacts, MapQuality
from cutis.files import write_text
from cutis.report.embedding_points import DIAGNOSIS, Column, MapPoints, round_robin, signs
from cutis.report.inline import content_hash, inline_json, shipped_script
from cutis.report.thumbnails import thumbnails

_TEMPLATES = Path(__file__).parent / "templates"

PICTURES = 2_000
"""Pictures within a page, if not said otherwise; each takes about 2 kB."""
MOST_POINTS = 50_000
"""Points on a page; of more a sample is shown, new cases first."""
_SIDE, _QUALITY = 88, 58
_NEAREST = 5


def write_embedding_page(
    points: MapPoints,
    columns: list[Column],
    quality: MapQuality,
    facts: MapFacts,
    path: str | Path,
    *,
    title: str = "Map of images",
    pictures: int = PICTURES,
) -> None:
    """Write a map as one self-contained HTML file.

    The page needs nothing from outside and its content security policy forbids it to ask; its script and its style are
    allowed by their hashes. It holds small pictures of at most ``pictures`` images, and says of how many.

    Args:
        points: the map's points, new cases among them.
        columns: what can colour them; the first does so at first.
        quality: what was measured of the map.
        facts: how it was made.
        path: the file to write, whole or not at all.
        title: the page's heading.
        pictures: at most so many pictures; the rare diagnoses' are all in before the common ones'.
    """
    names = points.cases[DIAGNOSIS].to_list()
    new = np.flatnonzero(points.new)
    rows = np.sort(np.array(round_robin(names, MOST_POINTS, first=new), dtype=np.int64))
    shown = round_robin([names[row] for row in rows], pictures, first=np.flatnonzero(points.new[rows]))
    content, held, size = _content(points, columns, rows, shown)
    style = "\n".join((_TEMPLATES / each).read_text(encoding="utf-8") for each in ("report.css", "embedding.css"))
    script = shipped_script(_TEMPLATES / "embedding.js")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(counted=counted, percent=percent, decimal=decimal)
    seen = points.cases["seen_in_training"]
    html = environment.get_template("embedding.html.jinja").render(
        title=title,
        facts=facts,
        quality=quality,
        images=len(points.cases) - len(new),
        new=len(new),
        points_shown=len(rows),
        pictures=held,
        megabytes=size / 1e6,
        data_sets=joined([str(each) for each in points.cases["source"].drop_nulls().unique().sort()]),
        synthetic=int((points.cases["source"] == PHANTOM_SOURCE).sum()),
        seen=int(((seen != "no") & seen.is_not_null()).sum()),
        policy=f"default-src 'none'; script-src {content_hash(script)}; style-src {content_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        data=Markup(inline_json(content)),  # noqa: S704 - escaped by inline_json
        version=metadata.version("cutis"),
    )
    write_text(path, html)


def _content(
    points: MapPoints, columns: list[Column], rows: np.ndarray[Any, Any], shown: list[int]
) -> tuple[dict[str, Any], int, int]:
    """What the script draws from; and how many pictures it holds, and their size in bytes."""
    cases = points.cases[rows]
    coordinates = points.coordinates[rows].astype(np.float64)
    centred = coordinates - (coordinates.min(axis=0) + coordinates.max(axis=0)) / 2
    scaled = np.round(centred / max(float(np.abs(centred).max()), 1e-12), 4)
    place = np.full(len(points.cases) + 1, -1, dtype=np.int64)  # the last stands for row -1
    place[rows] = np.arange(len(rows))
    near = place[points.nearest[rows][:, :_NEAREST]]
    likeness = np.nan_to_num(points.similarity[rows][:, :_NEAREST].astype(np.float64), neginf=0.0)
    small = thumbnails(cases["image_path"].gather(shown).to_list(), _SIDE, quality=_QUALITY)
    pictures: dict[str, str] = {}
    for n in shown:
        address = small[cases["image_path"][n]].address
        if address is not None:
            pictures[str(n)] = address.removeprefix("data:image/jpeg;base64,")
    content = {
        "ids": cases["image_id"].to_list(),
        "axes": [scaled[:, n].tolist() for n in range(scaled.shape[1])],
        "new": np.flatnonzero(points.new[rows]).tolist(),
        "near": near.tolist(),
        "alike": np.round(likeness, 3).tolist(),
        "agreement": [None if np.isnan(each) else round(float(each), 2) for each in points.agreement[rows]],
        "columns": [_told(each, rows) for each in columns],
        "pictures": pictures,
    }
    return content, len(pictures), sum(len(each) for each in pictures.values())


def _told(column: Column, rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": column.name, "title": column.title}
    if column.numbers is not None:
        numbers = column.numbers[rows]
        return told | {"numbers": [None if np.isnan(each) else float(f"{each:.6g}") for each in numbers]}
    return told | {
        "values": list(column.values),
        "signs": [list(each) for each in signs(column)],
        "codes": column.codes[rows].tolist(),
    }
