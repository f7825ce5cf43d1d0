"""Training classes from a tree and its image counts: Esteva 2017, Algorithm 1 (Disease-Partitioning).

The algorithm, in the paper's words (supplement to doi:10.1038/nature21056)::

    procedure PARTITIONDISEASES(node)
        class ← DESCENDANTS(node)                      a node contains itself and all below it
        if NUMIMAGES(class) < maxClassSize then
            append class to partition
        else for child in children(node): PARTITIONDISEASES(child)

What the paper leaves unsaid is decided here:

(a) *Images labelled at a node that is split.* By default they are coarse: in no class, reported with the classes they
    may belong to (training uses them by the marginal likelihood of those). That is right where the classes below are
    nearly all that the label can mean, and wrong where the node's name is the finest word the data have: of
    Fitzpatrick17k's psoriasis 653 images are labelled so and 53 *pustular psoriasis*, and all 653 would be trained as
    pustular. With ``inner="own-class"`` the node itself is one more class, *unspecified*; with ``inner="by-share"`` it
    is where more than half of the images at and below the node are its own, and at the split nodes below such a node
    (else theirs would fall to its class); elsewhere they are coarse.
(b) *A node at or above the limit with no images below it* (a leaf, or a node whose images are all labelled at itself)
    cannot be made smaller: it is a class, with all its descendants. As written, the algorithm would lose it.
(c) *Classes with fewer images than* ``min_class_size`` are merged with their siblings' small classes under the same
    parent; if they are still too few, all of them go up and are merged with the small classes of the parent's level,
    and so on. Merging stops at a root: what is still too small there stays a class. Where the small ones hold
    together ``max_class_size`` images or more, they make several classes, filled in the tree's order.
    A merged class is a union of descendant sets like any other, but one that was carried up lies partly within the
    nodes it came from, whose probabilities then cannot be summed. Give the nodes whose sums matter as ``roots``.
(d) *Classes without any image* join the merged class of their siblings where there is one; else they are no class, as
    nothing can be learnt of them, and stand in ``Partition.empty``. With ``min_class_size=0`` they are classes, as in
    Algorithm 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from cutis.errors import TaxonomyError, listed
from cutis.taxonomy.inference import owners, owners_below
from cutis.taxonomy.tree import Taxonomy

Inner = Literal["coarse", "own-class", "by-share"]


class PartitionClass(BaseModel):
    """One training class: the descendants of its ``nodes``, without those that belong to a deeper class.

    ``id`` is the node's id or, for a merged class, ``PARENT:other`` (``PARENT:other-2`` for a second one).
    ``images`` is how many of the counted images it holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    nodes: tuple[str, ...]
    images: int


class Coarse(BaseModel):
    """Images labelled above the classes: how many, and the ids of the classes that they may belong to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    classes: tuple[str, ...]


class Partition(BaseModel):
    """Disjoint classes in the tree's order, and what is in none of them.

    ``coarse``: node → its images that are labelled above the classes. ``outside``: node → images at nodes neither in
    nor above any class (only where ``roots`` leave part of the tree out). ``empty``: top nodes without any image that
    are in no class. Every counted image is in exactly one class, in ``coarse`` or in ``outside``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[PartitionClass, ...]
    coarse: dict[str, Coarse]
    outside: dict[str, int]
    empty: tuple[str, ...]
    roots: tuple[str, ...]
    max_class_size: int
    min_class_size: int
    inner: Inner

    @property
    def class_nodes(self) -> tuple[tuple[str, ...], ...]:
        """Each class's nodes: the form in which inference takes classes."""
        return tuple(each.nodes for each in self.classes)

    @property
    def images(self) -> int:
        """How many images the classes hold."""
        return sum(each.images for each in self.classes)

    @property
    def coarse_images(self) -> int:
        """How many images are labelled above the classes."""
        return sum(each.images for each in self.coarse.values())

    @property
    def too_small(self) -> tuple[str, ...]:
        """Ids of the classes that are smaller than the minimum, as nothing was left to merge them with."""
        return tuple(each.id for each in self.classes if each.images < self.min_class_size)


class _Part(NamedTuple):
    """A class in the making; ``order`` is its first node's place in the tree."""

    order: int
    id: str
    name: str
    nodes: tuple[str, ...]
    images: int


def partition(
    taxonomy: Taxonomy,
    counts: Mapping[str, int],
    *,
    max_class_size: int,
    min_class_size: int = 1,
    roots: Sequence[str] | None = None,
    inner: Inner = "coarse",
) -> Partition:
    """Training classes by Esteva's Algorithm 1, with the decisions (a) to (d) of this module.

    The result depends on the tree and the counts only, not on the order of ``counts``. Without merging
    (``min_class_size`` of 0 or 1), every class at one limit lies within a class at any larger limit.

    Args:
        taxonomy: the tree.
        counts: node id → number of images labelled at this very node; nodes left out have none.
        max_class_size: a node with fewer images than this, with all below it, is a class. At least 1.
        min_class_size: classes with fewer images are merged upward; at most half of ``max_class_size + 1``, so that
            two small classes together stay below the limit.
        roots: where to start, disjoint nodes; the tree's roots by default. Nothing is merged across them.
        inner: what becomes of images labelled at a node that is split; (a) in this module.

    Raises:
        TaxonomyError: counts name unknown nodes (each with what may be meant) or are negative; there are no images;
            sizes or roots do not fit.
    """
    _check_sizes(max_class_size, min_class_size)
    _check_counts(taxonomy, counts)
    starts = _checked_roots(taxonomy, roots)
    place = {each: order for order, each in enumerate(each for root in starts for each in taxonomy.descendants(root))}
    total = {node.id: counts.get(node.id, 0) for node in taxonomy}
    for node in reversed(list(taxonomy)):
        if node.parent is not None:
            total[node.parent] += total[node.id]

    def whole(node_id: str, images: int, name: str) -> _Part:
        return _Part(place[node_id], node_id, name, (node_id,), images)

    parts: dict[str | None, list[_Part]] = {None: []}  # under each node that is split (None: above the roots)
    unspecified: set[str | None] = set()  # split nodes with a class of their own, and all that are split below them
    waiting: list[tuple[str, str | None]] = [(root, None) for root in reversed(starts)]
    while waiting:
        node_id, parent = waiting.pop()
        own = counts.get(node_id, 0)
        if total[node_id] < max_class_size or total[node_id] == own:
            parts[parent].append(whole(node_id, total[node_id], taxonomy[node_id].name))
            continue
        parts[node_id] = []
        most_are_own = inner == "by-share" and 2 * own > total[node_id]
        if own and (inner == "own-class" or most_are_own or parent in unspecified):
            parts[node_id].append(whole(node_id, own, f"{taxonomy[node_id].name}, unspecified"))
            unspecified.add(node_id)
        elif parent in unspecified:
            unspecified.add(node_id)
        waiting.extend((child, node_id) for child in reversed(taxonomy.children(node_id)))

    made, empty = _merged(taxonomy, parts, set(starts), max_class_size, min_class_size)
    classes = tuple(
        PartitionClass(id=each.id, name=each.name, nodes=each.nodes, images=each.images) for each in sorted(made)
    )
    if not classes:
        raise TaxonomyError("no image is labelled below the roots", fix="Give counts of the diagnoses to partition.")
    coarse, outside = _left_over(taxonomy, counts, classes)
    owned = owners(taxonomy, [each.nodes for each in classes])
    return Partition(
        classes=classes,
        coarse=coarse,
        outside=outside,
        empty=tuple(node_id for each in sorted(empty) for node_id in each.nodes if node_id not in owned),
        roots=starts,
        max_class_size=max_class_size,
        min_class_size=min_class_size,
        inner=inner,
    )


def _merged(
    taxonomy: Taxonomy, parts: Mapping[str | None, list[_Part]], roots: set[str], most: int, least: int
) -> tuple[list[_Part], list[_Part]]:
    """The classes after merging, and the parts without images that are in none."""
    made: list[_Part] = []
    empty: list[_Part] = []
    if least == 0:
        return [each for found in parts.values() for each in found], empty
    for each in parts[None]:  # a root that is one class has nothing to be merged with
        (made if each.images else empty).append(each)
    carried: dict[str, list[_Part]] = {each: [] for each in parts if each is not None}
    for node_id in reversed(carried):  # nodes stand after their parents, so small parts arrive before they are needed
        made += [each for each in parts[node_id] if each.images >= least]
        without = [each for each in parts[node_id] if not each.images]
        small = sorted([*carried[node_id], *(each for each in parts[node_id] if 0 < each.images < least)])
        above = None if node_id in roots else taxonomy[node_id].parent
        number = 0
        for group in _filled(small, most):
            if sum(each.images for each in group) < least and above is not None:
                carried[above] += group
            elif len(group) == 1:
                made += group
            else:
                number += 1
                made.append(_joined(taxonomy, node_id, number, sorted([*group, *without])))
                without = []
        empty += without
    return made, empty


def _filled(parts: Iterable[_Part], most: int) -> list[list[_Part]]:
    """Groups in the tree's order, each as full as it can be below the limit."""
    groups: list[list[_Part]] = []
    room = 0
    for each in parts:
        if not groups or each.images >= room:
            groups.append([])
            room = most
        groups[-1].append(each)
        room -= each.images
    return groups


def _joined(taxonomy: Taxonomy, node_id: str, number: int, group: Sequence[_Part]) -> _Part:
    suffix, words = ("", "") if number == 1 else (f"-{number}", f" ({number})")
    return _Part(
        order=group[0].order,
        id=f"{node_id}:other{suffix}",
        name=f"{taxonomy[node_id].name}, other{words}",
        nodes=tuple(each for part in group for each in part.nodes),
        images=sum(each.images for each in group),
    )


def _left_over(
    taxonomy: Taxonomy, counts: Mapping[str, int], classes: Sequence[PartitionClass]
) -> tuple[dict[str, Coarse], dict[str, int]]:
    """Images in no class: those labelled above classes, and those with no class below them."""
    owner = owners(taxonomy, [each.nodes for each in classes])
    coarse, outside = {}, {}
    for node in taxonomy:
        images = counts.get(node.id, 0)
        if not images or node.id in owner:
            continue
        below = sorted(owners_below(taxonomy, owner, node.id))
        if below:
            coarse[node.id] = Coarse(images=images, classes=tuple(classes[each].id for each in below))
        else:
            outside[node.id] = images
    return coarse, outside


def _check_sizes(most: int, least: int) -> None:
    if most < 1:
        raise TaxonomyError(f"max_class_size is {most}", fix="Give 1 or more.")
    if least < 0 or 2 * least > most + 1:
        raise TaxonomyError(
            f"min_class_size is {least} and max_class_size {most}",
            fix=f"Give a minimum from 0 to {(most + 1) // 2}: two small classes together must stay below the limit.",
        )


def _check_counts(taxonomy: Taxonomy, counts: Mapping[str, int]) -> None:
    unknown = [each for each in counts if each not in taxonomy]
    if unknown:
        told = []
        for each in unknown[:10]:
            near = taxonomy.suggest(each, 3)
            told.append(f"'{each}'" + (f" (did you mean {listed(near)}?)" if near else ""))
        more = f" and {len(unknown) - 10:,} more" if len(unknown) > 10 else ""
        raise TaxonomyError(
            f"{len(unknown)} {'label is' if len(unknown) == 1 else 'labels are'} not in the taxonomy: "
            f"{', '.join(told)}{more}",
            fix="Give node ids; `cutis taxonomy show` prints them.",
        )
    negative = [f"{each} ({images})" for each, images in counts.items() if images < 0]
    if negative:
        raise TaxonomyError(f"negative image counts: {listed(negative)}", fix="Counts are 0 or more.")


def _checked_roots(taxonomy: Taxonomy, roots: Sequence[str] | None) -> tuple[str, ...]:
    starts = tuple(taxonomy.roots if roots is None else roots)
    if not starts:
        raise TaxonomyError("no roots to start from", fix="Name at least one node.")
    for each in starts:
        above = [node for node in taxonomy.ancestors(each) if node in starts]
        if above or starts.count(each) > 1:
            raise TaxonomyError(
                f"root '{each}' lies within root '{(above or [each])[0]}'", fix="Roots are disjoint; leave one out."
            )
    return starts
