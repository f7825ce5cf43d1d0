"""Class sets: what a model tells apart, each class as nodes of the tree of diagnoses.

A class holds its nodes and all their descendants; where nodes of two classes are nested, the deeper wins. One class
may be the rest: every diagnosis that none of the others holds (Han 2018's other diseases). A class set made of a data
set's own words has classes without nodes.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

from cutis.errors import CutisError, TaxonomyError, listed
from cutis.taxonomy.inference import owners, owners_below
from cutis.taxonomy.tree import shipped_taxonomy

OTHER = "other"
"""The id of the class that holds the rest."""


class DiagnosisClass(BaseModel):
    """One class: its id (a predictions column), its name in words, its nodes, and whether it is malignant.

    ``malignancy`` is ``"benign"``, ``"premalignant"``, ``"malignant"``, ``"either"`` or, for a class taken from a data
    set's own words, ``"unknown"``. ``words`` are the data set's own words that belong to the class whatever the tree
    says. ``rest`` marks the class of everything else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    malignancy: str = "unknown"
    nodes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    rest: bool = False


class ClassSet(BaseModel):
    """An ordered, named set of disjoint classes. Class ids are unique; their order is the order of model outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    classes: tuple[DiagnosisClass, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "ClassSet":
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("class ids must be unique")
        if len(self.ids) < 2:
            raise ValueError("a class set needs at least two classes")
        if sum(each.rest for each in self.classes) > 1:
            raise ValueError("only one class can be the rest")
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """The class ids in order."""
        return tuple(each.id for each in self.classes)

    @property
    def rest(self) -> str | None:
        """The id of the class that holds everything else, or None."""
        return next((each.id for each in self.classes if each.rest), None)

    def __getitem__(self, class_id: str) -> DiagnosisClass:
        for each in self.classes:
            if each.id == class_id:
                return each
        raise KeyError(class_id)

    def assign(self, node: str | None, word: str | None = None) -> str | None:
        """The id of the class that holds this diagnosis; None when none does, or when it is labelled above them.

        Args:
            node: a node of the tree.
            word: the data set's own word, consulted for classes that are given by words.
        """
        if word is not None and word in self._class_of_word:
            return self._class_of_word[word]
        if node is None:
            return None
        if node in self._class_of_node:
            return self._class_of_node[node]
        return None if self._below(node) else self.rest

    def candidates(self, node: str | None, word: str | None = None) -> tuple[str, ...]:
        """The ids of the classes that an image with this label may belong to.

        One where a class holds the label. Where the label is above the classes (``"nevus"`` where kinds of nevus are
        told apart) every class below it, and the rest if something below it is in no class. None where no class fits.
        """
        own = self.assign(node, word)
        if own is not None:
            return (own,)
        if node is None:
            return ()
        possible = self._below(node)
        taxonomy = shipped_taxonomy()
        leaves = [each for each in taxonomy.descendants(node) if not taxonomy.children(each)]
        if self.rest and any(each not in self._class_of_node for each in leaves):
            possible.add(self.rest)
        return tuple(each for each in self.ids if each in possible)

    def _below(self, node: str) -> set[str]:
        """The ids of the classes that hold something below a node."""
        return owners_below(shipped_taxonomy(), self._class_of_node, node)

    @cached_property
    def _class_of_word(self) -> dict[str, str]:
        return {word: each.id for each in self.classes for word in each.words}

    @cached_property
    def _class_of_node(self) -> dict[str, str]:
        with_nodes = [each for each in self.classes if each.nodes]
        owner = owners(shipped_taxonomy(), [each.nodes for each in with_nodes]) if with_nodes else {}
        return {node: with_nodes[position].id for node, position in owner.items()}


class Labels(NamedTuple):
    """What the labels of N images say about K classes.

    ``label`` (int64, N) is a row of ``candidates`` (bool, G × K), −1 where no class fits. The first K rows are the
    classes themselves; the others are labels above the classes, each with the classes it may mean.
    """

    label: npt.NDArray[np.int64]
    candidates: npt.NDArray[np.bool_]


def class_labels(classes: ClassSet, nodes: Sequence[str | None], words: Sequence[str | None]) -> Labels:
    """The labels of N images in terms of a class set.

    Args:
        classes: what is told apart.
        nodes: N nodes of the tree, None where not known.
        words: the N images' own words in their data sets.
    """
    number = {class_id: k for k, class_id in enumerate(classes.ids)}
    rows: dict[tuple[str, ...], int] = {}
    label_of: dict[tuple[str | None, str | None], int] = {}
    for pair in dict.fromkeys(zip(nodes, words, strict=True)):
        own = classes.assign(*pair)
        possible = classes.candidates(*pair)
        if own is not None:
            label_of[pair] = number[own]
        elif possible:
            label_of[pair] = rows.setdefault(possible, len(number) + len(rows))
        else:
            label_of[pair] = -1
    candidates = np.zeros((len(number) + len(rows), len(number)), dtype=bool)
    candidates[: len(number)] = np.eye(len(number), dtype=bool)
    for possible, row in rows.items():
        candidates[row, [number[each] for each in possible]] = True
    label = np.array([label_of[pair] for pair in zip(nodes, words, strict=True)], dtype=np.int64)
    return Labels(label, candidates)


class Rollup(NamedTuple):
    """``classes`` (U of them) from K finer ones: probabilities N × K times ``matrix`` (K × U, zeros and ones)."""

    classes: ClassSet
    matrix: npt.NDArray[np.float64]


def rollup_classes(fine: ClassSet, coarse: ClassSet) -> Rollup:
    """How the probabilities of fine classes are summed to coarse ones (Esteva 2017: P(u) = Σ P(children)).

    A fine class goes where its nodes go. A deeper diagnosis that the coarse set puts elsewhere (a premalignant kind
    of a benign class) goes along: the fine classes cannot tell it apart. Coarse classes that hold no fine one are
    left out.

    Raises:
        TaxonomyError: a fine class lies in no coarse class, in several, or above them; or all lie in one.
    """
    homes: list[str] = []
    problems = []
    for each in fine.classes:
        if each.rest:
            found = {coarse.rest}
        else:
            found = {coarse.assign(node) for node in each.nodes} | {coarse.assign(None, word) for word in each.words}
        home = found.pop() if len(found) == 1 else None
        if home is None:
            problems.append(each.id)
        else:
            homes.append(home)
    if problems:
        raise TaxonomyError(
            f"classes of '{fine.name}' do not lie within one class of '{coarse.name}': {listed(problems)}",
            fix="Take coarser classes that hold them, or add '+other' for those outside.",
        )
    kept = tuple(each for each in coarse.classes if each.id in homes)
    if len(kept) < 2:
        raise TaxonomyError(f"all classes of '{fine.name}' lie within '{kept[0].id}'", fix="Take finer classes.")
    place = {each.id: column for column, each in enumerate(kept)}
    matrix = np.eye(len(kept))[[place[home] for home in homes]]
    return Rollup(ClassSet(name=coarse.name, source=coarse.source, classes=kept), matrix)


def source_classes(words: Sequence[str | None]) -> ClassSet:
    """A class set of a data set's own words, one class a word, in alphabetical order.

    Raises:
        CutisError: there are fewer than two distinct words.
    """
    distinct = sorted({each for each in words if each is not None})
    if len(distinct) < 2:
        raise CutisError(
            f"only {len(distinct)} distinct source_diagnosis found ({listed(distinct)})",
            fix="A classifier needs two or more.",
        )
    return ClassSet(
        name="source",
        source="the data set's own words",
        classes=tuple(DiagnosisClass(id=each, name=each, words=(each,)) for each in distinct),
    )


def classes_at(nodes: Iterable[str], *, name: str, source: str, other: bool = False) -> ClassSet:
    """A class set with one class a node of the tree, in the order given; the class's id is the node's.

    Args:
        nodes: node ids.
        name: of the set.
        source: where it comes from.
        other: add a class for everything else.

    Raises:
        TaxonomyError: a node is not in the tree, stands twice, or there are fewer than two classes.
    """
    taxonomy = shipped_taxonomy()
    ids = list(nodes)
    doubled = sorted({each for each in ids if ids.count(each) > 1})
    if doubled:
        raise TaxonomyError(f"classes stand more than once: {listed(doubled)}", fix="Name each once.")
    classes = [
        DiagnosisClass(
            id=each, name=taxonomy[each].name, malignancy=taxonomy[each].malignancy or "unknown", nodes=(each,)
        )
        for each in ids
    ]
    if other:
        classes.append(REST)
    if len(classes) < 2:
        raise TaxonomyError(f"there is only one class ({listed(ids)})", fix="Name two or more, or add 'other'.")
    return ClassSet(name=name, source=source, classes=tuple(classes))


REST = DiagnosisClass(id=OTHER, name="Other diseases", malignancy="unknown", rest=True)
"""Han 2018: every disease that is none of the others, as negatives."""
