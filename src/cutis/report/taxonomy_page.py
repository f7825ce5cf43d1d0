"""The tree of diagnoses as one HTML page: a sunburst to zoom into, a search, a pane of details, and a plain list."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from cutis.errors import TaxonomyError
from cutis.files import write_text
from cutis.report.inline import content_hash, inline_json
from cutis.report.page_environment import TEMPLATES, page_environment
from cutis.taxonomy import Taxonomy

KINDS = {
    "benign": "benign",
    "premalignant": "premalignant",
    "malignant": "malignant",
    "either": "either, or cannot be told",
    "non-neoplastic": "non-neoplastic disease",
}
"""What the colours tell: a node's malignancy, but for what is benign because it is no neoplasm."""


class Branch(NamedTuple):
    """One node with all below it, for the plain list: words that go with it, then its branches."""

    id: str
    name: str
    told: str
    below: tuple["Branch", ...]


def write_taxonomy_page(
    taxonomy: Taxonomy,
    path: str | Path,
    *,
    counts: Mapping[str, int] | None = None,
    start: str | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write a tree of diagnoses as one self-contained HTML file.

    The page needs nothing from outside and its content security policy forbids it to ask; its script and its style are
    allowed by their hashes. Segments have the size of the images at and below a node, or of the number of leaves.

    Args:
        taxonomy: the tree.
        path: the file to write, whole or not at all.
        counts: node id → number of images labelled at this very node; None where no images are counted.
        start: the node that is open at first; by default the whole tree.
        notes: what must be known of the counts, in sentences.

    Raises:
        TaxonomyError: ``start`` or a counted node is not in the tree, or a count is negative.
    """
    for node_id in [*(counts or {}), *([start] if start else [])]:
        taxonomy[node_id]
    if counts and min(counts.values()) < 0:
        raise TaxonomyError("negative image counts", fix="Counts are 0 or more.")
    environment = page_environment()
    style = "\n".join((TEMPLATES / each).read_text(encoding="utf-8") for each in ("report.css", "taxonomy.css"))
    script = (TEMPLATES / "taxonomy.js").read_text(encoding="utf-8")
    html = environment.get_template("taxonomy.html.jinja").render(
        name=taxonomy.name,
        nodes=len(taxonomy),
        leaves=len(taxonomy.leaves),
        images=None if counts is None else sum(counts.values()),
        notes=notes,
        kinds=KINDS,
        branches=[_branch(taxonomy, each, counts) for each in taxonomy.roots],
        sources=taxonomy.sources,
        policy=f"default-src 'none'; script-src {content_hash(script)}; style-src {content_hash(style)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        data=Markup(inline_json(_content(taxonomy, counts, start))),  # noqa: S704 - escaped by inline_json
        version=metadata.version("cutis"),
    )
    write_text(path, html)


def _content(taxonomy: Taxonomy, counts: Mapping[str, int] | None, start: str | None) -> dict[str, Any]:
    """What the script draws from: nodes in the tree's order, each with the position of its parent."""
    place = {node.id: position for position, node in enumerate(taxonomy)}
    nodes = []
    for node in taxonomy:
        given = {
            "id": node.id,
            "name": node.name,
            "parent": place[node.parent] if node.parent else -1,
            "kind": _kind(taxonomy, node.id),
            "lineage": node.lineage,
            "risk": node.risk,
            "icd10cm": node.icd10cm,
            "icd11": node.icd11,
            "synonyms": node.synonyms,
            "isic": node.isic,
            "sources": node.sources,
            "note": node.note,
            "images": (counts or {}).get(node.id, 0),
        }
        nodes.append({key: value for key, value in given.items() if value not in (None, "", ())})
    return {"nodes": nodes, "sources": taxonomy.sources, "counted": bool(counts), "start": start or ""}


def _branch(taxonomy: Taxonomy, node_id: str, counts: Mapping[str, int] | None) -> Branch:
    node = taxonomy[node_id]
    words = [
        _kind(taxonomy, node_id),
        f"risk {node.risk}" if node.risk else "",
        ", ".join((*node.icd10cm, *node.icd11)),
    ]
    if counts is not None:
        own = counts.get(node_id, 0)
        below = sum(counts.get(each, 0) for each in taxonomy.descendants(node_id))
        if below:
            words.append(f"{below:,} images" + (f", {own:,} of them labelled here" if own != below else ""))
    children = tuple(_branch(taxonomy, each, counts) for each in taxonomy.children(node_id))
    return Branch(node_id, node.name, " · ".join(each for each in words if each), children)


def _kind(taxonomy: Taxonomy, node_id: str) -> str:
    malignancy = taxonomy[node_id].malignancy or "either"
    is_disease = taxonomy.path(node_id)[0] == "non-neoplastic"
    return "non-neoplastic" if is_disease and malignancy == "benign" else malignancy
