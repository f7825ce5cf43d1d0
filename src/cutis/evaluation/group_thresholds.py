"""Thresholds of a group's own: chosen on validation images, and what they gain and cost on the images evaluated.

A group is whatever a column of the manifest tells apart: population, skin type, kind of image, site.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import polars as pl

from cutis.errors import LeakError, PredictionsError, listed
from cutis.evaluation.arrays import Bools, Counts, Floats, ratio, sums_by
from cutis.evaluation.estimate import Estimate, Part, Resampled
from cutis.evaluation.groups import named_groups
from cutis.evaluation.metrics import macro_mean
from cutis.evaluation.predictions import Predictions, series_listed
from cutis.evaluation.scored import FEW_CLUSTERS, ScoredImages, clusters_of, scored_images
from cutis.evaluation.subgroup_names import NOT_RECORDED, Subgroup, subgroup_names
from cutis.evaluation.threshold_transfer import FEW_FOR_A_THRESHOLD, choose_thresholds_by_group
from cutis.evaluation.thresholds import ThresholdRule, Thresholds, called_classes, choose_thresholds
from cutis.taxonomy import ClassSet

_SAME = ("image_id", "lesion_id", "patient_id")


@dataclass(frozen=True, eq=False)
class GroupThresholds:
    """Thresholds for all images and for each group, chosen on the same validation images.

    Attributes:
        column: what the groups are by.
        common: for all images together; it holds in a group that has none of its own.
        by_group: each group's own; a class with too few validation images in a group has the common one there.
        images: validation images by group.
        frame: the validation images as manifest rows, so that nothing is measured on them again.
    """

    column: str
    common: Thresholds
    by_group: dict[str, Thresholds]
    images: dict[str, int]
    frame: pl.DataFrame


class ClassGain(Part):
    """One class in one group; gains are at the group's own threshold less at the common one, −1 to 1.

    ``own`` is None where the common threshold holds; there is no gain then. Sensitivity and specificity are at the
    common threshold.
    """

    class_id: str
    images: int
    others: int
    common: float | None
    own: float | None
    sensitivity: Estimate
    specificity: Estimate
    sensitivity_gain: Estimate
    specificity_gain: Estimate
    youden_gain: Estimate


class GroupGain(Part):
    """One group. ``mean_youden_gain`` is over the classes with a threshold of the group's own that the group shows."""

    group: str
    images: int
    cases: int
    validation_images: int
    own_thresholds: int
    mean_youden_gain: Estimate
    by_class: list[ClassGain]
    warning: str | None


class GroupThresholdResults(Part):
    """What thresholds of a group's own gain and cost.

    ``youden_gain`` is over all images, each judged by its group's thresholds less each judged by the common ones: the
    mean over classes of sensitivity + specificity − 1.
    """

    column: str
    common: Thresholds
    youden_gain: Estimate
    sensitivity_gain: Estimate
    specificity_gain: Estimate
    groups: list[GroupGain]
    rule: str


RULE = (
    f"A diagnosis with fewer than {FEW_FOR_A_THRESHOLD} validation images, or fewer than {FEW_FOR_A_THRESHOLD} of "
    "others, in a group keeps the common threshold there."
)


def group_names(frame: pl.DataFrame, column: str) -> pl.Series:
    """Each manifest row's group: by a subgroup (skin_type, age_band, …) or any column of the manifest.

    Raises:
        PredictionsError: there is no such column, or no row has a value in it.
    """
    if column in get_args(Subgroup):
        subgroup: Subgroup = next(each for each in get_args(Subgroup) if each == column)
        names = subgroup_names(frame, subgroup)
    elif column in frame.columns:
        names = frame[column].cast(pl.String).fill_null(NOT_RECORDED)
    else:
        raise PredictionsError(
            f"there is no column '{column}' to tell groups by",
            fix=f"Use {', '.join(get_args(Subgroup))}, or a column of the manifest.",
        )
    if (names == NOT_RECORDED).all():
        raise PredictionsError(f"'{column}' is recorded for none of the {len(frame):,} images", fix="Name another.")
    return names


def choose_group_thresholds(
    predictions: Predictions, manifest: pl.DataFrame, column: str, *, rule: ThresholdRule | None = None
) -> GroupThresholds:
    """Choose thresholds for all validation images and for each group of them.

    Args:
        predictions: of the validation images.
        manifest: theirs; its rows in subset ``val`` are taken, or all rows that are not excluded where it has none.
        column: what groups are by; see :func:`group_names`. Rows without a value count for the common thresholds only.
        rule: how; Youden's by default.

    Raises:
        PredictionsError: as :func:`cutis.evaluation.scored_images` and :func:`group_names`.
        LeakError: the model was trained on a validation image. What it was validated on is no leak here.
    """
    validated = bool((manifest["subset"] == "val").any())
    if validated:
        # A model's record names its validation images as seen, too: here they are what they are for.
        predictions = Predictions(
            predictions.image_ids,
            predictions.probabilities,
            predictions.classes,
            rolled_up_from=predictions.rolled_up_from,
        )
    scored = scored_images(predictions, manifest, subset="val" if validated else None)
    names = group_names(scored.frame, column)
    chosen_on = (
        f"{', '.join(scored.frame['source'].drop_nulls().unique().cast(pl.String).sort()) or 'validation'}, validation"
    )
    common = choose_thresholds(
        scored.truth,
        scored.probabilities,
        predictions.classes,
        rule=rule,
        chosen_on=f"{chosen_on}, {len(names):,} images",
    )
    recorded = (names != NOT_RECORDED).to_numpy()
    by_group = choose_thresholds_by_group(
        scored.truth[recorded],
        scored.probabilities[recorded],
        names.filter(pl.Series(recorded)).to_numpy(),
        predictions.classes,
        common,
    )
    counts = dict(names.alias("group").value_counts().iter_rows())
    return GroupThresholds(column, common, by_group, {group: counts[group] for group in by_group}, scored.frame)


class AtGroupThresholds:
    """The statistics of groups' own thresholds for any weighting, and the result they give.

    Raises:
        PredictionsError: the thresholds are of other classes, or the groups' column is not recorded here.
        LeakError: an image, lesion or patient evaluated here was among those the thresholds were chosen on.
    """

    def __init__(self, scored: ScoredImages, classes: ClassSet, chosen: GroupThresholds) -> None:
        if list(chosen.common.classes) != list(classes.ids):
            raise PredictionsError(
                f"the groups' thresholds are for {listed(list(chosen.common.classes))}, evaluated are "
                f"{listed(classes.ids)}",
                fix="Choose them on predictions of the same classes.",
            )
        _others_than(chosen.frame, scored.frame)
        self.chosen, self.ids = chosen, classes.ids
        names, self.group = named_groups(group_names(scored.frame, chosen.column))
        self.names = sorted(names, key=lambda each: (each == NOT_RECORDED, each))
        self.place = {name: names.index(name) for name in self.names}
        self.cases = clusters_of(scored.frame).number
        self.truth = scored.truth
        self.common = called_classes(scored.probabilities, chosen.common)
        self.grouped = self.common.copy()
        for name in self.names:
            if name in chosen.by_group:
                rows = self.group == self.place[name]
                self.grouped[rows] = called_classes(scored.probabilities[rows], chosen.by_group[name])

    def statistics(self, weights: Counts) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        # Of each class and group, by truth (other, own): all images, those called by common and by own thresholds.
        shape = len(self.ids), len(self.names), 2, weights.shape[1]
        images, common, grouped = np.empty((3, *shape))
        for k in range(len(self.ids)):
            cell = (
                4 * (2 * self.group.astype(np.int64) + (self.truth == k)) + 2 * self.common[:, k] + self.grouped[:, k]
            )
            met = sums_by(cell, 8 * len(self.names), weights).reshape(len(self.names), 2, 2, 2, -1)
            images[k], common[k], grouped[k] = (
                met.sum(axis=(2, 3)),
                met[:, :, 1].sum(axis=2),
                met[:, :, :, 1].sum(axis=2),
            )
        found: dict[str, Floats] = {}
        everyone: dict[str, int | slice] = {f"group/{name}": self.place[name] for name in self.names}
        for name, place in {"all": slice(None), **everyone}.items():
            of, rates = images[:, place].reshape(len(self.ids), -1, 2, shape[3]).sum(axis=1), []
            for called in (common, grouped):
                here = called[:, place].reshape(len(self.ids), -1, 2, shape[3]).sum(axis=1)
                rates.append((ratio(here[:, 1], of[:, 1]).T, ratio(of[:, 0] - here[:, 0], of[:, 0]).T))
            (hit, spared), (hit_own, spared_own) = rates
            found |= {
                f"group_thresholds/{name}/sensitivity": hit,
                f"group_thresholds/{name}/specificity": spared,
                f"group_thresholds/{name}/sensitivity_gain": hit_own - hit,
                f"group_thresholds/{name}/specificity_gain": spared_own - spared,
                f"group_thresholds/{name}/youden_gain": hit_own - hit + spared_own - spared,
            }
            changed = self._changed(name.removeprefix("group/"))
            for gain in ("sensitivity_gain", "specificity_gain", "youden_gain"):
                kept = found[f"group_thresholds/{name}/{gain}"]
                found[f"group_thresholds/{name}/mean_{gain}"] = macro_mean(kept if name == "all" else kept[:, changed])
        return found

    def result(self, told: Resampled) -> GroupThresholdResults:
        """The section."""
        return GroupThresholdResults(
            column=self.chosen.column,
            common=self.chosen.common,
            youden_gain=told.estimate("group_thresholds/all/mean_youden_gain"),
            sensitivity_gain=told.estimate("group_thresholds/all/mean_sensitivity_gain"),
            specificity_gain=told.estimate("group_thresholds/all/mean_specificity_gain"),
            groups=[self._group(group, told) for group in self.names],
            rule=RULE,
        )

    def _changed(self, group: str) -> Bools:
        """Which classes have a threshold of the group's own."""
        mine = self.chosen.by_group.get(group, self.chosen.common)
        return np.array([mine.classes[each] != self.chosen.common.classes[each] for each in self.ids])

    def _group(self, group: str, told: Resampled) -> GroupGain:
        rows = self.group == self.place[group]
        shown = np.bincount(self.truth[rows], minlength=len(self.ids))
        changed = self._changed(group)
        mine = self.chosen.by_group.get(group, self.chosen.common)
        cases = len(np.unique(self.cases[rows]))
        at = f"group_thresholds/group/{group}"
        return GroupGain(
            group=group,
            images=int(rows.sum()),
            cases=cases,
            validation_images=self.chosen.images.get(group, 0),
            own_thresholds=int(changed.sum()),
            mean_youden_gain=told.estimate(f"{at}/mean_youden_gain"),
            by_class=[
                ClassGain(
                    class_id=class_id,
                    images=int(shown[k]),
                    others=int(shown.sum() - shown[k]),
                    common=self.chosen.common.classes[class_id].value,
                    own=mine.classes[class_id].value if changed[k] else None,
                    **{
                        figure: told.estimate(f"{at}/{figure}", k)
                        for figure in (
                            "sensitivity",
                            "specificity",
                            "sensitivity_gain",
                            "specificity_gain",
                            "youden_gain",
                        )
                    },
                )
                for k, class_id in enumerate(self.ids)
            ],
            warning=f"{group}: {cases} cases are too few to say." if cases < FEW_CLUSTERS else None,
        )


def _others_than(chosen: pl.DataFrame, evaluated: pl.DataFrame) -> None:
    """Raise LeakError where thresholds were chosen on an image, lesion or patient that is evaluated."""
    for column in _SAME:
        key = pl.col("source").cast(pl.String).fill_null(""), pl.col(column).cast(pl.String)
        known = chosen.select(key).drop_nulls(column).unique()
        met = evaluated.select(*key, id="image_id").join(known, on=["source", column], how="semi")
        if len(met):
            raise LeakError(
                f"the groups' thresholds were chosen on the same {column} as {len(met):,} of {len(evaluated):,} "
                f"evaluated images: {series_listed(met['id'])}",
                fix="Choose them on other images: a validation subset, or another data set.",
            )
