"""The cases that readers answered, brought together with a model's predictions and the truth, or refused."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from cutis.errors import listed
from cutis.evaluation import Predictions, ScoredImages, predicted_class, scored_images
from cutis.study.readings import Bools, Floats, Readings, ReadingsError
from cutis.taxonomy import ClassSet


class Kinds(NamedTuple):
    """Who is positive: which of K classes are, which are the others, and both in words."""

    positive: Bools
    negative: Bools
    words: tuple[str, str]


def kinds_of(classes: ClassSet, positive: str | None) -> Kinds:
    """Which classes count as positive: the one named, or the malignant and premalignant ones against benign ones.

    Raises:
        ReadingsError: there is no such class, or it is not known which classes are malignant.
    """
    if positive is not None:
        if positive not in classes.ids:
            raise ReadingsError(
                f"there is no class '{positive}'", fix=f"The model's classes are {listed(list(classes.ids))}."
            )
        own = np.array([each == positive for each in classes.ids])
        name = classes.classes[classes.ids.index(positive)].name
        return Kinds(own, ~own, (name, f"not {name}"))
    ill = np.array([each.malignancy in ("malignant", "premalignant") for each in classes.classes])
    well = np.array([each.malignancy == "benign" for each in classes.classes])
    if not ill.any() or not well.any():
        raise ReadingsError(
            "it is not known which of the model's classes are malignant and which benign",
            fix="Name the class that is looked for (--positive).",
        )
    return Kinds(ill, well, ("malignant or premalignant", "benign"))


def one_modality(readings: Readings, modality: str | None) -> Readings:
    """The readings of a modality, which must be named where there are several.

    Raises:
        ReadingsError: it is not named, or there is none of that name.
    """
    if modality is None and len(readings.modalities) > 1:
        raise ReadingsError(
            f"the readings are of {len(readings.modalities)} modalities: {listed(readings.modalities)}",
            fix="Name one (--modality).",
        )
    return readings if modality is None else readings.only(modalities=[modality])


def check_same_classes(readers: Mapping[str, Predictions], classes: ClassSet) -> None:
    """Raise ReadingsError where a reader answered with other classes than the model, or there is no reader."""
    if not readers:
        raise ReadingsError("there is no reader", fix="Name a file of readings, or of a reader's predictions.")
    for reader, answered in readers.items():
        if answered.classes.ids != classes.ids:
            raise ReadingsError(
                f"answered with {listed(list(answered.classes.ids))}, the model with {listed(list(classes.ids))}",
                where=reader,
                fix="Give both the same classes (--classes, --at).",
            )


def answered_cases(model: Predictions, manifest: pl.DataFrame, read: Sequence[str]) -> tuple[ScoredImages, list[str]]:
    """The cases that were read, with the model's predictions; what must be known of them."""
    rows = manifest.filter(pl.col("image_id").is_in(list(read)))
    subset_of = dict(rows.select("image_id", "subset").iter_rows())
    place = {image_id: row for row, image_id in enumerate(model.image_ids)}
    for wrong, problem, fix in (
        ([each for each in read if each not in subset_of], "are not in the manifest", "Name the manifest they are of."),
        (
            [each for each in read if subset_of.get(each) == "excluded"],
            "are excluded in the manifest",
            "Leave out their readings, or take them in again.",
        ),
        ([each for each in read if each not in place], "were not predicted by the model", "Predict them too."),
    ):
        if wrong:
            raise ReadingsError(
                f"{len(wrong):,} of {len(read):,} cases that were read {problem}: {listed(wrong)}", fix=fix
            )
    chosen = [place[each] for each in read]
    of_these = Predictions(
        list(read),
        model.probabilities[chosen],
        model.classes,
        None if model.seen is None else [model.seen[row] for row in chosen],
    )
    # All cases that were read count, whatever their subset; of what the model saw, its predictions tell.
    scored = scored_images(of_these, rows.with_columns(subset=pl.lit(None, dtype=pl.String)))
    warnings = []
    unknown = int((~scored.seen_known).sum())
    if unknown:
        warnings.append(
            f"For {unknown:,} cases it is not known whether the model was trained on them or on others of the same "
            "lesions or patients. If so, it is made to look too good."
        )
    training = sum(each == "train" for each in subset_of.values())
    if training:
        warnings.append(f"{training:,} cases are marked 'train' in the manifest.")
    if scored.outside:
        words = [f"{word} ({images:,})" for word, images in scored.outside.items()]
        warnings.append(f"Cases of no class of the model are left out: {listed(words)}.")
    return scored, warnings


def check_same_truth(readings: Readings, cases: Sequence[str], ill: Bools) -> None:
    """Raise ReadingsError where readings and manifest disagree on who is positive."""
    said = dict(readings.frame.select("case", "truth").unique().iter_rows())
    other = [case for case, positive in zip(cases, ill, strict=True) if said[case] != positive]
    if other:
        raise ReadingsError(
            f"{len(other):,} cases have another truth in the readings than in the manifest: {listed(other)}",
            fix="Correct one of them, or name the class that is looked for (--positive).",
        )


def rated_answers(readings: Readings, cases: Sequence[str], threshold: float) -> dict[str, Floats]:
    """By reader, 1 and 0 for the cases called positive and negative, NaN where not read."""
    grid = readings.grid()
    place = {case: k for k, case in enumerate(grid.cases)}
    rating = grid.rating[0][:, [place[case] for case in cases]]
    called = np.where(np.isnan(rating), np.nan, rating >= threshold)
    return dict(zip(grid.readers, called, strict=True))


def named_answers(answered: Predictions, cases: Sequence[str], positive: Bools) -> Floats:
    """1 and 0 for the N cases that a reader's most probable class calls positive and negative, NaN where not read."""
    place = {image_id: row for row, image_id in enumerate(answered.image_ids)}
    called = positive[predicted_class(answered.probabilities)]
    return np.array([float(called[place[case]]) if case in place else np.nan for case in cases])


def check_both_kinds(answers: Mapping[str, Floats], ill: Bools) -> None:
    """Raise ReadingsError where a reader read no positive or no negative case."""
    for reader, given in answers.items():
        read = ~np.isnan(given)
        if not (read & ill).any() or not (read & ~ill).any():
            raise ReadingsError("read no positive case or no negative one", where=reader, fix="Leave this reader out.")
