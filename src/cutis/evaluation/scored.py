"""Which images are scored and what they truly show: predictions and manifest brought together, or refused."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from cutis.data import SUBSETS, check_split
from cutis.errors import LeakError, PredictionsError, SplitError, listed
from cutis.evaluation.arrays import Bools, Floats, Ints
from cutis.evaluation.groups import numbered
from cutis.evaluation.leakage import TOLD, Leak
from cutis.evaluation.predictions import SEEN_IN_TRAINING, Predictions, series_listed
from cutis.taxonomy import ClassSet, class_labels

FEW_IMAGES = 10
"""Below this, one image moves a class's sensitivity by 10 points or more."""
FEW_CLUSTERS = 30
"""Below this, percentile intervals are known to be too narrow."""
_NO_DIAGNOSIS = "(no diagnosis)"
_SEEN = "seen in training"


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
        leaks_not_listed: how many more there are, by kind.
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
    leaks_not_listed: dict[str, int] = field(default_factory=dict)


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
    images = len(frame)
    if frame["lesion_id"].null_count() == images == frame["patient_id"].null_count():
        return Clusters(np.arange(images), {"image": images} if images else {})
    _, source = numbered(frame["source"].fill_null(""))
    named = frame.lazy().select(
        pl.Series("source", source),
        pl.col("patient_id").cast(pl.String).alias("patient"),
        pl.col("lesion_id").cast(pl.String).alias("lesion"),
        image="image_id",
    )
    of_lesion = pl.col("patient").drop_nulls().first().over("source", "lesion")
    patient = pl.when(pl.col("lesion").is_null()).then("patient").otherwise(of_lesion)
    kind = pl.when(pl.col("patient").is_not_null()).then(0).when(pl.col("lesion").is_not_null()).then(1).otherwise(2)
    key = named.with_columns(patient=patient).select(
        "source", kind.cast(pl.UInt8).alias("kind"), pl.coalesce("patient", "lesion", "image").alias("id")
    )
    # Of each image, the first that is of the same cluster; clusters are numbered in the order of these.
    found = key.with_row_index("row").select("kind", pl.col("row").first().over("kind", "source", "id")).collect()
    first = found["row"].to_numpy()
    begins = first == np.arange(images)
    number = (np.cumsum(begins) - 1)[first]
    counts = np.bincount(found["kind"].to_numpy()[begins], minlength=3)
    return Clusters(
        number, {name: int(count) for name, count in zip(("patient", "lesion", "image"), counts, strict=True) if count}
    )


def distinct(frame: pl.DataFrame, column: str) -> int | None:
    """How many lesions or patients there are; None where none is named."""
    if frame[column].null_count() == len(frame):
        return None
    return frame.select("source", column).drop_nulls(column).n_unique() or None


def distinct_by(frame: pl.DataFrame, column: str, group: Ints, groups: int) -> list[int | None] | None:
    """The same in each of G groups of rows, numbered from 0; None where no row names any."""
    if frame[column].null_count() == len(frame):
        return None
    told = frame.lazy().select("source", column, pl.Series("group", group.astype(np.int32)))
    counts = dict(told.drop_nulls(column).unique().group_by("group").len().collect().iter_rows())
    return [counts.get(k) for k in range(groups)]


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
    _all_in_manifest(predictions, manifest)
    place = _places(rows["image_id"], predictions.ids)
    classes = predictions.classes
    label = _labels(rows, classes)
    inside = (label >= 0) & (label < len(classes.ids))  # a label above the classes has no one right answer
    outside = _words(rows if not inside.any() else _kept(rows, ~inside))
    if not inside.any():
        words = [f"{word} ({images:,})" for word, images in outside.items()]
        raise PredictionsError(
            f"none of the {len(rows):,} evaluated images has a diagnosis in the class set '{classes.name}' "
            f"({listed(classes.ids)}); they show {listed(words)}",
            fix="Name the class set with --classes, 'source' for the data set's own words.",
        )
    scored = _kept(rows, inside)
    _all_predicted(scored, place[inside])
    leaks, not_listed = _seen_in_training(rows, predictions, place, allowed=allow_leaks)
    leaks += _group_on_both_sides(manifest, allowed=allow_leaks)
    order = place[inside]
    in_order = len(order) == len(predictions.ids) and bool((order == np.arange(len(order))).all())
    strange = None if predictions.unfamiliarity is None else predictions.unfamiliarity[order]
    seen = predictions.seen_column
    return ScoredImages(
        frame=scored,
        truth=label[inside],
        probabilities=predictions.probabilities if in_order else predictions.probabilities[order],
        unfamiliarity=None if strange is None or np.isnan(strange).all() else strange,
        unseen=_unseen(_kept(rows, label < 0), predictions, place[label < 0]),
        seen_known=np.zeros(len(order), dtype=bool) if seen is None else seen.is_not_null().to_numpy()[order],
        subset=subset,
        outside=outside,
        not_evaluated=len(predictions.ids) - int((place >= 0).sum()),
        without_subset=0 if subset is None else manifest["subset"].null_count(),
        leaks=leaks,
        leaks_not_listed=not_listed,
    )


def _kept(frame: pl.DataFrame, rows: Bools) -> pl.DataFrame:
    """Some of the rows; all of them as they are, without a copy."""
    return frame if rows.all() else frame.filter(pl.Series(rows))


def _places(wanted: pl.Series, known: pl.Series) -> Ints:
    """Where each of N wanted ids stands among the known ones; −1 where it does not."""
    if len(wanted) == len(known) and (wanted == known).all():
        return np.arange(len(wanted))
    rows = known.alias("id").to_frame().with_row_index("place")
    found = wanted.alias("id").to_frame().join(rows, on="id", how="left", maintain_order="left")["place"]
    return found.cast(pl.Int64).fill_null(-1).to_numpy()


def _labels(rows: pl.DataFrame, classes: ClassSet) -> Ints:
    """The classes' numbers of manifest rows, found once for each distinct diagnosis; see :func:`class_labels`."""
    (nodes, node), (words, word) = numbered(rows["diagnosis_node"]), numbered(rows["source_diagnosis"])
    pair = pl.Series(node.astype(np.int64) * len(words) + word)
    pairs, number = numbered(pair)  # in the order of the rows, which numbers the labels above the classes
    distinct_pairs = pairs.to_numpy()
    told = nodes.gather(distinct_pairs // len(words)), words.gather(distinct_pairs % len(words))
    label = class_labels(classes, *(each.cast(pl.String).to_list() for each in told)).label
    found: Ints = label[number]
    return found


def _words(outside: pl.DataFrame) -> dict[str, int]:
    """Rows of no class by their word, else their node, the most frequent first."""
    counted = outside.group_by("diagnosis_node", "source_diagnosis", maintain_order=True).len()
    words: dict[str, int] = {}
    for node, word, images in counted.iter_rows():
        told = word or node or _NO_DIAGNOSIS
        words[told] = words.get(told, 0) + images
    return dict(sorted(words.items(), key=lambda item: -item[1]))


def _unseen(outside: pl.DataFrame, predictions: Predictions, place: Ints) -> UnseenImages | None:
    """Those of no class whose diagnosis is known: a node of the tree, or a word where classes are words."""
    if predictions.unfamiliarity is None or outside.is_empty():
        return None
    by_words = all(not each.nodes for each in predictions.classes.classes)
    named = outside["source_diagnosis" if by_words else "diagnosis_node"].is_not_null().to_numpy()
    known = named & (place >= 0) & ~np.isnan(predictions.unfamiliarity[place])
    if not known.any():
        return None
    return UnseenImages(
        _kept(outside, known), predictions.probabilities[place[known]], predictions.unfamiliarity[place[known]]
    )


def evaluated_rows(manifest: pl.DataFrame, subset: str | None) -> tuple[str | None, pl.DataFrame]:
    """Which subset is evaluated, and its rows; see :func:`scored_images`."""
    subsets = manifest["subset"]
    if subset is None and (subsets == "test").any():
        subset = "test"
    if subset is None:
        rows = _kept(manifest, (subsets.is_null() | (subsets != "excluded")).to_numpy())
        if rows.is_empty():
            raise PredictionsError("every row of the manifest is excluded", fix="Split it again.")
        return None, rows
    evaluable = [each for each in SUBSETS if each != "excluded"]
    if subset not in evaluable:
        raise PredictionsError(f"there is no subset '{subset}' to evaluate", fix=f"Use one of {', '.join(evaluable)}.")
    rows = _kept(manifest, (subsets == subset).fill_null(value=False).to_numpy())
    if rows.is_empty():
        found = subsets.drop_nulls().unique().cast(pl.String).sort().to_list()
        raise PredictionsError(
            f"the manifest has no row in subset '{subset}' (it has: {listed(found) or 'no subset'})",
            fix="Name another, or split it with `cutis split`.",
        )
    return subset, rows


def _all_in_manifest(predictions: Predictions, manifest: pl.DataFrame) -> None:
    if len(predictions.ids) == len(manifest) and (predictions.ids == manifest["image_id"]).all():
        return
    known = manifest.select("image_id")
    strange = predictions.ids.to_frame("image_id").join(known, on="image_id", how="anti", maintain_order="left")
    if len(strange):
        raise PredictionsError(
            f"{len(strange):,} of {len(predictions.ids):,} predicted images are not in the manifest: "
            f"{series_listed(strange['image_id'])}",
            fix="Evaluate on the manifest that was predicted, or on several with --on.",
        )


def _all_predicted(scored: pl.DataFrame, place: Ints) -> None:
    missing = place < 0
    if missing.any():
        raise PredictionsError(
            f"{int(missing.sum()):,} of {len(scored):,} evaluated images have no prediction: "
            f"{series_listed(scored['image_id'].filter(pl.Series(missing)))}",
            fix="Predict them too, or mark them 'excluded' in the manifest.",
        )


def _seen_in_training(
    rows: pl.DataFrame, predictions: Predictions, place: Ints, *, allowed: bool
) -> tuple[list[Leak], dict[str, int]]:
    """The first leaks, and how many more there are by kind."""
    if predictions.seen_column is None:
        return [], {}
    # Numbers of SEEN_IN_TRAINING, whose first is "no"; 0 also where nothing is known, or nothing was predicted.
    seen = np.append(predictions.seen_column.to_physical().fill_null(0).to_numpy(), 0)[place]
    leaking = seen > 0
    images = int(leaking.sum())
    first = np.flatnonzero(leaking)[:TOLD]
    told = []
    for row, kind in zip(rows[first].iter_rows(named=True), seen[first], strict=True):
        word = SEEN_IN_TRAINING[kind]
        owner = {"lesion": f" (lesion {row['lesion_id']})", "patient": f" (patient {row['patient_id']})"}.get(word, "")
        told.append((word, row["image_id"], f"{row['image_id']}{owner}"))
    if images and not allowed:
        counts = np.bincount(seen, minlength=len(SEEN_IN_TRAINING))
        kinds = [f"{counts[n]:,} by {each}" for n, each in enumerate(SEEN_IN_TRAINING) if n and counts[n]]
        named = pl.Series([each for _, _, each in told])
        raise LeakError(
            f"the model was trained on what {images:,} of {len(rows):,} evaluated images show "
            f"({', '.join(kinds)}): {series_listed(named, images)}",
            fix="Train on a split that keeps them apart (`cutis split --strict`), or evaluate other images.",
        )
    leaks = [
        Leak(
            kind=_SEEN,
            images=[image_id],
            sides=["train", "test"],
            told=f"{named}: the model was trained on its {seen}",
        )
        for seen, image_id, named in told
    ]
    return leaks, {_SEEN: images - len(leaks)} if images > len(leaks) else {}


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
