"""The evaluation report: one self-contained HTML file that a clinician can read, print and pass on."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cutis.data import PHANTOM_SOURCE
from cutis.evaluation import (
    MALIGNANCY_WORDS,
    ClassResult,
    Evaluation,
    Predictions,
    counted,
    decimal,
    decimal_interval,
    joined,
    percent,
    percent_interval,
    scored_images,
)
from cutis.files import write_text
from cutis.report import figures
from cutis.report.data_table import data_rows, recorded_facts
from cutis.report.examples import example_groups

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(
    evaluation: Evaluation,
    predictions: Predictions,
    manifest: pl.DataFrame,
    path: str | Path,
    *,
    title: str = "Evaluation report",
    about: Mapping[str, object] | None = None,
) -> None:
    """Write an evaluation as one HTML file: no script, no outside request, pictures and figures inside.

    Args:
        evaluation: as :func:`cutis.evaluation.evaluate` made it from the same predictions and manifest.
        predictions: what was answered; for the example images.
        manifest: what was evaluated; for the example images and the data table.
        path: the file to write, whole or not at all.
        title: the page's heading.
        about: facts on how the predictions were made, e.g. ``{"Recipe": "default", "Training data": "…"}``;
            a mapping within is told as "name: value" pairs, a list as its items.

    Raises:
        PredictionsError: predictions and manifest are not those of the evaluation.
    """
    scored = scored_images(predictions, manifest, subset=evaluation.subset)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        percent=percent,
        percent_interval=percent_interval,
        decimal=decimal,
        decimal_interval=decimal_interval,
        counted=counted,
        malignancy_words=MALIGNANCY_WORDS,
        roc_figure=figures.roc_figure,
        interval_figure=figures.interval_figure,
    )
    html = environment.get_template("report.html.jinja").render(
        title=title,
        evaluation=evaluation,
        date=datetime.fromisoformat(evaluation.evaluated_at).strftime("%-d %B %Y"),
        confidence=f"{100 * evaluation.intervals.confidence:g}%",
        data_sets=joined(list(evaluation.sources)),
        synthetic=_synthetic(evaluation),
        synthetic_images=evaluation.sources.get(PHANTOM_SOURCE, 0),
        clusters=_clusters(evaluation),
        findings=_findings(evaluation),
        examples=example_groups(scored, evaluation.classes),
        data_rows=data_rows(evaluation, scored),
        recorded_facts=recorded_facts(scored),
        about=[(name, _told(value)) for name, value in (about or {}).items()],
    )
    write_text(path, html)


def _synthetic(evaluation: Evaluation) -> str:
    """``"all"``, ``"some"`` or ``"none"`` of the images are synthetic."""
    images = evaluation.sources.get(PHANTOM_SOURCE, 0)
    return "none" if not images else "all" if images == evaluation.images else "some"


def _clusters(evaluation: Evaluation) -> str:
    """What was resampled, e.g. ``"1,437 lesions"``."""
    return joined([counted(n, kind) for kind, n in evaluation.intervals.clusters.items()])


def _findings(evaluation: Evaluation) -> list[str]:
    """The classes that matter most, in sentences: the malignant ones, else the best and worst recognised."""
    suspect = [each for each in evaluation.by_class if each.malignancy in ("malignant", "premalignant") and each.images]
    if suspect:
        return [_finding(evaluation, each) for each in suspect]
    present = [each for each in evaluation.by_class if each.sensitivity.value is not None]
    ranked = sorted(present, key=lambda each: each.sensitivity.value or 0.0)
    chosen = ranked if len(ranked) < 2 else [ranked[-1], ranked[0]]
    return [_finding(evaluation, each) for each in chosen]


def _finding(evaluation: Evaluation, each: ClassResult) -> str:
    row = evaluation.confusion.counts[evaluation.classes.ids.index(each.id)]
    found = row[evaluation.classes.ids.index(each.id)]
    images = counted(each.images, "image")
    sentence = f"recognised in {found:,} of {images} ({percent(each.sensitivity.value)}"
    if each.sensitivity.low is not None:
        sentence += f", interval {percent_interval(each.sensitivity)}"
    sentence += ")."
    missed = each.images - found
    if missed and each.malignancy in ("malignant", "premalignant"):
        benign = sum(
            count for count, other in zip(row, evaluation.classes.classes, strict=True) if other.malignancy == "benign"
        )
        sentence += f" Of the {missed:,} missed, {benign:,} {'was' if benign == 1 else 'were'} called benign."
    return f"{each.name}: {sentence}"


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_told(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_told(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "not given" if value is None else str(value)
