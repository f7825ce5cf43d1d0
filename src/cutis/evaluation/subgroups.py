"""Figures by subgroup of images: skin type, sex, age, site and how the image came about, with the gaps between them.

The habit is that of fairlearn's ``MetricFrame``: one figure, split by one column. All groups of a column are
resampled together, whole patients or lesions at a time, so that a gap's interval takes account of those that stand
in two groups.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, Ints, ratio
from cutis.evaluation.clinical import benign_flags, malignant_flags
from cutis.evaluation.estimate import Estimate, Part, Resampled, estimated, resampled
from cutis.evaluation.metrics import PairsWon, confusion_matrix, macro_mean, predicted_class, sensitivity
from cutis.evaluation.scored import FEW_CLUSTERS, ScoredImages, clusters_of
from cutis.evaluation.wording import joined
from cutis.taxonomy import ClassSet

Subgroup = Literal["skin_type", "sex", "age_band", "site", "image_type", "source", "confirmation"]
Figure = Literal["balanced_accuracy", "macro_auc", "malignant_sensitivity", "malignant_specificity"]

NOT_RECORDED = "(not recorded)"
FEW_OF_A_KIND = 10  # independent malignant (or benign) cases: below, one moves the rate by 10 points or more
AGE_BANDS = ("<30", "30-44", "45-59", "60-74", "75+")
RULE = (
    f"A group of fewer than {FEW_CLUSTERS} independent cases (patients, else lesions, else images) is too small to "
    f"say, and so is a sensitivity from fewer than {FEW_OF_A_KIND} malignant cases or a specificity from fewer than "
    f"{FEW_OF_A_KIND} benign ones: such figures are shown, but no gap rests on them."
)


def _age_band() -> pl.Expr:
    age = pl.col("age_approx")
    return (
        pl.when(age < 30)
        .then(pl.lit(AGE_BANDS[0]))
        .when(age < 45)
        .then(pl.lit(AGE_BANDS[1]))
        .when(age < 60)
        .then(pl.lit(AGE_BANDS[2]))
        .when(age < 75)
        .then(pl.lit(AGE_BANDS[3]))
        .when(age >= 75)
        .then(pl.lit(AGE_BANDS[4]))
    )


_COLUMN: dict[Subgroup, pl.Expr] = {
    "skin_type": pl.col("fitzpatrick_skin_type"),
    "sex": pl.col("sex"),
    "age_band": _age_band(),
    "site": pl.col("anatom_site").str.split(":").list.first(),
    "image_type": pl.col("image_type"),
    "source": pl.col("source"),
    "confirmation": pl.col("diagnosis_confirm_type"),
}


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


def subgroup_names(frame: pl.DataFrame, column: Subgroup) -> pl.Series:
    """Each manifest row's group in a column; ``"(not recorded)"`` where the value is missing.

    Ages fall into the bands <30, 30–44, 45–59, 60–74 and 75 up; of the site the first level counts.
    """
    return frame.select(_COLUMN[column].fill_null(NOT_RECORDED).alias("group"))["group"]


def recorded_columns(frame: pl.DataFrame) -> list[Subgroup]:
    """The columns in which any of the rows has a value."""
    return [column for column in get_args(Subgroup) if (subgroup_names(frame, column) != NOT_RECORDED).any()]


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
    strange = [each for each in columns if each not in _COLUMN]
    if strange:
        raise PredictionsError(f"no subgroups by {joined(list(strange))}", fix=f"Use {', '.join(_COLUMN)}.")
    if not np.isfinite(scored.probabilities).all():
        raise PredictionsError("probabilities are NaN or infinite", fix="Correct or leave out those images.")
    names = {column: subgroup_names(scored.frame, column) for column in columns}
    split = {
        column: {group: (values == group).to_numpy() for group in _ordered(column, values)}
        for column, values in names.items()
        if (values != NOT_RECORDED).any()
    }
    if not split:
        return []
    figures = _Figures(scored, classes)
    cases = clusters_of(scored.frame).number
    kept = {(column, group): figures.of(rows) for column, groups in split.items() for group, rows in groups.items()}

    def statistics(weights: Floats) -> dict[str, Floats]:
        return {
            f"{column}/{group}/{name}": values
            for (column, group), of in kept.items()
            for name, values in of(weights).items()
        }

    told = resampled(
        statistics, cases, resamples=resamples, seed=seed, confidence=confidence, width=len(classes.ids) ** 2
    )
    return [_Column(column, groups, figures, cases, told).result() for column, groups in split.items()]


class _Figures:
    """The statistics of a group of images, for many weightings at once."""

    def __init__(self, scored: ScoredImages, classes: ClassSet) -> None:
        self.ids = classes.ids
        self.truth, self.probabilities = scored.truth, scored.probabilities
        self.answers = predicted_class(scored.probabilities)
        self.malignant, self.benign = malignant_flags(classes), benign_flags(classes)
        self.known = bool(self.malignant.any() and self.benign.any())

    def of(self, rows: Bools) -> Callable[[Floats], dict[str, Floats]]:
        """A group's statistics: sensitivity and AUC by class (R×K), and the malignant pair (R), of weights N×R."""
        here = np.flatnonzero(rows)
        truth, answers = self.truth[here], self.answers[here]
        pairs = [PairsWon(truth == k, self.probabilities[here, k]) for k in range(len(self.ids))]

        def statistics(weights: Floats) -> dict[str, Floats]:
            each = weights[here]
            confusion = confusion_matrix(truth, answers, len(self.ids), each)
            figures = {
                "balanced_accuracy": sensitivity(confusion),
                "macro_auc": np.stack([of_class.auc(each) for of_class in pairs], axis=1),
            }
            return figures | self._malignant(confusion)

        return statistics

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

    def __init__(
        self,
        column: Subgroup,
        groups: dict[str, Bools],
        figures: _Figures,
        cases: Ints,
        told: Resampled,
    ) -> None:
        self.column, self.groups, self.figures = column, groups, figures
        self.cases, self.told = cases, told
        self.counts = {group: self._counts(rows) for group, rows in groups.items()}

    def result(self) -> SubgroupResults:
        gaps = [gap for figure in get_args(Figure) if (gap := self._gap(figure)) is not None]
        told = []
        compared = [group for group in self.groups if group != NOT_RECORDED]
        if len(compared) == 1:
            told.append(f"All images with a value are in one group, {compared[0]}: there is nothing to compare.")
        elif not gaps:
            told.append("No two groups are large enough for a gap.")
        if NOT_RECORDED in self.groups:
            missing = int(self.groups[NOT_RECORDED].sum())
            told.append(f"{missing:,} of {len(self.cases):,} images have no value here.")
        return SubgroupResults(
            column=self.column,
            groups=[self._group(group) for group in self.groups],
            gaps=gaps,
            rule=RULE,
            warnings=told,
        )

    def _counts(self, rows: Bools) -> tuple[int, int, int]:
        """Independent cases: all, malignant, benign."""
        truth = self.figures.truth
        kinds = (rows, rows & self.figures.malignant[truth], rows & self.figures.benign[truth])
        every, malignant, benign = (len(np.unique(self.cases[kind])) for kind in kinds)
        return every, malignant, benign

    def _group(self, group: str) -> GroupResult:
        rows = self.groups[group]
        every, malignant, benign = self.counts[group]
        known = self.figures.known
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
        shown = np.bincount(self.figures.truth[rows], minlength=len(self.figures.ids))
        estimates = {figure: self._estimate(group, figure) for figure in get_args(Figure)}
        return GroupResult(
            group=group,
            images=int(rows.sum()),
            cases=every,
            malignant_cases=malignant if known else None,
            benign_cases=benign if known else None,
            absent=[class_id for class_id, count in zip(self.figures.ids, shown, strict=True) if not count],
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
            classes=None if common is None else [self.figures.ids[k] for k in common],
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
        return self.figures.known and of_a_kind >= FEW_OF_A_KIND

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


def _ordered(column: Subgroup, values: pl.Series) -> list[str]:
    """The groups that occur: bands by age, other names by alphabet, those without a value last."""
    found = values.unique().to_list()
    rank = {band: place for place, band in enumerate(AGE_BANDS)} if column == "age_band" else {}
    return sorted(found, key=lambda group: (group == NOT_RECORDED, rank.get(group, 0), group))
