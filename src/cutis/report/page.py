"""The evaluation report: one self-contained HTML file that a clinician can read, print and pass on."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import get_args

import polars as pl
from markupsafe import Markup

from cutis.data import PHANTOM_SOURCE
from cutis.evaluation import (
    MALIGNANCY_WORDS,
    CategoryFigures,
    ClassResult,
    Evaluation,
    GroupCoverage,
    Predictions,
    Subgroup,
    ThresholdRule,
    counted,
    joined,
    percent,
    percent_interval,
    scored_images,
)
from cutis.files import write_text
from cutis.report import bars, figures
from cutis.report.checklists import filled_checklists
from cutis.report.data_table import data_rows, recorded_facts
from cutis.report.examples import example_groups
from cutis.report.inline import page_policy, shipped_script
from cutis.report.page_environment import TEMPLATES, page_environment
from cutis.report.unfamiliar import refusal_figure, refusals

_MOST_CLASSES_FOR_CURVES = 12
"""With more classes the page shows no precision-recall and reliability curve of each; the files for a paper do."""


def write_report(
    evaluation: Evaluation,
    predictions: Predictions,
    manifest: pl.DataFrame,
    path: str | Path,
    *,
    title: str = "Evaluation report",
    about: Mapping[str, object] | None = None,
    image_paths: Callable[[Sequence[str]], Mapping[str, str]] | None = None,
) -> None:
    """Write an evaluation as one HTML file: no outside request, pictures, figures and the one script inside.

    The script tells the values of a curve's points, lets a threshold be chosen and sorts tables; the page is whole
    without it, and prints the same. The page's content security policy lets nothing else run, and nothing be asked for.

    Args:
        evaluation: as :func:`cutis.evaluation.evaluate` made it from the same predictions and manifest.
        predictions: what was answered; for the example images.
        manifest: what was evaluated; for the example images and the data table.
        path: the file to write, whole or not at all.
        title: the page's heading.
        about: facts on how the predictions were made, e.g. ``{"Recipe": "default", "Training data": "…"}``;
            a mapping within is told as "name: value" pairs, a list as its items.
        image_paths: finds the files of the example images by their ids, where the manifest was read without them
            (:func:`cutis.evaluation.read_evaluated_manifest`); None takes its column ``image_path``.

    Raises:
        PredictionsError: predictions and manifest are not those of the evaluation.
    """
    scored = scored_images(
        predictions, manifest, subset=evaluation.subset, allow_leaks=evaluation.leakage.allowed is not None
    )
    environment = page_environment()
    environment.globals.update(
        malignancy_words=MALIGNANCY_WORDS,
        subgroup_words=bars.SUBGROUP_WORDS,
        figure_words=bars.FIGURE_WORDS,
        in_sentence=bars.in_sentence,
        roc_figure=figures.roc_figure,
        precision_recall_figure=figures.precision_recall_figure,
        malignancy_roc_figure=figures.malignancy_roc_figure,
        malignancy_precision_recall_figure=figures.malignancy_precision_recall_figure,
        reliability_figure=figures.reliability_figure,
        interval_figure=figures.interval_figure,
        list_size_figure=bars.list_size_figure,
        set_size_figure=bars.set_size_figure,
        coverage_figure=bars.coverage_figure,
        refusal_figure=refusal_figure,
    )
    names = {each.id: each.name for each in evaluation.by_class}
    environment.filters["class_name"] = lambda class_id: names.get(class_id, class_id)
    decision = None if evaluation.malignancy is None else figures.decision_figure(evaluation.malignancy)
    points, grouped = evaluation.operating_points, evaluation.group_thresholds
    script = shipped_script(TEMPLATES / "figures.js")
    html = environment.get_template("report.html.jinja").render(
        title=title,
        policy=page_policy(script),
        script=Markup(script),  # noqa: S704 - our own file
        evaluation=evaluation,
        date=datetime.fromisoformat(evaluation.evaluated_at).strftime("%-d %B %Y"),
        confidence=f"{100 * evaluation.intervals.confidence:g}%",
        data_sets=joined(list(evaluation.sources)),
        synthetic=_synthetic(evaluation),
        synthetic_images=evaluation.sources.get(PHANTOM_SOURCE, 0),
        clusters=_clusters(evaluation),
        contents=_contents(evaluation, decisions=decision is not None),
        malignant_finding=_malignant_finding(evaluation),
        findings=_findings(evaluation),
        class_names=names,
        few_classes=len(names) <= _MOST_CLASSES_FOR_CURVES,
        decision=decision,
        rule_words="" if points is None else _rule_words(points.thresholds.rule),
        group_rule_words="" if grouped is None else _rule_words(grouped.common.rule),
        group_words="" if grouped is None else bars.column_words(grouped.column),
        compared=bars.compared_subgroups(evaluation),
        alone=[each for each in evaluation.subgroups if len(each.groups) == 1],
        not_recorded=_not_recorded(evaluation),
        coverage=_coverage(evaluation),
        seldom=_covered_too_seldom(evaluation),
        refusal_parts=refusals(evaluation),
        challenge_rows=_challenge_rows(evaluation, names),
        examples=example_groups(scored, evaluation.classes, image_paths=image_paths),
        data_rows=data_rows(evaluation, scored),
        recorded_facts=recorded_facts(scored),
        checklists=filled_checklists(evaluation, scored, about or {}),
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


def _contents(evaluation: Evaluation, *, decisions: bool) -> list[tuple[str, str]]:
    """The sections after the first, by anchor."""
    sections = [
        ("malignancy", "Malignant against benign", evaluation.malignancy is not None),
        ("overall", "All diagnoses together", True),
        ("classes", "Diagnosis by diagnosis", True),
        ("confusion", "What was taken for what", True),
        ("calibration", "Calibration", True),
        ("decisions", "Decision curve", decisions),
        ("operating", "Thresholds and lists", evaluation.operating_points is not None),
        ("group-thresholds", "A group's own thresholds", evaluation.group_thresholds is not None),
        ("conformal", "Prediction sets", evaluation.conformal is not None),
        ("unfamiliarity", "Strange images", evaluation.unfamiliarity is not None),
        ("subgroups", "Subgroups", bool(evaluation.subgroups)),
        ("other", "Other diseases", evaluation.other is not None),
        ("challenge", "ISIC 2018", evaluation.challenge is not None),
        ("examples", "Examples", True),
        ("data", "The images", True),
        ("done", "What was done", True),
        ("checklists", "Reporting checklists", True),
        ("glossary", "Words", True),
    ]
    return [(anchor, name) for anchor, name, there in sections if there]


def _malignant_finding(evaluation: Evaluation) -> str:
    """Malignant against benign in a sentence; empty where these images cannot say."""
    section = evaluation.malignancy
    if section is None or section.sensitivity.value is None or section.specificity.value is None:
        return ""
    return (
        f"Of {counted(section.malignant_images, 'image')} of malignant or premalignant lesions it called "
        f"{percent(section.sensitivity.value)} malignant (interval {percent_interval(section.sensitivity)}); of "
        f"{section.benign_images:,} of benign ones it called {percent(1 - section.specificity.value)} malignant: "
        "false alarms."
    )


def _rule_words(rule: ThresholdRule) -> str:
    """How thresholds were chosen."""
    if rule.kind == "youden":
        return "largest sum of sensitivity and specificity (Youden)"
    if rule.kind == "cost":
        return (
            f"least expected cost, a missed case costing {rule.cost_of_miss:g} and a false alarm {rule.cost_of_alarm:g}"
        )
    other = "specificity" if rule.kind == "sensitivity" else "sensitivity"
    return f"{rule.kind} of at least {percent(rule.target)}, with the largest {other}"


def _not_recorded(evaluation: Evaluation) -> list[str]:
    """What no image has a value for, of what subgroups could be made by."""
    there = {each.column for each in evaluation.subgroups}
    return [bars.in_sentence(column) for column in get_args(Subgroup) if column not in there]


def _coverage(evaluation: Evaluation) -> dict[str, dict[str, GroupCoverage]]:
    """How often prediction sets hold the truth, by column and group."""
    section = evaluation.conformal
    if section is None:
        return {}
    return {column: {each.name: each for each in groups} for column, groups in section.by_group.items()}


def _covered_too_seldom(evaluation: Evaluation) -> list[tuple[str, GroupCoverage]]:
    """The groups whose coverage lies below the promise for sure, where there is more than one group."""
    return [
        (f"{bars.SUBGROUP_WORDS[column]}: {name}", each)
        for column, groups in _coverage(evaluation).items()
        if len(groups) > 1
        for name, each in groups.items()
        if each.warning is not None
    ]


def _challenge_rows(evaluation: Evaluation, names: Mapping[str, str]) -> list[tuple[str, CategoryFigures]]:
    """ISIC 2018's figures by category, their mean last."""
    section = evaluation.challenge
    if section is None:
        return []
    rows = [(names.get(name.lower(), name), each) for name, each in section.per_category.items()]
    return [*rows, ("Mean", section.macro_average)]


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
