"""What an audit found, and the folder it is kept in: ``audit.json`` and its tables."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from cutis.errors import AuditError
from cutis.evaluation import Leak
from cutis.files import replacing, write_json

_SUMMARY = "audit.json"
_TABLES = ("groups", "pairs", "trouble", "quality", "skin_tones")
"""What of an :class:`Audit` is written as a table, each to ``NAME.parquet``."""


class AuditResult(BaseModel):
    """What an audit found, as ``audit.json`` holds it.

    Attributes:
        cutis_version: the version that made it.
        made_at: when, ISO 8601, UTC.
        images: how many image files were compared.
        without_image: rows of the manifest without a file: nothing is known of these.
        sources: images by data set.
        lesions: how many lesions the manifest names; None where it names none.
        patients: how many patients it names; None where it names none.
        groups: how many groups must stay together.
        largest_group: the images of the largest.
        pairs_same: pairs of images found to show the same lesion.
        pairs_suspected: pairs that may; not joined.
        cross_lesion: pairs found the same whose lesion ids differ.
        decided: pairs on which a person's decision was followed.
        leaks: the first groups that stand on both sides of the split.
        leaks_total: how many there are.
        quality: images by reason for which they are unfit.
        unfit: images with any such reason.
        trouble: findings about labels, by kind.
        shortcuts: what predicts the diagnosis without a look at the lesion: ``name``, ``auc``, ``low``, ``high``,
            ``warning`` (empty where there is none).
        skin_tone: images by estimated skin tone.
        neighbour_recall: share of the true nearest neighbours that the search found, measured on a sample; None where
            the search was exact.
        thresholds: the limits by which pairs were judged.
        notes: what a reader must know beside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutis_version: str
    made_at: str
    images: int
    without_image: int
    sources: dict[str, int]
    lesions: int | None
    patients: int | None
    groups: int
    largest_group: int
    pairs_same: int
    pairs_suspected: int
    cross_lesion: int
    decided: int
    leaks: list[Leak]
    leaks_total: int
    quality: dict[str, int]
    unfit: int
    trouble: dict[str, int]
    shortcuts: list[dict[str, str | float | None]]
    skin_tone: dict[str, int]
    neighbour_recall: float | None
    thresholds: dict[str, float]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Audit:
    """An audit: its summary and its tables.

    Attributes:
        result: the summary.
        groups: one row an image: ``source``, ``image_id``, ``content_key``, ``group``, ``group_size``, ``reasons``, and
            as they were in the manifest ``lesion_id``, ``patient_id``, ``subset``, ``fold``; ``against`` marks the
            images that were only compared with.
        pairs: one row a pair of images found or suspected to show the same lesion; see :func:`find_links`.
        quality: one row an image; see :func:`image_quality`.
        trouble: one row a finding about labels; see :func:`label_trouble`.
        skin_tones: one row an image; see :func:`skin_tone`.
    """

    result: AuditResult
    groups: pl.DataFrame
    pairs: pl.DataFrame
    trouble: pl.DataFrame
    quality: pl.DataFrame
    skin_tones: pl.DataFrame


def write_audit(audit: Audit, folder: str | Path) -> list[Path]:
    """Write ``audit.json``, ``groups.parquet``, ``pairs.parquet``, ``trouble.parquet``, ``quality.parquet`` and
    ``skin_tones.parquet``; gives their paths.

    ``audit.json`` is written last: a folder without it holds no whole audit.
    """
    folder = Path(folder)
    if folder.is_file():
        raise AuditError("is a file, a folder was to be written", where=str(folder), fix="Name another with -o.")
    (folder / _SUMMARY).unlink(missing_ok=True)
    written = []
    for name in _TABLES:
        path = folder / f"{name}.parquet"
        with replacing(path) as temporary:
            getattr(audit, name).write_parquet(temporary)
        written.append(path)
    write_json(folder / _SUMMARY, audit.result.model_dump(mode="json"))
    return [folder / _SUMMARY, *written]


def read_audit(folder: str | Path) -> Audit:
    """Read what :func:`write_audit` wrote.

    Raises:
        AuditError: the folder holds no audit, or a damaged one.
    """
    folder = Path(folder)
    summary = folder / _SUMMARY
    if not summary.is_file():
        raise AuditError("holds no audit", where=str(folder), fix="Make one with `cutis data audit M -o DIR`.")
    try:
        result = AuditResult.model_validate_json(summary.read_bytes())
        tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
    except (OSError, ValidationError, pl.exceptions.PolarsError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise AuditError(f"is damaged or of another cutis ({reason})", where=str(folder), fix="Audit again.") from error
    return Audit(result=result, **tables)
