"""The gate: what stands on both sides of a split, by its ids or by what an audit found in the images."""

from datetime import datetime

import polars as pl

from cutis.audit.result import Audit
from cutis.errors import AuditError, listed
from cutis.evaluation import AuditFindings, Leak

_IMAGE = ("source", "image_id")
_TIES = ("same file", "near-copy", "decision", "same moment", "lesion_id", "patient_id")
"""What may tie two images together, the plainest evidence first."""


def split_leaks(groups: pl.DataFrame, pairs: pl.DataFrame, manifest: pl.DataFrame | None = None) -> list[Leak]:
    """The groups of an audit that stand on both sides, each with its plainest evidence.

    Args:
        groups: ``groups.parquet`` of an audit: one row an image.
        pairs: ``pairs.parquet`` of it: what was found between images.
        manifest: where the images stand now, by ``subset`` and ``fold``; where they stood at the audit when None.
            Images of the audit that are not in it are still what a model may have learned from, but no test.

    Returns:
        one leak a group and kind of split (subsets or folds), sorted by kind and image.
    """
    placed = _placed(groups, manifest)
    leaks = []
    for column in ("subset_side", "fold_side"):
        sided = placed.filter(pl.col(column).is_not_null()).rename({column: "side"})
        torn = sided.filter(pl.col("side").n_unique().over("group") > 1)
        leaks += [_leak(evidence) for evidence in _evidence(torn, pairs)]
    return sorted(leaks, key=lambda leak: (_order(leak.kind), leak.images))


def audit_findings(audit: Audit, manifest: pl.DataFrame) -> AuditFindings:
    """What an audit says about a manifest as it is split now: what evaluation refuses figures by."""
    if manifest.select(pl.all_horizontal(pl.col("subset", "fold").is_null().all())).item():
        manifest = manifest.with_columns(subset=pl.lit("test"))  # not split: all of it is measured
    when = datetime.fromisoformat(audit.result.made_at).strftime("%-d %B %Y")
    told = f"{audit.result.images:,} images compared with each other on {when} by cutis {audit.result.cutis_version}"
    return AuditFindings(
        images=audit.groups.filter(~pl.col("against")).select("source", "image_id"),
        leaks=split_leaks(audit.groups, audit.pairs, manifest),
        told=told,
    )


def with_audit_groups(manifest: pl.DataFrame, audit: Audit) -> pl.DataFrame:
    """The manifest with a column ``audit_group``: what the audit found to belong together, to be split by.

    Raises:
        AuditError: images that the audit did not compare.
    """
    groups = audit.groups.filter(~pl.col("against")).select(*_IMAGE, audit_group="group")
    joined = manifest.drop("audit_group", strict=False).join(
        groups, on=_IMAGE, how="left", nulls_equal=True, maintain_order="left"
    )
    missed = joined.filter(pl.col("audit_group").is_null() & pl.col("image_path").is_not_null())["image_id"].to_list()
    if missed:
        raise AuditError(
            f"{len(missed):,} of {len(manifest):,} images of the manifest were not audited: {listed(missed)}",
            fix="Audit this manifest: `cutis data audit M -o DIR`.",
        )
    return joined


def with_sides(images: pl.DataFrame) -> pl.DataFrame:
    """Images with the side of a split on which each stands, null where on none.

    Adds ``subset_side`` (``train``, ``val`` or ``test``) and ``fold_side`` (``fold 0``, …; an image of the test set is
    in no fold) to what has ``subset`` and ``fold``.
    """
    side = pl.col("subset").cast(pl.String)
    return images.with_columns(
        subset_side=pl.when(side != "excluded").then(side),
        fold_side=pl.when(pl.col("fold").is_not_null() & ~side.is_in(["test", "excluded"]).fill_null(value=False)).then(
            pl.format("fold {}", "fold")
        ),
    )


def _order(kind: str) -> int:
    return _TIES.index(kind) if kind in _TIES else len(_TIES)


def _placed(groups: pl.DataFrame, manifest: pl.DataFrame | None) -> pl.DataFrame:
    """Each image's side: its subset (``train``, ``val``, ``test``), and its fold."""
    if manifest is not None:
        now = manifest.select(
            *_IMAGE, pl.col("subset").alias("subset_now"), pl.col("fold").alias("fold_now"), here=pl.lit(True)
        )
        groups = groups.join(now, on=_IMAGE, how="left", nulls_equal=True).with_columns(
            # Compared with another manifest, what is in no subset is the test: so the audit took it.
            subset=pl.when("here")
            .then(pl.coalesce("subset_now", pl.when(pl.col("against").any()).then("subset")))
            .when(pl.col("subset") != "test")
            .then("subset"),
            fold=pl.when("here").then("fold_now").otherwise("fold"),
        )
    return with_sides(groups)


def _evidence(torn: pl.DataFrame, pairs: pl.DataFrame) -> list[dict[str, str]]:
    """One row a torn group: ``kind``, ``a``, ``b``, ``side_a``, ``side_b``."""
    if torn.is_empty():
        return []
    places = torn.select(*_IMAGE, "group", "side")
    across = (
        pairs.filter(pl.col("verdict") == "same")
        .join(places, left_on=["source_a", "image_id_a"], right_on=_IMAGE, nulls_equal=True)
        .join(places, left_on=["source_b", "image_id_b"], right_on=_IMAGE, nulls_equal=True, suffix="_b")
        .filter(pl.col("side") != pl.col("side_b"))
    )
    reasons = pl.col("reasons")
    kind = (
        pl.when(reasons.list.contains("same file"))
        .then(pl.lit("same file"))
        .when("decided")
        .then(pl.lit("decision"))
        .when(reasons.list.contains("same structures"))
        .then(pl.lit("near-copy"))
        .otherwise(pl.lit("same moment"))
    )
    found = [
        across.select("group", kind=kind, a="image_id_a", b="image_id_b", side_a="side", side_b="side_b", shared=None)
    ]
    for column in ("lesion_id", "patient_id"):
        named = torn.filter(pl.col(column).is_not_null())
        shared = named.filter(pl.col("side").n_unique().over("source", column) > 1).sort("side", "image_id")
        found.append(
            shared.group_by("group", "source", column, maintain_order=True)
            .agg(
                a=pl.col("image_id").first(),
                b=pl.col("image_id").filter(pl.col("side") != pl.col("side").first()).first(),
                side_a=pl.col("side").first(),
                side_b=pl.col("side").filter(pl.col("side") != pl.col("side").first()).first(),
            )
            .select("group", pl.lit(column).alias("kind"), "a", "b", "side_a", "side_b", shared=column)
        )
    through = (
        torn.sort("side", "image_id")
        .group_by("group", maintain_order=True)
        .agg(
            a=pl.col("image_id").first(),
            b=pl.col("image_id").filter(pl.col("side") != pl.col("side").first()).first(),
            side_a=pl.col("side").first(),
            side_b=pl.col("side").filter(pl.col("side") != pl.col("side").first()).first(),
        )
        .select("group", pl.lit("linked through others").alias("kind"), "a", "b", "side_a", "side_b", shared=None)
    )
    told = pl.concat([*found, through], how="vertical_relaxed")
    ranked = told.with_columns(rank=pl.col("kind").replace_strict(_TIES, range(len(_TIES)), default=len(_TIES)))
    return ranked.sort("group", "rank", "a", "b").unique("group", keep="first", maintain_order=True).to_dicts()


def _leak(evidence: dict[str, str]) -> Leak:
    kind, a, b = evidence["kind"], evidence["a"], evidence["b"]
    sides = [evidence["side_a"], evidence["side_b"]]
    if (sides[0] == "test" and sides[1] != "test") or (sides[0] == "val" and sides[1] == "train"):
        a, b, sides = b, a, sides[::-1]
    named = f"{kind} '{evidence['shared']}'" if evidence["shared"] is not None else kind
    return Leak(kind=kind, images=[a, b], sides=sides, told=f"{a} ({sides[0]}) and {b} ({sides[1]}): {named}")
