"""The shortcut check: how well a diagnosis can be predicted without a look at the lesion.

Each thing that stands beside the lesion (a column of the manifest, a fact of the file, the frame of the image) is
looked at alone: what it predicts out of fold is measured as a classifier's answers are. A model can learn whatever
predicts well here, and its figures then say little about lesions (Winkler 2019, JAMA Dermatol 155:1135: surgical ink;
Bissoto 2019, arXiv:1904.08818: images whose lesion was blacked out).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.audit.clues import (
    BORDER,
    THUMBNAIL,
    Clue,
    ClueKind,
    Floats,
    Ints,
    column_clues,
    file_clues,
    pixel_clues,
)
from cutis.audit.out_of_fold import OutOfFoldAuc, by_features, by_value, folds_of
from cutis.evaluation import (
    Estimate,
    Intervals,
    Part,
    Resampled,
    clusters_of,
    counted,
    decimal,
    decimal_interval,
    resampled,
)
from cutis.taxonomy import ClassSet, class_labels, class_set, source_classes

LEAST_CASES = 10
"""Patients, lesions or images that a diagnosis must have: with fewer, one case moves its AUC by 0.1."""
MOST_CLASSES = 20
WARN_ABOVE = 0.7
"""Where a mean AUC begins to be called acceptable discrimination (Hosmer & Lemeshow, Applied Logistic Regression, 5.2):
a clue that says nothing of the lesion should not discriminate acceptably. The interval's lower end must lie above."""

_ADVICE: dict[ClueKind, str] = {
    "record": (
        "It is known only with the diagnosis, or tells where the image came from, not what it shows. Give it to no "
        "model, and compare the figures within each of its values."
    ),
    "missing": (
        "Values are missing more often in some diagnoses than in others. A model that is given the column learns this: "
        "compare the figures where it is recorded."
    ),
    "other column": (
        "cutis does not know this column. If it is filled in with the diagnosis or after it, give it to no model."
    ),
    "file": (
        "The form of a file says nothing of the lesion: diagnoses came by different ways, and a model may learn the "
        "way. Make all images anew in one form, or compare the figures within each way."
    ),
    "border": (
        "The frame around the lesion predicts the diagnosis: through skin of age and site, but also through light, "
        "rulers, ink or dark corners. Train and test on images cut to the lesion and see whether the figures hold."
    ),
}


class ClassAuc(Part):
    """How well one diagnosis is told from all others."""

    id: str
    images: int
    auc: Estimate


class Shortcut(Part):
    """How well one thing alone predicts the diagnosis.

    Attributes:
        name: a column's name, or what else was looked at.
        kind: ``patient`` (known when the lesion is seen), ``record`` (known with the diagnosis or later, or where the
            image came from), ``missing`` (whether a column is filled in), ``other column`` (unknown to cutis), ``file``
            (form and name), ``border`` or ``thumbnail``.
        images: how many rows it was measured on.
        missing: rows without it, which were left out here.
        distinct: values that were told apart; None for pixels.
        macro_auc: mean of the AUC of each diagnosis against all others.
        malignant_auc: malignant and premalignant against benign ones; None where either is missing.
        classes: each diagnosis by itself.
        strongest: what it predicts best: ``"all diagnoses"``, ``"malignancy"`` or a diagnosis.
        strongest_auc: the figure of it, that with the highest lower end of all.
        warn_above: the limit for that lower end; None for what may lawfully predict a diagnosis.
        warning: what to do about it; empty where nothing is due.
        told: the finding in one sentence.
    """

    name: str
    kind: ClueKind
    images: int
    missing: int
    distinct: int | None
    macro_auc: Estimate
    malignant_auc: Estimate | None
    classes: list[ClassAuc]
    strongest: str
    strongest_auc: Estimate
    warn_above: float | None
    warning: str
    told: str


class ShortcutResult(Part):
    """The shortcut check of a manifest.

    Attributes:
        classes: the diagnoses that were to be predicted.
        images: rows with one of these diagnoses that were looked at.
        sampled_from: how many there are, where not all were looked at; else None.
        folds: of the cross-validation.
        intervals: how the intervals were made.
        shortcuts: the strongest first.
        not_checked: what could not be looked at, and why.
        notes: what a reader must know beside.
    """

    classes: list[str]
    images: int
    sampled_from: int | None
    folds: int
    intervals: Intervals
    shortcuts: list[Shortcut]
    not_checked: dict[str, str]
    notes: list[str]

    @property
    def warnings(self) -> list[Shortcut]:
        """Those for which a warning is due."""
        return [each for each in self.shortcuts if each.warning]


def shortcut_check(
    manifest: pl.DataFrame,
    classes: ClassSet | None = None,
    *,
    most_images: int = 20_000,
    folds: int = 5,
    resamples: int = 500,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Callable[[int], None] | None = None,
) -> ShortcutResult:
    """Measure how well each thing beside the lesion predicts the diagnosis alone.

    Columns are looked at in every row with a diagnosis, files and pixels in those with an image. A value's prediction
    is the smoothed share of the diagnoses among its training rows (Micci-Barreca 2001); that of pixels is a linear
    discriminant with Ledoit & Wolf's shrinkage. All images of a patient, else of a lesion, are in one fold.

    Args:
        manifest: as :func:`cutis.data.read_manifest` gives it.
        classes: the diagnoses to predict; by default the nodes (where there are not two, the data set's own words)
            that have 10 cases or more, 20 at most.
        most_images: of more, whole cases are drawn at random.
        folds: of the cross-validation, 2 or more.
        resamples: of the clustered bootstrap.
        seed: of folds, bootstrap and drawing.
        confidence: of the intervals.
        progress: called with the number of images just decoded.

    Raises:
        ImageError: images or masks are missing or unreadable; all are named together.
    """
    chosen = classes or _classes_of(manifest)
    words = manifest["source_diagnosis"].to_list()
    label = (
        class_labels(chosen, manifest["diagnosis_node"].to_list(), words).label
        if chosen
        else np.full(len(manifest), -1, dtype=np.int64)
    )
    inside = (label >= 0) & (label < len(chosen.ids) if chosen else False)
    notes = []
    if (~inside).any():
        notes.append(f"{counted(int((~inside).sum()), 'image')} with no diagnosis or a rare one were left out")
    frame, truth = manifest.filter(inside), label[inside]
    kept = _sample(clusters_of(frame).number, most_images, seed)
    sampled_from = None if kept.all() else len(frame)
    frame, truth = frame.filter(kept), truth[kept]
    clusters = clusters_of(frame)
    intervals = Intervals(
        method="percentile bootstrap of whole clusters (patient where known, else lesion, else image)",
        clusters=clusters.kinds,
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )
    result = ShortcutResult(
        classes=list(chosen.ids) if chosen else [],
        images=len(frame),
        sampled_from=sampled_from,
        folds=folds,
        intervals=intervals,
        shortcuts=[],
        not_checked={},
        notes=notes,
    )
    if chosen is None or not _has_two_classes(truth, clusters.number):
        told = f"fewer than two diagnoses have {LEAST_CASES} cases or more: there is nothing to predict"
        return result.model_copy(update={"notes": [*notes, told]})
    columns, left = column_clues(frame)
    files, more_left = file_clues(frame)
    not_checked = {**left, **more_left}
    measured = []
    for clue in [*columns, *files, *pixel_clues(frame, progress)]:
        if _has_two_classes(truth[clue.rows], clusters.number[clue.rows]):
            measured.append(_Measured(clue, truth, clusters.number, chosen, folds, seed))
        else:
            not_checked[clue.name] = f"fewer than two diagnoses have {LEAST_CASES} cases or more with it"

    def statistics(weights: Floats) -> dict[str, Floats]:
        return {
            f"{number}/{name}": figures
            for number, each in enumerate(measured)
            for name, figures in each.auc.statistics(weights[each.rows]).items()
        }

    told_all = resampled(statistics, clusters.number, resamples=resamples, seed=seed, confidence=confidence)
    shortcuts = [each.result(told_all, str(number)) for number, each in enumerate(measured)]
    shortcuts.sort(key=lambda each: (-(each.strongest_auc.low or 0.0), each.name))
    return result.model_copy(update={"shortcuts": shortcuts, "not_checked": dict(sorted(not_checked.items()))})


class _Measured:
    """A clue with what it predicts out of fold of the classes that have cases enough with it."""

    def __init__(self, clue: Clue, truth: Ints, cluster: Ints, classes: ClassSet, folds: int, seed: int) -> None:
        self.clue = clue
        cases = _cases(truth[clue.rows], cluster[clue.rows], len(classes.ids))
        enough = cases >= LEAST_CASES
        self.classes = [each for each, is_kept in zip(classes.classes, enough, strict=True) if is_kept]
        kept = enough[truth[clue.rows]]
        self.rows = clue.rows[kept]
        self.truth: Ints = (np.cumsum(enough) - 1)[truth[self.rows]]
        fold = folds_of(cluster[self.rows], self.truth, folds, seed)
        if clue.values is not None:
            probabilities = by_value(clue.values[kept], self.truth, fold, len(self.classes))
        else:
            assert clue.features is not None
            probabilities = by_features(clue.features[kept], self.truth, fold, len(self.classes))
        kinds = np.array([each.malignancy for each in self.classes])
        ill = np.isin(kinds, ("malignant", "premalignant"))
        self.auc = OutOfFoldAuc(self.truth, probabilities, fold, ill, kinds == "benign")

    def result(self, told: Resampled, name: str) -> Shortcut:
        clue = self.clue
        macro = told.estimate(f"{name}/macro")
        malignant = told.estimate(f"{name}/malignant") if self.auc.both else None
        images = np.bincount(self.truth, minlength=len(self.classes))
        classes = [
            ClassAuc(id=each.id, images=int(images[k]), auc=told.estimate(f"{name}/classes", k))
            for k, each in enumerate(self.classes)
        ]
        figures = [("all diagnoses", macro), ("malignancy", malignant), *((each.id, each.auc) for each in classes)]
        known = [(what, figure) for what, figure in figures if figure is not None]
        strongest, figure = max(known, key=lambda each: each[1].low or 0.0)
        limit = WARN_ABOVE if clue.kind in _ADVICE else None
        due = limit is not None and figure.low is not None and figure.low > limit
        rows = counted(len(self.rows), "image")
        sentence = (
            f"Alone, {_NAMES.get(clue.name, clue.name)} predicts the diagnosis with a mean AUC of "
            f"{decimal(macro.value)} ({decimal_interval(macro)}) over {len(classes)} diagnoses in {rows}"
        )
        if strongest != "all diagnoses":
            sentence += f"; {strongest} with {decimal(figure.value)} ({decimal_interval(figure)})"
        return Shortcut(
            name=clue.name,
            kind=clue.kind,
            images=len(self.rows),
            missing=clue.missing,
            distinct=clue.distinct,
            macro_auc=macro,
            malignant_auc=malignant,
            classes=classes,
            strongest=strongest,
            strongest_auc=figure,
            warn_above=limit,
            warning=_ADVICE[clue.kind] if due else "",
            told=f"{sentence}{f' ({clue.note})' if clue.note else ''}.",
        )


_NAMES = {
    BORDER: "the image's border (without the lesion where there is a mask)",
    THUMBNAIL: "a thumbnail of 8 × 8 pixels",
}


def _classes_of(manifest: pl.DataFrame) -> ClassSet | None:
    """The most frequent diagnoses with enough cases: nodes of the tree, else the data set's words; None if under 2."""
    cases = manifest.with_columns(_case=clusters_of(manifest).number)
    for column in ("diagnosis_node", "source_diagnosis"):
        frequent = (
            cases.drop_nulls(column)
            .group_by(column)
            .agg(pl.col("_case").n_unique())
            .filter(pl.col("_case") >= LEAST_CASES)
            .sort(["_case", column], descending=[True, False])[column]
            .head(MOST_CLASSES)
            .sort()
            .to_list()
        )
        if len(frequent) > 1:
            return class_set(",".join(frequent)) if column == "diagnosis_node" else source_classes(frequent)
    return None


def _sample(cluster: Ints, most: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows to look at: all, or those of whole clusters in random order until there are ``most``."""
    if len(cluster) <= most:
        return np.ones(len(cluster), dtype=bool)
    size = np.bincount(cluster)
    order = np.random.default_rng(seed).permutation(len(size))
    drawn = np.zeros(len(size), dtype=bool)
    drawn[order[np.cumsum(size[order]) <= most]] = True
    return drawn[cluster]


def _cases(truth: Ints, cluster: Ints, classes: int) -> Ints:
    """How many clusters have each class, K."""
    distinct = np.unique(np.column_stack([truth, cluster]), axis=0)
    return np.bincount(distinct[:, 0], minlength=classes).astype(np.int64)


def _has_two_classes(truth: Ints, cluster: Ints) -> bool:
    return len(truth) > 0 and int((_cases(truth, cluster, int(truth.max()) + 1) >= LEAST_CASES).sum()) > 1
