"""The audit as one HTML page: the verdict, the pairs side by side for a person to judge, quality, labels, shortcuts."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
from markupsafe import Markup

from cutis.audit import AuditResult, Decisions
from cutis.data import PHANTOM_SOURCE
from cutis.evaluation import counted, joined
from cutis.files import write_text
from cutis.report.audit_pairs import Pair, on_both_sides, pairs_side_by_side, worst_first
from cutis.report.inline import content_hash, inline_json, shipped_script
from cutis.report.page_environment import TEMPLATES, page_environment
from cutis.report.thumbnails import Thumbnail, thumbnails

_WORST_IMAGES = 24
_MOST_LEAKS = 20
_MOST_TROUBLE = 50


@dataclass(frozen=True)
class Verdict:
    """What the audit says in a sentence.

    Attributes:
        kind: ``"leak"``, ``"suspected"``, ``"none"`` (no leak found) or ``"unchecked"`` (there is no split).
        title: the sentence.
        told: what goes with it.
    """

    kind: Literal["leak", "suspected", "none", "unchecked"]
    title: str
    told: list[str]


@dataclass(frozen=True)
class PoorImage:
    """One image unfit to carry a result, with the reasons."""

    image_id: str
    picture: Thumbnail
    told: str


def write_audit_page(
    audit: AuditResult,
    pairs: pl.DataFrame,
    manifest: pl.DataFrame,
    path: str | Path,
    *,
    decisions: Decisions | None = None,
    quality: pl.DataFrame | None = None,
    trouble: pl.DataFrame | None = None,
    most: int = 300,
    command: str = "cutis data audit M -o DIR",
    title: str = "Leakage audit",
) -> None:
    """Write an audit as one self-contained HTML file, on which a person marks pairs as same or different.

    The page needs nothing from outside and its content security policy forbids it to ask; its script and its style are
    allowed by their hashes. Without a script it can be read, not marked. Marks are kept by the browser under a key made
    of the manifest's images, so that they are still there when the audit is made again, and are saved as a file for
    ``--decisions``.

    Args:
        audit: what the audit found.
        pairs: its table of pairs (``pairs.parquet``).
        manifest: what was audited, with whole image paths; its ``subset`` and ``fold`` tell the sides of a split.
        path: the file to write, whole or not at all.
        decisions: what a person decided before: shown, and saved again with the new marks.
        quality: the quality of each image: ``source``, ``image_id``, ``score`` (the lowest is worst) and ``reasons``
            why it is unfit (list of words, empty for a fit one).
        trouble: findings about labels: any columns of words or numbers, shown as they are.
        most: how many pairs are shown.
        command: the command that made the audit, to which the page adds ``--decisions decisions.json``.
        title: the page's heading.

    Raises:
        ManifestError: an image of a pair is not in the manifest.
    """
    decisions = decisions or Decisions()
    shown = pairs_side_by_side(worst_first(pairs, manifest).head(most), manifest, decisions)
    verdict = audit_verdict(audit, pairs, manifest, decisions)
    style = "\n".join((TEMPLATES / each).read_text(encoding="utf-8") for each in ("report.css", "audit.css"))
    script = shipped_script(TEMPLATES / "audit.js")
    environment = page_environment()
    html = environment.get_template("audit.html.jinja").render(
        title=title,
        audit=audit,
        date=datetime.fromisoformat(audit.made_at).strftime("%-d %B %Y"),
        data_sets=joined([f"{source} ({images:,})" for source, images in audit.sources.items()]),
        synthetic=audit.sources.get(PHANTOM_SOURCE, 0),
        verdict=verdict,
        leaks=[leak.told for leak in audit.leaks[:_MOST_LEAKS]],
        pairs=shown,
        not_shown=len(pairs) - len(shown),
        cross_lesion=sum(each.cross_lesion for each in shown),
        both_sides=sum(bool(each.sides) for each in shown),
        marked=sum(each.same is not None for each in shown),
        poor=_poor_images(quality, manifest),
        trouble=None if trouble is None else _table(trouble),
        decisions_command=f"{command} --decisions decisions.json",
        policy=f"default-src 'none'; script-src {content_hash(script)}; style-src {content_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        data=Markup(inline_json(_content(manifest, shown, decisions))),  # noqa: S704 - escaped by inline_json
    )
    write_text(path, html)


def audit_verdict(audit: AuditResult, pairs: pl.DataFrame, manifest: pl.DataFrame, decisions: Decisions) -> Verdict:
    """The audit in a sentence: whether what belongs together stands on both sides of the manifest's split."""
    told = []
    if audit.without_image:
        told.append(
            f"{counted(audit.without_image, 'row')} without an image file could not be compared; only their ids were."
        )
    sides = _sides_in_words(manifest)
    if audit.leaks_total:
        stand = "stands" if audit.leaks_total == 1 else "stand"
        return Verdict(
            "leak",
            f"{counted(audit.leaks_total, 'group')} of images that belong together {stand} on both sides of the split",
            ["Figures measured across this split are too good: the model is tested on what it learnt.", *told],
        )
    if not sides:
        return Verdict(
            "unchecked",
            "No split to check: the manifest has neither subsets nor folds",
            ["What belongs together is in groups.parquet; a split has to keep each group on one side.", *told],
        )
    across = _suspected_across(pairs, manifest, decisions)
    if across:
        stand = "stands" if across == 1 else "stand"
        return Verdict(
            "suspected",
            f"No leak found {sides}, but {counted(across, 'suspected pair')} {stand} on both sides",
            ["Look at them below and mark them: only a person can say whether they show the same lesion.", *told],
        )
    return Verdict(
        "none", f"No leak found {sides}", ["No file, lesion, patient or near-copy found stands on both sides.", *told]
    )


def _sides_in_words(manifest: pl.DataFrame) -> str:
    """``"between train and test"``; empty where the manifest is not split."""
    there = set(manifest["subset"].drop_nulls())
    subsets = [each for each in ("train", "val", "test") if each in there]
    folds = manifest["fold"].drop_nulls().n_unique()
    sides = ([joined(subsets)] if len(subsets) > 1 else []) + ([f"the {folds} folds"] if folds > 1 else [])
    return f"between {', or between '.join(sides)}" if sides else ""


def _suspected_across(pairs: pl.DataFrame, manifest: pl.DataFrame, decisions: Decisions) -> int:
    """Pairs that may show the same lesion, on both sides, on which nobody decided."""
    suspected = pairs.filter((pl.col("verdict") == "suspected") & ~pl.col("decided"))
    across = suspected.filter(on_both_sides(suspected, manifest))
    return sum(
        decisions.verdict_of((row["source_a"], row["image_id_a"]), (row["source_b"], row["image_id_b"])) is None
        for row in across.iter_rows(named=True)
    )


def _content(manifest: pl.DataFrame, shown: Sequence[Pair], decisions: Decisions) -> dict[str, Any]:
    """What the script works on: the pairs in the page's order, and every decision made before."""
    return {
        "audit": _images_id(manifest),
        "pairs": [
            {
                "a": each.a.key,
                "b": each.b.key,
                "cross": each.cross_lesion,
                "both": bool(each.sides),
                "rotation": each.rotation,
                "mirrored": each.mirrored,
            }
            for each in shown
        ],
        "decisions": decisions.model_dump(mode="json")["decisions"],
    }


def _images_id(manifest: pl.DataFrame) -> str:
    """A short name for the set of images, whatever their order."""
    names = sorted(json.dumps(key) for key in manifest.select("source", "image_id").iter_rows())
    return hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest()


def _poor_images(quality: pl.DataFrame | None, manifest: pl.DataFrame) -> list[PoorImage]:
    if quality is None:
        return []
    worst = (
        quality.filter(pl.col("reasons").list.len() > 0)
        .sort("score", maintain_order=True)
        .head(_WORST_IMAGES)
        .select("source", "image_id", "reasons")
        .join(
            manifest.select("source", "image_id", "image_path"),
            on=["source", "image_id"],
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
    )
    pictures = thumbnails(worst["image_path"].to_list(), 160, quality=75)
    return [
        PoorImage(row["image_id"], pictures[row["image_path"]], ", ".join(row["reasons"]))
        for row in worst.iter_rows(named=True)
    ]


@dataclass(frozen=True)
class _Table:
    head: list[str]
    rows: list[list[str]]
    not_shown: int


def _table(frame: pl.DataFrame) -> _Table:
    return _Table(
        head=[each.replace("_", " ") for each in frame.columns],
        rows=[[_told(value) for value in row] for row in frame.head(_MOST_TROUBLE).iter_rows()],
        not_shown=max(0, len(frame) - _MOST_TROUBLE),
    )


def _told(value: object) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return ", ".join(_told(each) for each in value)
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
