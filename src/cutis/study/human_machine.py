"""Human against machine: readers and a model on the same cases, in one ROC plot and as confusion matrices.

For a test that is to hold for other readers as well, see :func:`cutis.study.compare_with_standalone`.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from cutis.evaluation import (
    Estimate,
    Intervals,
    Predictions,
    RocBand,
    RocBandPoints,
    RocPoints,
    ScoredImages,
    binary_auc,
    bootstrap_band,
    clustered_bootstrap,
    clusters_of,
    confusion_matrix,
    estimated,
    malignancy_probability,
    predicted_class,
    roc_points,
)
from cutis.study.analysis import Part
from cutis.study.answered_cases import (
    answered_cases,
    check_both_kinds,
    check_same_classes,
    check_same_truth,
    kinds_of,
    named_answers,
    one_modality,
    rated_answers,
)
from cutis.study.reader_points import MeanPoint, Point, ReaderPoint, Sample, answers_point, reader_points
from cutis.study.readings import Bools, Floats, Readings, ReadingsError

_BAND_AT = np.unique(np.concatenate([np.linspace(0, 0.1, 51), np.linspace(0.1, 1, 91)]))
Answered = Readings | Mapping[str, Predictions]


class Matrix(Part):
    """Cases by truth (row) and answer (column), in the order of the comparison's ``labels``."""

    name: str
    counts: list[list[int]]


class ReaderComparison(Part):
    """Readers and a model on the same cases.

    Attributes:
        model: its name.
        positive: what counts as positive, in words.
        negative: what it was told from.
        modality: what the readers had before them; None where their answers came as predictions.
        threshold: a rating this high or higher calls the case positive; None for answers of 0 and 1 and for classes.
        cases: how many were read, those of both kinds together.
        positives: how many are positive.
        negatives: how many are not.
        left_out: cases that are of neither kind, or of no class of the model.
        auc: the model's, over all cases.
        roc: the model's ROC curve over all cases.
        band: a simultaneous band of it (Campbell 1994); None with fewer than two patients or lesions.
        answers: the point of the model's own answers.
        readers: each reader's point.
        mean: the mean point.
        on_or_above: how many readers stand on or above the model's curve.
        below: how many stand below it.
        outside_band: how many stand outside the band; None without one.
        labels: what the confusion matrices tell apart.
        matrices: of the model's answers, of all readers together, and of each reader.
        intervals: how the intervals of differences were made.
        warnings: what must be known, in words.
    """

    model: str
    positive: str
    negative: str
    modality: str | None
    threshold: float | None
    cases: int
    positives: int
    negatives: int
    left_out: int
    auc: Estimate
    roc: RocPoints
    band: RocBandPoints | None
    answers: Point
    readers: list[ReaderPoint]
    mean: MeanPoint
    on_or_above: int
    below: int
    outside_band: int | None
    labels: list[str]
    matrices: list[Matrix]
    intervals: Intervals
    warnings: list[str]


def compare_with_readers(
    model: Predictions,
    manifest: pl.DataFrame,
    readers: Answered,
    *,
    name: str = "Model",
    positive: str | None = None,
    modality: str | None = None,
    threshold: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> ReaderComparison:
    """Readers' points, their mean and the model's ROC curve on the cases that were read, and confusion matrices.

    Args:
        model: its predictions; of every case that was read.
        manifest: as :func:`cutis.data.read_manifest` gives it; it holds the truth. A case is an ``image_id``.
        readers: readings, or each reader's answers as predictions of the model's classes (the largest is the answer).
        name: the model's.
        positive: the class that is looked for; None takes malignant and premalignant against benign classes.
        modality: of the readings; needed where there are several.
        threshold: a rating this high or higher calls the case positive; needed where ratings are not 0 and 1.
        resamples: of the bootstrap, 100 or more: whole patients where known, else lesions, else images. Readers are
            not resampled: the intervals are for these readers on other cases.
        seed: of the bootstrap.
        confidence: of the intervals.

    Raises:
        ReadingsError: a case is not in the manifest or is excluded there, was not predicted, or has another truth
            there; a modality or threshold is missing; a reader read no positive or no negative case; answers are of
            other classes; resamples or confidence out of range.
        PredictionsError: as :func:`cutis.evaluation.scored_images`.
        LeakError: the model was trained on a case.
    """
    if resamples < 100 or not 0 < confidence < 1:
        raise ReadingsError(
            f"no interval comes of {resamples} resamples and confidence {confidence:g}",
            fix="Take 100 resamples or more and a confidence between 0 and 1.",
        )
    classes = model.classes
    kinds = kinds_of(classes, positive)
    if isinstance(readers, Readings):
        readers = one_modality(readers, modality)
        modality = readers.modalities[0]
        if threshold is None and not readers.binary:
            raise ReadingsError(
                "there are ratings other than 0 and 1", fix="Say from which rating on a case is called (--threshold)."
            )
        read = readers.cases
    else:
        check_same_classes(readers, classes)
        if modality is not None or threshold is not None:
            raise ReadingsError("predictions have no modality and no rating threshold", fix="Leave them out.")
        read = list(dict.fromkeys(each for answered in readers.values() for each in answered.image_ids))
    scored, warnings = answered_cases(model, manifest, read)
    kept = (kinds.positive | kinds.negative)[scored.truth]
    truth, ill = scored.truth[kept], kinds.positive[scored.truth[kept]]
    probabilities = scored.probabilities[kept]
    frame = scored.frame.filter(pl.Series(kept))
    if isinstance(readers, Readings):
        check_same_truth(readers, frame["image_id"].to_list(), ill)
        answers = rated_answers(readers, frame["image_id"].to_list(), 1.0 if threshold is None else threshold)
        labels = list(kinds.words)
    else:
        answers = {
            reader: named_answers(answered, frame["image_id"].to_list(), kinds.positive)
            for reader, answered in readers.items()
        }
        labels = [each.name for each in classes.classes]
    check_both_kinds(answers, ill)
    clusters = clusters_of(frame)
    score = malignancy_probability(probabilities, kinds.positive)
    sample = Sample(ill, score, clusters.number)
    several = clusters.cases > 1
    band = auc_spread = None
    if several:
        band = bootstrap_band(
            ill, score, clusters.number.tolist(), resamples=resamples, seed=seed, confidence=confidence
        )
        auc_spread = clustered_bootstrap(
            lambda weights: {"auc": binary_auc(ill, score, weights)}, clusters.number, resamples=resamples, seed=seed
        )["auc"]
    points, mean = reader_points(sample, answers, band, resamples=resamples, seed=seed, confidence=confidence)
    called = kinds.positive[predicted_class(probabilities)]
    if isinstance(readers, Readings):
        matrices = [_matrix(name, (~ill).astype(int), (~called).astype(int), 2)]
        matrices += [_of_answers(reader, given, ill) for reader, given in answers.items()]
    else:
        matrices = [_matrix(name, scored.truth, predicted_class(scored.probabilities), len(classes.ids))]
        matrices += [_of_classes(reader, answered, scored) for reader, answered in readers.items()]
    matrices.insert(1, _pooled(matrices[1:]))
    if any(np.isnan(given).any() for given in answers.values()):
        warnings.append("Not every reader read every case: each is set against the model on the reader's own cases.")
    return ReaderComparison(
        model=name,
        positive=kinds.words[0],
        negative=kinds.words[1],
        modality=modality,
        threshold=threshold,
        cases=len(truth),
        positives=int(ill.sum()),
        negatives=int((~ill).sum()),
        left_out=len(read) - len(truth),
        auc=estimated(float(binary_auc(ill, score)), auc_spread, confidence),
        roc=roc_points(ill, score),
        band=None if band is None else _band_points(band),
        answers=answers_point(called, ill, clusters.number, confidence),
        readers=points,
        mean=mean,
        on_or_above=sum(each.position != "below" for each in points),
        below=sum(each.position == "below" for each in points),
        outside_band=None if band is None else sum(each.in_band is False for each in points),
        labels=labels,
        matrices=matrices,
        intervals=Intervals(
            method="percentile bootstrap of whole clusters (patient where known, else lesion, else image), "
            "readers fixed",
            clusters=clusters.kinds,
            resamples=resamples,
            seed=seed,
            confidence=confidence,
        ),
        warnings=warnings,
    )


def _matrix(name: str, truth: np.ndarray, answer: np.ndarray, count: int) -> Matrix:
    return Matrix(name=name, counts=confusion_matrix(truth, answer, count).astype(int).tolist())


def _of_answers(reader: str, given: Floats, ill: Bools) -> Matrix:
    read = ~np.isnan(given)
    return _matrix(reader, (~ill[read]).astype(int), (given[read] == 0).astype(int), 2)


def _of_classes(reader: str, answered: Predictions, scored: ScoredImages) -> Matrix:
    place = {image_id: row for row, image_id in enumerate(answered.image_ids)}
    rows = [(k, place[each]) for k, each in enumerate(scored.frame["image_id"]) if each in place]
    mine, theirs = (np.array(each, dtype=np.int64) for each in zip(*rows, strict=True))
    answers = predicted_class(answered.probabilities[theirs])
    return _matrix(reader, scored.truth[mine], answers, answered.probabilities.shape[1])


def _pooled(matrices: Iterable[Matrix]) -> Matrix:
    return Matrix(name="All readers", counts=np.sum([each.counts for each in matrices], axis=0).tolist())


def _band_points(band: RocBand) -> RocBandPoints:
    low, high = (np.interp(_BAND_AT, band.false_positive_rate, each) for each in (band.low, band.high))
    return RocBandPoints(
        false_positive_rate=_BAND_AT.round(4).tolist(), low=low.round(5).tolist(), high=high.round(5).tolist()
    )
