"""The model card: what a model is for, what it saw, how well it does, where it fails (arXiv:1810.03993)."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from cutis import __version__
from cutis.data import PHANTOM_SOURCE
from cutis.evaluation import (
    ConformalResult,
    ConformalSets,
    Estimate,
    Evaluation,
    IsotonicScaling,
    OperatingPoints,
    TemperatureScaling,
    ThresholdRule,
    Thresholds,
    Unfamiliarity,
    counted,
    decimal,
    decimal_interval,
    joined,
    percent,
    percent_interval,
)
from cutis.models.bundle import Bundle
from cutis.models.familiarity import FamiliarityFacts
from cutis.taxonomy import ClassSet

INTENDED_USE = (
    "Research on the classification of skin lesions: as a baseline or a starting point for training.",
    "Reader studies, under the rules of such studies.",
    "Teaching.",
)
NOT_INTENDED = (
    "Diagnosis, decisions on a biopsy or a treatment, or reassuring anyone: it is not a medical device.",
    "Images unlike its training data: another kind of camera, population or mix of diagnoses.",
)
LIMITS = (
    "It answers with one of its classes whatever it is shown, also for a lesion that is none of them.",
    "Its figures hold for the images they were measured on. On images from elsewhere they are usually worse.",
)

VALIDATION_USED_TWICE = (
    "These validation images also decided how probabilities are scaled and where diagnoses are called, so the figures "
    "are somewhat too good. Claim only what was measured on images that decided nothing (a test set)."
)


class TrainingData(BaseModel):
    """One data set a model was trained on; ``synthetic`` if no image in it shows a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    images: int
    lesions: int | None = None
    license: str
    source: str
    synthetic: bool = False


class ModelFacts(BaseModel):
    """What a model card tells.

    Attributes:
        name: the model's.
        summary: one or two sentences.
        made: date of training, ISO 8601.
        cutis_version: the version that trained it.
        architecture: the network, in words, with its number of parameters.
        recipe: how it was trained, in words.
        classes: what it tells apart.
        training_data: the data sets it has seen.
        protocol: how training and test images were kept apart.
        evaluation: its figures; None where there are none.
        probabilities: how they come about, in words.
        thresholds: where each diagnosis is called; None where none were chosen.
        conformal: which set of diagnoses is given; None where there is none.
        familiarity: what its score of unfamiliarity rests on; None where it has none.
        license: of the weights.
        citation: how to cite it.
        intended_use: what it is for.
        not_intended: what it must not be used for.
        limits: what is known of its failures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    made: str
    cutis_version: str
    architecture: str
    recipe: str
    classes: ClassSet
    training_data: tuple[TrainingData, ...]
    protocol: str
    evaluation: Evaluation | None = None
    probabilities: str | None = None
    thresholds: Thresholds | None = None
    conformal: ConformalSets | None = None
    familiarity: FamiliarityFacts | None = None
    license: str
    citation: str
    intended_use: tuple[str, ...] = INTENDED_USE
    not_intended: tuple[str, ...] = NOT_INTENDED
    limits: tuple[str, ...] = LIMITS


def model_facts(bundle: Bundle, **told: Any) -> ModelFacts:
    """The facts of a model card as far as the bundle knows them.

    Args:
        bundle: the model; its figures are those on its validation images.
        told: fields of :class:`ModelFacts` that are known better, e.g. ``evaluation`` on a test set (with the
            bundle's thresholds and sets), ``citation``.
    """
    record = bundle.training_record
    licenses = joined(bundle.about.get("licenses", [])) or "not named"
    data = tuple(
        TrainingData(
            name=source or "not named",
            images=len(rows),
            lesions=rows["lesion_id"].drop_nulls().n_unique() or None,
            license=licenses,
            source=str(bundle.about.get("data", source or "not named")),
            synthetic=source == PHANTOM_SOURCE,
        )
        for (source,), rows in record.group_by("source", maintain_order=True)
    )
    facts: dict[str, Any] = {
        "name": bundle.about.get("name", "unnamed"),
        "summary": f"Tells {len(bundle.classes.ids)} diagnoses of skin lesions apart from one image.",
        "made": bundle.about.get("created", "not known"),
        "cutis_version": __version__,
        "architecture": network_in_words(bundle),
        "recipe": training_in_words(bundle),
        "classes": bundle.classes,
        "training_data": data,
        "protocol": (
            f"Of these, {trained_on_in_words(bundle)}. The bundle lists every image it has seen: "
            "`cutis predict` marks what shares a lesion or patient with them, `cutis evaluate` refuses it."
        ),
        "evaluation": Evaluation.model_validate(bundle.evaluation) if bundle.evaluation else None,
        "probabilities": calibration_in_words(bundle),
        "thresholds": bundle.thresholds,
        "conformal": bundle.conformal,
        "familiarity": None if bundle.familiarity is None else bundle.familiarity.facts,
        "license": f"that of the training images ({licenses})",
        "citation": "Cite cutis (CITATION.cff) and the data sets above.",
    }
    return ModelFacts.model_validate(facts | told)


def network_in_words(bundle: Bundle) -> str:
    """The network, its size and its input."""
    model, image = bundle.recipe["model"], bundle.recipe["image"]
    weights = sum(each.numel() for each in bundle.model.parameters())
    height, width = image["inference"]
    patient = f", with {joined(list(model['patient']))} where known" if model["patient"] else ""
    size = f"{weights / 1e6:.1f} million parameters"
    return f"{model['backbone']}, {size}, images of {width} × {height} pixels{patient}"


def training_in_words(bundle: Bundle) -> str:
    """Recipe, length, start and seed."""
    recipe = bundle.recipe
    start = "from a random start" if recipe["weights"] == "none" else f"from {recipe['weights']} weights"
    epochs = counted(recipe["schedule"]["epochs"], "epoch")
    return f"recipe '{recipe['name']}', {epochs}, {start}, seed {recipe['seed']} (in full: recipe.json)"


def trained_on_in_words(bundle: Bundle) -> str:
    """How many images were learnt from and how many only measured."""
    roles = bundle.training_record["role"]
    learnt, checked = int((roles == "train").sum()), int((roles == "val").sum())
    return f"{counted(learnt, 'image')} were learnt from and {checked:,} used for validation"


def calibration_in_words(bundle: Bundle) -> str:
    """How its probabilities came about."""
    calibration = bundle.calibration
    scaling = calibration.scaling
    if isinstance(scaling, TemperatureScaling):
        how = f"softmax at temperature {scaling.temperature:.3g}"
    elif isinstance(scaling, IsotonicScaling):
        how = "softmax, then a rising curve a class (isotonic scaling)"
    else:
        how = "softmax of logits that are scaled and shifted class by class (vector scaling)"
    return f"{how} (fitted on: {calibration.fitted_on}), for a {calibration.prior} distribution of diagnoses"


def model_card(facts: ModelFacts) -> str:
    """The model card as Markdown, ending in a newline."""
    parts = [f"# {facts.name}", facts.summary]
    synthetic = [each.name for each in facts.training_data if each.synthetic]
    if synthetic:
        part = "All" if len(synthetic) == len(facts.training_data) else "Part"
        parts.append(
            f"> **SYNTHETIC DATA.** {part} of its training data ({', '.join(synthetic)}) are drawings made "
            "by a program. They show no person, and what was learnt from them says nothing about real skin."
        )
    parts += [
        "> **Research software, not a medical device.**",
        "## Model",
        _bullets(
            [
                f"Architecture: {facts.architecture}",
                f"Training: {facts.recipe}",
                f"Made: {facts.made}, with cutis {facts.cutis_version}",
                f"Licence of the weights: {facts.license}",
            ]
        ),
        "Diagnoses told apart:",
        _table(
            ["id", "diagnosis", "kind"],
            [[f"`{each.id}`", each.name, each.malignancy] for each in facts.classes.classes],
        ),
        "## Intended use",
        _bullets(facts.intended_use),
        "## Not intended",
        _bullets(facts.not_intended),
        "## Training data",
        _table(
            ["data set", "images", "lesions", "licence", "source"],
            [
                [
                    each.name + (" (synthetic)" if each.synthetic else ""),
                    f"{each.images:,}",
                    "not known" if each.lesions is None else f"{each.lesions:,}",
                    each.license,
                    each.source,
                ]
                for each in facts.training_data
            ],
        ),
        facts.protocol,
        "## Figures",
        *_figures(facts.evaluation),
        *_answers(facts),
        "## Limits",
        _bullets(facts.limits),
        "## How to cite",
        facts.citation,
    ]
    return "\n\n".join(parts) + "\n"


def _figures(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return ["No figures have been measured."]
    overall = evaluation.overall
    intervals = evaluation.intervals
    of = f" of {counted(evaluation.lesions, 'lesion')}" if evaluation.lesions else ""
    where = f"{counted(evaluation.images, 'image')}{of} ({', '.join(evaluation.sources)}"
    where += f", subset `{evaluation.subset}`)" if evaluation.subset else ")"
    leak = "" if evaluation.training_data_known else " It is not known whether the model was trained on any of them."
    measured = (
        f"Measured on {where}.{leak} In brackets {100 * intervals.confidence:g}% intervals: "
        f"{intervals.method}, {intervals.resamples:,} resamples."
    )
    return [
        measured,
        _table(
            ["figure", "value"],
            [
                ["Balanced accuracy", _percent(overall.balanced_accuracy)],
                ["Accuracy", _percent(overall.accuracy)],
                ["Mean AUC", _decimal(overall.macro_auc)],
            ],
        ),
        _table(
            ["diagnosis", "images", "sensitivity", "specificity", "AUC"],
            [
                [
                    each.name,
                    f"{each.images:,}",
                    _percent(each.sensitivity),
                    _percent(each.specificity),
                    _decimal(each.auc),
                ]
                for each in evaluation.by_class
            ],
        ),
        *([_bullets(evaluation.warnings)] if evaluation.warnings else []),
        *([VALIDATION_USED_TWICE] if evaluation.subset == "val" else []),
    ]


def _answers(facts: ModelFacts) -> list[str]:
    """How an answer is made of the network's outputs: probabilities, differential list, prediction set."""
    parts = [f"Probabilities: {facts.probabilities}."] if facts.probabilities else []
    names = {each.id: each.name for each in facts.classes.classes}
    measured = facts.evaluation
    if facts.thresholds:
        parts += _thresholds(facts.thresholds, measured.operating_points if measured else None, names)
    if facts.conformal:
        parts += _sets(facts.conformal, measured.conformal if measured else None, names)
    if facts.familiarity:
        parts.append(_familiarity(facts.familiarity, measured.unfamiliarity if measured else None))
    return ["## How it answers", *parts] if parts else []


def _thresholds(thresholds: Thresholds, measured: OperatingPoints | None, names: dict[str, str]) -> list[str]:
    told = (
        "A diagnosis is on the differential list if its probability reaches its own threshold, chosen for "
        f"{_rule_in_words(thresholds.rule)}. Chosen on {thresholds.chosen_on}. The rates there are of these same "
        "images, so expect less of others."
    )
    heading = ["diagnosis", "threshold", "images", "sensitivity there", "specificity there"]
    rows = [
        [
            names[class_id],
            "never called" if each.value is None else f"{each.value:.3g}",
            f"{each.images:,}",
            percent(each.sensitivity, 1),
            percent(each.specificity, 1),
        ]
        for class_id, each in thresholds.classes.items()
    ]
    if measured:  # on the images of the figures above
        heading += ["sensitivity above", "specificity above"]
        at = {each.id: each for each in measured.by_class}
        for class_id, row in zip(thresholds.classes, rows, strict=True):
            row += [_percent(at[class_id].sensitivity), _percent(at[class_id].specificity)]
        told += " The last two columns are of the images of the figures above."
    return [told, _table(heading, rows)]


def _sets(conformal: ConformalSets, coverage: ConformalResult | None, names: dict[str, str]) -> list[str]:
    promised = percent(conformal.coverage)
    whom = "of the images of each diagnosis" if conformal.class_conditional else "of all images together"
    told = (
        f"The {promised} set of an image (split conformal prediction) is made to hold the true diagnosis in {promised} "
        f"{whom}. This holds for images like those it was calibrated on ({conformal.calibrated_on}), not for those of "
        "another clinic or camera: measure it there."
    )
    parts = [told]
    if conformal.always_included:
        always = joined([names[each] for each in conformal.always_included])
        parts.append(f"Every set holds {always}: too few calibration images showed it to leave it out.")
    if coverage is None:
        rows = [[names[each], f"{number:,}"] for each, number in conformal.calibration_images.items()]
        return [*parts, _table(["diagnosis", "calibrated on images"], rows), "Its coverage elsewhere was not measured."]
    rows = [
        [
            "all" if each is coverage.overall else names[each.name],
            f"{each.images:,}",
            _percent(each.coverage),
            "–" if each.mean_size is None else f"{each.mean_size:.2f}",
        ]
        for each in (coverage.overall, *coverage.by_class)
    ]
    return [
        *parts,
        "Measured on the images of the figures above; in brackets Wilson intervals:",
        _table(["diagnosis", "images", "set held it", "mean size of the set"], rows),
    ]


def _familiarity(facts: FamiliarityFacts, measured: Unfamiliarity | None) -> str:
    told = (
        f"How unfamiliar an image is: how far its features lie from those of the {facts.neighbours}th nearest of the "
        f"training images that were kept ({facts.fitted_on}), scaled so that 95% of the validation images "
        f"({facts.measured_on}) stay below 1. Beyond it `cutis predict` warns. An image of an unknown disease may "
        "still look familiar: no warning is no proof."
    )
    if measured is None:
        return told
    each = measured.overall
    return (
        f"{told} Of the images of the figures above {_percent(each.beyond)} are beyond it; accuracy of these "
        f"{_percent(each.accuracy_beyond)}, of the others {_percent(each.accuracy_within)}."
    )


def _rule_in_words(rule: ThresholdRule) -> str:
    return {
        "youden": "the largest sensitivity + specificity − 1 (Youden's index)",
        "sensitivity": f"the largest specificity at a sensitivity of {percent(rule.target)} or more",
        "specificity": f"the largest sensitivity at a specificity of {percent(rule.target)} or more",
        "cost": f"the least cost, where a miss costs {rule.cost_of_miss:g} and a false alarm {rule.cost_of_alarm:g}",
    }[rule.kind]


def _percent(estimate: Estimate) -> str:
    return f"{percent(estimate.value, 1)} ({percent_interval(estimate, 1)})"


def _decimal(estimate: Estimate) -> str:
    return f"{decimal(estimate.value)} ({decimal_interval(estimate)})"


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {each}" for each in items)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
