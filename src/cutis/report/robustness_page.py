"""The robustness page: what photographs gone wrong look like, what they cost, and the verdict in sentences."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from cutis.data import CORRUPTIONS, PHANTOM_SOURCE, Pixels, corrupt, fit_image, read_image
from cutis.errors import ImageError
from cutis.evaluation import (
    CorruptionResult,
    Estimate,
    RobustnessResult,
    counted,
    decimal,
    decimal_interval,
    joined,
    percent,
    percent_interval,
)
from cutis.files import write_text
from cutis.report.page_environment import page_environment
from cutis.report.robustness_figures import corruption_figure, corruption_title, kept

LOSS = 0.1
"""A sensitivity for malignancy this far below that of clean images is told."""
_SHOWN = (120, 160)  # height × width of an example; corruptions are relative to size
_LANDSCAPE = (150, 200)  # at which they are drawn, as models of ours decode


@dataclass(frozen=True)
class ExampleRow:
    """One image under one corruption, weakest first: ``data:`` addresses with the strength of each."""

    title: str
    pictures: list[tuple[int, str]]


def write_robustness_page(
    result: RobustnessResult,
    manifest: pl.DataFrame,
    path: str | Path,
    *,
    title: str = "Robustness report",
    about: Mapping[str, object] | None = None,
    seed: int = 0,
) -> None:
    """Write a robustness evaluation as one HTML file: no script and no outside request, pictures and figures inside.

    Args:
        result: as :func:`cutis.evaluation.evaluate_robustness` made it.
        manifest: the evaluated rows; the first malignant image that can be read is the example, else the first image.
        path: the file to write, whole or not at all.
        title: the page's heading.
        about: facts on how the predictions were made.
        seed: of the corruptions.

    Raises:
        CutisError: the file cannot be written.
    """
    environment = page_environment()
    environment.globals.update(
        kept=kept,
        points=points,
        corruption_title=corruption_title,
        corruption_figure=corruption_figure,
    )
    example_id, clean, examples = example_grid(result, manifest, seed)
    html = environment.get_template("robustness.html.jinja").render(
        title=title,
        result=result,
        date=datetime.fromisoformat(result.evaluated_at).strftime("%-d %B %Y"),
        confidence=f"{100 * result.intervals.confidence:g}%",
        data_sets=joined(list(result.sources)),
        synthetic_images=result.sources.get(PHANTOM_SOURCE, 0),
        verdict=verdict(result),
        ranked=by_cost(result),
        example_id=example_id,
        example=clean,
        examples=examples,
        definitions=[CORRUPTIONS[each.name] for each in result.corruptions if each.name in CORRUPTIONS],
        clusters=joined([counted(n, kind) for kind, n in result.intervals.clusters.items()]),
        about=list((about or {}).items()),
    )
    write_text(path, html)


def by_cost(result: RobustnessResult) -> list[CorruptionResult]:
    """The corruptions, the one that raises the error most first; ties in the order measured."""
    return sorted(result.corruptions, key=lambda each: -(each.mean_change.error.value or 0.0))


def verdict(result: RobustnessResult) -> list[str]:
    """The result in plain sentences: what costs most, and where malignant lesions are missed."""
    if result.clean.error.value is None:
        return []
    worst, *others = by_cost(result)
    clean, last = kept(result.clean.error), kept(worst.at[-1].figures.error)
    everywhere = f"{percent(kept(result.mean.error).value, 1)} ({points(result.mean_change.error, -1)})"
    told = [
        f"On the images as they are balanced accuracy is {percent(clean.value, 1)}; over all corruptions {everywhere}."
    ]
    if (worst.mean_change.error.value or 0.0) > 0:
        told.append(
            f"Most is lost by {_in_sentence(worst.name)}: {points(worst.mean_change.error, -1)} on average, and at "
            f"strength {worst.at[-1].strength} {percent(last.value, 1)} are left."
        )
    if others:
        least = others[-1]
        told.append(f"Least by {_in_sentence(least.name)}: {points(least.mean_change.error, -1)} on average.")
    told += _missed(result)
    told.append(
        f"In {percent(result.mean_flipped.value)} of cases the answer is not that of the clean image, right or wrong."
    )
    if result.baseline is not None and result.mean_corruption_error.value is not None:
        word = "fewer" if result.mean_corruption_error.value < 1 else "more"
        told.append(
            f"The mean corruption error is {decimal(result.mean_corruption_error.value)} "
            f"({decimal_interval(result.mean_corruption_error)}): on images gone wrong it makes {word} errors than the "
            f"baseline, {result.baseline}."
        )
    return told


def points(change: Estimate, sign: int = 1) -> str:
    """A change in percentage points with its interval: ``"−4.2 points, −6.0 to −2.3"``; a dash where not defined."""
    if change.value is None:
        return "–"
    words = f"{_signed(sign * change.value)} points"
    if change.low is None or change.high is None:
        return words
    low, high = sorted((sign * change.low, sign * change.high))
    return f"{words}, {_signed(low)} to {_signed(high)}"


def _signed(share: float) -> str:
    rounded = round(100 * share, 1)
    return f"{'−' if rounded < 0 else '+' if rounded > 0 else ''}{abs(rounded):.1f}"


def _missed(result: RobustnessResult) -> list[str]:
    """From which strength on malignant lesions are missed that are found on clean images."""
    clean = result.clean.malignant_sensitivity.value
    if clean is None:
        return []
    limit = clean - LOSS
    falls, holds = [], []
    for each in result.corruptions:
        values = [(at.strength, at.figures.malignant_sensitivity.value) for at in each.at]
        first = next((strength for strength, value in values if value is not None and value < limit), None)
        if first is None:
            holds.append(_in_sentence(each.name))
        else:
            falls.append(f"{_in_sentence(each.name)} from strength {first}")
    found = f"Of the {counted(result.malignant_images, 'image')} of malignant or premalignant lesions it calls "
    found += f"{percent(clean, 1)} malignant. "
    if not falls:
        return [f"{found}No corruption takes this below {percent(limit, 1)}."]
    low_at, low = min(
        (
            (f"{_in_sentence(each.name)}, strength {at.strength}", at.figures.malignant_sensitivity)
            for each in result.corruptions
            for at in each.at
            if at.figures.malignant_sensitivity.value is not None
        ),
        key=lambda pair: pair[1].value or 0.0,
    )
    told = f"{found}This falls below {percent(limit, 1)} by {joined(falls)}"
    told += f"; not by {joined(holds)}." if holds else "."
    return [f"{told} The lowest is {percent(low.value, 1)} ({low_at}; interval {percent_interval(low, 1)})."]


def _in_sentence(name: str) -> str:
    """``"blur"``, ``"JPEG compression"``: a corruption's title without its explanation, within a sentence."""
    words = corruption_title(name).split(":", maxsplit=1)[0]
    return words if words[:2].isupper() else words[0].lower() + words[1:]


def example_grid(
    result: RobustnessResult, manifest: pl.DataFrame, seed: int
) -> tuple[str | None, str | None, list[ExampleRow]]:
    """One image's id, the image as it is, and a row of it for each corruption; nothing where none can be read."""
    malignant = [each.id for each in result.classes.classes if each.malignancy == "malignant"]
    first = pl.col("source_diagnosis").is_in(malignant).fill_null(value=False)
    for image_id, path in (
        manifest.sort(first, descending=True, maintain_order=True).select("image_id", "image_path").iter_rows()
    ):
        if path is None:
            continue
        try:
            picture = fit_image(read_image(path), *_LANDSCAPE, "crop")
        except ImageError:  # the page shows another one; the predictions would have told of it
            continue
        rows = [
            ExampleRow(
                corruption_title(each.name),
                [(s, _embedded(corrupt(picture, each.name, s, seed))) for s in result.strengths],
            )
            for each in result.corruptions
            if each.name in CORRUPTIONS
        ]
        return image_id, _embedded(picture), rows
    return None, None, []


def _embedded(picture: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(fit_image(picture, *_SHOWN))).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
