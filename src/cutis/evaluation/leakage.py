"""What stands on both sides: how a leak between training and test is told, and what a report must say of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from cutis.errors import LeakError, listed
from cutis.evaluation.estimate import Part

TOLD = 20
"""So many leaks are told in a report."""


class Leak(Part):
    """One group of images that stands on both sides.

    Attributes:
        kind: what ties the two sides together: ``"same file"``, ``"near-copy"``, ``"same moment"``, ``"lesion_id"``,
            ``"patient_id"``, ``"linked through others"``, ``"seen in training"`` or ``"split"``.
        images: the ids of the two images, or of more, that show it; the first side's first.
        sides: what they are on, e.g. ``["train", "test"]`` or ``["fold 0", "fold 2"]``.
        told: the leak in a few words.
    """

    kind: str
    images: list[str]
    sides: list[str]
    told: str


class Leakage(Part):
    """What is known of leaks between what a model learned from and what it is measured on.

    Attributes:
        audited: evaluated images that an audit compared with the others by their content.
        not_audited: evaluated images that none did.
        audit: how the audit was made, in words; None where there was none.
        leaks: how many were found, of every kind.
        by_kind: the same by kind.
        examples: the first of them.
        allowed: why the evaluation was made all the same; None where nothing had to be allowed.
    """

    audited: int
    not_audited: int
    audit: str | None
    leaks: int
    by_kind: dict[str, int]
    examples: list[Leak]
    allowed: str | None


@dataclass(frozen=True, eq=False)
class AuditFindings:
    """What an audit says about a manifest.

    Attributes:
        images: what was compared with each other: ``source`` and ``image_id``.
        leaks: what stands on both sides.
        told: how the audit was made, in words.
    """

    images: pl.DataFrame
    leaks: list[Leak]
    told: str


def leaks_in_words(leaks: Sequence[Leak]) -> str:
    """``"3 by same file, 1 by patient_id"``, the most frequent kind first."""
    counts = Counter(leak.kind for leak in leaks)
    return ", ".join(f"{n:,} by {kind}" for kind, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def leakage(
    evaluated: pl.DataFrame,
    leaks: Sequence[Leak],
    audit: AuditFindings | None,
    *,
    subset: str | None,
    allowed: str | None,
    not_listed: Mapping[str, int] | None = None,
) -> Leakage:
    """What is known of leaks, for a report.

    Args:
        evaluated: the evaluated rows of the manifest.
        leaks: those already known, from the predictions and from the manifest's own split.
        audit: what an audit of the images found.
        subset: what was evaluated; with ``"test"`` only leaks into the test set count.
        allowed: why leaks are let through.
        not_listed: how many more than ``leaks`` are known, by kind.

    Raises:
        LeakError: there are leaks by the audit, and they are not allowed.
    """
    of_audit = [] if audit is None else [each for each in audit.leaks if subset != "test" or "test" in each.sides]
    if of_audit and allowed is None:
        told = [each.told for each in of_audit]
        raise LeakError(
            f"{len(of_audit):,} groups of images stand on both sides by the audit ({leaks_in_words(of_audit)}): "
            f"{listed(told, most=5)}",
            fix="Split again with `cutis split --audit`, or say why it is to be measured all the same: --allow-leak.",
        )
    found = [*leaks, *of_audit]
    by_kind = Counter(each.kind for each in found)
    by_kind.update(not_listed or {})
    audited = (
        0
        if audit is None
        else len(
            evaluated.select(pl.col("source", "image_id").cast(pl.String)).join(
                audit.images, on=["source", "image_id"], how="semi", nulls_equal=True
            )
        )
    )
    return Leakage(
        audited=audited,
        not_audited=len(evaluated) - audited,
        audit=None if audit is None else audit.told,
        leaks=by_kind.total(),
        by_kind=dict(by_kind),
        examples=found[:TOLD],
        allowed=allowed if found else None,
    )
