"""What a bundle tells of its model, in words: for the report's list of what was done, and the model card."""

from typing import TYPE_CHECKING, Any

from cutis import __version__
from cutis.evaluation import Evaluation
from cutis.report.model_card import ModelFacts, TrainingData
from cutis.report.page import SYNTHETIC_SOURCE
from cutis.report.wording import counted, joined

if TYPE_CHECKING:  # to describe a bundle one needs no torch, and `cutis evaluate` starts faster without
    from cutis.models import Bundle


def report_facts(bundle: "Bundle") -> dict[str, object]:
    """How the predictions of this bundle were made, for :func:`cutis.report.write_report`'s ``about``."""
    return {
        "Model": bundle.about.get("name", "not named"),
        "Network": _network(bundle),
        "Training": _training(bundle),
        "Trained on": _trained_on(bundle),
        "Licence of the training images": joined(bundle.about.get("licenses", [])) or "not named",
        "Probabilities": _calibration(bundle),
        "Training seed": bundle.recipe["seed"],
        "Trained": bundle.about.get("created"),
    }


def model_facts(bundle: "Bundle", **told: Any) -> ModelFacts:
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
            synthetic=source == SYNTHETIC_SOURCE,
        )
        for (source,), rows in record.group_by("source", maintain_order=True)
    )
    facts: dict[str, Any] = {
        "name": bundle.about.get("name", "unnamed"),
        "summary": f"Tells {len(bundle.classes.ids)} diagnoses of skin lesions apart from one image.",
        "made": bundle.about.get("created", "not known"),
        "cutis_version": __version__,
        "architecture": _network(bundle),
        "recipe": _training(bundle),
        "classes": bundle.classes,
        "training_data": data,
        "protocol": (
            f"Of these, {_trained_on(bundle)}. The bundle lists every image it has seen: "
            "`cutis predict` marks what shares a lesion or patient with them, `cutis evaluate` refuses it."
        ),
        "evaluation": Evaluation.model_validate(bundle.evaluation) if bundle.evaluation else None,
        "license": f"that of the training images ({licenses})",
        "citation": "Cite cutis (CITATION.cff) and the data sets above.",
    }
    return ModelFacts.model_validate(facts | told)


def _network(bundle: "Bundle") -> str:
    model, image = bundle.recipe["model"], bundle.recipe["image"]
    weights = sum(each.numel() for each in bundle.model.parameters())
    height, width = image["inference"]
    patient = f", with {joined(list(model['patient']))} where known" if model["patient"] else ""
    size = f"{weights / 1e6:.1f} million parameters"
    return f"{model['backbone']}, {size}, images of {width} × {height} pixels{patient}"


def _training(bundle: "Bundle") -> str:
    recipe = bundle.recipe
    start = "from a random start" if recipe["weights"] == "none" else f"from {recipe['weights']} weights"
    epochs = counted(recipe["schedule"]["epochs"], "epoch")
    return f"recipe '{recipe['name']}', {epochs}, {start}, seed {recipe['seed']} (in full: recipe.json)"


def _trained_on(bundle: "Bundle") -> str:
    roles = bundle.training_record["role"]
    learnt, checked = int((roles == "train").sum()), int((roles == "val").sum())
    return f"{counted(learnt, 'image')} were learnt from and {checked:,} used for validation"


def _calibration(bundle: "Bundle") -> str:
    calibration = bundle.calibration
    return (
        f"softmax at temperature {calibration.temperature:.3g} (fitted on: {calibration.fitted_on}), "
        f"for a {calibration.prior} distribution of diagnoses"
    )
