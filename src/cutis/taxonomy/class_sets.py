"""The class sets that ship with cutis, and how a recipe or a command names one.

=============================== ==============================================================================
``ham7``, ``isic2019`` …        the sets of :data:`CLASS_SET_NAMES`
``partition:max=1000,min=50``   Esteva's partition of the tree by the images at hand (``inner="by-share"``)
``melanoma,nevus``              nodes of the tree, one class each, by any of their words
any of these ``+other``         with one class more for every other disease (Han 2018)
=============================== ==============================================================================
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

from cutis.errors import CutisError, TaxonomyError
from cutis.taxonomy.classes import OTHER, REST, ClassSet, DiagnosisClass, classes_at
from cutis.taxonomy.partition import partition
from cutis.taxonomy.risk import GRADES
from cutis.taxonomy.tree import shipped_taxonomy

# Class id, name, malignancy, nodes. The challenges' own ids are kept: they are the columns of their files.
_Row = tuple[str, str, str, tuple[str, ...]]
_CHALLENGES: dict[str, tuple[str, tuple[_Row, ...]]] = {
    "ham7": (
        "Tschandl 2018 (HAM10000), ISIC 2018 task 3. Squamous cell carcinoma is akiec, as its in-situ form is there.",
        (
            ("akiec", "Actinic keratosis / intraepithelial carcinoma", "premalignant",
             ("akiec", "malignant-epidermal-proliferation")),
            ("bcc", "Basal cell carcinoma", "malignant", ("basal-cell-carcinoma",)),
            ("bkl", "Benign keratosis", "benign", ("benign-epidermal-proliferation",)),
            ("df", "Dermatofibroma", "benign", ("dermatofibroma",)),
            ("mel", "Melanoma", "malignant", ("malignant-melanoma",)),
            ("nv", "Melanocytic nevus", "benign", ("benign-melanocytic-proliferation",)),
            ("vasc", "Vascular lesion", "benign", ("benign-vascular-proliferation",)),
        ),
    ),
    "isic2019": (
        "ISIC 2019 challenge (Combalia 2019), without its class of unknowns, which has no training images.",
        (
            ("mel", "Melanoma", "malignant", ("malignant-melanoma",)),
            ("nv", "Melanocytic nevus", "benign", ("benign-melanocytic-proliferation",)),
            ("bcc", "Basal cell carcinoma", "malignant", ("basal-cell-carcinoma",)),
            ("ak", "Actinic keratosis", "premalignant", ("akiec",)),
            ("bkl", "Benign keratosis", "benign", ("benign-epidermal-proliferation",)),
            ("df", "Dermatofibroma", "benign", ("dermatofibroma",)),
            ("vasc", "Vascular lesion", "benign", ("benign-vascular-proliferation",)),
            ("scc", "Squamous cell carcinoma", "malignant",
             ("malignant-epidermal-proliferation", "squamous-cell-carcinoma-in-situ")),
        ),
    ),
    "isic2017": (
        "ISIC 2017 challenge, part 3 (Codella 2018).",
        (
            ("melanoma", "Melanoma", "malignant", ("malignant-melanoma",)),
            ("nevus", "Melanocytic nevus", "benign", ("benign-melanocytic-proliferation",)),
            ("seborrheic_keratosis", "Seborrheic keratosis", "benign", ("benign-epidermal-proliferation",)),
        ),
    ),
    "han12": (
        "The 12 tumours of Han 2018 (J Invest Dermatol 138:1529).",
        (
            ("basal-cell-carcinoma", "Basal cell carcinoma", "malignant", ("basal-cell-carcinoma",)),
            ("squamous-cell-carcinoma", "Squamous cell carcinoma", "malignant", ("squamous-cell-carcinoma",)),
            ("squamous-cell-carcinoma-in-situ", "Intraepithelial carcinoma", "malignant",
             ("squamous-cell-carcinoma-in-situ",)),
            ("actinic-keratosis", "Actinic keratosis", "premalignant", ("actinic-keratosis",)),
            ("seborrheic-keratosis", "Seborrheic keratosis", "benign", ("seborrheic-keratosis",)),
            ("malignant-melanoma", "Malignant melanoma", "malignant", ("malignant-melanoma",)),
            ("nevus", "Melanocytic nevus", "benign", ("nevus",)),
            ("lentigo", "Lentigo", "benign", ("lentigo-nos", "lentigo-simplex", "solar-lentigo")),
            ("pyogenic-granuloma", "Pyogenic granuloma", "benign", ("pyogenic-granuloma",)),
            ("hemangioma", "Hemangioma", "benign", ("hemangioma",)),
            ("dermatofibroma", "Dermatofibroma", "benign", ("dermatofibroma",)),
            ("wart", "Wart", "benign", ("wart",)),
        ),
    ),
}  # fmt: skip
_ESTEVA9 = (
    "benign-dermal", "benign-epidermal", "benign-melanocytic", "malignant-dermal", "malignant-epidermal",
    "malignant-melanoma", "cutaneous-lymphoma", "genodermatoses", "inflammatory",
)  # fmt: skip
_ESTEVA3 = ("benign", "malignant", "non-neoplastic")

CLASS_SET_NAMES = (*_CHALLENGES, "esteva9", "esteva3", "risk3")
"""The class sets that ship with cutis."""

_PARTITION = re.compile(r"partition:max=(?P<most>\d+)(?:,min=(?P<least>\d+))?")


def class_set(spec: str, counts: Mapping[str, int] | None = None) -> ClassSet:
    """The class set that a word names.

    Args:
        spec: one of the forms at the top of this module.
        counts: node → number of images labelled at it; a partition is made by these.

    Raises:
        CutisError: nothing is called so; the message lists the sets there are, or suggests nodes.
    """
    base, plus, rest = spec.strip().partition("+")
    if plus and rest != OTHER:
        raise CutisError(f"no class set is called '{spec}'", fix="After '+' only 'other' may stand: ham7+other.")
    if match := _PARTITION.fullmatch(base):
        chosen = _partitioned(base, counts, int(match["most"]), int(match["least"] or 1))
    elif base.startswith("partition"):
        raise CutisError(f"'{spec}' is not a partition", fix="Write partition:max=1000 or partition:max=1000,min=50.")
    elif base in CLASS_SET_NAMES:
        chosen = _shipped(base)
    else:
        chosen = _at_nodes(base.split(","), spec, other=bool(plus))
    if plus and chosen.rest is None:
        chosen = ClassSet(name=spec, source=f"{chosen.source} All else is 'other'.", classes=(*chosen.classes, REST))
    return chosen


def matching_class_set(ids: Iterable[str]) -> ClassSet | None:
    """The class set that columns with these ids stand for, in upper or lower case; None if there is none.

    One that ships with cutis (with or without ``other``), else the nodes of the tree that have these very ids.
    """
    wanted = {each.lower() for each in ids}
    for name in CLASS_SET_NAMES:
        shipped = _shipped(name)
        if set(shipped.ids) == wanted:
            return shipped
        if {*shipped.ids, OTHER} == wanted:
            return class_set(f"{name}+{OTHER}")
    nodes = [each for each in ids if each.lower() != OTHER]
    if nodes and all(each in shipped_taxonomy() for each in nodes) and len(wanted) > 1:
        return classes_at(nodes, name=",".join(nodes), source="nodes of the tree", other=OTHER in wanted)
    return None


@cache
def _shipped(name: str) -> ClassSet:
    if name in _CHALLENGES:
        source, rows = _CHALLENGES[name]
        classes = tuple(
            DiagnosisClass(id=class_id, name=words, malignancy=malignancy, nodes=nodes)
            for class_id, words, malignancy, nodes in rows
        )
        return ClassSet(name=name, source=source, classes=classes)
    if name == "risk3":
        return _risk_grades()
    if name == "esteva9":
        return classes_at(_ESTEVA9, name=name, source="The nine second-level classes of Esteva 2017, Figure 2.")
    return classes_at(_ESTEVA3, name=name, source="The three first-level classes of Esteva 2017, Figure 2.")


def _risk_grades() -> ClassSet:
    """A class a grade: the nodes at which the tree's grade changes."""
    taxonomy = shipped_taxonomy()
    nodes = {
        grade: tuple(
            each.id
            for each in taxonomy
            if each.risk == grade and (each.parent is None or taxonomy[each.parent].risk != grade)
        )
        for grade in GRADES
    }
    words = {"low": "benign", "high": "malignant", "dangerous": "malignant"}
    return ClassSet(
        name="risk3",
        source="The risk grades of Zhao 2019 (J Med Syst 43:283), as the tree assigns them.",
        classes=tuple(
            DiagnosisClass(id=grade, name=f"{grade.capitalize()} risk", malignancy=words[grade], nodes=nodes[grade])
            for grade in GRADES
        ),
    )


def _partitioned(spec: str, counts: Mapping[str, int] | None, most: int, least: int) -> ClassSet:
    if counts is None:
        raise CutisError(
            f"'{spec}' depends on the images at hand",
            fix="Use it in a recipe, or `cutis taxonomy partition M --max-class-size N`.",
        )
    taxonomy = shipped_taxonomy()
    made = partition(taxonomy, counts, max_class_size=most, min_class_size=least, inner="by-share")
    classes = tuple(
        DiagnosisClass(id=each.id, name=each.name, malignancy=_malignancy(each.nodes), nodes=each.nodes)
        for each in made.classes
    )
    if len(classes) < 2:
        raise TaxonomyError(f"'{spec}' makes a single class of these images", fix="Lower the limit.")
    return ClassSet(
        name=spec,
        source=f"Esteva 2017, Algorithm 1, on {sum(counts.values()):,} images of {taxonomy.name}.",
        classes=classes,
    )


def _malignancy(nodes: Iterable[str]) -> str:
    kinds = {shipped_taxonomy()[each].malignancy or "unknown" for each in nodes}
    return kinds.pop() if len(kinds) == 1 else "either"


def _at_nodes(words: list[str], spec: str, *, other: bool) -> ClassSet:
    if len(words) == 1 and not other:
        try:
            shipped_taxonomy().find(words[0])
        except TaxonomyError as error:
            names = f"{', '.join(CLASS_SET_NAMES)}, partition:max=N or 'source'"
            raise CutisError(
                f"no class set is called '{spec}'", fix=f"Use one of {names}, or nodes of the tree: melanoma,nevus."
            ) from error
    nodes = [shipped_taxonomy().find(each) for each in words]
    return classes_at(nodes, name=spec, source="nodes of the tree", other=other)
