"""The whole audit of a manifest, stage by stage."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from cutis import __version__
from cutis.audit.decisions import Decisions, not_in_manifest_note
from cutis.audit.fingerprints import fingerprint_images
from cutis.audit.gate import split_leaks
from cutis.audit.label_trouble import label_trouble
from cutis.audit.link_calibration import read_link_thresholds
from cutis.audit.links import find_links, link_groups
from cutis.audit.neighbours import candidate_pairs
from cutis.audit.quality import image_quality, read_quality_thresholds
from cutis.audit.result import Audit, AuditResult
from cutis.audit.shortcuts import ShortcutResult, shortcut_check
from cutis.audit.skin_tone import FitzpatrickAgreement, fitzpatrick_agreement, skin_tone
from cutis.audit.verification import verify_pairs
from cutis.errors import AuditError
from cutis.evaluation import counted, decimal, decimal_interval, percent

_MOST_LEAKS = 100
"""So many leaks are told in ``audit.json``."""

Stage = Callable[[str, int], Callable[[int], None]]


def audit_images(
    manifest: pl.DataFrame,
    *,
    against: pl.DataFrame | None = None,
    decisions: Decisions | None = None,
    quality_limits: str | Path | None = None,
    stage: Stage | None = None,
) -> Audit:
    """Audit a manifest: near-copies and leaks, image quality, labels, shortcuts, skin tone.

    Args:
        manifest: as :func:`cutis.data.read_manifest` gives it; rows without a file are counted and passed over.
        against: another manifest whose images are compared with these, e.g. what a model was trained on; only
            near-copies are looked for in it. See :func:`compared_images`.
        decisions: what a person said of pairs; obeyed.
        quality_limits: limits of image quality other than those that come with cutis, a TOML file.
        stage: called with a stage's name and its number of steps; gives what is called with the steps just done.

    Raises:
        AuditError: no row has an image.
        ImageError: images that cannot be read, named together.
    """
    begin = stage or (lambda _name, _total: lambda _steps: None)
    limits = read_quality_thresholds(quality_limits)
    compared = compared_images(manifest, against)
    own = manifest.filter(pl.col("image_path").is_not_null())
    if own.is_empty():
        raise AuditError("no row of the manifest has an image file", fix="Import the data set with its images.")
    pictured = compared.filter(pl.col("image_path").is_not_null())
    paths = pictured["image_path"].to_list()

    fingerprints = fingerprint_images(pictured, progress=begin("fingerprints", len(paths)))
    candidates = candidate_pairs(fingerprints)
    places = candidates.a, candidates.b
    verified = verify_pairs(paths, places, keys=fingerprints.keys, progress=begin("pairs compared", len(candidates.a)))
    thresholds = read_link_thresholds()
    pairs = find_links(pictured, fingerprints, candidates, verified, thresholds, decisions)
    recorded = compared.select("lesion_id", "patient_id", "subset", "fold", "against")
    groups = pl.concat([link_groups(compared, fingerprints, pairs), recorded], how="horizontal")
    leaks = split_leaks(groups, pairs)

    quality = image_quality(own, limits, progress=begin("quality", len(own)))
    trouble = label_trouble(manifest, pairs)
    shortcuts = shortcut_check(manifest, progress=begin("shortcuts", len(own)))
    tones = skin_tone(own)
    agreement = fitzpatrick_agreement(own, tones)

    same = pairs.filter(pl.col("verdict") == "same")
    missing = "" if decisions is None else not_in_manifest_note(decisions, compared)
    notes = [
        *shortcuts.notes,
        *([missing] if missing else []),
        *([] if agreement is None else [_agreement_in_words(agreement)]),
    ]
    return Audit(
        result=AuditResult(
            cutis_version=__version__,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            images=len(pictured),
            without_image=len(manifest) - len(own),
            sources=_counts(pictured["source"].fill_null("(not named)")),
            lesions=_distinct(compared, "lesion_id"),
            patients=_distinct(compared, "patient_id"),
            groups=groups["group"].n_unique(),
            largest_group=int(groups["group_size"].cast(pl.Int64).to_numpy().max()),
            pairs_same=len(same),
            pairs_suspected=int((pairs["verdict"] == "suspected").sum()),
            cross_lesion=int((~same["same_lesion"]).sum()),
            decided=int(pairs["decided"].sum()),
            leaks=leaks[:_MOST_LEAKS],
            leaks_total=len(leaks),
            quality=_counts(quality["reasons"].explode().drop_nulls()),
            unfit=int((quality["reasons"].list.len() > 0).sum()),
            trouble=_counts(trouble["kind"]),
            shortcuts=_shortcuts(shortcuts),
            skin_tone=_counts(tones["estimated_skin_type_group"].drop_nulls()),
            neighbour_recall=candidates.recall,
            thresholds={"same": thresholds.same, "suspected": thresholds.suspected},
            notes=notes,
        ),
        groups=groups,
        pairs=pairs,
        trouble=trouble,
        quality=quality,
        skin_tones=tones,
    )


def compared_images(manifest: pl.DataFrame, against: pl.DataFrame | None) -> pl.DataFrame:
    """A manifest and what it is compared with, as one, told apart by the column ``against``.

    What is compared with is taken to be training images, but for its test and excluded ones; rows of the manifest in no
    subset are then its test. An image that is in both under one source and id gets `` (against)`` after its id there.
    """
    if against is None:
        return manifest.with_columns(against=pl.lit(value=False))
    here = manifest.with_columns(pl.col("subset").fill_null("test"), against=pl.lit(value=False))
    doubled = pl.struct("source", "image_id").is_in(
        manifest.select(pl.struct("source", "image_id")).to_series().implode()
    )
    there = against.with_columns(
        pl.col("subset").fill_null("train"),
        image_id=pl.when(doubled).then(pl.col("image_id") + " (against)").otherwise("image_id"),
        fold=pl.lit(None, dtype=pl.Int64),
        against=pl.lit(value=True),
    )
    return pl.concat([here, there], how="diagonal_relaxed")


def _agreement_in_words(agreement: FitzpatrickAgreement) -> str:
    kappa = agreement.weighted_kappa
    return (
        f"Estimated and recorded skin type are the same in {percent(agreement.exact.value)} of "
        f"{counted(agreement.images, 'image')} and at most one type apart in {percent(agreement.within_one.value)}; "
        f"weighted kappa {decimal(kappa.value)} ({decimal_interval(kappa)})."
    )


def _shortcuts(found: ShortcutResult) -> list[dict[str, str | float | None]]:
    return [
        {
            "name": each.name,
            "predicts": each.strongest,
            "auc": each.strongest_auc.value,
            "low": each.strongest_auc.low,
            "high": each.strongest_auc.high,
            "warning": each.warning,
        }
        for each in found.shortcuts
    ]


def _distinct(frame: pl.DataFrame, column: str) -> int | None:
    return frame.select("source", column).drop_nulls(column).n_unique() or None


def _counts(column: pl.Series) -> dict[str, int]:
    counted = column.alias("value").value_counts().sort("count", "value", descending=[True, False])
    return dict(counted.iter_rows())
