"""Risk grades of skin tumours for patients: low, high, dangerous (Zhao 2019, J Med Syst 43:283).

A grade's probability is the sum over the classes of that grade. What is said to the patient is not the most probable
grade but the one with the least expected cost, as missing a dangerous lesion is worse than a visit for nothing. The
costs and the advice stand in ``risk.toml``; a file of one's own replaces what it holds.
"""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cutis.errors import PredictionsError, TaxonomyError, listed
from cutis.taxonomy.inference import owners, told
from cutis.taxonomy.tree import Risk, Taxonomy

GRADES: tuple[Risk, ...] = get_args(Risk)
"""From the least to the most dangerous: the order of every row and column here."""

LANGUAGES = ("en", "es", "zh", "ko")

FloatArray = npt.NDArray[np.floating[Any]]


class Advice(BaseModel):
    """What a patient is told about a grade, in one language; ``reviewed`` by a clinician who is a native speaker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    text: str
    reviewed: bool = False


class RiskRule(BaseModel):
    """Costs of decisions, the advice, and grades that differ from the tree's.

    ``cost[truth][decision]`` in the order of ``GRADES``: finite, ≥ 0, and 0 where the decision is right. The numbers
    that ship are cutis's own choice, no measured harm. ``nodes`` maps node id → grade. ``review`` has to be shown with
    every advice that is not reviewed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cost: tuple[tuple[float, ...], ...]
    advice: dict[Risk, dict[str, Advice]]
    review: str
    nodes: dict[str, Risk] = {}

    @field_validator("cost")
    @classmethod
    def _cost_fits(cls, cost: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if len(cost) != len(GRADES) or any(len(row) != len(GRADES) for row in cost):
            raise ValueError(f"needs {len(GRADES)} rows of {len(GRADES)} numbers: {', '.join(GRADES)}")
        if not all(np.isfinite(each) and each >= 0 for row in cost for each in row):
            raise ValueError("costs are finite and not negative")
        if any(cost[each][each] for each in range(len(GRADES))):
            raise ValueError("a right decision costs 0")
        return cost

    @field_validator("advice")
    @classmethod
    def _advice_complete(cls, advice: dict[Risk, dict[str, Advice]]) -> dict[Risk, dict[str, Advice]]:
        missing = [f"{grade}.{each}" for grade in GRADES for each in LANGUAGES if each not in advice.get(grade, {})]
        if missing:
            raise ValueError(f"no text for {', '.join(missing)}")
        return advice

    def advice_for(self, grade: Risk, language: str = "en") -> Advice:
        """The advice for a grade.

        Raises:
            TaxonomyError: there is none in this language.
        """
        texts = self.advice[grade]
        if language not in texts:
            raise TaxonomyError(f"no advice in the language '{language}'", fix=f"Use one of {', '.join(texts)}.")
        return texts[language]


class RiskGrades(NamedTuple):
    """Each class's grade, and notes on the classes for which one grade does not tell everything."""

    grades: tuple[Risk, ...]
    notes: tuple[str, ...]


def read_risk_rule(path: str | Path | None = None) -> RiskRule:
    """The rule that ships with cutis, or that with what a file changes in it.

    The file's form is that of ``risk.toml``. ``[cost]`` replaces all costs; ``[nodes]`` and ``[advice]`` add to or
    replace single entries.

    Raises:
        TaxonomyError: the file does not exist, or does not hold a rule; the message names what is wrong.
    """
    shipped = tomllib.loads(resources.files("cutis.taxonomy").joinpath("risk.toml").read_text(encoding="utf-8"))
    if path is None:
        return _rule(shipped, "risk.toml")
    if not Path(path).is_file():
        raise TaxonomyError("does not exist", where=str(path), fix="Name a .toml file of the form of risk.toml.")
    try:
        own = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TaxonomyError(f"is not valid TOML ({error})", where=str(path), fix="Correct the file.") from error
    cost = {"cost": own["cost"]} if "cost" in own else {}
    return _rule({**_joined(shipped, own), **cost}, str(path))


def node_grades(taxonomy: Taxonomy, rule: RiskRule) -> dict[str, Risk | None]:
    """The grade of every node: the rule's where it gives one, else the tree's.

    A grade given by the rule goes down to the descendants as a tree's does: as far as they have the same grade as the
    node in the tree. A branch that differs there keeps its own.

    Raises:
        TaxonomyError: the rule names nodes that are not in the tree.
    """
    for each in rule.nodes:
        taxonomy[each]
    grades: dict[str, Risk | None] = {}
    changed: set[str] = set()
    for node in taxonomy:  # each node stands after its parent
        if node.id in rule.nodes:
            grades[node.id] = rule.nodes[node.id]
            changed.add(node.id)
        elif node.parent in changed and taxonomy[node.parent].risk == node.risk:
            grades[node.id] = grades[node.parent]
            changed.add(node.id)
        else:
            grades[node.id] = node.risk
    return grades


def risk_grades(taxonomy: Taxonomy, class_nodes: Sequence[Sequence[str]], rule: RiskRule) -> RiskGrades:
    """The grade of each class: the most dangerous of its nodes' grades.

    A note says where a class's nodes differ. A note says too where a class holds, below its nodes, diagnoses of a more
    dangerous grade (an atypical naevus among naevi): these do not raise the class, or nearly every group would be
    dangerous; finer classes are the remedy.

    Args:
        taxonomy: the tree.
        class_nodes: K classes, each by the ids of its nodes.
        rule: for its ``nodes``.

    Raises:
        TaxonomyError: a class's node has no grade; nodes are unknown or in two classes.
    """
    of_node = node_grades(taxonomy, rule)
    owner = owners(taxonomy, class_nodes)
    ungraded = [each for nodes in class_nodes for each in nodes if of_node[each] is None]
    if ungraded:
        raise TaxonomyError(
            f"no risk grade is known for {listed(ungraded)}", fix="Give it in the tree, or in [nodes] of the risk file."
        )
    members: list[list[str]] = [[] for _ in class_nodes]
    for each, position in owner.items():
        members[position].append(each)
    grades, notes = [], []
    for nodes, inside in zip(class_nodes, members, strict=True):
        tops = {each: _rank(of_node[each]) for each in nodes}
        rank = max(tops.values())
        grades.append(GRADES[rank])
        if len(set(tops.values())) > 1:
            lower = [f"{each} ({GRADES[found]})" for each, found in tops.items() if found < rank]
            notes.append(
                f"class {told(nodes)} is graded {GRADES[rank]}, its most dangerous node; lower: {listed(lower, 5)}"
            )
        higher = [f"{each} ({of_node[each]})" for each in inside if _rank(of_node[each]) > rank]
        if higher:
            notes.append(
                f"class {told(nodes)} is graded {GRADES[rank]} but holds more dangerous ones: {listed(higher, 5)}"
            )
    return RiskGrades(tuple(grades), tuple(notes))


def grade_probabilities(probabilities: FloatArray, grades: Sequence[Risk]) -> npt.NDArray[np.float64]:
    """Σ P(class) over the classes of each grade.

    Args:
        probabilities: N × K, a row an image, a column a class.
        grades: the K classes' grades.

    Returns:
        N × 3, in the order of ``GRADES``.

    Raises:
        PredictionsError: ``probabilities`` is not N × K.
    """
    values = _checked(probabilities, len(grades))
    member = np.array([[each == grade for grade in GRADES] for each in grades], dtype=np.float64)
    return np.asarray(values @ member.reshape(len(grades), len(GRADES)), dtype=np.float64)


def expected_costs(probabilities: FloatArray, rule: RiskRule) -> npt.NDArray[np.float64]:
    """What each decision is expected to cost: Σ over true grades of P(truth) · cost(truth, decision).

    Args:
        probabilities: N × 3 grade probabilities, each ≥ 0, in the order of ``GRADES``.
        rule: for its ``cost``.

    Returns:
        N × 3, a column a decision, in the order of ``GRADES``.

    Raises:
        PredictionsError: not N × 3; or rows are negative or not a number, as no decision can be made of them.
    """
    values = _checked(probabilities, len(GRADES))
    wrong = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1)
    rows = [str(each) for each in np.flatnonzero(wrong) + 1]
    if rows:
        raise PredictionsError(
            f"{len(rows):,} rows have grade probabilities that are negative or not a number: row {listed(rows)}",
            fix="No decision can be made of them; leave these images out or predict them again.",
        )
    return np.asarray(values @ np.array(rule.cost), dtype=np.float64)


def decide(probabilities: FloatArray, rule: RiskRule) -> tuple[Risk, ...]:
    """The grade with the least expected cost; of equal ones (to one part in 10⁹) the most dangerous.

    Args:
        probabilities: N × 3 grade probabilities, in the order of ``GRADES``.
        rule: for its ``cost``.

    Raises:
        PredictionsError: as :func:`expected_costs`.
    """
    costs = expected_costs(probabilities, rule)
    least = costs.min(axis=1, keepdims=True)
    tied = costs <= least + 1e-9 * costs.max(axis=1, keepdims=True)
    chosen = len(GRADES) - 1 - np.argmax(tied[:, ::-1], axis=1)
    return tuple(GRADES[each] for each in chosen)


def _rank(grade: Risk | None) -> int:
    return -1 if grade is None else GRADES.index(grade)


def _joined(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(shipped)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(joined.get(key), dict)
        joined[key] = _joined(joined[key], value) if both else value
    return joined


def _rule(content: Mapping[str, Any], where: str) -> RiskRule:
    problems = [
        f"unknown table or key '{each}'" for each in content if each not in ("nodes", "cost", "review", "advice")
    ]
    cost = content["cost"]
    review = content["review"]
    if not isinstance(cost, dict) or set(cost) != set(GRADES):
        problems.append(f"[cost] needs the rows {', '.join(GRADES)}")
    if not isinstance(review, dict) or set(review) != {"statement"}:
        problems.append("[review] needs the key 'statement' and no other")
    if not problems:
        try:
            return RiskRule(
                cost=tuple(cost[each] for each in GRADES),
                advice=content["advice"],
                review=review["statement"],
                nodes=content["nodes"],
            )
        except ValidationError as error:
            problems = [f"[{'.'.join(str(part) for part in each['loc'])}] {each['msg']}" for each in error.errors()]
    raise TaxonomyError("; ".join(problems), where=where, fix="Correct the file; risk.toml of cutis shows the form.")


def _checked(probabilities: FloatArray, columns: int) -> npt.NDArray[np.float64]:
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != columns:
        raise PredictionsError(
            f"probabilities have the shape {values.shape}, where {columns} columns are needed",
            fix="Give a row an image and a column a class (or a grade).",
        )
    return values
