"""Which images are scored and what they truly show: predictions and manifest brought together, or refused."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from cutis.data import SUBSETS, check_split
from cutis.errors import LeakError, PredictionsError, SplitError, listed
from cutis.evaluation.arrays import Bools, Floats, Ints
from cutis.evaluation.leakage import Leak
from cutis.evaluation.predictions import SEEN_IN_TRAINING, Predictions
from cutis.taxonomy import class_labels

FEW_IMAGES = 10
"""Below this, one image moves a class's sensitivity by 10 points or more."""
FEW_CLUSTERS = 30
"""Below this, percentile intervals are known to be too narrow."""
_NO_DIAGNOSIS = "(no diagnosis)"


class UnseenImages(NamedTuple):
    """Evaluated images of a diagnosis that no class holds: what their model could not have learnt.

    ``frame`` is M manifest rows, ``probabilities`` M×K, ``unfamiliarity`` M, all known.
    """

    frame: pl.DataFrame
    probabilities: Floats
    unfamiliarity: Floats


@dataclass(frozen=True)
class ScoredImages:
    """The images of an evaluation.

    Attributes:
        frame: N manifest rows, in the manifest's order.
        truth: N class numbers.
        probabilities: N×K.
        seen_known: N, whether what the model saw of the row in training is known (nothing of it, or ``leaks`` says).
        subset: the subset they are, None for all rows.
        outside: evaluated images without a class, by word.
        not_evaluated: predictions for other rows of the manifest.
        without_subset: manifest rows that were left out because they belong to no subset.
        leaks: what the model has seen, or the manifest has on both sides; there are some only where they are allowed.
        unfamiliarity: N, NaN where not known; None where no image's is.
        unseen: evaluated images of a diagnosis that is no class, those of them that have an unfamiliarity; None where
            there is none.
    """

    frame: pl.DataFrame
    truth: Ints
    probabilities: Floats
    seen_known: Bools
    subset: str | None
    outside: dict[str, int]
    not_evaluated: int
    without_subset: int
    leaks: list[Leak]
    unfamiliarity: Floats | None = None
    unseen: UnseenImages | None = None


class Clusters(NamedTuple):
    """What is resampled as a whole: the number of each of N images' cluster, and how many there are of each kind."""

    number: Ints
    kinds: dict[str, int]

    @property
    def cases(self) -> int:
        """How many there are."""
        return sum(self.kinds.values())


def clusters_of(frame: pl.DataFrame) -> Clusters:
    """Each image's patient where known, else its lesion, else itself; ids count together with their source.

    A lesion belongs to one patient: where only some of its images name them, it is theirs all the same.
    """
    lesion_patient = pl.col("patient_id").drop_nulls().first().over("source", "lesion_id")
    patient = pl.when(pl.col("lesion_id").is_null()).then("patient_id").otherwise(lesion_patient)
    named = frame.select(pl.col("source").fill_null(""), patient.alias("patient"), lesion="lesion_id", image="image_id")
    kind = (
        pl.when(pl.col("patient").is_not_null())
        .then(pl.lit("patient"))
        .when(pl.col("lesion").is_not_null())
        .then(pl.lit("lesion"))
        .otherwise(pl.lit("image"))
    )
    key = named.select(kind.alias("kind"), "source", id=pl.coalesce("patient", "lesion", "image"))
    distinct = key.unique(maintain_order=True).with_row_index("number")
    number = key.join(distinct, on=["kind", "source", "id"], how="left", maintain_order="left")["number"]
    counts = dict(distinct["kind"].value_counts().iter_rows())
    kinds = {each: counts[each] for each in ("patient", "lesion", "image") if each in counts}
    return Clusters(number.to_numpy().astype(np.int64), kinds)


def distinct(frame: pl.DataFrame, column: str) -> int | None:
    """How many lesions or patients there are; None where none is named."""
    return frame.select("source", column).drop_nulls(column).n_unique() or None


def scored_images(
    predictions: Predictions, manifest: pl.DataFrame, *, subset: str | None = None, allow_leaks: bool = False
) -> ScoredImages:
    """Bring predictions and manifest together.

    Args:
        predictions: what was answered.
        manifest: as :func:`cutis.data.read_manifest` gives it.
        subset: ``"train"``, ``"val"`` or ``"test"``; None takes ``"test"`` if the manifest has it, else
            every row that is not ``"excluded"``.
        allow_leaks: list leaks in the result instead of refusing them.

    Raises:
        PredictionsError: a predicted image is not in the manifest, an evaluated one has no prediction, the
            subset is empty, or no evaluated image belongs to any class.
        LeakError: the model was trained on an evaluated image, its lesion, patient or group, or the manifest
            has a group on both sides of its split.
    """
    subset, rows = evaluated_rows(manifest, subset)
    prediction_of = {image_id: row for row, image_id in enumerate(predictions.image_ids)}
    _all_in_manifest(predictions, manifest)
    classes = predictions.classes
    label = class_labels(classes, rows["diagnosis_node"].to_list(), rows["source_diagnosis"].to_list()).label
    inside = (label >= 0) & (label < len(classes.ids))  # a label above the classes has no one right answer
    outside = Counter(
        word or node or _NO_DIAGNOSIS
        for node, word in rows.filter(~inside).select("diagnosis_node", "source_diagnosis").iter_rows()
    )
    if not inside.any():
        words = [f"{word} ({images:,})" for word, images in outside.most_common()]
        raise PredictionsError(
            f"none of the {len(rows):,} evaluated images has a diagnosis in the class set '{classes.name}' "
            f"({listed(classes.ids)}); they show {listed(words)}",
            fix="Name the class set with --classes, 'source' for the data set's own words.",
        )
    scored = rows.filter(inside)
    _all_predicted(scored, prediction_of)
    leaks = _seen_in_training(rows, predictions, prediction_of, allowed=allow_leaks)
    leaks += _group_on_both_sides(manifest, allowed=allow_leaks)
    order = np.array([prediction_of[image_id] for image_id in scored["image_id"]], dtype=np.int64)
    seen = predictions.seen or [None] * len(predictions.image_ids)
    strange = None if predictions.unfamiliarity is None else predictions.unfamiliarity[order]
    return ScoredImages(
        frame=scored,
        truth=label[inside],
        probabilities=predictions.probabilities[order],
        unfamiliarity=None if strange is None or np.isnan(strange).all() else strange,
        unseen=_unseen(rows.filter(label < 0), predictions, prediction_of),
        seen_known=np.array([seen[row] is not None for row in order], dtype=bool),
        subset=subset,
        outside=dict(outside.most_common()),
        not_evaluated=len(predictions.image_ids) - sum(each in prediction_of for each in rows["image_id"]),
        without_subset=0 if subset is None else manifest["subset"].null_count(),
        leaks=leaks,
    )


def _unseen(outside: pl.DataFrame, predictions: Predictions, prediction_of: dict[str, int]) -> UnseenImages | None:
    """Those of no class whose diagnosis is known: a node of the tree, or a word where classes are words."""
    if predictions.unfamiliarity is None:
        return None
    by_words = all(not each.nodes for each in predictions.classes.classes)
    named = outside.filter(pl.col("source_diagnosis" if by_words else "diagnosis_node").is_not_null())
    place = np.array([prediction_of.get(image_id, -1) for image_id in named["image_id"]], dtype=np.int64)
    known = (place >= 0) & ~np.isnan(predictions.unfamiliarity[place])
    if not known.any():
        return None
    place = place[known]
    return UnseenImages(named.filter(known), predictions.probabilities[place], predictions.unfamiliarity[place])


def evaluated_rows(manifest: pl.DataFrame, subset: str | None) -> tuple[str | None, pl.DataFrame]:
    """Which subset is evaluated, and its rows; see :func:`scored_images`."""
    subsets = manifest["subset"]
    if subset is None and (subsets == "test").any():
        subset = "test"
    if subset is None:
        rows = manifest.filter(subsets.is_null() | (subsets != "excluded"))
        if rows.is_empty():
            raise PredictionsError("every row of the manifest is excluded", fix="Split it again.")
        return None, rows
    evaluable = [each for each in SUBSETS if each != "excluded"]
    if subset not in evaluable:
        raise PredictionsError(f"there is no subset '{subset}' to evaluate", fix=f"Use one of {', '.join(evaluable)}.")
    rows = manifest.filter(subsets == subset)
    if rows.is_empty():
        found = subsets.drop_nulls().unique().sort().to_list()
        raise PredictionsError(
            f"the manifest has no row in subset '{subset}' (it has: {listed(found) or 'no subset'})",
            fix="Name another, or split it with `cutis split`.",
        )
    return subset, rows


def _all_in_manifest(predictions: Predictions, manifest: pl.DataFrame) -> None:
    known = set(manifest["image_id"])
    strange = [each for each in predictions.image_ids if each not in known]
    if strange:
        raise PredictionsError(
            f"{len(strange):,} of {len(predictions.image_ids):,} predicted images are not in the manifest: "
            f"{listed(strange)}",
            fix="Evaluate on the manifest that was predicted, or on several with --on.",
        )


def _all_predicted(scored: pl.DataFrame, prediction_of: dict[str, int]) -> None:
    missing = [each for each in scored["image_id"] if each not in prediction_of]
    if missing:
        raise PredictionsError(
            f"{len(missing):,} of {len(scored):,} evaluated images have no prediction: {listed(missing)}",
            fix="Predict them too, or mark them 'excluded' in the manifest.",
        )


def _seen_in_training(
    rows: pl.DataFrame, predictions: Predictions, prediction_of: dict[str, int], *, allowed: bool
) -> list[Leak]:
    if predictions.seen is None:
        return []
    leaks: list[tuple[str, str, str]] = []
    for image_id, lesion, patient in rows.select("image_id", "lesion_id", "patient_id").iter_rows():
        seen = predictions.seen[prediction_of[image_id]] if image_id in prediction_of else None
        if seen not in (None, "no"):
            owner = {"lesion": f" (lesion {lesion})", "patient": f" (patient {patient})"}.get(seen, "")
            leaks.append((seen, image_id, f"{image_id}{owner}"))
    if leaks and not allowed:
        counts = Counter(seen for seen, _, _ in leaks)
        kinds = [f"{counts[each]:,} by {each}" for each in SEEN_IN_TRAINING if each in counts]
        raise LeakError(
            f"the model was trained on what {len(leaks):,} of {len(rows):,} evaluated images show "
            f"({', '.join(kinds)}): {listed([named for _, _, named in leaks])}",
            fix="Train on a split that keeps them apart (`cutis split --strict`), or evaluate other images.",
        )
    return [
        Leak(
            kind="seen in training",
            images=[image_id],
            sides=["train", "test"],
            told=f"{named}: the model was trained on its {seen}",
        )
        for seen, image_id, named in leaks
    ]


def _group_on_both_sides(manifest: pl.DataFrame, *, allowed: bool) -> list[Leak]:
    """Refuse a manifest whose own split leaks: figures on it are too good, whoever made the predictions."""
    if not (manifest["subset"] == "train").any():
        return []
    try:
        check_split(manifest)
    except SplitError as error:
        if not allowed:
            raise LeakError(error.problem, where=error.where, fix=error.fix) from error
        return [Leak(kind="split", images=[], sides=[], told=error.problem)]
    return []
