"""The model card: its sections, its warnings, and figures that are those of the evaluation."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import torch

from cutis.data import manifest_frame
from cutis.evaluation import Evaluation, Predictions, evaluate
from cutis.models import ModelFacts, TrainingData, model_card, model_facts
from cutis.report import report_facts
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


def some_evaluation(seen: str | None = "no") -> Evaluation:
    rows = [
        {
            "image_id": f"i{n}",
            "lesion_id": f"l{n}",
            "source": "ham10000",
            "diagnosis": HAM7.classes[n % 7].nodes[0],
        }
        for n in range(70)
    ]
    values = np.random.default_rng(0).dirichlet(np.ones(7), size=70)
    known = None if seen is None else [seen] * 70
    predictions = Predictions([each["image_id"] for each in rows], values, HAM7, known)
    return evaluate(predictions, manifest_frame(rows), resamples=100)


def facts(**changed) -> ModelFacts:
    known = {
        "name": "cutis ham7",
        "summary": "Tells seven diagnoses apart.",
        "made": "2026-11-21",
        "cutis_version": "0.1.0",
        "architecture": "EfficientNet-Lite0",
        "recipe": "default",
        "classes": HAM7,
        "training_data": (
            TrainingData(name="HAM10000", images=7734, lesions=6033, license="CC BY-NC 4.0", source="Tschandl | 2018"),
        ),
        "protocol": "HAM-strict.",
        "license": "CC BY-NC 4.0",
        "citation": "Cite us.",
    }
    return ModelFacts.model_validate(known | changed)


def test_it_has_every_section_once_and_in_order():
    card = model_card(facts(evaluation=some_evaluation()))
    headings = [line for line in card.splitlines() if line.startswith("#")]
    assert headings == [
        "# cutis ham7", "## Model", "## Intended use", "## Not intended", "## Training data", "## Figures",
        "## Limits", "## How to cite",
    ]  # fmt: skip
    assert "not a medical device" in card
    assert "| HAM10000 | 7,734 | 6,033 | CC BY-NC 4.0 | Tschandl \\| 2018 |" in card
    assert card.endswith("Cite us.\n")


def test_its_figures_are_those_of_the_evaluation():
    evaluation = some_evaluation()
    card = model_card(facts(evaluation=evaluation))
    accuracy = evaluation.overall.accuracy
    assert f"| Accuracy | {100 * accuracy.value:.1f}% ({100 * accuracy.low:.1f}–{100 * accuracy.high:.1f}%) |" in card
    assert "70 images of 70 lesions (ham10000)" in card
    assert "not known whether" not in card
    assert "not known whether" in model_card(facts(evaluation=some_evaluation(seen=None)))


def test_no_figures_are_said_to_be_none():
    assert "No figures have been measured." in model_card(facts())


def test_synthetic_training_data_are_shouted():
    phantom = TrainingData(name="phantom", images=10, license="CC0", source="drawn", synthetic=True)
    card = model_card(facts(training_data=(phantom,)))
    assert card.index("**SYNTHETIC DATA.** All of its training data (phantom)") < card.index("## Model")
    assert "SYNTHETIC" not in model_card(facts())


def bundle(**about):
    """What the facts of a bundle are read from; a real one takes a network to train."""
    record = pl.DataFrame(
        {
            "source": ["phantom"] * 3 + ["ham10000"],
            "lesion_id": ["a", "a", "b", None],
            "role": ["train"] * 3 + ["val"],
        }
    )
    return SimpleNamespace(
        model=torch.nn.Linear(10, 7),
        classes=HAM7,
        recipe={
            "name": "demo",
            "seed": 3,
            "weights": "imagenet",
            "model": {"backbone": "lite0", "patient": ["age", "sex"]},
            "image": {"inference": [144, 192]},
            "schedule": {"epochs": 1},
        },
        calibration=SimpleNamespace(temperature=1.25, fitted_on="20 validation images", prior="uniform"),
        training_record=record,
        evaluation=some_evaluation().model_dump(mode="json"),
        about={"name": "ours", "created": "2026-11-21", "licenses": ["CC-0", "CC-BY-NC"]} | about,
    )


def test_a_bundle_tells_its_facts():
    told = report_facts(bundle())
    assert told["Model"] == "ours"
    assert told["Network"] == "lite0, 0.0 million parameters, images of 192 × 144 pixels, with age and sex where known"
    assert told["Training"] == "recipe 'demo', 1 epoch, from imagenet weights, seed 3 (in full: recipe.json)"
    assert told["Trained on"] == "3 images were learnt from and 1 used for validation"
    assert told["Licence of the training images"] == "CC-0 and CC-BY-NC"


def test_a_bundle_makes_a_card_and_what_is_known_better_wins():
    made = model_facts(bundle(), citation="Cite them.")
    assert [(each.name, each.images, each.lesions, each.synthetic) for each in made.training_data] == [
        ("phantom", 3, 2, True),
        ("ham10000", 1, None, False),
    ]
    assert made.evaluation == some_evaluation().model_copy(update={"evaluated_at": made.evaluation.evaluated_at})
    card = model_card(made)
    assert "Part of its training data (phantom)" in card
    assert card.endswith("Cite them.\n")
