"""Reporting checklists, filled in where an evaluation knows the answer, and marked for the authors where it does not.

The checklists are data files in ``guidelines``: item numbers as published, the items in our own short words. What cutis
writes is what the evaluation holds; whether it is enough for the item, only authors and reviewers can say.
"""

import csv
import io
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from cutis.evaluation import (
    Estimate,
    Evaluation,
    Predictions,
    ScoredImages,
    counted,
    decimal,
    decimal_interval,
    joined,
    percent,
    percent_interval,
    scored_images,
)
from cutis.files import write_text
from cutis.report.bars import column_words, in_sentence
from cutis.report.data_table import recorded_facts

FOR_AUTHORS = "To be written by the authors"
_GUIDELINES = Path(__file__).parent / "guidelines"


class Item(BaseModel):
    """One item: what of an evaluation answers it, and what is left for the authors beyond that."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: str
    section: str
    item: str
    answers: tuple[str, ...] = ()
    authors: str = ""


class Checklist(BaseModel):
    """A reporting guideline's checklist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    citation: str
    items: tuple[Item, ...]


class FilledItem(BaseModel):
    """An item with what cutis knows; empty ``answer``: nothing. ``authors`` is what is left, empty where nothing is."""

    model_config = ConfigDict(frozen=True)

    number: str
    section: str
    item: str
    answer: str
    authors: str


class FilledChecklist(BaseModel):
    """A checklist filled in; ``known`` counts the items that have an answer."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    citation: str
    file: str
    items: list[FilledItem]

    @property
    def known(self) -> int:
        """Items that have an answer."""
        return sum(bool(each.answer) for each in self.items)


@cache
def checklists() -> dict[str, Checklist]:
    """The checklists that come with cutis, by the name of their file."""
    return {
        path.stem: Checklist.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        for path in sorted(_GUIDELINES.glob("*.toml"))
    }


def filled_checklists(
    evaluation: Evaluation, scored: ScoredImages, about: Mapping[str, object]
) -> list[FilledChecklist]:
    """The checklists with what an evaluation tells.

    Args:
        evaluation: made of these images.
        scored: the images.
        about: how the predictions were made; see :func:`cutis.report.report_facts`.
    """
    known = answers(evaluation, scored, about)
    filled = []
    for file, checklist in checklists().items():
        items = []
        for each in checklist.items:
            answer = " ".join(known[key] for key in each.answers if known[key])
            left = each.authors if answer else FOR_AUTHORS
            if answer and left:
                left = f"{FOR_AUTHORS}: {left}"
            items.append(
                FilledItem(number=each.number, section=each.section, item=each.item, answer=answer, authors=left)
            )
        words = {"name": checklist.name, "title": checklist.title, "citation": checklist.citation}
        filled.append(FilledChecklist(**words, file=file, items=items))
    return filled


def write_checklists(
    evaluation: Evaluation,
    predictions: Predictions,
    manifest: pl.DataFrame,
    folder: str | Path,
    *,
    about: Mapping[str, object] | None = None,
) -> list[Path]:
    """Write each checklist as ``checklist_NAME.csv``, for the authors to complete.

    Args:
        evaluation: as :func:`cutis.evaluation.evaluate` made it from the same predictions and manifest.
        predictions: what was answered.
        manifest: what was evaluated.
        folder: where.
        about: as of :func:`cutis.report.write_report`.

    Returns:
        The files written.
    """
    allowed = evaluation.leakage.allowed is not None
    scored = scored_images(predictions, manifest, subset=evaluation.subset, allow_leaks=allowed)
    written = []
    for checklist in filled_checklists(evaluation, scored, about or {}):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("item", "section", "what", "known_to_cutis", "for_the_authors", "page"))
        for each in checklist.items:
            writer.writerow((each.number, each.section, each.item, each.answer, each.authors, ""))
        path = Path(folder) / f"checklist_{checklist.file}.csv"
        write_text(path, text.getvalue())
        written.append(path)
    return written


def answers(evaluation: Evaluation, scored: ScoredImages, about: Mapping[str, object]) -> dict[str, str]:
    """What an evaluation knows, in sentences by key; empty where it knows nothing."""
    recorded = dict(recorded_facts(scored))
    return {
        **_data(evaluation, scored, recorded),
        **_made(evaluation, about),
        **_methods(evaluation),
        **_results(evaluation),
    }


def _data(evaluation: Evaluation, scored: ScoredImages, recorded: Mapping[str, str]) -> dict[str, str]:
    """Of the images and their truth."""
    taken = scored.frame.select(pl.col("acquired_at").min().alias("first"), pl.col("acquired_at").max().alias("last"))
    first, last = (None if each is None else f"{each:%Y-%m-%d}" for each in taken.row(0))
    outside = evaluation.outside_classes
    words = ", ".join(f"{word} ({images:,})" for word, images in outside.words.items())
    absent = [heading for heading in ("Site", "Fitzpatrick skin type") if heading not in recorded]
    split = scored.frame["split_rule"].drop_nulls().unique().cast(pl.String).sort().to_list()
    subset = f"Evaluated: subset “{evaluation.subset}”." if evaluation.subset else "Evaluated: all rows not excluded."
    if evaluation.leakage.allowed is not None:
        disjoint = f"A leak was allowed: {evaluation.leakage.allowed}."
    elif evaluation.training_data_known:
        disjoint = "Trained on no image, lesion, patient or group evaluated, as far as the manifest names them."
    else:
        disjoint = ""
    return {
        "sources": _sentence(", ".join(f"{name}: {counted(n, 'image')}" for name, n in evaluation.sources.items())),
        "licences": _sentence(f"Licences of the images: {joined(evaluation.licenses)}" if evaluation.licenses else ""),
        "dates": "" if first is None else f"Images taken {first} to {last}.",
        "counts": _counts(evaluation),
        "events": _sentence(", ".join(f"{each.name}: {each.images:,}" for each in evaluation.by_class)),
        "left_out": (
            f"{counted(outside.images, 'image')} left out, of no class evaluated: {words}."
            if outside.images
            else "No image was left out for its diagnosis."
        ),
        "missing": "An evaluated image without a prediction is refused, so none is missing."
        + (f" Recorded for no image: {joined(absent)}." if absent else ""),
        "outcome": f"Outcome: the diagnosis, in the classes {', '.join(each.name for each in evaluation.by_class)}.",
        "confirmation": _recorded(recorded, "How the diagnosis was confirmed"),
        "image_kinds": _recorded(recorded, "Kind of image"),
        "partition": _sentence(" ".join([subset, *(f"Split: {rule}." for rule in split)]).rstrip(".")),
        "disjoint": disjoint,
        "characteristics": "Table “The images” of the report: images, lesions, age and sex by diagnosis"
        + (f"; {', '.join(each.lower() for each in recorded)}" if recorded else "")
        + ".",
    }


def _made(evaluation: Evaluation, about: Mapping[str, object]) -> dict[str, str]:
    """Of the model and how it was made; only what was told of it."""

    def told(*names: str) -> str:
        return " ".join(f"{name}: {about[name]}." for name in names if about.get(name))

    return {
        "model": told("Model", "Network"),
        "training": told("Training", "Training seed"),
        "training_data": told("Trained on", "Licence of the training images"),
        "preprocessing": told("Network"),
        "calibration_method": told("Probabilities"),
        "predictions": told("Predictions"),
        "software": f"Evaluated with cutis {evaluation.cutis_version}.",
        "audit": "Predictions are one row an image; evaluation.json holds every figure.",
    }


def _methods(evaluation: Evaluation) -> dict[str, str]:
    """Of what was measured, and how."""
    intervals, points = evaluation.intervals, evaluation.operating_points
    grouped = [in_sentence(each.column) for each in evaluation.subgroups if len(each.groups) > 1]
    clusters = joined([counted(number, kind) for kind, number in intervals.clusters.items()])
    chosen = []
    if points is not None:
        rule = points.thresholds.rule.kind
        chosen.append(f"Thresholds by the rule “{rule}”, chosen on {points.thresholds.chosen_on}.")
    if evaluation.group_thresholds is not None:
        chosen.append(f"Also thresholds by {column_words(evaluation.group_thresholds.column)}.")
    measured = [
        "Accuracy, balanced accuracy, sensitivity, specificity, predictive values, F1, Matthews correlation, kappa"
    ]
    measured += ["AUC with ROC and precision-recall curves", "calibration curves and error, Brier score, log loss"]
    if evaluation.malignancy is not None:
        measured.append("decision curve and number needed to biopsy for malignancy")
    return {
        "decision": evaluation.decision,
        "ties": f"{counted(evaluation.tied_images, 'image')} with two equally probable answers; the first was taken."
        if evaluation.tied_images
        else "No image had two equally probable answers.",
        "thresholds": " ".join(chosen),
        "metrics": f"{'; '.join(measured)}.",
        "uncertainty": f"{100 * intervals.confidence:g}% intervals, {intervals.method}: {intervals.resamples:,} "
        f"resamples of {clusters}."
        if clusters
        else "",
        "subgroup_methods": f"Performance by {joined(grouped)}, with the largest gaps and their intervals."
        if grouped
        else "",
    }


def _results(evaluation: Evaluation) -> dict[str, str]:
    """Of what came out."""
    overall, section = evaluation.overall, evaluation.malignancy
    malignant = ""
    if section is not None and section.auc.value is not None:
        malignant = (
            f"Malignant against benign: AUC {_decimal(section.auc)}, sensitivity {_percent(section.sensitivity)}, "
            f"specificity {_percent(section.specificity)}."
        )
    gaps = [
        f"{in_sentence(result.column)} {100 * gap.difference.value:.1f} points"
        for result in evaluation.subgroups
        for gap in result.gaps
        if gap.figure == "balanced_accuracy" and gap.difference.value is not None
    ]
    return {
        "performance": f"Balanced accuracy {_percent(overall.balanced_accuracy)}, accuracy "
        f"{_percent(overall.accuracy)}, mean AUC {_decimal(overall.macro_auc)}.",
        "malignancy": malignant,
        "calibration": f"Calibration error {_percent(evaluation.calibration.expected_calibration_error)}.",
        "by_class": "Table “Diagnosis by diagnosis” of the report.",
        "confusion": "Table “What was taken for what” of the report.",
        "subgroups": f"Largest gaps in balanced accuracy: {', '.join(gaps)}." if gaps else "",
        "failures": "Confusion matrix, and examples of the errors that could do most harm, in the report.",
        "warnings": " ".join(evaluation.warnings),
    }


def _counts(evaluation: Evaluation) -> str:
    told = [counted(evaluation.images, "image")]
    told += [counted(evaluation.lesions, "lesion")] if evaluation.lesions else []
    told += [counted(evaluation.patients, "patient")] if evaluation.patients else []
    section = evaluation.malignancy
    kinds = ""
    if section is not None:
        kinds = f"; {section.malignant_images:,} malignant or premalignant, {section.benign_images:,} benign"
    return f"Evaluated: {' of '.join(told)}{kinds}."


def _recorded(recorded: Mapping[str, str], heading: str) -> str:
    return f"{heading}: {recorded[heading]}." if heading in recorded else ""


def _sentence(words: str) -> str:
    return f"{words}." if words else ""


def _percent(estimate: Estimate) -> str:
    return f"{percent(estimate.value, 1)} ({percent_interval(estimate, 1)})"


def _decimal(estimate: Estimate) -> str:
    return f"{decimal(estimate.value)} ({decimal_interval(estimate)})"
