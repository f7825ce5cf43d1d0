"""Example images with the model's answer: the errors that matter most, and right answers drawn at random."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutis.evaluation import ScoredImages, percent, predicted_class
from cutis.report.thumbnails import Thumbnail, thumbnail
from cutis.taxonomy import ClassSet

THUMBNAIL_SIDE = 280  # pixels: sharp at the page's 140 on a dense screen


@dataclass(frozen=True)
class Example:
    """One image with what it shows and what was answered.

    Attributes:
        image_id: the image.
        picture: its thumbnail.
        alternative: the picture in words.
        truth: the diagnosis.
        answer: the model's.
        right: whether they are the same.
        ranked: the most probable classes with their probability, three at most.
    """

    image_id: str
    picture: Thumbnail
    alternative: str
    truth: str
    answer: str
    right: bool
    ranked: list[tuple[str, float]]


@dataclass(frozen=True)
class ExampleGroup:
    """Examples under one heading, with how they were chosen."""

    title: str
    chosen: str
    examples: list[Example]


def example_groups(
    scored: ScoredImages,
    classes: ClassSet,
    *,
    dangerous: int = 8,
    wrong: int = 8,
    right: int = 8,
    seed: int = 0,
    image_paths: Callable[[Sequence[str]], Mapping[str, str]] | None = None,
) -> list[ExampleGroup]:
    """Choose and draw examples, at most one image of each lesion.

    Args:
        scored: the evaluated images.
        classes: what they were told apart into.
        dangerous: most malignant or premalignant lesions called benign, the most confident first.
        wrong: most other errors, the most confident first.
        right: most right answers, one a class, drawn at random.
        seed: of the draw.
        image_paths: finds the files of images; None takes the manifest's column ``image_path``.

    Returns:
        The groups that have any example.
    """
    answers = predicted_class(scored.probabilities)
    confidence = scored.probabilities.max(axis=1)
    benign = np.array([each.malignancy == "benign" for each in classes.classes])
    suspect = np.array([each.malignancy in ("malignant", "premalignant") for each in classes.classes])
    missed = suspect[scored.truth] & benign[answers]
    order = np.argsort(-confidence, kind="stable")
    shown: set[str] = set()
    generator = np.random.default_rng(seed)
    groups = (
        (
            "Malignant and premalignant lesions called benign",
            "the errors that could do most harm, those the model was surest of first",
            _first(scored, order[missed[order]], dangerous, shown),
        ),
        (
            "Other errors",
            "those the model was surest of first",
            _first(scored, order[(answers != scored.truth)[order] & ~missed[order]], wrong, shown),
        ),
        (
            "Right answers",
            "drawn at random, at most one for each diagnosis",
            _one_a_class(scored, answers, right, shown, generator),
        ),
    )
    every = [row for _, _, rows in groups for row in rows]
    ids = scored.frame["image_id"][every].to_list()
    if image_paths is None:
        files: Mapping[str, str | None] = dict(zip(ids, scored.frame["image_path"][every], strict=True))
    else:
        files = image_paths(ids)
    return [
        ExampleGroup(title, chosen, [_example(scored, classes, row, int(answers[row]), files) for row in rows])
        for title, chosen, rows in groups
        if rows
    ]


def _first(scored: ScoredImages, rows: NDArray[np.int64], most: int, shown: set[str]) -> list[int]:
    """The first rows of lesions not shown yet."""
    images, lesions = scored.frame["image_id"], scored.frame["lesion_id"]
    chosen: list[int] = []
    for row in map(int, rows):
        if len(chosen) == most:
            break
        lesion = lesions[row] or images[row]
        if lesion not in shown:
            shown.add(lesion)
            chosen.append(row)
    return chosen


def _one_a_class(
    scored: ScoredImages,
    answers: NDArray[np.int64],
    most: int,
    shown: set[str],
    generator: np.random.Generator,
) -> list[int]:
    rows: list[int] = []
    for k in generator.permutation(scored.probabilities.shape[1]):
        hits = np.flatnonzero((scored.truth == k) & (answers == k))
        rows += _first(scored, generator.permutation(hits), 1, shown)
    return sorted(rows[:most], key=lambda row: scored.truth[row])


def _example(
    scored: ScoredImages, classes: ClassSet, row: int, answer: int, files: Mapping[str, str | None]
) -> Example:
    names = [each.name for each in classes.classes]
    truth = int(scored.truth[row])
    probabilities = scored.probabilities[row]
    best = np.argsort(-probabilities, kind="stable")[:3]
    image_id = scored.frame["image_id"][row]
    kind = scored.frame["image_type"][row] or "photograph"
    said = f"{names[answer]} ({percent(float(probabilities[answer]))})"
    return Example(
        image_id=image_id,
        picture=thumbnail(files.get(image_id), THUMBNAIL_SIDE),
        alternative=f"{image_id}, {kind}, of {names[truth]}. The model answered {said}.",
        truth=names[truth],
        answer=names[answer],
        right=truth == answer,
        ranked=[(names[k], float(probabilities[k])) for k in best],
    )
