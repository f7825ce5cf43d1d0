"""What the AI shows of each case, computed once when a study is made, so that every reader sees the same."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from cutis.errors import LeakError, listed
from cutis.evaluation import Predictions, Thresholds, differential_lists
from cutis.study.cases import StudyCase
from cutis.study.design import StudyError
from cutis.taxonomy import GRADES, Risk, RiskRule, decide, grade_probabilities, risk_grades, shipped_taxonomy


class NamedProbability(BaseModel):
    """A diagnosis of the AI's list: class id, its name, and its calibrated probability, 0–1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    probability: float


class AiOutput(BaseModel):
    """What the AI shows of a case.

    ``differential``: the likeliest first; ``above``: whether they reach their thresholds, None without thresholds.
    Where it is False, the differential is the one class that comes nearest.
    ``risk``: the grade of least expected cost; ``risk_probabilities``: of low, high and dangerous; both None where a
    class has no grade. ``unfamiliar``: whether the image is stranger to the AI than 95 % of its validation images;
    None where it cannot say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    differential: tuple[NamedProbability, ...]
    above: bool | None
    risk: Risk | None
    risk_probabilities: tuple[float, float, float] | None
    unfamiliar: bool | None


def ai_outputs(
    predictions: Predictions,
    cases: Sequence[StudyCase],
    rule: RiskRule,
    *,
    thresholds: Thresholds | None = None,
    most: int = 3,
    show_risk: bool = False,
) -> dict[str, AiOutput]:
    """What is shown of every case, by image id.

    Args:
        predictions: of all cases, calibrated; of a bundle or any other system.
        cases: the study's.
        rule: costs and grades.
        thresholds: with them the list holds every class that reaches its own (Han 2018), else the likeliest.
        most: length of the list without thresholds.
        show_risk: whether a risk grade is needed.

    Raises:
        LeakError: the AI was trained on cases.
        StudyError: cases were not predicted; or a grade is needed and the classes are no nodes of the tree.
        TaxonomyError: a grade is needed and a class has none.
        PredictionsError: the thresholds are of other classes.
    """
    place = {image_id: row for row, image_id in enumerate(predictions.image_ids)}
    missing = [each.image_id for each in cases if each.image_id not in place]
    if missing:
        raise StudyError(
            f"{len(missing)} of {len(cases)} cases were not predicted by the AI: {listed(missing)}",
            fix="Predict them, or choose the cases again with these predictions.",
        )
    rows = [place[each.image_id] for each in cases]
    seen = [
        predictions.image_ids[row] for row in rows if predictions.seen and predictions.seen[row] not in (None, "no")
    ]
    if seen:
        raise LeakError(
            f"the AI was trained on {len(seen)} of {len(cases)} cases, or others of these patients: {listed(seen)}",
            fix="Choose the cases again with this AI, which leaves them out.",
        )
    probabilities = predictions.probabilities[rows]
    ids = predictions.classes.ids
    if thresholds is None:
        ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :most]
        lists = [tuple(ids[k] for k in row) for row in ranked]
        above: list[bool | None] = [None] * len(rows)
    else:
        found = differential_lists(probabilities, thresholds)
        # By probability, which is shown beside each name; the one that comes nearest is found by its threshold.
        lists = [
            tuple(sorted(each.classes, key=lambda c, row=row: -probabilities[row, ids.index(c)]))  # type: ignore[misc]
            for row, each in enumerate(found)
        ]
        above = [each.above for each in found]
    grades = _grades(predictions, probabilities, rule) if show_risk else None
    return {
        case.image_id: AiOutput(
            differential=tuple(
                NamedProbability(
                    id=each, name=predictions.classes[each].name, probability=float(probabilities[row, ids.index(each)])
                )
                for each in lists[row]
            ),
            above=above[row],
            risk=None if grades is None else grades[0][row],
            risk_probabilities=None if grades is None else grades[1][row],
            unfamiliar=_unfamiliar(predictions, rows[row]),
        )
        for row, case in enumerate(cases)
    }


def _grades(
    predictions: Predictions, probabilities: np.ndarray, rule: RiskRule
) -> tuple[tuple[Risk, ...], list[tuple[float, float, float]]]:
    nodes = [each.nodes for each in predictions.classes.classes]
    if not all(nodes):
        without = [each.id for each in predictions.classes.classes if not each.nodes]
        raise StudyError(
            f"no risk grade is known for the AI's classes {listed(without)}",
            fix="Show its differential alone, or take an AI whose classes are nodes of the tree.",
        )
    of_classes = risk_grades(shipped_taxonomy(), nodes, rule).grades
    by_grade = grade_probabilities(probabilities, of_classes)
    assert by_grade.shape[1] == len(GRADES)
    return decide(by_grade, rule), [(float(a), float(b), float(c)) for a, b, c in by_grade]


def _unfamiliar(predictions: Predictions, row: int) -> bool | None:
    if predictions.unfamiliarity is None or np.isnan(predictions.unfamiliarity[row]):
        return None
    return bool(predictions.unfamiliarity[row] > 1)
