"""The model card: its sections, its warnings, and figures that are those of the evaluation."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import torch

from cutis.data import manifest_frame
from cutis.evaluation import (
    Evaluation,
    IsotonicScaling,
    Predictions,
    TemperatureScaling,
    ThresholdRule,
    VectorScaling,
    choose_thresholds,
    evaluate,
    fit_conformal_sets,
)
from cutis.models import Calibration, ModelFacts, TrainingData, calibration_in_words, model_card, model_facts
from cutis.models.familiarity import FamiliarityFacts
from cutis.report import report_facts
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


def some_evaluation(seen: str | None = "no", *, strange: bool = False, **decisions) -> Evaluation:
    rows = [
        {
            "image_id": f"i{n}",
            "lesion_id": f"l{n}",
            "source": "ham10000",
            "diagnosis_node": HAM7.classes[n % 7].nodes[0],
        }
        for n in range(70)
    ]
    values = np.random.default_rng(0).dirichlet(np.ones(7), size=70)
    known = None if seen is None else [seen] * 70
    scores = np.linspace(-1, 1.5, 70) if strange else None
    predictions = Predictions([each["image_id"] for each in rows], values, HAM7, known, unfamiliarity=scores)
    return evaluate(predictions, manifest_frame(rows), resamples=100, **decisions)


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
        calibration=Calibration(scaling=TemperatureScaling(temperature=1.25), fitted_on="20 validation images"),
        thresholds=None,
        conformal=None,
        familiarity=None,
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


def some_answers(images=140, rare=20):
    """Truth and probabilities of 140 images; the last class has ``rare`` of them."""
    truth = np.minimum(np.arange(images) // 20, 6)
    truth[images - 20 : images - rare] = 0
    values = np.random.default_rng(1).dirichlet(np.ones(7), size=images) + np.eye(7)[truth]
    return truth, values / 2


def test_thresholds_are_listed_with_their_rates_and_what_they_rest_on():
    truth, values = some_answers(rare=0)
    thresholds = choose_thresholds(truth, values, HAM7, chosen_on="ham10000, validation, 140 images")
    card = model_card(facts(thresholds=thresholds))
    at = thresholds.classes["mel"]
    row = f"| Melanoma | {at.value:.3g} | {at.images} | {100 * at.sensitivity:.1f}% | {100 * at.specificity:.1f}% |"
    assert row in card
    assert "| Vascular lesion | never called | 0 | – | – |" in card
    assert (
        "Youden's index). Chosen on ham10000, validation, 140 images. The rates there are of these same images" in card
    )
    rule = ThresholdRule(kind="sensitivity", target=0.95)
    other = choose_thresholds(truth, values, HAM7, rule=rule, chosen_on="x")
    assert "chosen for the largest specificity at a sensitivity of 95% or more" in model_card(facts(thresholds=other))


def test_sets_are_told_with_what_they_promise_and_what_was_measured():
    truth, values = some_answers(rare=5)
    conformal = fit_conformal_sets(truth, values, HAM7, calibrated_on="ham10000, validation, 140 images, one a lesion")
    card = model_card(facts(conformal=conformal))
    assert "is made to hold the true diagnosis in 90% of the images of each diagnosis" in card
    assert "(ham10000, validation, 140 images, one a lesion)" in card
    assert "Every set holds Vascular lesion: too few calibration images" in card
    assert "| Vascular lesion | 5 |" in card
    assert "Its coverage elsewhere was not measured." in card


def test_what_thresholds_and_sets_gave_on_the_images_of_the_figures_is_beside_them():
    truth, values = some_answers()
    thresholds = choose_thresholds(truth, values, HAM7, chosen_on="x")
    conformal = fit_conformal_sets(truth, values, HAM7, calibrated_on="x")
    evaluation = some_evaluation(thresholds=thresholds, conformal=conformal)
    card = model_card(facts(thresholds=thresholds, conformal=conformal, evaluation=evaluation))
    at = next(each for each in evaluation.operating_points.by_class if each.id == "mel")
    assert f"% | {100 * at.sensitivity.value:.1f}% ({100 * at.sensitivity.low:.1f}–" in card
    mean = evaluation.conformal.overall
    assert f"| all | 70 | {100 * mean.coverage.value:.1f}% (" in card
    assert f"| {mean.mean_size:.2f} |" in card
    assert "not measured" not in card


def test_figures_on_validation_images_are_said_to_be_too_good():
    evaluation = some_evaluation()
    assert "somewhat too good" not in model_card(facts(evaluation=evaluation))
    on_validation = evaluation.model_copy(update={"subset": "val"})
    assert "These validation images also decided how probabilities are scaled" in model_card(
        facts(evaluation=on_validation)
    )


def test_the_bundles_decisions_are_on_its_card():
    truth, values = some_answers()
    thresholds = choose_thresholds(truth, values, HAM7, chosen_on="x")
    conformal = fit_conformal_sets(truth, values, HAM7, calibrated_on="x")
    made = model_facts(SimpleNamespace(**vars(bundle()) | {"thresholds": thresholds, "conformal": conformal}))
    assert (made.thresholds, made.conformal) == (thresholds, conformal)
    assert "Probabilities: softmax at temperature 1.25 (fitted on: 20 validation images)" in model_card(made)


def test_every_scaling_has_its_words():
    def words(scaling):
        return calibration_in_words(SimpleNamespace(calibration=Calibration(scaling=scaling, fitted_on="x")))

    assert words(TemperatureScaling(temperature=2)) == (
        "softmax at temperature 2 (fitted on: x), for a uniform distribution of diagnoses"
    )
    assert "vector scaling" in words(VectorScaling(scale=(1.0, 1.0), shift=(0.0, 0.0)))
    assert "isotonic scaling" in words(IsotonicScaling(said=((0.0, 1.0),) * 2, meant=((0.0, 1.0),) * 2))


def test_what_the_score_of_unfamiliarity_rests_on_is_told_and_what_it_is_worth_where_measured():
    rests_on = FamiliarityFacts(
        neighbours=10,
        fitted_on="clinic, training, 900 images, one a lesion",
        measured_on="clinic, validation, 80 images",
        median=0.5,
        limit_95=0.7,
        limit_99=0.8,
    )
    assert "How unfamiliar" not in model_card(facts())
    card = model_card(facts(familiarity=rests_on))
    assert "the 10th nearest of the training images that were kept (clinic, training, 900 images, one a lesion)" in card
    assert "95% of the validation images (clinic, validation, 80 images) stay below 1" in card
    evaluation = some_evaluation(strange=True)
    measured = model_card(facts(familiarity=rests_on, evaluation=evaluation))
    beyond = evaluation.unfamiliarity.overall.beyond
    assert f"Of the images of the figures above {100 * beyond.value:.1f}% (" in measured
