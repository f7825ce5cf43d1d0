"""What is kept of a patient, a lesion and a photograph, and what it must keep to."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cutis.data import FITZPATRICK_SKIN_TYPES, isic_anatom_site
from cutis.follow_up.errors import FollowUpError
from cutis.taxonomy import shipped_taxonomy

LONGEST_NOTE = 2000
IMAGE_TYPES = {"dermoscopic": "dermoscopic", "clinical: close-up": "close-up"}
"""ISIC's words of what a photograph is, and how pages call it."""
STATUSES = ("watched", "removed", "closed")

_NUMBER = re.compile(r"[\w][\w ./-]{0,39}")
_LABEL = re.compile(r"[\w][\w .-]{0,19}")


class PatientFacts(BaseModel):
    """A patient. ``number``: the clinic's own, or a pseudonym; ``research``: agreed that photographs serve research."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: str
    birth_year: int | None = Field(None, ge=1900, le=2200)
    sex: Literal["female", "male"] | None = None
    skin_type: str | None = None
    research: bool = False

    @field_validator("number")
    @classmethod
    def _no_name(cls, number: str) -> str:
        number = number.strip()
        if not _NUMBER.fullmatch(number):
            raise ValueError("use up to 40 letters, digits, spaces and _ . / -")
        if not any(each.isdigit() for each in number):
            raise ValueError("has no digit; take a number or a pseudonym such as P-0017, never a name")
        return number

    @field_validator("skin_type")
    @classmethod
    def _known(cls, skin_type: str | None) -> str | None:
        if skin_type is not None and skin_type not in FITZPATRICK_SKIN_TYPES:
            raise ValueError(f"is none of {', '.join(FITZPATRICK_SKIN_TYPES)}")
        return skin_type


class LesionFacts(BaseModel):
    """A lesion.

    Attributes:
        label: how it is called on the drawing, such as L1.
        side: of the body drawing.
        across: thousandths of the drawing's width, from its left.
        down: thousandths of its height, from the top.
        site: the ISIC archive's path, e.g. ``Trunk:Posterior trunk``.
        note: free words; no names.
        status: watched, removed, or closed (followed no more).
        node: histology's diagnosis, of the tree of diagnoses; of a removed lesion only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    side: Literal["front", "back"]
    across: int = Field(ge=0, le=1000)
    down: int = Field(ge=0, le=1000)
    site: str
    note: str = ""
    status: Literal["watched", "removed", "closed"] = "watched"
    node: str | None = None

    @field_validator("label")
    @classmethod
    def _short(cls, label: str) -> str:
        if not _LABEL.fullmatch(label.strip()):
            raise ValueError("use up to 20 letters, digits, spaces and _ . -")
        return label.strip()

    @field_validator("site")
    @classmethod
    def _known_site(cls, site: str) -> str:
        found = isic_anatom_site(site)
        if found is None:
            raise ValueError("is no site of the body in the ISIC archive's words")
        return found

    @field_validator("note")
    @classmethod
    def _plain(cls, note: str) -> str:
        note = note.replace("\r\n", "\n").strip()
        if len(note) > LONGEST_NOTE:
            raise ValueError(f"has more than {LONGEST_NOTE:,} characters")
        if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\t" for each in note):
            raise ValueError("holds control characters")
        return note

    @model_validator(mode="after")
    def _histology(self) -> Self:
        if self.node is not None and self.node not in shipped_taxonomy():
            raise ValueError(f"'{self.node[:60]}' is not in the tree of diagnoses")
        if self.node is not None and self.status != "removed":
            raise ValueError("histology's diagnosis is of a removed lesion: set its status to removed")
        return self


class PhotographFacts(BaseModel):
    """When a photograph was taken, and whether through a dermatoscope."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    taken_on: date
    image_type: Literal["dermoscopic", "clinical: close-up"]


Facts = TypeVar("Facts", PatientFacts, LesionFacts, PhotographFacts)


def checked_facts(kind: type[Facts], given: Mapping[str, Any]) -> Facts:
    """Facts from what a form or a program gives.

    Raises:
        FollowUpError: all that is wrong with them, in one line.
    """
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        problems = []
        for each in error.errors():
            where = str(each["loc"][0]).replace("_", " ") if each["loc"] else ""
            words = each["msg"].removeprefix("Value error, ")
            problems.append(f"{where}: {words}" if where else words)
        raise FollowUpError("; ".join(problems), fix="Nothing was saved; correct it.") from error
