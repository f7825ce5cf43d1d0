"""Figures by subgroup of images: skin type, sex, age, site and how the image came about, with the gaps between them.

The habit is that of fairlearn's ``MetricFrame``: one figure, split by one column. All groups of a column are
resampled together, whole patients or lesions at a time, so that a gap's interval takes account of those that stand
in two groups.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Counts, Floats, Ints, ratio, sums_by
from cutis.evaluation.clinical import benign_flags, malignant_flags
from cutis.evaluation.estimate import Estimate, Part, Resampled, estimated, resampled_counts
from cutis.evaluation.metrics import macro_mean, predicted_class, sensitivity
from cutis.evaluation.ranked import RankedScores
from cutis.evaluation.scored import FEW_CLUSTERS, ScoredImages, clusters_of
from cutis.evaluation.subgroup_names import (
    AGE_BANDS,
    NOT_RECORDED,
    SUBGROUP_COLUMNS,
    Subgroup,
    recorded_columns,
    subgroups_of,
)
from cutis.evaluation.wording import joined
from cutis.taxonomy import ClassSet

Figure = Literal["balanced_accuracy", "macro_auc", "malignant_sensitivity", "malignant_specificity"]

FEW_OF_A_KIND = 10  # independent malignant (or benign) cases: below, one moves the rate by 10 points or more
RULE = (
    f"A group of fewer than {FEW_CLUSTERS} independent cases (patients, else lesions, else images) is too small to "
    f"say, and so is a sensitivity from fewer than {FEW_OF_A_KIND} malignant cases or a specificity from fewer than "
    f"{FEW_OF_A_KIND} benign ones: such figures are shown, but no gap rests on them."
)


class GroupResult(Part):
    """One group's figures.

    ``cases`` counts the independent ones: patients where known, else lesions, else images. Balanced accuracy and macro
    AUC are over the classes the group shows; ``absent`` lists the others. A malignant lesion counts as found where the
    answer is any malignant class, premalignant ones among them; images of a class that is neither malignant nor benign
    have no part in this. The two figures are None where it is not known which classes are malignant.
    """

    group: str
    images: int
    cases: int
    malignant_cases: int | None
    benign_cases: int | None
    absent: list[str]
    balanced_accuracy: Estimate
    macro_auc: Estimate
    malignant_sensitivity: Estimate
    malignant_specificity: Estimate
    warnings: list[str]


class Gap(Part):
    """The largest difference of a figure between two groups that are large enough.

    Balanced accuracy and macro AUC are taken over ``classes`` alone, those that all compared groups show, so that no
    group is judged by easier classes than another; ``best_value`` and ``worst_value`` may thus differ from the groups'
    own figures. The interval is for this pair of groups. The pair was picked for its difference: the more groups, the
    more of a gap arises by chance.
    """

    figure: Figure
    classes: list[str] | None
    best: str
    worst: str
    best_value: float
    worst_value: float
    difference: Estimate


class SubgroupResults(Part):
    """All groups of one column. Rows without a value are the group ``(not recorded)``, which enters no gap."""

    column: Subgroup
    groups: list[GroupResult]
    gaps: list[Gap]
    rule: str
    warnings: list[str]


def subgroup_results(
    scored: ScoredImages,
    classes: ClassSet,
    columns: Sequence[Subgroup] = get_args(Subgroup),
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[SubgroupResults]:
    """Figures by subgroup for each column in which any image has a value.

    Args:
        scored: the evaluated images, as :func:`cutis.evaluation.scored_images` gives them.
        classes: the classes of the predictions.
        columns: what to split by.
        resamples: of the clustered bootstrap.
        seed: the same seed gives the same intervals.
        confidence: what the intervals should cover.

    Raises:
        PredictionsError: a column is none of those there are, or a probability is not finite.
    """
    section = Subgroups(scored, classes, columns)
    told = resampled_counts(
        section.statistics, section.cases, resamples=resamples, seed=seed, confidence=confidence, width=section.width
    )
    return section.result(told)


class Subgroups:
    """The statistics of all subgroups for any weighting, and the results they give.

    Args:
        scored: the evaluated images.
        classes: the classes of the predictions.
        columns: what to split by; those in which no image has a value are left out.
        ranked: the images ranked by each class's probability, where they are already.
        cases: N, the cluster of each image, where it is known already.

    Raises:
        PredictionsError: as :func:`subgroup_results`.
    """

    def __init__(
        self,
        scored: ScoredImages,
        classes: ClassSet,
        columns: Sequence[Subgroup] = get_args(Subgroup),
        ranked: Sequence[RankedScores] | None = None,
        cases: Ints | None = None,
    ) -> None:
        strange = [each for each in columns if each not in SUBGROUP_COLUMNS]
        if strange:
            raise PredictionsError(
                f"no subgroups by {joined(list(strange))}", fix=f"Use {', '.join(SUBGROUP_COLUMNS)}."
            )
        if not np.isfinite(scored.probabilities).all():
            raise PredictionsError("probabilities are NaN or infinite", fix="Correct or leave out those images.")
        self.ids, self.truth = classes.ids, scored.truth
        self.malignant, self.benign = malignant_flags(classes), benign_flags(classes)
        self.known = bool(self.malignant.any() and self.benign.any())
        self.cases = clusters_of(scored.frame).number if cases is None else cases
        recorded = recorded_columns(scored.frame)
        self.groups = {column: subgroups_of(scored.frame, column) for column in columns if column in recorded}
        self.width = max((len(each.names) for each in self.groups.values()), default=1) * len(classes.ids) ** 2
        if not self.groups:
            return
        self.cell = (self.truth * len(self.ids) + predicted_class(scored.probabilities)).astype(np.int32)
        self.ranked = ranked or [
            RankedScores(scored.truth == k, scored.probabilities[:, k]) for k in range(len(self.ids))
        ]

    def statistics(self, weights: Counts) -> dict[str, Floats]:
        """Of each group sensitivity and AUC by class (r×K), and the malignant pair (r), of weights N×r."""
        count, columns = len(self.ids), weights.shape[1]
        figures: dict[str, Floats] = {}
        if not self.groups:
            return figures
        areas = [each.areas_by_group(weights, list(self.groups.values())) for each in self.ranked]
        for place, (column, (names, number)) in enumerate(self.groups.items()):
            cell = number * np.int32(count**2) + self.cell
            confusions = sums_by(cell, len(names) * count**2, weights).reshape(len(names), count, count, columns)
            for n, name in enumerate(names):
                confusion = np.moveaxis(confusions[n], -1, 0)
                of_group = {
                    "balanced_accuracy": sensitivity(confusion),
                    "macro_auc": np.stack([of_class[place][:, n] for of_class in areas], axis=1),
                } | self._malignant(confusion)
                figures |= {f"{column}/{name}/{figure}": values for figure, values in of_group.items()}
        return figures

    def result(self, told: Resampled) -> list[SubgroupResults]:
        """Each column's results."""
        return [_Column(column, self, told).result() for column in self.groups]

    def _malignant(self, confusion: Floats) -> dict[str, Floats]:
        if not self.known:
            nothing = np.full(len(confusion), np.nan)
            return {"malignant_sensitivity": nothing, "malignant_specificity": nothing}
        ill, well = self.malignant, self.benign
        found, missed = confusion[:, ill][:, :, ill].sum(axis=(1, 2)), confusion[:, ill][:, :, ~ill].sum(axis=(1, 2))
        spared, alarmed = (
            confusion[:, well][:, :, ~ill].sum(axis=(1, 2)),
            confusion[:, well][:, :, ill].sum(axis=(1, 2)),
        )
        return {
            "malignant_sensitivity": ratio(found, found + missed),
            "malignant_specificity": ratio(spared, spared + alarmed),
        }


class _Column:
    """One column's groups, brought into results."""

    def __init__(self, column: Subgroup, section: Subgroups, told: Resampled) -> None:
        self.column, self.section, self.told = column, section, told
        names = section.groups[column].names
        self.groups = {group: names.index(group) for group in _ordered(column, names)}
        self.counts = {group: self._counts(place) for group, place in self.groups.items()}

    def result(self) -> SubgroupResults:
        gaps = [gap for figure in get_args(Figure) if (gap := self._gap(figure)) is not None]
        told = []
        compared = [group for group in self.groups if group != NOT_RECORDED]
        if len(compared) == 1:
            told.append(f"All images with a value are in one group, {compared[0]}: there is nothing to compare.")
        elif not gaps:
            told.append("No two groups are large enough for a gap.")
        if NOT_RECORDED in self.groups:
            missing = int(self._rows(self.groups[NOT_RECORDED]).sum())
            told.append(f"{missing:,} of {len(self.section.cases):,} images have no value here.")
        return SubgroupResults(
            column=self.column,
            groups=[self._group(group) for group in self.groups],
            gaps=gaps,
            rule=RULE,
            warnings=told,
        )

    def _rows(self, place: int) -> Bools:
        """The images of a group."""
        rows: Bools = self.section.groups[self.column].number == place
        return rows

    def _counts(self, place: int) -> tuple[int, int, int]:
        """Independent cases: all, malignant, benign."""
        section, rows = self.section, self._rows(place)
        truth, cases = section.truth[rows], section.cases[rows]
        kinds = (cases, cases[section.malignant[truth]], cases[section.benign[truth]])
        every, malignant, benign = (_distinct(each) for each in kinds)
        return every, malignant, benign

    def _group(self, group: str) -> GroupResult:
        rows = self._rows(self.groups[group])
        every, malignant, benign = self.counts[group]
        known = self.section.known
        told = []
        if every < FEW_CLUSTERS:
            told.append(f"{group}: {every} cases are too few to say.")
        elif known:
            few = [
                f"{count} {kind} cases" for count, kind in ((malignant, "malignant"), (benign, "benign"))
                if count < FEW_OF_A_KIND
            ]  # fmt: skip
            if few:
                told.append(f"{group}: {joined(few)}, too few to say.")
        shown = np.bincount(self.section.truth[rows], minlength=len(self.section.ids))
        estimates = {figure: self._estimate(group, figure) for figure in get_args(Figure)}
        return GroupResult(
            group=group,
            images=int(rows.sum()),
            cases=every,
            malignant_cases=malignant if known else None,
            benign_cases=benign if known else None,
            absent=[class_id for class_id, count in zip(self.section.ids, shown, strict=True) if not count],
            warnings=told,
            **estimates,
        )

    def _gap(self, figure: Figure) -> Gap | None:
        groups = [group for group in self.groups if self._large_enough(group, figure)]
        if len(groups) < 2:
            return None
        common = None
        if figure in ("balanced_accuracy", "macro_auc"):
            defined = np.all([~np.isnan(self._values(self.told.point, group, figure)[0]) for group in groups], axis=0)
            common = np.flatnonzero(defined)
            if len(common) < 2:
                return None
        at = {group: float(self._one(self.told.point, group, figure, common)[0]) for group in groups}
        best, worst = max(groups, key=at.__getitem__), min(reversed(groups), key=at.__getitem__)
        spread = None
        if self.told.spread is not None:
            spread = self._one(self.told.spread, best, figure, common) - self._one(
                self.told.spread, worst, figure, common
            )
        return Gap(
            figure=figure,
            classes=None if common is None else [self.section.ids[k] for k in common],
            best=best,
            worst=worst,
            best_value=at[best],
            worst_value=at[worst],
            difference=estimated(at[best] - at[worst], spread, self.told.confidence),
        )

    def _large_enough(self, group: str, figure: Figure) -> bool:
        every, malignant, benign = self.counts[group]
        if group == NOT_RECORDED or every < FEW_CLUSTERS:
            return False
        if figure in ("balanced_accuracy", "macro_auc"):
            return True
        of_a_kind = malignant if figure == "malignant_sensitivity" else benign
        return self.section.known and of_a_kind >= FEW_OF_A_KIND

    def _estimate(self, group: str, figure: Figure) -> Estimate:
        spread = None if self.told.spread is None else self._one(self.told.spread, group, figure, None)
        return estimated(float(self._one(self.told.point, group, figure, None)[0]), spread, self.told.confidence)

    def _values(self, values: Mapping[str, Floats], group: str, figure: Figure) -> Floats:
        return values[f"{self.column}/{group}/{figure}"]

    def _one(self, values: Mapping[str, Floats], group: str, figure: Figure, classes: Ints | None) -> Floats:
        """The figure itself, R: where it is given by class, its mean over ``classes`` (None: all that have one)."""
        each = self._values(values, group, figure)
        if each.ndim == 1:
            return each
        return macro_mean(each if classes is None else each[:, classes])


def _distinct(numbers: Ints) -> int:
    """How many different ones there are of numbers from 0."""
    met = np.zeros(int(numbers.max(initial=-1)) + 1, dtype=bool)
    met[numbers] = True
    return int(np.count_nonzero(met))


def _ordered(column: Subgroup, found: Sequence[str]) -> list[str]:
    """The groups that occur: bands by age, other names by alphabet, those without a value last."""
    rank = {band: place for place, band in enumerate(AGE_BANDS)} if column == "age_band" else {}
    return sorted(found, key=lambda group: (group == NOT_RECORDED, rank.get(group, 0), group))
