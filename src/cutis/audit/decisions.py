"""What a person decided about pairs of images: the file that the audit's page saves and the audit obeys."""

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from cutis.errors import AuditError, listed
from cutis.files import write_json

Image = tuple[str | None, str]
"""An image to the outside: its ``source`` (None where the manifest names none) and its ``image_id``."""


class Decision(BaseModel):
    """One decision about one pair.

    Attributes:
        a: one image.
        b: the other.
        same: whether both show the same lesion.
        decided_at: when it was decided, ISO 8601 with its zone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    a: Image
    b: Image
    same: bool
    decided_at: AwareDatetime

    @model_validator(mode="after")
    def _two_images(self) -> "Decision":
        if self.a == self.b:
            raise ValueError(f"a pair of {_named(self.a)} with itself")
        return self


class Decisions(BaseModel):
    """Decisions about pairs, one a pair: of several the latest stands.

    Making one raises AuditError where the same pair is called both same and different at the same moment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    decisions: tuple[Decision, ...] = ()

    @field_validator("decisions")
    @classmethod
    def _latest_of_each_pair(cls, decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
        latest: dict[frozenset[Image], Decision] = {}
        contradictions = {}
        for each in sorted(decisions, key=lambda each: each.decided_at):
            pair = frozenset((each.a, each.b))
            before = latest.pop(pair, None)  # and in again at the end: the order is that of the moments
            if before is not None and before.decided_at == each.decided_at and before.same != each.same:
                contradictions[pair] = each
            latest[pair] = each
        standing = [each for pair, each in contradictions.items() if latest[pair].decided_at == each.decided_at]
        if standing:
            told = [f"{_named(each.a)} and {_named(each.b)}, {each.decided_at.isoformat()}" for each in standing]
            raise AuditError(
                f"{len(told):,} {'pair is' if len(told) == 1 else 'pairs are'} called both same and different "
                f"at the same moment: {listed(told)}",
                fix="Keep one of the two entries.",
            )
        return tuple(latest.values())

    @cached_property
    def _verdicts(self) -> dict[frozenset[Image], bool]:
        return {frozenset((each.a, each.b)): each.same for each in self.decisions}

    def verdict_of(self, a: Image, b: Image) -> bool | None:
        """Whether a person called these two images the same lesion; None where nobody decided. Order does not count."""
        return self._verdicts.get(frozenset((a, b)))

    def merge(self, other: "Decisions") -> "Decisions":
        """Both together; of two decisions about a pair the later stands.

        Raises:
            AuditError: a pair is called both same and different at the same moment.
        """
        return Decisions(decisions=(*self.decisions, *other.decisions))

    def not_in(self, manifest: pl.DataFrame) -> list[Decision]:
        """The decisions that name an image which the manifest does not have. They do no harm: they wait for it."""
        there = set(manifest.select("source", "image_id").iter_rows())
        return [each for each in self.decisions if each.a not in there or each.b not in there]


def not_in_manifest_note(decisions: Decisions, manifest: pl.DataFrame) -> str:
    """Of decisions about images that are not there, in a sentence; empty where there are none."""
    missing = len(decisions.not_in(manifest))
    if not missing:
        return ""
    names = "1 decision names" if missing == 1 else f"{missing:,} decisions name"
    return f"{names} images that the manifest does not have; of {len(decisions.decisions):,} in all."


def read_decisions(path: str | Path) -> Decisions:
    """Read a file of decisions: ``{"format": 1, "decisions": [{"a": [source, image_id], "b": …, "same": true,
    "decided_at": "2026-01-31T12:00:00Z"}]}``.

    Raises:
        AuditError: the file is missing, no JSON (with line and column), has an unknown or a missing field, pairs an
            image with itself, or contradicts itself.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        json.loads(text)
        return Decisions.model_validate_json(text)
    except OSError as error:
        raise AuditError(
            f"cannot be read ({error.strerror or error})", where=str(path), fix="Name another file of decisions."
        ) from error
    except UnicodeDecodeError as error:
        raise AuditError(
            f"is not UTF-8 text (byte {error.start:,})", where=str(path), fix="Save the decisions again."
        ) from error
    except json.JSONDecodeError as error:
        raise AuditError(
            f"is not JSON ({error.msg})",
            where=f"{path}, line {error.lineno}, column {error.colno}",
            fix="Correct it there, or save the decisions again from the audit's page.",
        ) from error
    except ValidationError as error:
        told = listed(list(_problems(error)), most=5)
        raise AuditError(
            f"does not hold decisions: {told}",
            where=str(path),
            fix="Correct it, or save it again from the audit's page.",
        ) from error
    except AuditError as error:
        raise AuditError(error.problem, where=str(path), fix=error.fix) from error


def write_decisions(decisions: Decisions, path: str | Path) -> None:
    """Write decisions as JSON, whole or not at all."""
    write_json(path, decisions.model_dump(mode="json"))


def _problems(error: ValidationError) -> Iterable[str]:
    """Each thing wrong, with its place: ``"decision 3, same: Input should be a valid boolean"``."""
    for each in error.errors():
        match each["loc"]:
            case ("decisions", int(number), *rest):
                place = f"decision {number + 1}" + (f", {'.'.join(map(str, rest))}" if rest else "")
            case loc:
                place = ".".join(map(str, loc)) or "the whole"
        yield f"{place}: {each['msg'].removeprefix('Value error, ')}"


def _named(image: Image) -> str:
    source, image_id = image
    return f"'{image_id}'" if source is None else f"'{image_id}' ({source})"
