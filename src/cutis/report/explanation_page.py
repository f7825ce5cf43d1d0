"""The page of explanations: cases with their maps side by side, those whose attention lies beside the lesion first."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from markupsafe import Markup
from PIL import Image

from cutis import __version__
from cutis.data import PHANTOM_SOURCE, Pixels
from cutis.evaluation import counted, joined, percent
from cutis.explanation import (
    AREAS,
    LEAST_WEIGHT,
    METHODS,
    REGIONS,
    Explanation,
    MapRecord,
    Method,
    colour_scale,
    laid_over,
    region_swatch,
    sized,
)
from cutis.files import write_text
from cutis.report.inline import content_hash
from cutis.report.page_environment import TEMPLATES, page_environment

MOST_CASES = 48
"""So many cases stand in a page: about 1 MB a method."""
_SIDE = 400  # pixels: sharper than the 240 of the page on a dense screen
_MOST_NAMED = 100

LIMITS = {
    "saliency": "It does not tell whether a pixel speaks for the answer or against it. It is noisy: single pixels mean "
    "nothing, only where many lie together.",
    "smoothgrad": "It does not tell for from against either, and how smooth it is depends on the noise that was added.",
    "integrated-gradients": "It depends on what it starts from: what has the colour of plain skin gets nothing. Single "
    "pixels mean nothing.",
    "gradcam": "It is coarse: a spot covers several structures and its outline is not that of the lesion. It cannot "
    "tell which structure within a spot counted.",
    "lime": "Regions are cut by colour, not by anatomy, and their weights are estimated from random samples: a weak "
    "region may change with another seed.",
    "occlusion": "A covered image is one that the network never learnt from, and a structure larger than the square is "
    "never covered whole.",
}
"""What each method's map does not tell, by the method's name."""


@dataclass(frozen=True)
class ShownMap:
    """One map in the page.

    Attributes:
        title: the method's.
        picture: a ``data:`` address.
        alternative: the picture in words.
        told: lines below it.
        listed: why a person should look; empty where there is no reason.
        file: the larger picture, relative to the page; empty where there is none.
    """

    title: str
    picture: str
    alternative: str
    told: list[str]
    listed: str
    file: str


@dataclass(frozen=True)
class ShownCase:
    """One image with its maps in the page.

    Attributes:
        number: its place among all that were explained, from 1.
        image_id: of the image.
        told: the answer, what is explained, what is recorded.
        warnings: what makes the answer doubtful.
        photograph: a ``data:`` address.
        width: of each picture, in pixels.
        height: of each picture.
        maps: by method.
        listed: how much attention lies beside the lesion at most, where that is listed; else None.
    """

    number: int
    image_id: str
    told: list[str]
    warnings: list[str]
    photograph: str
    width: int
    height: int
    maps: list[ShownMap]
    listed: float | None


class ShownCases:
    """Takes cases as they come and keeps those that the page will show, at most twice ``most``.

    Listed cases come first, those with most attention beside the lesion foremost; then the others in their order.
    """

    def __init__(self, most: int = MOST_CASES) -> None:
        self.most = most
        self.taken = 0
        self.listed_taken = 0
        self._listed: list[ShownCase] = []
        self._others: list[ShownCase] = []

    def take(
        self,
        explanation: Explanation,
        records: Sequence[MapRecord],
        photograph: Pixels,
        methods: Sequence[Method],
        *,
        told: Sequence[str],
        warnings: Sequence[str] = (),
        more: Sequence[tuple[str, Pixels, str, str]] = (),
    ) -> None:
        """Take a case.

        Args:
            explanation: with its maps.
            records: of the maps, in their order.
            photograph: uint8, as the network is shown it, at any size.
            methods: of the maps.
            told: the answer, what is explained, what is recorded, in words.
            warnings: what makes the answer doubtful.
            more: further pictures of the case: title, picture, what it tells, file.
        """
        self.taken += 1
        listed = max((_beside(each) for each in records if each.listed), default=None)
        self.listed_taken += listed is not None
        if not self._wanted(listed):
            return
        picture = sized(photograph, _SIDE)
        maps = [
            ShownMap(
                title=method.title,
                picture=_embedded(laid_over(picture, explanation.maps[method.name], method)),
                alternative=f"{method.title} over {explanation.image_id}, what speaks for {explanation.target.name}. "
                + " ".join(_in_words(record)),
                told=_in_words(record),
                listed=record.listed_for,
                file=record.picture,
            )
            for method, record in zip(methods, records, strict=True)
        ]
        maps += [
            ShownMap(
                title, _embedded(sized(drawn, _SIDE)), f"{title}: {explanation.image_id}. {words}", [words], "", file
            )
            for title, drawn, words, file in more
        ]
        height, width = picture.shape[:2]
        case = ShownCase(
            number=self.taken,
            image_id=explanation.image_id,
            told=list(told),
            warnings=list(warnings),
            photograph=_embedded(picture),
            width=width,
            height=height,
            maps=maps,
            listed=listed,
        )
        if listed is None:
            self._others.append(case)
        else:
            self._listed = sorted([*self._listed, case], key=lambda each: -(each.listed or 0))[: self.most]

    def _wanted(self, listed: float | None) -> bool:
        if listed is None:
            return len(self._others) + len(self._listed) < self.most
        return len(self._listed) < self.most or listed > (self._listed[-1].listed or 0)

    @property
    def listed(self) -> list[ShownCase]:
        """The listed cases that are shown."""
        return self._listed

    @property
    def others(self) -> list[ShownCase]:
        """The others that are shown."""
        return self._others[: self.most - len(self._listed)]


def write_explanation_page(
    cases: ShownCases,
    table: pl.DataFrame,
    path: str | Path,
    *,
    methods: Sequence[Method],
    meaning: Sequence[str] = (),
    site_warning: str = "",
    title: str = "Explanations",
    about: Mapping[str, object] | None = None,
) -> None:
    """Write explanations as one self-contained HTML file, without a script: what maps mean, figures, cases, methods.

    The page needs nothing from outside; its links lead to the larger pictures beside it.

    Args:
        cases: those to show.
        table: a row a map, with the columns of :class:`MapRecord`: all that were made, shown or not.
        path: the file to write, whole or not at all.
        methods: of the maps, in their order.
        meaning: what is to be said of these maps beside what holds for all.
        site_warning: what is to be said of suggested sites, where there are any.
        title: the page's heading.
        about: facts on how the maps were made.

    Raises:
        CutisError: the file cannot be written.
    """
    made_at = datetime.now(UTC)
    style = "\n".join((TEMPLATES / each).read_text(encoding="utf-8") for each in ("report.css", "explanation.css"))
    images = table.unique("image_id")
    shown = {each.image_id for each in [*cases.listed, *cases.others]}
    waiting = table.filter("listed", ~pl.col("image_id").is_in(list(shown))).unique("image_id", maintain_order=True)
    not_shown = len(images) - len(shown)
    html = (
        page_environment()
        .get_template("explanation.html.jinja")
        .render(
            title=title,
            cutis_version=__version__,
            made_at=made_at.isoformat(timespec="seconds"),
            date=made_at.strftime("%-d %B %Y"),
            policy=f"default-src 'none'; style-src {content_hash(style)}; img-src data:; base-uri 'none'; "
            "form-action 'none'",
            style=Markup(style),  # noqa: S704 - our own file
            images=len(images),
            synthetic=int((images["source"] == PHANTOM_SOURCE).sum()),
            seen=len(images.filter(pl.col("seen_in_training").is_not_null() & (pl.col("seen_in_training") != "no"))),
            methods=methods,
            limits=LIMITS,
            meaning=meaning,
            site_warning=site_warning,
            key=_key(methods),
            figures=_figures(table, methods),
            listed=cases.listed,
            listed_told=_listed_told(cases, len(images)),
            others=cases.others,
            not_shown=not_shown,
            not_shown_told=f"{counted(not_shown, 'further image')} not shown here: their maps are in the folder "
            "“images” beside this page, and their figures in explanations.parquet.",
            listed_not_shown=len(waiting),
            more_listed=list(waiting.select("image_id", "picture", "listed_for").head(_MOST_NAMED).iter_rows()),
            about=list((about or {}).items()),
        )
    )
    write_text(path, html)


def _beside(record: MapRecord) -> float:
    shares = (record.on_hair, record.on_ink, record.on_ruler, record.on_dark_corner, record.on_border)
    return max(each or 0.0 for each in shares)


def _in_words(record: MapRecord) -> list[str]:
    if record.strongest == 0:
        return ["The map is 0 everywhere: the method found nothing."]
    if record.lesion == "not found" or record.on_lesion is None:
        return []
    outline = " (estimated outline)" if record.lesion == "estimated" else ""
    what = f"of what speaks for {record.target_name} is" if METHODS[record.method].signed else "of it is"
    return [f"{percent(record.on_lesion)} {what} on the lesion{outline}"]


def _listed_told(cases: ShownCases, images: int) -> str:
    shown = len(cases.listed)
    told = f"In {counted(cases.listed_taken, 'image')} of {images:,} most of what speaks for the answer lies off the "
    told += "lesion, and much of it on hair, ink, a ruler, a dark corner or the border. A diagnosis cannot lie there: "
    told += (
        "look whether the network has learnt a shortcut. Maps are coarse, so this is a reason to look, not a proof. "
    )
    return told + (f"The {shown} with most of it:" if shown < cases.listed_taken else "Those with most of it first:")


@dataclass(frozen=True)
class _Figures:
    caption: str
    head: list[str]
    rows: list[tuple[str, list[str]]]


_AREA_HEADS = {"rim": "Lesion's rim", "skin": "Other skin"}


def _figures(table: pl.DataFrame, methods: Sequence[Method]) -> _Figures:
    """Means over the images, a row a method."""
    images = table.unique("image_id")
    known = {each: int((images["lesion"] == each).sum()) for each in ("recorded", "estimated", "not found")}
    outlines = joined([f"{each} for {number:,}" for each, number in known.items() if number])
    caption = (
        "Where what speaks for the explained diagnosis lies: mean shares over the images. The lesion's outline is "
    )
    caption += f"{outlines} of {counted(len(images), 'image')}."
    rows = []
    for method in methods:
        own = table.filter(pl.col("method") == method.name)
        shares = [own[f"on_{each.replace(' ', '_')}"].mean() for each in AREAS]
        cells = [percent(each if isinstance(each, float) else None) for each in shares]
        rows.append((method.title, [*cells, f"{int(own['listed'].sum()):,}"]))
    return _Figures(caption, [*(_AREA_HEADS.get(each, each.capitalize()) for each in AREAS), "Images listed"], rows)


def _key(methods: Sequence[Method]) -> dict[str, str]:
    """The scales and signs that these methods need, as ``data:`` addresses; empty where not needed."""
    unsigned = [each.title for each in methods if not each.signed]
    signed = [each.title for each in methods if each.signed and each.name not in REGIONS]
    regions = any(each.name in REGIONS for each in methods)
    return {
        "unsigned": _embedded(colour_scale(256, 12, signed=False)) if unsigned else "",
        "unsigned_methods": joined(unsigned),
        "signed": _embedded(colour_scale(256, 12, signed=True)) if signed else "",
        "signed_methods": joined(signed),
        "supporting": _embedded(region_swatch(46, 24, 1.0)) if regions else "",
        "opposing": _embedded(region_swatch(46, 24, -1.0)) if regions else "",
        "least": percent(LEAST_WEIGHT),
    }


def _embedded(picture: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
