"""What turns a network's outputs into answers, fitted on validation images: scaling, thresholds, sets, limits.

Scaling and thresholds are fitted on all validation images, and so the figures of ``evaluation.json`` and the rates of
``thresholds.json``, measured on them too, are somewhat too good.

Conformal sets promise a coverage, and a promise may not rest on images that shaped what is promised. So the images are
cut into two halves, whole lesions and patients together, and each half gets the probabilities of a scaling fitted on
the other half (cross-conformal prediction, Vovk 2015, Ann Math Artif Intell 74:9, doi:10.1007/s10472-013-9368-4). No
image is then judged by a scaling that it helped to fit, and yet all of them count: where a diagnosis has ten validation
images, giving half of them away would leave too few to promise anything. The promise is exact but for the difference
between the halves' scalings and that of the whole. In simulations (tests/training/test_calibrate.py) the coverage is
what was promised, where isotonic curves fitted and calibrated on the same images fall short of it.

How unfamiliar an image is, is its distance to training images; validation images, of which the network learnt nothing,
say how far is usual.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.data import split
from cutis.errors import ManifestError, listed
from cutis.evaluation import (
    ConformalSets,
    Predictions,
    Scaling,
    choose_thresholds,
    counted,
    evaluate,
    fit_conformal_sets,
    fit_isotonic_scaling,
    fit_temperature_scaling,
    fit_vector_scaling,
    joined,
)
from cutis.models import (
    TRAINING_RECORD_COLUMNS,
    Bundle,
    Calibration,
    Outputs,
    manifest_outputs,
    measured_familiarity,
    model_card,
    model_facts,
)
from cutis.taxonomy import ClassSet, class_labels
from cutis.training.familiarity import Distances, Learnt, kept_images, learnt_features
from cutis.training.recipe import CalibrationKind, Recipe, parse_recipe

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FEWEST_CASES = 20
"""Independent cases below which no sets are made: scalings of halves of ten and fewer are chance."""

_FITS: dict[CalibrationKind, Callable[..., Scaling]] = {
    "temperature": fit_temperature_scaling,
    "vector": fit_vector_scaling,
    "isotonic": fit_isotonic_scaling,
}


def calibrate(
    bundle: Bundle,
    validation: pl.DataFrame,
    *,
    kind: CalibrationKind | None = None,
    coverage: float = 0.9,
    training: pl.DataFrame | None = None,
    progress: Callable[[int], None] | None = None,
) -> Bundle:
    """Fit a bundle's scaling, thresholds, conformal sets and limits of the familiar anew; renew its figures and card.

    For a bundle made before cutis chose thresholds, or for the images of another clinic. The weights stay as they are.
    Nothing is written: see :func:`cutis.models.save_bundle`.

    Args:
        bundle: the model.
        validation: manifest rows, with whole image paths, that the model did not learn from. They enter the bundle's
            training record as ``val``, so that later figures on them are refused. Rows of diagnoses that are no class
            are not used.
        kind: of scaling; None for what the bundle's recipe says.
        coverage: what conformal sets promise, between 0 and 1.
        training: manifest rows, with whole image paths, that the model learnt from, from which its score of
            unfamiliarity is fitted (up to ``MOST_IMAGES`` of them are used). None keeps the images that the bundle
            has, and measures anew how far from them is usual; a bundle without any gets no score.
        progress: called with the number of images just finished.

    Raises:
        ManifestError: rows are of a test set or excluded, or show too little (no class, or too few lesions of one for
            this kind); or the model did not learn from some of ``training``.
        LeakError: the model learnt from one of the images, its lesion, patient or group.
        ImageError: rows without an image, or unreadable images.
    """
    kept_out = validation.filter(pl.col("subset").is_in(["test", "excluded"]))
    if len(kept_out):
        raise ManifestError(
            f"{len(kept_out):,} of {len(validation):,} rows to calibrate on are of subset test or excluded",
            fix="A test set decides nothing: give validation rows.",
        )
    check_validation(validation, bundle.classes, kind or parse_recipe(bundle.recipe).calibration)
    record = bundle.training_record.filter(pl.col("role") == "train")
    bare = replace(bundle, training_record=record, familiarity=None)
    learnt = _learnt(bundle, bare, training, progress)
    if learnt is None:
        return calibrated(bundle, validation, manifest_outputs(bare, validation, progress), kind, coverage)
    parts: list[Floats] = []
    outputs = manifest_outputs(
        bare, validation, progress, read_features=lambda features: parts.append(learnt.neighbours.scores(features))
    )
    return calibrated(bundle, validation, outputs, kind, coverage, Distances(learnt, np.concatenate(parts)))


def calibrated(
    bundle: Bundle,
    validation: pl.DataFrame,
    outputs: Outputs,
    kind: CalibrationKind | None = None,
    coverage: float = 0.9,
    distances: Distances | None = None,
) -> Bundle:
    """As :func:`calibrate`, from the network's outputs for the validation rows.

    ``distances`` are theirs from what was learnt; None leaves the bundle's score of unfamiliarity as it is.
    """
    recipe = parse_recipe(bundle.recipe)
    rows = validation.with_columns(subset=pl.lit("val"))
    truth, known = _truth(rows, bundle.classes)
    fit = partial(_FITS[kind or recipe.calibration], prior=prior_of(recipe))
    words = _in_words(rows.filter(known))
    calibration = Calibration(scaling=fit(outputs.logits[known], truth[known]), prior=prior_of(recipe), fitted_on=words)
    probabilities = calibration.probabilities(outputs.logits)
    familiarity, strange = bundle.familiarity, None
    if distances is not None:
        familiarity = measured_familiarity(
            distances.learnt.neighbours,
            distances.values[known],
            fitted_on=distances.learnt.images,
            measured_on=words,
        )
        strange = None if familiarity is None else familiarity.scaled(distances.values)
    predictions = Predictions(
        rows["image_id"].to_list(), probabilities, bundle.classes, outputs.seen, unfamiliarity=strange
    )
    record = _recorded(bundle.training_record, rows, outputs.keys)
    renewed = replace(
        bundle,
        evaluation=evaluate(predictions, rows, subset="val").model_dump(mode="json"),
        calibration=calibration,
        thresholds=choose_thresholds(truth[known], probabilities[known], bundle.classes, chosen_on=words),
        conformal=conformal_sets(
            rows.filter(known), truth[known], outputs.logits[known], bundle.classes, fit, coverage=coverage
        ),
        familiarity=familiarity,
        training_record=record,
        about=bundle.about | {"validation_images": int((record["role"] == "val").sum())},
    )
    return replace(renewed, card=model_card(model_facts(renewed)))


def conformal_sets(
    rows: pl.DataFrame,
    truth: Ints,
    logits: Floats,
    classes: ClassSet,
    fit: Callable[[Floats, Ints], Scaling],
    *,
    coverage: float,
) -> ConformalSets | None:
    """Sets calibrated across two halves of the rows, as this module's first lines tell.

    One image of each lesion counts, drawn at random: images of one lesion are no two cases. Each class with enough
    cases has its own promise; those with too few share one among themselves, so that not every set holds them.

    Args:
        rows: N manifest rows.
        truth: N class numbers.
        logits: N × K.
        classes: the K classes.
        fit: makes a scaling from logits and class numbers.
        coverage: to promise.

    Returns:
        The sets; None with fewer than ``FEWEST_CASES`` independent cases.
    """
    lesion = _first_of_each_lesion(rows)
    half = _halves(rows, truth)
    if half is None:
        return None
    probabilities = np.where(
        half[:, None],
        fit(logits[~half], truth[~half]).probabilities(logits),
        fit(logits[half], truth[half]).probabilities(logits),
    )[lesion]
    truth = truth[lesion]
    words = f"{_in_words(rows[lesion])}, one a lesion"
    own = fit_conformal_sets(truth, probabilities, classes, coverage=coverage, calibrated_on=words)
    few = own.always_included
    if not few:
        return own
    of_few = np.isin(truth, [classes.ids.index(each) for each in few])
    if of_few.all():
        return fit_conformal_sets(
            truth, probabilities, classes, coverage=coverage, class_conditional=False, calibrated_on=words
        )
    if len(few) == 1 or not of_few.any():
        return own
    together = fit_conformal_sets(
        truth[of_few], probabilities[of_few], classes, coverage=coverage, class_conditional=False, calibrated_on=words
    )
    return own.model_copy(
        update={
            "limits": own.limits | {each: together.limits[each] for each in few},
            "calibration_images": own.calibration_images | {each: together.calibration_images[each] for each in few},
            "calibrated_on": f"{words}; {joined(list(few))} together, as there are too few of each",
        }
    )


def check_validation(rows: pl.DataFrame, classes: ClassSet, kind: CalibrationKind) -> None:
    """Raise ManifestError if validation rows show too little to calibrate on: told before a training, not after it."""
    truth, known = _truth(rows, classes)
    if not known.any():
        raise ManifestError(
            f"none of {len(rows):,} validation images has a diagnosis of one class of '{classes.name}'",
            fix="Put labelled images into subset val.",
        )
    if kind == "temperature":
        return
    half = _halves(rows.filter(known), truth[known])
    thin = [
        class_id
        for k, class_id in enumerate(classes.ids)
        if not (truth == k).any() or (half is not None and len(set(half[truth[known] == k])) < 2)
    ]
    if thin:
        raise ManifestError(
            f"calibration '{kind}' needs two validation lesions or more of each class; too few of {listed(thin)}",
            fix="Set more aside for validation, or take calibration=temperature.",
        )


def _learnt(
    bundle: Bundle, bare: Bundle, training: pl.DataFrame | None, progress: Callable[[int], None] | None
) -> Learnt | None:
    """The training images to measure distances to: the bundle's own, or those of the rows given."""
    if training is None:
        own = bundle.familiarity
        return None if own is None else Learnt(own.learnt, own.facts.fitted_on)
    other = training.join(bare.training_record, on=["source", "image_id"], how="anti", nulls_equal=True)
    if len(other):
        named = listed(other["image_id"].to_list())
        raise ManifestError(
            f"the model did not learn from {len(other):,} of {len(training):,} rows: {named}",
            fix="Give rows that it was trained on.",
        )
    kept = training[kept_images(training)]
    parts: list[npt.NDArray[np.float32]] = []
    manifest_outputs(bare, kept, progress, read_features=parts.append)
    return learnt_features(kept, np.concatenate(parts))


def prior_of(recipe: Recipe) -> Literal["uniform", "training"]:
    """Which class distribution the recipe's bare logits are for: even if the loss or the sampling evens the classes."""
    even = recipe.loss.logit_adjustment == 1 or recipe.sampling.balance == 1 or recipe.loss.class_weight_power == 1
    return "uniform" if even else "training"


def _truth(rows: pl.DataFrame, classes: ClassSet) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Class numbers of N rows, and whether each is one class: not outside, and not above them."""
    label = class_labels(classes, rows["diagnosis_node"].to_list(), rows["source_diagnosis"].to_list()).label
    return label, (label >= 0) & (label < len(classes.ids))


def _halves(rows: pl.DataFrame, truth: Ints) -> npt.NDArray[np.bool_] | None:
    """Which rows are of the second half, whole lesions and patients; None where there are too few."""
    cases = rows.select(pl.coalesce("patient_id", "lesion_id", "image_id")).to_series().n_unique()
    if cases < FEWEST_CASES:
        return None
    # Not the manifest's own group: it may be a clinic, and all validation images of one.
    by = [each for each in ("lesion_id", "patient_id") if rows[each].null_count() < len(rows)] or ["image_id"]
    halves = split(rows.with_columns(class_number=pl.Series(truth)), by=by, folds=2, seed=0, stratify="class_number")
    return np.asarray(halves["fold"].to_numpy() == 1)


def _first_of_each_lesion(rows: pl.DataFrame) -> Ints:
    """The row numbers of one image of each lesion, drawn at random but always the same; rising."""
    drawn = np.random.default_rng(0).permutation(len(rows))
    image = pl.when(pl.col("lesion_id").is_null()).then("image_id")
    table = rows.select("source", "lesion_id", image=image)[drawn].with_columns(row=pl.Series(drawn))
    first = table.unique(["source", "lesion_id", "image"], keep="first", maintain_order=True)
    return np.sort(first["row"].to_numpy())


def _in_words(rows: pl.DataFrame) -> str:
    """``"ham10000, validation, 774 images"``."""
    return f"{', '.join([*sorted(set(rows['source'].drop_nulls())), 'validation'])}, {counted(len(rows), 'image')}"


def _recorded(record: pl.DataFrame, rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The training record with the rows that are not yet in it, as validation images."""
    here = rows.with_columns(content_key=pl.Series(keys), role=pl.lit("val")).select(TRAINING_RECORD_COLUMNS)
    new = here.join(record, on=["source", "image_id", "content_key"], how="anti", nulls_equal=True)
    return pl.concat([record.select(TRAINING_RECORD_COLUMNS), new], how="vertical_relaxed")
