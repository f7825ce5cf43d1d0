"""One person's annotation of one image: diagnosis, confirmation, quality, note and boxes, and what it must keep to."""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from isic_metadata.fields import DiagnosisConfirmTypeEnum
from pydantic import BaseModel, ConfigDict, Field

from cutis.annotation.errors import AnnotationError
from cutis.taxonomy import Taxonomy, shipped_taxonomy

CONFIRM_TYPES: tuple[str, ...] = tuple(each.value for each in DiagnosisConfirmTypeEnum)
"""ISIC's values of how a diagnosis was confirmed."""

QUALITIES = ("blurred", "dark", "ruler", "ink", "hair", "not a lesion", "other")
"""What may be wrong with a photograph. In the database each is a bit, in this order: only ever append."""

LONGEST_NOTE = 2000
MOST_BOXES = 50


class Box(BaseModel):
    """A box in whole pixels of the upright image, from its top left corner: it holds ``width`` × ``height`` pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The edge, behind the last column."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The edge, below the last row."""
        return self.top + self.height


class Annotation(BaseModel):
    """What a person says of an image. ``node``: of the tree of diagnoses; None: no diagnosis can be given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str | None = None
    confirm_type: str | None = None
    quality: tuple[str, ...] = ()
    note: str = Field("", max_length=LONGEST_NOTE)
    boxes: tuple[Box, ...] = Field((), max_length=MOST_BOXES)


class Size(NamedTuple):
    """Of an upright image, in pixels."""

    width: int
    height: int


def checked_annotation(given: Annotation, size: Size, where: str = "") -> Annotation:
    """The annotation in one way of writing: quality tags in their order, white space at the note's ends removed.

    Raises:
        AnnotationError: all that is wrong with it, in one line: boxes outside of the image, smaller than a pixel or
            doubled; an unknown diagnosis, confirmation or quality tag; a note that is too long or holds control
            characters.
    """
    problems = [*_wrong_boxes(given.boxes, size), *_wrong_words(given, shipped_taxonomy())]
    note = given.note.replace("\r\n", "\n").strip()
    if len(note) > LONGEST_NOTE:
        problems.append(f"the note has more than {LONGEST_NOTE:,} characters")
    if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\t" for each in note):
        problems.append("the note holds control characters")
    if problems:
        raise AnnotationError("; ".join(problems), where=where, fix="Nothing was saved; correct it.")
    quality = tuple(each for each in QUALITIES if each in given.quality)
    return given.model_copy(update={"quality": quality, "note": note})


def _wrong_boxes(boxes: tuple[Box, ...], size: Size) -> list[str]:
    problems = [f"more than {MOST_BOXES} boxes"] if len(boxes) > MOST_BOXES else []
    for number, each in enumerate(boxes, 1):
        if each.width < 1 or each.height < 1:
            problems.append(f"box {number} is smaller than a pixel")
        elif each.left < 0 or each.top < 0 or each.right > size.width or each.bottom > size.height:
            problems.append(f"box {number} reaches outside of the image ({size.width} × {size.height} pixels)")
        elif each in boxes[: number - 1]:
            problems.append(f"box {number} is drawn twice")
    return problems


def _wrong_words(given: Annotation, taxonomy: Taxonomy) -> list[str]:
    problems = []
    if given.node is not None and given.node not in taxonomy:
        problems.append(f"{_quoted(given.node)} is not in the tree of diagnoses")
    if given.confirm_type is not None and given.confirm_type not in CONFIRM_TYPES:
        problems.append(f"{_quoted(given.confirm_type)} is not ISIC's word for a confirmation")
    problems += [f"{_quoted(each)} is no quality tag" for each in given.quality if each not in QUALITIES]
    return problems


def _quoted(word: str) -> str:
    return f"'{word if len(word) <= 60 else word[:60] + '…'}'"


def quality_bits(quality: Iterable[str]) -> int:
    """Quality tags as one number."""
    return sum(1 << QUALITIES.index(each) for each in set(quality))
