"""Predictions measured against a manifest: every figure with an interval."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl

from cutis import __version__
from cutis.errors import PredictionsError, listed
from cutis.evaluation.arrays import Counts, Floats, row_blocks
from cutis.evaluation.by_class import Answers, ClassResult
from cutis.evaluation.challenge import isic2018_scores
from cutis.evaluation.conformal import ConformalResult, ConformalSets, conformal_result
from cutis.evaluation.estimate import Intervals, resampled_counts
from cutis.evaluation.group_thresholds import AtGroupThresholds, GroupThresholds
from cutis.evaluation.leakage import AuditFindings, leakage
from cutis.evaluation.malignancy import MalignancyScores
from cutis.evaluation.operating_points import AtThresholds
from cutis.evaluation.other_diseases import RestClass
from cutis.evaluation.predictions import Predictions
from cutis.evaluation.refusal import Refusals
from cutis.evaluation.reliability import Reliability
from cutis.evaluation.result import ChallengeFigures, Evaluation, OutsideClasses
from cutis.evaluation.scored import (
    FEW_CLUSTERS,
    FEW_IMAGES,
    Clusters,
    ScoredImages,
    clusters_of,
    distinct,
    scored_images,
)
from cutis.evaluation.subgroup_names import recorded_columns, subgroups_of
from cutis.evaluation.subgroups import Subgroups
from cutis.evaluation.thresholds import Thresholds
from cutis.taxonomy import ClassSet, class_set

LEAST_RESAMPLES = 200
"""So many are made of however many images: fewer would leave an interval's ends to chance."""
MOST_RESAMPLED = 2_000_000_000
"""Images × resamples beyond which fewer resamples are made than were asked for: 1 million images × 2,000. With so many
images an interval is narrow, and its ends need to be known less well."""
DECISION = "The answer is the class of the largest probability; where two are largest, the one that stands first."


def evaluate(
    predictions: Predictions,
    manifest: pl.DataFrame,
    *,
    subset: str | None = None,
    at: ClassSet | None = None,
    thresholds: Thresholds | None = None,
    conformal: ConformalSets | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    audit: AuditFindings | None = None,
    allow_leak: str | None = None,
    group_thresholds: GroupThresholds | None = None,
) -> Evaluation:
    """Measure predictions against a manifest.

    The truth of an image is the class that holds its diagnosis. Images whose diagnosis no class holds are
    counted and not scored. Intervals are percentiles of a bootstrap that resamples whole patients where they
    are known, else lesions, else images.

    Args:
        predictions: one probability a class and image, of whatever origin.
        manifest: as :func:`cutis.data.read_manifest` gives it.
        subset: ``"train"``, ``"val"`` or ``"test"``; None takes ``"test"`` if the manifest has it, else
            every row that is not ``"excluded"``.
        at: coarser classes to measure at; see :meth:`Predictions.rolled_up`. None takes the predictions' own.
        thresholds: chosen on other images, of the classes measured at.
        conformal: prediction sets calibrated on other images, of the classes measured at.
        resamples: of the bootstrap, 100 or more; :func:`resamples_made` says how many are made of very many images.
        seed: of the bootstrap; the same seed gives the same intervals.
        confidence: what the intervals should cover, between 0 and 1.
        audit: what an audit of the images found (:func:`cutis.audit.audit_findings`).
        allow_leak: why to measure although the model has seen what it is measured on; the report prints it.
        group_thresholds: thresholds of groups' own (:func:`cutis.evaluation.choose_group_thresholds`), chosen on other
            images, of the classes measured at.

    Raises:
        PredictionsError: predictions and manifest do not match, no evaluated image belongs to any class, or
            thresholds or prediction sets are of other classes.
        TaxonomyError: the predictions cannot be rolled up to ``at``.
        LeakError: the model was trained on an evaluated image, its lesion, patient or group, or by the audit a group
            of images stands on both sides; not where ``allow_leak`` says why.
    """
    if allow_leak is not None and not allow_leak.strip():
        raise PredictionsError("no reason is given for allowing a leak", fix="Say why in a few words.")
    if resamples < 100:
        raise PredictionsError(
            f"{resamples} resamples are too few for an interval", fix="Take 100 or more, best 2,000."
        )
    if not 0 < confidence < 1:
        raise PredictionsError(f"confidence {confidence:g} is not between 0 and 1", fix="Take 0.95.")
    if at is not None:
        predictions = predictions.rolled_up(at)
    classes = predictions.classes
    scored = scored_images(predictions, manifest, subset=subset, allow_leaks=allow_leak is not None)
    leaks = leakage(
        scored.frame,
        scored.leaks,
        audit,
        subset=scored.subset,
        allowed=allow_leak,
        not_listed=scored.leaks_not_listed,
    )
    clusters = clusters_of(scored.frame)
    answers = Answers(scored, classes, independent=clusters.cases == len(scored.truth))
    reliability = Reliability(scored, classes)
    malignancy = MalignancyScores(scored, classes) if MalignancyScores.known(scored, classes) else None
    points = AtThresholds(scored, classes, thresholds) if thresholds is not None else None
    rest = RestClass(scored, classes) if classes.rest is not None else None
    refusals = Refusals(scored) if scored.unfamiliarity is not None else None
    grouped = AtGroupThresholds(scored, classes, group_thresholds) if group_thresholds is not None else None
    subgroups = Subgroups(scored, classes, ranked=answers.ranked, cases=clusters.number)
    every = (answers, reliability, malignancy, points, rest, refusals, grouped, subgroups)
    sections = [each for each in every if each is not None]

    def statistics(weights: Counts) -> dict[str, Floats]:
        return {name: values for section in sections for name, values in section.statistics(weights).items()}

    made = resamples_made(resamples, len(scored.truth))
    told = resampled_counts(
        statistics, clusters.number, resamples=made, seed=seed, confidence=confidence, width=subgroups.width
    )
    by_class = answers.by_class(told)
    tied = _tied(scored.probabilities)
    return Evaluation(
        cutis_version=__version__,
        evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        classes=classes,
        predicted_classes=predictions.rolled_up_from or classes,
        subset=scored.subset,
        sources=_counts(scored.frame["source"].fill_null("(not named)")),
        licenses=scored.frame["license"].drop_nulls().unique().cast(pl.String).sort().to_list(),
        images=len(scored.frame),
        lesions=distinct(scored.frame, "lesion_id"),
        patients=distinct(scored.frame, "patient_id"),
        training_data_known=bool(scored.seen_known.all()),
        leakage=leaks,
        decision=DECISION,
        tied_images=tied,
        overall=answers.overall(told),
        by_class=by_class,
        confusion=answers.confusion(told),
        malignancy=None if malignancy is None else malignancy.result(told, len(scored.truth)),
        calibration=reliability.result(told),
        subgroups=subgroups.result(told),
        other=None if rest is None else rest.result(told),
        operating_points=None if points is None else points.result(told),
        conformal=None if conformal is None else _conformal(scored, classes, clusters, conformal, confidence),
        challenge=_challenge(scored, classes),
        outside_classes=OutsideClasses(images=sum(scored.outside.values()), words=scored.outside),
        predictions_not_evaluated=scored.not_evaluated,
        intervals=Intervals(
            method="percentile bootstrap of whole clusters (patient where known, else lesion, else image)",
            clusters=clusters.kinds,
            resamples=made,
            seed=seed,
            confidence=confidence,
            resamples_asked=None if made == resamples else resamples,
        ),
        warnings=_warnings(scored, by_class, clusters.cases, tied, None if made == resamples else (resamples, made)),
        group_thresholds=None if grouped is None else grouped.result(told),
        unfamiliarity=None if refusals is None else refusals.result(told, resamples=made, seed=seed),
    )


def resamples_made(asked: int, images: int) -> int:
    """How many resamples an evaluation makes: images × resamples up to 2,000,000,000, but never fewer than 200.

    Example:
        >>> resamples_made(2000, 1_000_000), resamples_made(2000, 10_000_000)
        (2000, 200)
    """
    return min(asked, max(LEAST_RESAMPLES, MOST_RESAMPLED // images))


def _conformal(
    scored: ScoredImages, classes: ClassSet, clusters: Clusters, conformal: ConformalSets, confidence: float
) -> ConformalResult:
    if set(conformal.limits) != set(classes.ids):
        raise PredictionsError(
            f"the prediction sets are of {listed(list(conformal.limits))}, evaluated are {listed(classes.ids)}",
            fix="Give prediction sets of these classes, or none.",
        )
    in_order = {class_id: conformal.limits[class_id] for class_id in classes.ids}
    return conformal_result(
        scored.truth,
        scored.probabilities,
        conformal.model_copy(update={"limits": in_order}),
        groups={column: subgroups_of(scored.frame, column) for column in recorded_columns(scored.frame)},
        clusters=clusters.number,
        confidence=confidence,
    )


def _challenge(scored: ScoredImages, classes: ClassSet) -> ChallengeFigures | None:
    if classes.ids != class_set("ham7").ids:
        return None
    truth = np.eye(len(classes.ids), dtype=bool)[scored.truth]
    return ChallengeFigures.of(isic2018_scores(truth, scored.probabilities, classes.ids))


def _tied(probabilities: Floats) -> int:
    """How many images have several largest probabilities."""
    tied = 0
    for rows in row_blocks(*probabilities.shape):
        largest = probabilities[rows].max(axis=1, keepdims=True)
        tied += int(((probabilities[rows] == largest).sum(axis=1) > 1).sum())
    return tied


def _counts(column: pl.Series) -> dict[str, int]:
    counts = column.alias("value").value_counts().with_columns(pl.col("value").cast(pl.String))
    counted = counts.sort("count", "value", descending=[True, False])
    return dict(counted.iter_rows())


def _warnings(
    scored: ScoredImages,
    by_class: Sequence[ClassResult],
    clusters: int,
    tied: int,
    fewer_resamples: tuple[int, int] | None,
) -> list[str]:
    told = []
    unknown = int((~scored.seen_known).sum())
    if unknown:
        told.append(
            f"For {unknown:,} of the {len(scored.frame):,} images it is not known whether the model was "
            "trained on them or on others of the same lesions or patients. If so, these figures are too good."
        )
    if scored.subset != "test":
        training = int((scored.frame["subset"] == "train").sum())
        if training:
            told.append(f"{training:,} of the images are marked 'train' in the manifest: this is no test.")
    if scored.without_subset:
        told.append(f"{scored.without_subset:,} rows of the manifest belong to no subset and were not evaluated.")
    if clusters < FEW_CLUSTERS:
        told.append(f"There are only {clusters} independent cases: the intervals are likely too narrow.")
    if fewer_resamples is not None:
        asked, made = fewer_resamples
        told.append(
            f"The intervals rest on {made:,} resamples, not on the {asked:,} asked for: there are "
            f"{len(scored.frame):,} images. Their ends are known less well for it, but they lie close together."
        )
    absent = [each.name for each in by_class if not each.images]
    if absent:
        told.append(f"No image shows {', '.join(absent)}: no sensitivity, no AUC, and no part in the macro means.")
    few = [f"{each.name} ({each.images})" for each in by_class if 0 < each.images < FEW_IMAGES]
    if few:
        told.append(f"Few images: {', '.join(few)}. One image more or less moves their figures by over 10 points.")
    if tied:
        told.append(f"In {tied:,} images two or more classes share the largest probability: the first was taken.")
    return told
