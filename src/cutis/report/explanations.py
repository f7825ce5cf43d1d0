"""Explanations written to a folder as they come: a picture a map, the table, the maps, the page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import polars as pl

from cutis.data import Pixels, fit_image, read_image
from cutis.evaluation import Predictions, percent
from cutis.explanation import (
    AREAS,
    BIOPSY_WARNING,
    METHODS,
    Explanation,
    ExplanationFolder,
    Legend,
    MapRecord,
    Masks,
    Method,
    attention_by_area,
    check_explanation_target,
    estimated_lesion_mask,
    explanation_files,
    marked_picture,
    marked_site,
    network_masks,
    shortcut_cases,
    side_by_side,
    sized,
    strength,
    suggested_site,
)
from cutis.files import replacing_folder
from cutis.models import Bundle
from cutis.report.audit_pairs import diagnosis_in_words
from cutis.report.explanation_page import MOST_CASES, ShownCases, write_explanation_page

SITE_METHODS = ("gradcam", "lime")
"""The methods whose agreement suggests a biopsy's site."""
_SIDE = 480  # pixels of a picture
_MASKS_AT_A_TIME = 256

_SITES = {
    "image_id": pl.String(),
    "target": pl.String(),
    "x": pl.Float64(),
    "y": pl.Float64(),
    "uncertain_share": pl.Float64(),
    "maxima_apart": pl.Float64(),
    "agreement": pl.Float64(),
    "told": pl.String(),
    "picture": pl.String(),
}


@dataclass(frozen=True, eq=False)
class WrittenExplanations:
    """What was written.

    Attributes:
        table: a row a map; its columns are the fields of :class:`cutis.explanation.MapRecord`.
        sites: a row an image with the suggested site: ``x`` and ``y`` as shares of width and height from the top left
            corner of what the network saw, the area of uncertainty as a share of the lesion, how far the two maps'
            own maxima lie apart (in lesion diameters), their rank correlation in the lesion, and the reason in words.
            None where no sites were asked for.
        paths: the page, the tables, the maps.
    """

    table: pl.DataFrame
    sites: pl.DataFrame | None
    paths: list[Path]


def write_explanations(
    explanations: Iterable[Explanation],
    folder: str | Path,
    *,
    bundle: Bundle,
    manifest: pl.DataFrame,
    predictions: Predictions,
    methods: Sequence[Method],
    sites: bool = False,
    with_maps: bool = False,
    most: int = MOST_CASES,
    title: str = "Explanations",
    about: Mapping[str, object] | None = None,
) -> WrittenExplanations:
    """Write explanations as pictures, table and page; the folder takes its place whole, when all is done.

    An older folder of explanations at the same place is replaced. One image is in memory at a time, and the small
    pictures of those that the page will show.

    Args:
        explanations: of the manifest's N rows, in their order, with maps of ``methods``.
        folder: where to.
        bundle: the model.
        manifest: N rows with whole paths.
        predictions: of these rows.
        methods: of the maps.
        sites: suggest a site for a biopsy, from Grad-CAM and LIME, which must be among the methods.
        with_maps: keep the maps themselves in ``maps.npz``.
        most: how many images the page shows; the pictures of the others are written all the same.
        title: the page's heading.
        about: facts on how the maps were made, for the page.

    Raises:
        CutisError: something else lies at the place, or it cannot be written.
        ImageError: masks cannot be read, all named together.
    """
    folder = Path(folder)
    check_explanation_target(folder)
    cases = ShownCases(most)
    found: list[dict[str, Any]] = []
    with replacing_folder(folder) as temporary, ExplanationFolder(temporary, with_maps=with_maps) as out:
        rows = zip(
            explanations,
            manifest.iter_rows(named=True),
            _masks(manifest, bundle),
            _doubts(bundle, predictions),
            strict=True,
        )
        for place, (explanation, row, mask, doubts) in enumerate(rows):
            picture = _photograph(row["image_path"], bundle)
            told = _told(bundle, explanation, float(predictions.probabilities[place].max()))
            stem = out.stem(explanation.image_id)
            areas = attention_by_area(explanation.image_id, picture, explanation.maps, mask)
            records = [
                _written(out, stem, method, explanation, picture, told, areas, row, predictions, place, bundle.name)
                for method in methods
            ]
            more = []
            if sites:
                site, drawn = _site(out, stem, explanation, picture, told, mask, bundle.name)
                found.append(site)
                more = [("Suggested site, untested", drawn, site["told"], site["picture"])] if drawn is not None else []
            lines = [told, *_recorded(bundle, row, explanation.answer)]
            if sites and not more:
                lines.append(f"No site for a biopsy is suggested. {found[-1]['told']}")
            cases.take(
                explanation,
                records,
                picture,
                methods,
                told=lines,
                warnings=doubts,
                more=more,
            )
        suggested = pl.DataFrame(found, schema=_SITES) if sites else None
        table = out.finish(suggested)
        write_explanation_page(
            cases,
            table,
            out.page,
            methods=methods,
            meaning=_of_the_bundle(bundle),
            site_warning=BIOPSY_WARNING if sites else "",
            title=title,
            about=about,
        )
    return WrittenExplanations(table, suggested, explanation_files(folder))


def probability_in_words(probability: float) -> str:
    """``"62%"``; never 0 % or 100 %, which no model can know."""
    if probability < 0.005:
        return "below 1%"
    return "over 99%" if probability >= 0.995 else percent(probability)


def _told(bundle: Bundle, explanation: Explanation, highest: float) -> str:
    """The answer and what is explained, with their probabilities."""
    answer = bundle.classes[explanation.answer].name
    target = explanation.target
    if target.node == explanation.answer:
        return f"The answer is {answer}, with a probability of {probability_in_words(highest)}."
    given = probability_in_words(explanation.probability)
    return (
        f"Explained: what speaks for {target.name}, to which the model gives {given}. "
        f"Its answer is {answer} ({probability_in_words(highest)})."
    )


def _recorded(bundle: Bundle, row: Mapping[str, Any], answer: str) -> list[str]:
    """What the manifest says of an image, and whether the answer agrees."""
    recorded = diagnosis_in_words(row)
    possible = bundle.classes.candidates(row["diagnosis_node"], row["source_diagnosis"])
    wrong = " The answer is wrong." if possible and answer not in possible else ""
    return [f"Recorded diagnosis: {recorded}.{wrong}"] if recorded else []


def _written(
    out: ExplanationFolder,
    stem: str,
    method: Method,
    explanation: Explanation,
    picture: Pixels,
    told: str,
    areas: pl.DataFrame,
    row: Mapping[str, Any],
    predictions: Predictions,
    place: int,
    model: str,
) -> MapRecord:
    """Write one map's picture, and its row."""
    attribution = explanation.maps[method.name]
    own = areas.filter(pl.col("method") == method.name)
    share = dict(own.select("area", "attribution").iter_rows())
    # What speaks for a diagnosis that is not the answer may lie anywhere: it has led to nothing.
    led = explanation.target.inside[predictions.classes.ids.index(explanation.answer)]
    reasons = list(shortcut_cases(own).select("area", "attribution").iter_rows()) if led else []
    legend = Legend(
        f"{method.title} for {explanation.target.name}", (told, method.told), f"{explanation.image_id} · model: {model}"
    )
    drawn = side_by_side(picture, attribution, legend, method)
    record = MapRecord(
        image_id=explanation.image_id,
        source=row["source"],
        method=method.name,
        target=explanation.target.node,
        target_name=explanation.target.name,
        probability=explanation.probability,
        answer=explanation.answer,
        strongest=strength(attribution, method)[1],
        lesion=own["lesion"][0],
        **{f"on_{each.replace(' ', '_')}": share[each] for each in AREAS},
        listed=bool(reasons),
        listed_for="; ".join(f"{percent(each)} {_ON[area]}" for area, each in reasons),
        seen_in_training=predictions.seen[place] if predictions.seen else None,
        unfamiliarity=_strangeness(predictions, place),
        picture=out.picture(f"{stem}.{method.name}", drawn),
        map=out.map(f"{stem}/{method.name}", attribution),
    )
    out.record(record)
    return record


_ON = {
    "dark corner": "in dark corners",
    "ink": "on ink or a sticker",
    "ruler": "on a ruler",
    "hair": "on hair",
    "border": "on the image's border",
}


def _site(
    out: ExplanationFolder,
    stem: str,
    explanation: Explanation,
    picture: Pixels,
    told: str,
    mask: Masks | None,
    model: str,
) -> tuple[dict[str, Any], Pixels | None]:
    """The suggested site of one image, written as a picture; its row, and the marked photograph where there is one."""
    first, second = (explanation.maps[each] for each in SITE_METHODS)
    lesion = mask if mask is not None else estimated_lesion_mask(explanation.pixels)
    suggestion = suggested_site(first, second, lesion, names=(METHODS["gradcam"].title, METHODS["lime"].title))
    height, width = first.shape
    site, place, drawn = suggestion.site, None, None
    if site is not None:
        x, y = (site.x + 0.5) / width, (site.y + 0.5) / height
        drawn = marked_site(sized(picture, _SIDE), x, y, site.uncertain)
        legend = Legend(
            f"A site for a biopsy, if {explanation.target.name} is in question",
            (told, suggestion.reason, suggestion.warning),
            f"{explanation.image_id} · model: {model}",
        )
        caption = "Suggested site (cross) and its area of uncertainty (outline)"
        place = out.picture(f"{stem}.biopsy", marked_picture(picture, drawn, caption, legend))
    return {
        "image_id": explanation.image_id,
        "target": explanation.target.node,
        "x": None if site is None else x,
        "y": None if site is None else y,
        "uncertain_share": None if site is None else site.uncertain_share,
        "maxima_apart": None if site is None else site.apart_share,
        "agreement": suggestion.agreement,
        "told": suggestion.reason,
        "picture": place,
    }, drawn


def _masks(manifest: pl.DataFrame, bundle: Bundle) -> Iterator[Masks | None]:
    for start in range(0, len(manifest), _MASKS_AT_A_TIME):
        rows = manifest[start : start + _MASKS_AT_A_TIME]
        yield from network_masks(rows, bundle.image) if rows["mask_path"].count() else [None] * len(rows)


def _doubts(bundle: Bundle, predictions: Predictions) -> Iterator[list[str]]:
    """Of each image, why its answer proves little."""
    for place in range(len(predictions.image_ids)):
        seen = predictions.seen[place] if predictions.seen else None
        doubts = []
        if seen not in (None, "no"):
            doubts.append(f"The model was trained on this {seen}: its answer, and why, proves nothing.")
        score = _strangeness(predictions, place)
        stranger = None if score is None or bundle.familiarity is None else bundle.familiarity.stranger_than(score)
        if stranger is not None:
            doubts.append(f"Stranger to the model than {stranger}% of the images it was validated on.")
        yield doubts


def _strangeness(predictions: Predictions, place: int) -> float | None:
    score = None if predictions.unfamiliarity is None else float(predictions.unfamiliarity[place])
    return None if score is None or isnan(score) else score


def _of_the_bundle(bundle: Bundle) -> list[str]:
    """What is to be said of the maps of this very model."""
    told = []
    if bundle.architecture.patient:
        fields = " and ".join(bundle.architecture.patient).replace(" and ", ", ", len(bundle.architecture.patient) - 2)
        told.append(f"The answer rests on {fields} too, where these are known. No map shows what they add.")
    if bundle.views > 1:
        told.append(
            f"The probability is the mean over {bundle.views} mirrored views, as in every answer of this model; "
            "a map explains the photograph as it is."
        )
    return told


def _photograph(path: str, bundle: Bundle) -> Pixels:
    """A photograph turned and cut as the network is shown it, as large as it is but for what the page has no room for.

    Not larger: the audit, which tells a ruler by fine marks, does not know them in an enlarged picture.
    """
    photograph = read_image(path)
    height, width = bundle.image.decoded
    own = (photograph.shape[0] * photograph.shape[1] / (height * width)) ** 0.5
    scale = min(_SIDE / max(height, width), own)
    return fit_image(photograph, max(1, round(scale * height)), max(1, round(scale * width)), bundle.image.aspect)
