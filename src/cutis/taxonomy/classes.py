"""Class sets: which diagnoses a model tells apart, as nodes of the ISIC diagnosis hierarchy.

A class holds one or more nodes; an image belongs to the class whose node is its diagnosis or an ancestor of it
(ISIC writes a diagnosis as a path, ``"Benign:Benign melanocytic proliferations:Nevus"``). Where two classes hold
nested nodes, the deeper node wins.
"""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, model_validator

from cutis.errors import CutisError, listed


class DiagnosisClass(BaseModel):
    """One class: its id (a predictions column), its name in words, its nodes, and whether it is malignant.

    ``malignancy`` is ``"benign"``, ``"premalignant"``, ``"malignant"`` or, for a class taken from a data set's own
    words, ``"unknown"``. ``words`` holds the data set's own words for classes that are not ISIC diagnoses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    malignancy: str = "unknown"
    nodes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


class ClassSet(BaseModel):
    """An ordered, named set of disjoint classes. Class ids are unique; their order is the order of model outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    classes: tuple[DiagnosisClass, ...]

    @model_validator(mode="after")
    def _ids_unique(self) -> "ClassSet":
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("class ids must be unique")
        if len(self.ids) < 2:
            raise ValueError("a class set needs at least two classes")
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """The class ids in order."""
        return tuple(each.id for each in self.classes)

    def __getitem__(self, class_id: str) -> DiagnosisClass:
        for each in self.classes:
            if each.id == class_id:
                return each
        raise KeyError(class_id)

    def assign(self, diagnosis: str | None, source_diagnosis: str | None = None) -> str | None:
        """The id of the class that holds this diagnosis, or None when no class does.

        Args:
            diagnosis: an ISIC path such as ``"Malignant:...:Melanoma, NOS"``.
            source_diagnosis: the data set's own word, consulted for classes that are given by words.
        """
        best: tuple[int, str] | None = None
        for each in self.classes:
            if source_diagnosis is not None and source_diagnosis in each.words:
                return each.id
            if diagnosis is None:
                continue
            for node in each.nodes:
                if (diagnosis == node or diagnosis.startswith(f"{node}:")) and (best is None or len(node) > best[0]):
                    best = (len(node), each.id)
        return best[1] if best else None


_MELANOMA = "Malignant:Malignant melanocytic proliferations (Melanoma)"
_NEVUS = "Benign:Benign melanocytic proliferations"
_BCC = "Malignant:Malignant adnexal epithelial proliferations - Follicular:Basal cell carcinoma"
_AK = "Indeterminate:Indeterminate epidermal proliferations:Solar or actinic keratosis"
_SCC = "Malignant:Malignant epidermal proliferations"
_BKL = "Benign:Benign epidermal proliferations"
_DF = "Benign:Benign soft tissue proliferations - Fibro-histiocytic:Dermatofibroma"
_VASC = "Benign:Benign soft tissue proliferations - Vascular"

CLASS_SETS: dict[str, ClassSet] = {
    each.name: each
    for each in (
        ClassSet(
            name="ham7",
            source="Tschandl 2018 (HAM10000), ISIC 2018 task 3. Squamous cell carcinoma counts as akiec, as its "
            "in-situ form does there.",
            classes=(
                DiagnosisClass(
                    id="akiec",
                    name="Actinic keratosis / intraepithelial carcinoma",
                    malignancy="premalignant",
                    nodes=(_AK, _SCC),
                ),
                DiagnosisClass(id="bcc", name="Basal cell carcinoma", malignancy="malignant", nodes=(_BCC,)),
                DiagnosisClass(id="bkl", name="Benign keratosis", malignancy="benign", nodes=(_BKL,)),
                DiagnosisClass(id="df", name="Dermatofibroma", malignancy="benign", nodes=(_DF,)),
                DiagnosisClass(id="mel", name="Melanoma", malignancy="malignant", nodes=(_MELANOMA,)),
                DiagnosisClass(id="nv", name="Melanocytic nevus", malignancy="benign", nodes=(_NEVUS,)),
                DiagnosisClass(id="vasc", name="Vascular lesion", malignancy="benign", nodes=(_VASC,)),
            ),
        ),
        ClassSet(
            name="isic2019",
            source="ISIC 2019 challenge (Combalia 2019), without its class of unknowns, which has no training images.",
            classes=(
                DiagnosisClass(id="mel", name="Melanoma", malignancy="malignant", nodes=(_MELANOMA,)),
                DiagnosisClass(id="nv", name="Melanocytic nevus", malignancy="benign", nodes=(_NEVUS,)),
                DiagnosisClass(id="bcc", name="Basal cell carcinoma", malignancy="malignant", nodes=(_BCC,)),
                DiagnosisClass(id="ak", name="Actinic keratosis", malignancy="premalignant", nodes=(_AK,)),
                DiagnosisClass(id="bkl", name="Benign keratosis", malignancy="benign", nodes=(_BKL,)),
                DiagnosisClass(id="df", name="Dermatofibroma", malignancy="benign", nodes=(_DF,)),
                DiagnosisClass(id="vasc", name="Vascular lesion", malignancy="benign", nodes=(_VASC,)),
                DiagnosisClass(id="scc", name="Squamous cell carcinoma", malignancy="malignant", nodes=(_SCC,)),
            ),
        ),
        ClassSet(
            name="isic2017",
            source="ISIC 2017 challenge, part 3 (Codella 2018).",
            classes=(
                DiagnosisClass(id="melanoma", name="Melanoma", malignancy="malignant", nodes=(_MELANOMA,)),
                DiagnosisClass(id="nevus", name="Melanocytic nevus", malignancy="benign", nodes=(_NEVUS,)),
                DiagnosisClass(
                    id="seborrheic_keratosis", name="Seborrheic keratosis", malignancy="benign", nodes=(_BKL,)
                ),
            ),
        ),
    )
}  # fmt: skip


def class_set(name: str) -> ClassSet:
    """The class set of this name.

    Raises:
        CutisError: no set has this name; the message lists those there are.
    """
    if name not in CLASS_SETS:
        raise CutisError(f"no class set is called '{name}'", fix=f"Use one of {', '.join(CLASS_SETS)}, or 'source'.")
    return CLASS_SETS[name]


def matching_class_set(ids: Iterable[str]) -> ClassSet | None:
    """The class set that ships with cutis and has exactly these ids, upper or lower case; None if there is none."""
    wanted = {each.lower() for each in ids}
    for each in CLASS_SETS.values():
        if set(each.ids) == wanted:
            return each
    return None


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
