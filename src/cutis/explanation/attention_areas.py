"""Where in a photograph an explanation lies: on the lesion, or on ink, a ruler, a dark corner, hairs or the border.

A network that decides by such things has found a shortcut (Narla 2018, doi:10.1016/j.jid.2018.06.175; Winkler 2019,
doi:10.1001/jamadermatol.2019.1735). A listed case is one to look at, no proof: maps are coarse and areas are found by
simple means.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.audit import Areas, areas_of, read_quality_thresholds, ruler, within
from cutis.data import Pixels
from cutis.explanation.lesion_masks import resized_mask
from cutis.explanation.quality import Masks

AREAS: dict[str, str] = {
    "lesion": "inside the lesion's outline",
    "dark corner": "outside the round field of a dermoscope, with its soft rim",
    "ink": "pen marks, gentian violet, stickers",
    "ruler": "marks beside the lesion of an image in which the audit finds a ruler",
    "hair": "hairs beside the lesion",
    "rim": "skin that borders on the lesion",
    "border": "the outermost strip of the image",
    "skin": "all else",
}
"""The areas of an image, each pixel in the first that holds it, and what they are."""

SHORTCUTS = ("dark corner", "ink", "ruler", "hair", "border")
"""The areas on which a diagnosis cannot lie."""

RIM = 0.05
"""Width of the rim around a lesion, in shorter sides of the image: there a coarse map may spill over the outline."""
BORDER = 0.05
"""Width of the image's border, in its shorter sides."""

_MARK = 12  # grey levels darker than what surrounds it, as the audit's ruler measure counts marks

TABLE = {
    "image_id": pl.String,
    "method": pl.String,
    "area": pl.String,
    "attribution": pl.Float64,
    "area_share": pl.Float64,
    "lift": pl.Float64,
    "lesion": pl.String,
}


@dataclass(frozen=True)
class ListingRule:
    """When a case is listed: all three must hold.

    Attributes:
        outside: more than this share of the positive attribution lies outside the lesion and its rim.
        least: one of :data:`SHORTCUTS` holds at least this share of it …
        lift: … and more than this many times its share of the image.
    """

    outside: float = 0.5
    least: float = 0.1
    lift: float = 2.0


def image_areas(image: Pixels, lesion: Masks | None = None, size: tuple[int, int] | None = None) -> dict[str, Masks]:
    """:data:`AREAS` of one photograph: masks that share no pixel and leave none out.

    The round field, ink and hairs are those of the audit (``cutis.audit``, at its working size of 30,000 pixels). The
    audit tells whether there is a ruler, by its own limit, not where: the area is all thin dark marks beside the
    lesion, joined where they stand close. Few rulers are found: most scales in a dermoscope's glass are too fine.

    Args:
        image: uint8, height × width × 3, RGB: what the network saw, at that size or a larger one.
        lesion: mask of the same shape; estimated when None.
        size: height × width of the masks; the image's own when None.
    """
    height, width = size or (image.shape[0], image.shape[1])
    found = areas_of(image, None if lesion is None else (lesion * np.uint8(255)))
    inside = found.lesion if lesion is None else lesion
    full = {
        "lesion": resized_mask(inside, (height, width)),
        "dark corner": resized_mask(~within(found.field), (height, width)),
        "ink": resized_mask(found.ink, (height, width)),
        "ruler": resized_mask(_ruler_marks(image, found), (height, width)),
        "hair": resized_mask(_dilated(found.hair, 1), (height, width)),
    }
    full["rim"] = _dilated(full["lesion"], max(1, round(RIM * min(height, width))))
    full["border"] = np.ones((height, width), dtype=bool)
    edge = max(1, round(BORDER * min(height, width)))
    full["border"][edge:-edge, edge:-edge] = False
    full["skin"] = np.ones((height, width), dtype=bool)
    taken = np.zeros((height, width), dtype=bool)
    areas = {}
    for name in AREAS:
        areas[name] = full[name] & ~taken
        taken |= full[name]
    return areas


def attention_by_area(
    image_id: str, image: Pixels, maps: Mapping[str, npt.NDArray[np.float32]], lesion: Masks | None = None
) -> pl.DataFrame:
    """How the positive attribution of each map of an image is spread over its areas.

    Args:
        image_id: of the image.
        image: uint8, height × width × 3, RGB: what the network saw, at that size or a larger one.
        maps: by the method's name, one at least, each h × w.
        lesion: mask of the image; estimated when None.

    Returns:
        A row a method and area, in the order of :data:`AREAS`: ``image_id``, ``method``, ``area``, ``attribution``
        (share of the positive attribution on the area, 0 to 1; null where a map has none), ``area_share`` (of the
        image, 0 to 1), ``lift`` (their ratio; null for an empty area), ``lesion`` (``recorded``, ``estimated`` or
        ``not found``). Tables of several images are concatenated.
    """
    height, width = next(iter(maps.values())).shape
    areas = image_areas(image, lesion, (height, width))
    known = "recorded" if lesion is not None else "estimated" if areas["lesion"].any() else "not found"
    rows = []
    for method, each in maps.items():
        positive = np.maximum(each, 0).astype(np.float64)
        total = float(positive.sum())
        for name, mask in areas.items():
            share = float(mask.mean())
            attribution = float(positive[mask].sum()) / total if total > 0 else None
            lift = attribution / share if attribution is not None and share > 0 else None
            rows.append((image_id, method, name, attribution, share, lift, known))
    return pl.DataFrame(rows, schema=TABLE, orient="row")


def shortcut_cases(table: pl.DataFrame, rule: ListingRule | None = None) -> pl.DataFrame:
    """The cases whose explanation lies on a shortcut rather than on the lesion, the most striking first.

    Where no lesion was found nothing can be said to lie outside it: such images are not listed.

    Args:
        table: of :func:`attention_by_area`, of any number of images.
        rule: when a case is listed; :class:`ListingRule` as it stands when None.

    Returns:
        A row an image, method and shortcut: ``image_id``, ``method``, ``area``, ``attribution``, ``area_share``,
        ``lift``, ``on_lesion`` (share on the lesion and its rim) and ``lesion``; sorted by ``attribution``.
    """
    rule = rule or ListingRule()
    at_lesion = (
        table.filter(pl.col("area").is_in(["lesion", "rim"]))
        .group_by("image_id", "method")
        .agg(on_lesion=pl.col("attribution").sum())
    )
    return (
        table.join(at_lesion, on=["image_id", "method"], validate="m:1")
        .filter(
            pl.col("area").is_in(SHORTCUTS),
            pl.col("lesion") != "not found",
            pl.col("on_lesion") < 1 - rule.outside,
            pl.col("attribution") >= rule.least,
            pl.col("lift") > rule.lift,
        )
        .select("image_id", "method", "area", "attribution", "area_share", "lift", "on_lesion", "lesion")
        .sort(["attribution", "image_id", "method"], descending=[True, False, False])
    )


def _ruler_marks(image: Pixels, areas: Areas) -> Masks:
    limit = read_quality_thresholds().root["ruler"].above
    assert limit is not None
    if ruler(image, areas) <= limit:
        return np.zeros_like(areas.field)
    marks = (areas.thin_dark > _MARK) & within(areas.field) & ~_dilated(areas.lesion, 4)
    joined = cv2.morphologyEx(marks.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    # Opened again: single marks stay behind, a row of them has grown to a band.
    return np.asarray(cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0)


def _dilated(mask: Masks, by: int) -> Masks:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)
