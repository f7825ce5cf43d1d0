"""What thresholds cost where they were not chosen, and thresholds chosen for each group by itself."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, checked_probabilities
from cutis.evaluation.estimate import Part
from cutis.evaluation.thresholds import Thresholds, check_columns, choose_threshold, choose_thresholds, share_of
from cutis.taxonomy import ClassSet

Rates = tuple[float | None, float | None]

FEW_FOR_A_THRESHOLD = 20  # of either kind: below, one image moves a rate by over 5 points


class Transfer(Part):
    """What a threshold chosen elsewhere gives on these images, and the best that these images would allow.

    ``youden_lost`` is the best Youden index here less the one at the threshold, 0 or more. None where these images
    show only this class or none of it, or where the class has no threshold.
    """

    class_id: str
    threshold: float | None
    sensitivity: float | None
    specificity: float | None
    best_threshold: float | None
    best_sensitivity: float | None
    best_specificity: float | None
    youden_lost: float | None


def transfer_cost(truth: ArrayLike, probabilities: ArrayLike, thresholds: Thresholds) -> list[Transfer]:
    """What thresholds chosen elsewhere cost on these images, class by class, in Youden's index.

    The best threshold here is chosen with hindsight: the loss is what a perfect choice would have saved.
    """
    numbers, values = checked_probabilities(truth, probabilities)
    check_columns(values, len(thresholds.classes))
    results = []
    for k, (class_id, threshold) in enumerate(thresholds.classes.items()):
        own, scores, value = numbers == k, values[:, k], threshold.value
        here: Rates = (None, None)
        best: Rates = (None, None)
        best_value = lost = None
        if value is not None:
            here = _rates(own, scores, value)
        if own.any() and not own.all():
            best_value = choose_threshold(own, scores)
            best = _rates(own, scores, best_value)
            lost = None if value is None else max(0.0, _youden(best) - _youden(here))
        results.append(
            Transfer(
                class_id=class_id,
                threshold=value,
                sensitivity=here[0],
                specificity=here[1],
                best_threshold=best_value,
                best_sensitivity=best[0],
                best_specificity=best[1],
                youden_lost=lost,
            )
        )
    return results


def choose_thresholds_by_group(
    truth: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    classes: ClassSet,
    common: Thresholds,
) -> dict[str, Thresholds]:
    """Each group's own thresholds by the rule of the common ones.

    A class with fewer than 20 images or fewer than 20 others in a group keeps the common threshold there: its own
    would be noise. (Its ``images`` and ``others`` are then still the common ones.)

    Args:
        truth: N class numbers.
        probabilities: N×K.
        groups: N group names, e.g. skin types.
        classes: the K classes.
        common: thresholds chosen on all these images.
    """
    numbers, values = checked_probabilities(truth, probabilities)
    names = _group_names(groups, len(numbers))
    chosen = {}
    for group in sorted(set(names.tolist())):
        rows = names == group
        own = choose_thresholds(
            numbers[rows], values[rows], classes, rule=common.rule, chosen_on=f"{common.chosen_on}; {group}"
        )
        kept = {
            class_id: each if min(each.images, each.others) >= FEW_FOR_A_THRESHOLD else common.classes[class_id]
            for class_id, each in own.classes.items()
        }
        chosen[group] = own.model_copy(update={"classes": kept})
    return chosen


def _rates(positive: Bools, scores: Floats, threshold: float) -> Rates:
    return share_of(scores[positive] >= threshold), share_of(scores[~positive] < threshold)


def _youden(rates: Rates) -> float:
    return (rates[0] or 0.0) + (rates[1] or 0.0) - 1


def _group_names(groups: ArrayLike, images: int) -> NDArray[np.str_]:
    names = np.asarray(groups, dtype=np.str_)
    if names.shape != (images,):
        raise PredictionsError(f"{names.shape} groups for {images:,} images", fix="Name one group an image.")
    return names
