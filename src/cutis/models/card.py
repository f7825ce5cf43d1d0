"""The model card: what a model is for, what it saw, how well it does, where it fails (arXiv:1810.03993)."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from cutis import __version__
from cutis.data import PHANTOM_SOURCE
from cutis.evaluation import (
    Estimate,
    Evaluation,
    counted,
    decimal,
    decimal_interval,
    joined,
    percent,
    percent_interval,
)
from cutis.models.bundle import Bundle
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
    license: str
    citation: str
    intended_use: tuple[str, ...] = INTENDED_USE
    not_intended: tuple[str, ...] = NOT_INTENDED
    limits: tuple[str, ...] = LIMITS


def model_facts(bundle: Bundle, **told: Any) -> ModelFacts:
    """The facts of a model card as far as the bundle knows them.

    Args:
        bundle: the model; its figures are those on its validation images.
        told: fields of :class:`ModelFacts` that are known better, e.g. ``evaluation`` on a test set,
            ``citation``.
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
    return (
        f"softmax at temperature {calibration.temperature:.3g} (fitted on: {calibration.fitted_on}), "
        f"for a {calibration.prior} distribution of diagnoses"
    )


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
    ]


def _percent(estimate: Estimate) -> str:
    return f"{percent(estimate.value, 1)} ({percent_interval(estimate, 1)})"


def _decimal(estimate: Estimate) -> str:
    return f"{decimal(estimate.value)} ({decimal_interval(estimate)})"


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {each}" for each in items)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
