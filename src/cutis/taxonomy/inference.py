"""From training classes to coarser diagnoses: the probability of a node is the sum of its children's (Esteva 2017).

A class is given by its nodes and holds, for each, the node itself and its descendants; where nodes of two classes are
nested, the deeper wins. A node's probability is the sum over the classes that lie within it, so that any set of
inference nodes is one sparse matrix product. A class that lies partly within an inference node cannot be summed: that
is an error which names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from cutis.errors import PredictionsError, TaxonomyError, listed
from cutis.taxonomy.tree import Taxonomy

if TYPE_CHECKING:  # takes a fifth of a second to import, which predicting a photograph can do without
    from scipy.sparse import csr_matrix

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Owner = TypeVar("Owner", int, str)


def owners(taxonomy: Taxonomy, class_nodes: Sequence[Sequence[str]]) -> dict[str, int]:
    """Which class each node of the tree belongs to: that of the node itself or of its nearest ancestor in a class.

    Args:
        taxonomy: the tree.
        class_nodes: K classes, each by the ids of its nodes.

    Returns:
        Node id → position of its class, for the nodes that belong to one.

    Raises:
        TaxonomyError: a class has no node, a node is not in the tree, or two classes have the same node.
    """
    given: dict[str, int] = {}
    for position, nodes in enumerate(class_nodes):
        if not nodes:
            raise TaxonomyError(
                f"class {position + 1} of {len(class_nodes)} has no node of the taxonomy",
                fix="Give each class at least one node.",
            )
        for node_id in nodes:
            if given.setdefault(taxonomy[node_id].id, position) != position:
                raise TaxonomyError(
                    f"node '{node_id}' stands in two classes: {told(class_nodes[given[node_id]])} and {told(nodes)}",
                    fix="Classes are disjoint; take it out of one.",
                )
    owner: dict[str, int] = {}
    for node in taxonomy:  # each node stands after its parent
        if node.id in given:
            owner[node.id] = given[node.id]
        elif node.parent in owner:
            owner[node.id] = owner[node.parent]
    return owner


def rollup_matrix(
    taxonomy: Taxonomy, class_nodes: Sequence[Sequence[str]], inference_nodes: Sequence[str], *, other: bool = False
) -> "csr_matrix":
    """The matrix that sums class probabilities to those of inference nodes.

    Args:
        taxonomy: the tree.
        class_nodes: K training classes, each by the ids of its nodes.
        inference_nodes: U node ids; they may be nested. A node within which no class lies gets a column of zeros:
            the classes leave it no probability.
        other: add a last column for the classes outside all inference nodes, so that each row has exactly one 1 and
            rows of probabilities keep their sum. The inference nodes must then be disjoint.

    Returns:
        K × U matrix of zeros and ones (K × U + 1 with ``other``).

    Raises:
        TaxonomyError: a class lies partly within an inference node; nodes are unknown, or nested with ``other``.
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    owner = owners(taxonomy, class_nodes)
    inside = np.zeros((len(class_nodes), len(inference_nodes)), dtype=bool)
    for column, node in enumerate(inference_nodes):
        inside[:, column] = _within(taxonomy, class_nodes, owner, (node,))
    if other:
        _check_disjoint(taxonomy, inference_nodes)
        inside = np.column_stack([inside, ~inside.any(axis=1)])
    return csr_matrix(inside.astype(np.float64))


def rollup(
    probabilities: FloatArray,
    taxonomy: Taxonomy,
    class_nodes: Sequence[Sequence[str]],
    inference_nodes: Sequence[str],
    *,
    other: bool = False,
) -> npt.NDArray[np.float64]:
    """Probabilities of inference nodes: P(u) = Σ P(class) over the classes that lie within u.

    Args:
        probabilities: N × K, a row an image, a column a class; a row of NaN stays NaN.
        taxonomy: the tree.
        class_nodes: K training classes, each by the ids of its nodes.
        inference_nodes: U node ids.
        other: add a last column for the remainder; see :func:`rollup_matrix`.

    Returns:
        N × U (N × U + 1 with ``other``).

    Raises:
        PredictionsError: ``probabilities`` is not N × K.
        TaxonomyError: as :func:`rollup_matrix`.
    """
    matrix = rollup_matrix(taxonomy, class_nodes, inference_nodes, other=other)
    return np.asarray(_checked(probabilities, len(class_nodes)) @ matrix, dtype=np.float64)


def restrict(
    probabilities: FloatArray, taxonomy: Taxonomy, class_nodes: Sequence[Sequence[str]], within: str | Sequence[str]
) -> npt.NDArray[np.float64]:
    """Probabilities given that the diagnosis lies within a subtree, as in Esteva's melanocytic and epidermal tests.

    Classes outside get 0, the others are divided by their sum. The columns stay the same K, so that the result can be
    rolled up: P(malignant | melanocytic) is ``rollup(restrict(p, …, melanocytic nodes), …, ["malignant"])``.

    A row without any probability inside the subtree becomes NaN: the model has said nothing about the diagnoses that
    remain, and equal shares would be an answer it did not give. Whoever measures such rows has to decide about them.

    Args:
        probabilities: N × K, each ≥ 0.
        taxonomy: the tree.
        class_nodes: K training classes, each by the ids of its nodes.
        within: the node id of the subtree, or several whose union it is.

    Returns:
        N × K; rows sum to 1 or are NaN.

    Raises:
        PredictionsError: ``probabilities`` is not N × K.
        TaxonomyError: a class lies partly within the subtree, or none lies within it.
    """
    nodes = (within,) if isinstance(within, str) else tuple(within)
    inside = _within(taxonomy, class_nodes, owners(taxonomy, class_nodes), nodes)
    if not inside.any():
        raise TaxonomyError(
            f"no class lies within {told(nodes)}", fix="Restrict to a node that holds at least one class."
        )
    kept = np.where(inside, _checked(probabilities, len(class_nodes)), 0.0)
    mass = kept.sum(axis=1, keepdims=True)
    shares: npt.NDArray[np.float64] = np.divide(kept, mass, out=np.full_like(kept, np.nan), where=mass > 0)
    return shares


def owners_below(taxonomy: Taxonomy, owner: Mapping[str, Owner], node_id: str) -> set[Owner]:
    """The classes that hold the node or something below it, as ``owner`` names them (:func:`owners`)."""
    return {owner[each] for each in taxonomy.descendants(node_id) if each in owner}


def _within(
    taxonomy: Taxonomy, class_nodes: Sequence[Sequence[str]], owner: dict[str, int], nodes: Sequence[str]
) -> BoolArray:
    """Which classes lie within the union of these subtrees, as K booleans; one that lies there in part is an error."""
    subtree = {each for node in nodes for each in taxonomy.descendants(node)}
    size = np.bincount(list(owner.values()), minlength=len(class_nodes))
    found = np.bincount([owner[each] for each in subtree if each in owner], minlength=len(class_nodes))
    partly = [told(class_nodes[int(each)]) for each in np.flatnonzero((found > 0) & (found < size))]
    if partly:
        classes = "class lies" if len(partly) == 1 else "classes lie"
        raise TaxonomyError(
            f"{len(partly)} {classes} partly within {told(nodes)}: {listed(partly, 5)}",
            fix="Use nodes that hold each class whole or not at all, or train on finer classes.",
        )
    return np.asarray(found > 0)


def _check_disjoint(taxonomy: Taxonomy, nodes: Iterable[str]) -> None:
    seen: set[str] = set()
    for node in sorted(nodes, key=lambda each: len(taxonomy.ancestors(each))):
        above = [each for each in taxonomy.path(node) if each in seen]
        if above:
            raise TaxonomyError(
                f"inference node '{node}' lies within '{above[0]}', which is one too",
                fix="With a column for the remainder the nodes must be disjoint; leave one out.",
            )
        seen.add(node)


def _checked(probabilities: FloatArray, classes: int) -> npt.NDArray[np.float64]:
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != classes:
        raise PredictionsError(
            f"probabilities have the shape {values.shape}, where there are {classes} classes",
            fix="Give a row an image and a column a class.",
        )
    return values


def told(nodes: Sequence[str]) -> str:
    """A class, or a set of nodes, in a message: its first four nodes."""
    return f"'{'+'.join(nodes[:4])}{'+…' if len(nodes) > 4 else ''}'"
