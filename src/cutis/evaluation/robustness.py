"""What a classifier loses when photographs go wrong: corrupted against clean predictions of the same images.

After Hendrycks & Dietterich 2019 (arXiv:1903.12261). Their error counts each image the same; here it is 1 − balanced
accuracy, as in Maron 2021 (mBCE, doi:10.1016/j.ejca.2021.06.047), since one diagnosis can be most of the images. Where
the corrupted images come from is not asked: any system's predictions can be measured.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import numpy as np
import polars as pl

from cutis import __version__
from cutis.errors import PredictionsError, listed
from cutis.evaluation.arrays import Bools, Floats, Ints, ratio
from cutis.evaluation.clinical import benign_flags, malignancy_probability, malignant_flags
from cutis.evaluation.corruption_error import (
    BaselineErrors,
    baseline_errors,
    corruption_errors,
    relative_corruption_errors,
)
from cutis.evaluation.estimate import Intervals, Resampled, resampled
from cutis.evaluation.metrics import PairsWon, macro_mean, predicted_class
from cutis.evaluation.predictions import Predictions
from cutis.evaluation.robustness_result import (
    FIGURES,
    AtStrength,
    CorruptionResult,
    RobustnessFigures,
    RobustnessResult,
)
from cutis.evaluation.scored import (
    FEW_CLUSTERS,
    FEW_IMAGES,
    ScoredImages,
    clusters_of,
    distinct,
    evaluated_rows,
    scored_images,
)
from cutis.taxonomy import ClassSet

Condition = tuple[str, int]
"""A corruption and a strength."""

_MELANOMA = ("malignant-melanoma", "melanoma")


def evaluate_robustness(
    clean: Predictions,
    corrupted: Mapping[Condition, Predictions],
    manifest: pl.DataFrame,
    *,
    model: str = "the model",
    subset: str | None = None,
    baseline: RobustnessResult | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> RobustnessResult:
    """Measure what corruptions cost.

    Intervals are percentiles of a bootstrap of whole patients, lesions or images, as in
    :func:`cutis.evaluation.evaluate`; all conditions share the resamples, so changes are paired.

    Args:
        clean: predictions of the images as they are.
        corrupted: predictions of the same images by corruption and strength; every corruption at the same strengths.
        manifest: as :func:`cutis.data.read_manifest` gives it.
        model: what to call the model.
        subset: as for :func:`cutis.evaluation.evaluate`.
        baseline: another model's result on the same images and conditions; None: no corruption error.
        resamples: of the bootstrap, 100 or more.
        seed: of the bootstrap.
        confidence: of the intervals, between 0 and 1.

    Raises:
        PredictionsError: predictions do not match the manifest or each other, a corruption lacks a strength, or the
            baseline was measured on something else.
        LeakError: the model was trained on an evaluated image, its lesion, patient or group.
    """
    if resamples < 100:
        raise PredictionsError(
            f"{resamples} resamples are too few for an interval", fix="Take 100 or more, best 2,000."
        )
    if not 0 < confidence < 1:
        raise PredictionsError(f"confidence {confidence:g} is not between 0 and 1", fix="Take 0.95.")
    names, strengths = _grid(corrupted)
    scored = scored_images(clean, manifest, subset=subset)
    answered = [scored.probabilities]
    answered += [_same_images(scored, clean, corrupted[n, s], f"{n} {s}") for n in names for s in strengths]
    key = _images_key(scored)
    reference = None if baseline is None else baseline_errors(baseline, names, strengths, key)
    conditions = _Conditions(scored.truth, answered, clean.classes, (len(names), len(strengths)), reference)
    clusters = clusters_of(scored.frame)
    told = resampled(
        conditions.statistics,
        clusters.number,
        resamples=resamples,
        seed=seed,
        confidence=confidence,
        width=2 * len(answered) * len(clean.classes.ids),
    )
    counts = np.bincount(scored.truth, minlength=len(clean.classes.ids))
    return RobustnessResult(
        cutis_version=__version__,
        evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        model=model,
        classes=clean.classes,
        subset=scored.subset,
        sources=dict(scored.frame["source"].fill_null("(not named)").alias("s").value_counts(sort=True).iter_rows()),
        images=len(scored.truth),
        images_of_class=dict(zip(clean.classes.ids, counts.tolist(), strict=True)),
        malignant_images=int(malignant_flags(clean.classes)[scored.truth].sum()),
        lesions=distinct(scored.frame, "lesion_id"),
        patients=distinct(scored.frame, "patient_id"),
        images_key=key,
        training_data_known=bool(scored.seen_known.all()),
        outside_classes=sum(scored.outside.values()),
        clean=_figures(told, "clean"),
        corruptions=[_corruption(told, name, p, strengths) for p, name in enumerate(names)],
        mean=_figures(told, "mean"),
        mean_change=_figures(told, "mean_change"),
        mean_flipped=told.estimate("mean/flipped"),
        baseline=None if baseline is None else baseline.model,
        mean_corruption_error=told.estimate("mean/ce"),
        relative_mean_corruption_error=told.estimate("mean/relative_ce"),
        intervals=Intervals(
            method="percentile bootstrap of whole clusters (patient where known, else lesion, else image), the same "
            "resamples for all conditions; the baseline's errors are held fixed",
            clusters=clusters.kinds,
            resamples=resamples,
            seed=seed,
            confidence=confidence,
        ),
        warnings=_warnings(scored, clean.classes, counts, clusters.cases, baseline, reference, names),
    )


def draw_cases(manifest: pl.DataFrame, images: int | None, *, subset: str | None = None, seed: int = 0) -> pl.DataFrame:
    """The evaluated rows of a manifest, or a random part of about so many: whole patients, lesions or images.

    Args:
        manifest: as :func:`cutis.data.read_manifest` gives it.
        images: how many at most (the first case drawn is kept whatever its size); None for all.
        subset: as for :func:`cutis.evaluation.evaluate`.
        seed: of the draw.

    Raises:
        PredictionsError: the subset is empty, or ``images`` is below 1.
    """
    if images is not None and images < 1:
        raise PredictionsError(f"{images} images cannot be drawn", fix="Take 1 or more.")
    _, rows = evaluated_rows(manifest, subset)
    if images is None or len(rows) <= images:
        return rows
    case = clusters_of(rows).number
    size = np.bincount(case)
    order = np.random.default_rng(seed).permutation(len(size))
    drawn = order[: max(1, int(np.searchsorted(np.cumsum(size[order]), images, side="right")))]
    return rows.filter(np.isin(case, drawn))


class _Conditions:
    """The figures of all conditions, the clean one first, for any weighting of the images."""

    def __init__(
        self,
        truth: Ints,
        answered: Sequence[Floats],
        classes: ClassSet,
        grid: tuple[int, int],
        baseline: BaselineErrors | None,
    ) -> None:
        self.grid, self.baseline = grid, baseline
        answers = [predicted_class(each) for each in answered]
        malignant, benign = malignant_flags(classes), benign_flags(classes)
        told_apart = (malignant | benign)[truth]
        ill: Bools = malignant[truth]
        self.of_class = _indicators(truth[None] == np.arange(len(classes.ids))[:, None])
        self.right = [_indicators((answer == truth)[None] & (self.of_class > 0)) for answer in answers]
        self.flips = np.stack([answer != answers[0] for answer in answers[1:]]).astype(np.float64)
        self.groups = np.stack([ill, told_apart & ~ill]).astype(np.float64)
        self.called = [
            np.stack([ill & malignant[answer], told_apart & ~ill & ~malignant[answer]]).astype(np.float64)
            for answer in answers
        ]
        self.told_apart = told_apart
        self.risk = [
            PairsWon(ill[told_apart], malignancy_probability(each, malignant)[told_apart]) for each in answered
        ]
        places = [k for k, each in enumerate(classes.classes) if set(each.nodes) & set(_MELANOMA)]
        self.melanoma = places[0] if len(places) == 1 else None
        self.own = (
            [] if self.melanoma is None else [PairsWon(truth == places[0], each[:, places[0]]) for each in answered]
        )

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        whole, groups = self.of_class @ weights, self.groups @ weights
        sensitivities = [ratio(right @ weights, whole) for right in self.right]
        rates = [ratio(called @ weights, groups) for called in self.called]
        nothing = np.full(weights.shape[1], np.nan)
        known = [nothing] * len(self.right)
        figures = {
            "error": [1 - macro_mean(each.T) for each in sensitivities],
            "malignant_sensitivity": [each[0] for each in rates],
            "malignant_specificity": [each[1] for each in rates],
            "malignant_auc": [each.auc(weights[self.told_apart]) for each in self.risk],
            "melanoma_sensitivity": known if self.melanoma is None else [each[self.melanoma] for each in sensitivities],
            "melanoma_auc": [each.auc(weights) for each in self.own] or known,
        }
        statistics: dict[str, Floats] = {}
        for name, values in figures.items():
            each = np.stack(values, axis=1)
            clean, corrupted = each[:, 0], each[:, 1:].reshape(-1, *self.grid)
            change = corrupted - clean[:, None, None]
            statistics |= {
                f"clean/{name}": clean,
                f"at/{name}": corrupted,
                f"change/{name}": change,
                f"corruption/{name}": corrupted.mean(axis=2),
                f"corruption_change/{name}": change.mean(axis=2),
                f"mean/{name}": corrupted.mean(axis=(1, 2)),
                f"mean_change/{name}": change.mean(axis=(1, 2)),
            }
        flipped = ratio(self.flips @ weights, weights.sum(axis=0)).T.reshape(-1, *self.grid)
        statistics |= {
            "at/flipped": flipped,
            "corruption/flipped": flipped.mean(axis=2),
            "mean/flipped": flipped.mean(axis=(1, 2)),
        }
        return statistics | self._against_baseline(statistics["at/error"], statistics["clean/error"])

    def _against_baseline(self, errors: Floats, clean: Floats) -> dict[str, Floats]:
        if self.baseline is None:
            ce = relative = np.full(errors.shape[:2], np.nan)
        else:
            ce = corruption_errors(errors, self.baseline.corrupted)
            relative = relative_corruption_errors(errors, clean, self.baseline)
        return {
            "corruption/ce": ce,
            "corruption/relative_ce": relative,
            # NaN as soon as one is not defined: a mean over other corruptions could not be compared.
            "mean/ce": ce.mean(axis=1),
            "mean/relative_ce": relative.mean(axis=1),
        }


def _indicators(rows: Bools) -> Floats:
    return rows.astype(np.float64)


def _figures(told: Resampled, kind: str, *at: int) -> RobustnessFigures:
    return RobustnessFigures(**{name: told.estimate(f"{kind}/{name}", *at) for name in FIGURES})


def _corruption(told: Resampled, name: str, place: int, strengths: Sequence[int]) -> CorruptionResult:
    return CorruptionResult(
        name=name,
        at=[
            AtStrength(
                strength=strength,
                figures=_figures(told, "at", place, s),
                change=_figures(told, "change", place, s),
                flipped=told.estimate("at/flipped", place, s),
            )
            for s, strength in enumerate(strengths)
        ],
        mean=_figures(told, "corruption", place),
        mean_change=_figures(told, "corruption_change", place),
        mean_flipped=told.estimate("corruption/flipped", place),
        corruption_error=told.estimate("corruption/ce", place),
        relative_corruption_error=told.estimate("corruption/relative_ce", place),
    )


def _grid(corrupted: Mapping[Condition, Predictions]) -> tuple[list[str], list[int]]:
    """The corruptions in the order given and the strengths in ascending order; every pair must be there."""
    if not corrupted:
        raise PredictionsError("there are no predictions of corrupted images", fix="Give one corruption at least.")
    names = list(dict.fromkeys(name for name, _ in corrupted))
    strengths = sorted({strength for _, strength in corrupted})
    missing = [f"{n} {s}" for n in names for s in strengths if (n, s) not in corrupted]
    if missing:
        raise PredictionsError(
            f"there are no predictions for {listed(missing)}", fix="Predict every corruption at the same strengths."
        )
    return names, strengths


def _same_images(scored: ScoredImages, clean: Predictions, other: Predictions, what: str) -> Floats:
    """The probabilities of the scored images, in their order."""
    if other.classes != clean.classes:
        raise PredictionsError(
            f"the predictions for {what} tell {listed(other.classes.ids)} apart, the clean ones "
            f"{listed(clean.classes.ids)}",
            fix="Predict both with one model.",
        )
    row_of = {image_id: row for row, image_id in enumerate(other.image_ids)}
    ids = scored.frame["image_id"].to_list()
    missing = [each for each in ids if each not in row_of]
    if missing:
        raise PredictionsError(
            f"the predictions for {what} lack {len(missing):,} of {len(ids):,} images: {listed(missing)}",
            fix="Predict the same images at every strength.",
        )
    return other.probabilities[[row_of[each] for each in ids]]


def _images_key(scored: ScoredImages) -> str:
    sources, ids = scored.frame["source"].fill_null(""), scored.frame["image_id"]
    rows = sorted(f"{source}\t{image}\t{k}" for source, image, k in zip(sources, ids, scored.truth, strict=True))
    return blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()


def _warnings(
    scored: ScoredImages,
    classes: ClassSet,
    counts: Ints,
    cases: int,
    baseline: RobustnessResult | None,
    reference: BaselineErrors | None,
    names: Sequence[str],
) -> list[str]:
    told = []
    unknown = int((~scored.seen_known).sum())
    if unknown:
        told.append(
            f"For {unknown:,} of the {len(scored.truth):,} images it is not known whether the model was trained on "
            "them or on others of the same lesions or patients. If so, its errors are too small."
        )
    if cases < FEW_CLUSTERS:
        told.append(f"There are only {cases} independent cases: the intervals are likely too narrow.")
    absent = [each.name for each, count in zip(classes.classes, counts, strict=True) if not count]
    if absent:
        told.append(f"No image shows {', '.join(absent)}: no part in the balanced accuracy.")
    few = [f"{e.name} ({count})" for e, count in zip(classes.classes, counts, strict=True) if 0 < count < FEW_IMAGES]
    if few:
        told.append(f"Few images: {', '.join(few)}. Their share of the balanced accuracy rests on chance.")
    if baseline is not None and reference is not None:
        rises = (reference.corrupted - reference.clean).sum(axis=1)
        none = [name for name, rise in zip(names, rises, strict=True) if rise <= 0]
        if none:
            told.append(
                f"The baseline loses nothing by {', '.join(none)}: no relative corruption error, and no mean of them."
            )
        unsure = [
            each.name
            for each in baseline.corruptions
            if each.name in names and each.name not in none and (each.mean_change.error.low or 0.0) <= 0
        ]
        if unsure:
            told.append(
                f"By chance alone the baseline may lose nothing by {', '.join(unsure)}: the relative corruption error "
                "divides by a number near 0 there."
            )
    return told
