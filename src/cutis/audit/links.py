"""The graph of images that must stay together: which pairs show the same lesion, and the groups that follow.

Images are tied by what the manifest says (``lesion_id`` and ``patient_id``, each within one source), by being copies of
one file, by having been taken with one camera at one moment, by showing the same skin (see
:mod:`cutis.audit.verification`), and by what a person decided. Groups are the connected components.

**One moment.** Photographs of one camera model in one second are of one patient and nearly always of one lesion, so
they are linked even where they look different: one may be an overview. Two exceptions: a moment that many images share
is a clock that was never set, and two that the manifest gives to different patients came from two cameras. These count
for nothing, and are only suspected.
"""

from typing import Any

import numpy as np
import polars as pl

from cutis.audit.decisions import Decisions
from cutis.audit.fingerprints import Fingerprints
from cutis.audit.link_calibration import LinkThresholds, link_scores
from cutis.audit.neighbours import CandidatePairs
from cutis.audit.verification import Verified
from cutis.taxonomy import shipped_taxonomy

MOST_OF_ONE_MOMENT = 8
"""Images of one camera and second beyond which its clock is taken to stand still."""

_LIKE_HASH = 7  # of 64 bits
_LIKE_FEATURES = 0.8

PAIRS_SCHEMA = pl.Schema(
    {
        "source_a": pl.String(),
        "image_id_a": pl.String(),
        "source_b": pl.String(),
        "image_id_b": pl.String(),
        "reasons": pl.List(pl.String()),
        "score": pl.Float64(),
        "similarity": pl.Float32(),
        "hamming": pl.Int16(),
        "inliers": pl.Int32(),
        "correlation": pl.Float32(),
        "overlap": pl.Float32(),
        "scale": pl.Float32(),
        "rotation": pl.Float32(),
        "mirrored": pl.Boolean(),
        "same_lesion": pl.Boolean(),
        "same_patient": pl.Boolean(),
        "same_diagnosis": pl.Boolean(),
        "verdict": pl.String(),
        "decided": pl.Boolean(),
    }
)


def find_links(
    manifest: pl.DataFrame,
    fingerprints: Fingerprints,
    candidates: CandidatePairs,
    verified: Verified,
    thresholds: LinkThresholds,
    decisions: Decisions | None = None,
) -> pl.DataFrame:
    """The pairs that show the same lesion, or may.

    Args:
        manifest: as :func:`cutis.data.read_manifest` gives it.
        fingerprints: of its N rows that have an image.
        candidates: M pairs of these.
        verified: what was measured of each.
        thresholds: how the measures become a score, and its limits.
        decisions: what a person decided. "Same" joins any two images. "Different" undoes what was found in the images,
            for all copies of the two files; it does not undo a shared id, nor that two files are one.

    Returns:
        One row a pair, the surest first; of copies of a file only the first is compared with others.

        - ``reasons``: among "same file", "same moment", "perceptual hash", "same features", "same structures",
          "decision".
        - ``score``: confidence (0–1) that both show the same lesion; 1 for copies and for what only a person joins. It
          says nothing of the moment: where that is the reason, "same" may stand beside a low score.
        - ``verdict``: "same" (joins groups), "suspected" (does not), or "different" (a person's).
        - ``same_lesion``, ``same_patient``: null where an id is missing or the sources differ.
        - ``same_diagnosis``: null where one is missing, or one only says the same less finely.

        What was not measured is null.
    """
    images = _images(manifest)
    pairs = _measured(fingerprints, candidates, verified, thresholds)
    pairs = pairs.join(_decided(images, fingerprints, decisions), on=["a", "b"], how="full", coalesce=True)
    for side in ("a", "b"):
        pairs = pairs.join(images.select(pl.all().name.suffix(f"_{side}")), left_on=side, right_on=f"row_{side}")
    one_source = pl.col("source_a").eq_missing(pl.col("source_b"))
    pairs = pairs.with_columns(
        score=pl.when("same_file").then(1.0).otherwise(pl.col("score").fill_null(1.0)),
        same_lesion=pl.when(one_source).then(pl.col("lesion_id_a") == pl.col("lesion_id_b")),
        same_patient=pl.when(one_source).then(pl.col("patient_id_a") == pl.col("patient_id_b")),
        same_diagnosis=_same_diagnosis(pairs),
    )
    found = (
        pl.when(pl.col("similarity").is_null())  # nothing but a decision
        .then(None)
        .when(pl.col("same_file") | (pl.col("score") >= thresholds.same))
        .then(pl.lit("same"))
        .when(pl.col("same_moment") & ~pl.col("crowded") & pl.col("same_patient").fill_null(value=True))
        .then(pl.lit("same"))
        .when(pl.col("same_moment") | (pl.col("score") >= thresholds.suspected))
        .then(pl.lit("suspected"))
    )
    same = pl.col("same")
    obeyed = same.is_not_null() & ~pl.col("same_file").fill_null(value=False)
    pairs = pairs.with_columns(found=found).filter(pl.col("found").is_not_null() | (obeyed & same))
    verdict = pl.when(obeyed & same).then(pl.lit("same")).when(obeyed).then(pl.lit("different")).otherwise("found")
    reasons = [
        pl.when(condition).then(pl.lit(reason))
        for reason, condition in {
            "same file": pl.col("same_file"),
            "same moment": pl.col("same_moment"),
            "perceptual hash": pl.col("hamming") <= _LIKE_HASH,
            "same features": pl.col("similarity") >= _LIKE_FEATURES,
            "same structures": pl.col("correlation").is_not_null() & (pl.col("score") >= thresholds.suspected),
            "decision": obeyed,
        }.items()
    ]
    pairs = pairs.with_columns(verdict=verdict, decided=obeyed, reasons=pl.concat_list(reasons).list.drop_nulls())
    order = ["source_a", "image_id_a", "source_b", "image_id_b"]
    return pairs.sort("score", *order, descending=[True] + 4 * [False]).select(
        pl.col(name).cast(dtype) for name, dtype in PAIRS_SCHEMA.items()
    )


def link_groups(manifest: pl.DataFrame, fingerprints: Fingerprints, pairs: pl.DataFrame) -> pl.DataFrame:
    """The groups of images that must stay on one side of a split.

    Args:
        manifest: as :func:`cutis.data.read_manifest` gives it.
        fingerprints: of its rows that have an image.
        pairs: what :func:`find_links` gave; those with the verdict "same" join.

    Returns:
        One row an image of the manifest, in its order: ``source``, ``image_id``, ``content_key`` (null without an
        image), ``group`` (named by the first of its images in alphabetical order, so not dependent on the rows'
        order), ``group_size``, and ``reasons``: what ties this image to others of its group, among "lesion_id",
        "patient_id", "same file", "same moment", "near-copy", "decision"; empty where it is alone.
    """
    from scipy.sparse import coo_array  # noqa: PLC0415 - half a second
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    keys = np.full(len(manifest), None, dtype=object)
    keys[manifest["image_path"].is_not_null().to_numpy()] = fingerprints.keys
    images = manifest.select("source", "image_id", "lesion_id", "patient_id").with_columns(
        pl.Series("content_key", keys.tolist(), dtype=pl.String)
    )
    images = images.with_row_index("row")
    # A lesion, a patient and a file are nodes too, linked to each of their images: so the edges are as many as images.
    ties = [
        _shared(images, ["source", "lesion_id"], "lesion_id"),
        _shared(images, ["source", "patient_id"], "patient_id"),
        _shared(images, ["content_key"], "same file"),
    ]
    nodes = len(images)
    rows, others = [], []
    for tie in ties:
        rows.append(tie["row"].to_numpy().astype(np.int64))
        others.append(nodes + tie["value"].to_numpy().astype(np.int64))
        nodes += tie["value"].n_unique()
    near = _joined_pairs(images, pairs)
    rows.append(near["row"].to_numpy().astype(np.int64))
    others.append(near["row_b"].to_numpy().astype(np.int64))
    edges = np.concatenate(rows), np.concatenate(others)
    graph = coo_array((np.ones(len(edges[0]), dtype=np.int8), edges), shape=(nodes, nodes))
    component = connected_components(graph, directed=False)[1][: len(images)]
    both = pl.concat([near.select("row", "reason"), near.select(row="row_b", reason="reason")])
    reasons = (
        pl.concat([*(tie.select("row", "reason") for tie in ties), both])
        .unique()
        .with_columns(order=pl.col("reason").replace_strict(_TIES, range(len(_TIES)), return_dtype=pl.Int64))
        .sort("row", "order")
        .group_by("row", maintain_order=True)
        .agg(reasons="reason")
    )
    name = pl.concat_str(pl.col("source") + "/", "image_id", ignore_nulls=True)
    return (
        images.with_columns(component=component)
        .with_columns(group=name.min().over("component"), group_size=pl.len().over("component").cast(pl.Int64))
        .join(reasons, on="row", how="left", maintain_order="left")
        .select(
            "source",
            "image_id",
            "content_key",
            "group",
            "group_size",
            pl.col("reasons").fill_null(pl.lit([], pl.List(pl.String))),
        )
    )


_TIES = ("lesion_id", "patient_id", "same file", "same moment", "near-copy", "decision")


def _images(manifest: pl.DataFrame) -> pl.DataFrame:
    """The rows that have an image, numbered as the fingerprints are."""
    columns = ("source", "image_id", "lesion_id", "patient_id", "diagnosis_node")
    return (
        manifest.filter(pl.col("image_path").is_not_null())
        .select(columns)
        .with_row_index("row")
        .with_columns(pl.col("row").cast(pl.Int64))
    )


def _measured(
    fingerprints: Fingerprints, candidates: CandidatePairs, verified: Verified, thresholds: LinkThresholds
) -> pl.DataFrame:
    keys = pl.Series(fingerprints.keys, dtype=pl.String)
    taken = pl.Series(fingerprints.taken, dtype=pl.String)
    crowded = pl.DataFrame({"taken": taken}).select(pl.len().over("taken") > MOST_OF_ONE_MOMENT).to_series()
    a, b = candidates.a, candidates.b
    pairs = pl.DataFrame(
        {
            "a": a,
            "b": b,
            "score": link_scores(verified, thresholds),
            "similarity": candidates.similarity,
            "hamming": candidates.hamming,
            **verified._asdict(),
            "same_file": keys.gather(a) == keys.gather(b),
            "same_moment": (taken.gather(a) == taken.gather(b)).fill_null(value=False),
            "crowded": crowded.gather(a),
        }
    )
    aligned = pl.col("correlation").is_not_nan()
    return pairs.with_columns(
        pl.when(aligned).then(pl.col(each)).alias(each)
        for each in ("correlation", "overlap", "scale", "rotation", "mirrored")
    )


def _decided(images: pl.DataFrame, fingerprints: Fingerprints, decisions: Decisions | None) -> pl.DataFrame:
    """``a``, ``b``, ``same``: the latest decision of each pair, copies of a file being one image."""
    first: dict[str, int] = {}
    of_copy = [first.setdefault(key, row) for row, key in enumerate(fingerprints.keys)]
    row_of = {(source, image_id): row for row, source, image_id in images.select("row", "source", "image_id").rows()}
    verdicts: dict[tuple[int, int], bool] = {}
    for each in decisions.decisions if decisions is not None else ():
        if each.a in row_of and each.b in row_of:
            a, b = sorted((of_copy[row_of[each.a]], of_copy[row_of[each.b]]))
            if a != b:
                verdicts[a, b] = each.same
    rows: list[dict[str, Any]] = [{"a": a, "b": b, "same": same} for (a, b), same in verdicts.items()]
    return pl.DataFrame(rows, schema={"a": pl.Int64, "b": pl.Int64, "same": pl.Boolean})


def _same_diagnosis(pairs: pl.DataFrame) -> pl.Series:
    """Whether the diagnoses agree; null where one is missing, or is an ancestor of the other in the tree."""
    tree = shipped_taxonomy()

    def agree(one: str | None, other: str | None) -> bool | None:
        if one is None or other is None:
            return None
        if one == other:
            return True
        known = one in tree and other in tree
        return None if known and (tree.is_within(one, other) or tree.is_within(other, one)) else False

    both = pairs.select("diagnosis_node_a", "diagnosis_node_b").rows()
    memory = {each: agree(*each) for each in set(both)}
    return pl.Series([memory[each] for each in both], dtype=pl.Boolean)


def _shared(images: pl.DataFrame, columns: list[str], reason: str) -> pl.DataFrame:
    """``row``, ``value`` (a number from 0) and ``reason`` of images whose values in these columns others have too."""
    present = images.filter(pl.col(columns[-1]).is_not_null())
    several = present.filter(pl.len().over(columns) > 1)
    value = several.select(pl.struct(columns).rank("dense") - 1).to_series()
    return several.select("row", value=value.cast(pl.Int64), reason=pl.lit(reason))


def _joined_pairs(images: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """``row``, ``row_b`` and ``reason`` of the pairs that are the same."""
    places = images.select("source", "image_id", "row")
    reasons = pl.col("reasons")
    reason = (
        pl.when(reasons.list.contains("same file"))
        .then(pl.lit("same file"))
        .when("decided")
        .then(pl.lit("decision"))
        .when(reasons.list.contains("same moment") & ~reasons.list.contains("same structures"))
        .then(pl.lit("same moment"))
        .otherwise(pl.lit("near-copy"))
    )
    return (
        pairs.filter(pl.col("verdict") == "same")
        .join(places, left_on=["source_a", "image_id_a"], right_on=["source", "image_id"], nulls_equal=True)
        .join(
            places, left_on=["source_b", "image_id_b"], right_on=["source", "image_id"], nulls_equal=True, suffix="_b"
        )
        .select("row", "row_b", reason=reason)
    )
