"""Training classes from real label counts: Esteva's Disease-Partitioning on Fitzpatrick17k at several limits.

Each of Fitzpatrick17k's 114 labels is mapped to its node of the tree that ships with cutis; the table tells how many
classes come out at each limit, how large they are, and how many images are labelled above the classes: first as they
come, then with a class for each label that most images at and below its node have (``inner="by-share"``), then also
with classes below a quarter of the limit merged upward. Last, the time for a synthetic tree of the paper's shape: 2,032
leaves, 130,000 images. Writes ``results/partition_table.json`` and ``results/partition_table.md`` beside this file.

    python benchmarks/partition_table.py
    python benchmarks/partition_table.py --limits 100 1000

The data are found in ``$CUTIS_DATA``, else in ``../shared/data`` from the project's root. No image is needed.
"""

import argparse
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cutis.files import write_json, write_text
from cutis.taxonomy.partition import Partition, partition
from cutis.taxonomy.tree import Node, Taxonomy, shipped_taxonomy

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
LIMITS = [100, 200, 500, 1000, 2000]
PAPER_CLASSES = 757  # Esteva 2017: 2,032 diseases, 129,450 images, maxClassSize 1,000


def synthetic(leaves: int = 2032, images: int = 130_000, seed: int = 0) -> tuple[Taxonomy, dict[str, int]]:
    """A tree of the paper's outline and image counts at its leaves: three roots, nine groups, inner nodes at random.

    Diseases are as unevenly common as in life: shares are log-normal (σ 1.5), the largest some hundred times the median.
    """
    random = np.random.default_rng(seed)
    nodes = [Node(id=f"root-{each}", name=f"Root {each}", sources=("synthetic",)) for each in range(3)]
    parents = [f"group-{each}" for each in range(9)]
    nodes += [
        Node(id=each, name=each, parent=f"root-{number % 3}", sources=("synthetic",))
        for number, each in enumerate(parents)
    ]
    for number in range(leaves // 3):
        parent = parents[random.integers(len(parents))]
        parents.append(f"inner-{number}")
        nodes.append(Node(id=parents[-1], name=parents[-1], parent=parent, sources=("synthetic",)))
    names = [f"leaf-{number}" for number in range(leaves)]
    above = [*parents, *(parents[each] for each in random.integers(len(parents), size=leaves - len(parents)))]
    nodes += [
        Node(id=name, name=name, parent=parent, sources=("synthetic",))
        for name, parent in zip(names, above, strict=True)
    ]
    shares = random.lognormal(sigma=1.5, size=leaves)
    counts = random.multinomial(images, shares / shares.sum())
    return Taxonomy(nodes, "synthetic"), dict(zip(names, counts.tolist(), strict=True))


def fitzpatrick_counts(data: Path) -> dict[str, int]:
    """Images at each node of the tree, from the labels of Fitzpatrick17k."""
    from cutis.taxonomy.words import vocabulary  # noqa: PLC0415 - the synthetic tree needs no words

    words = vocabulary("fitzpatrick17k").words
    labels = pl.read_csv(data / "fitzpatrick17k" / "fitzpatrick17k.csv")["label"].to_list()
    unmapped = sorted({each for each in labels if each not in words})
    if unmapped:
        raise SystemExit(f"labels without a node: {', '.join(unmapped)}")
    return dict(Counter(words[each] for each in labels))


def facts(result: Partition) -> dict[str, Any]:
    """One row of the table."""
    largest = max(result.classes, key=lambda each: each.images)
    smallest = min(result.classes, key=lambda each: each.images)
    return {
        "max class size": result.max_class_size,
        "inner": result.inner,
        "min class size": result.min_class_size,
        "classes": len(result.classes),
        "largest": largest.images,
        "largest class": largest.id,
        "smallest": smallest.images,
        "smallest class": smallest.id,
        "median": float(np.median([each.images for each in result.classes])),
        "at or above the limit": sum(each.images >= result.max_class_size for each in result.classes),
        "merged": sum(":other" in each.id for each in result.classes),
        "below the minimum": len(result.too_small),
        "coarse images": result.coarse_images,
        "coarse nodes": {node: each.images for node, each in result.coarse.items()},
        "images": result.images + result.coarse_images + sum(result.outside.values()),
    }


def timed(taxonomy: Taxonomy, counts: dict[str, int], limit: int) -> dict[str, Any]:
    """Partition of a large tree, best of five runs."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        result = partition(taxonomy, counts, max_class_size=limit, min_class_size=0)
        seconds.append(time.perf_counter() - start)
    return {
        "leaves": len(taxonomy.leaves),
        "nodes": len(taxonomy),
        "images": sum(counts.values()),
        "max class size": limit,
        "classes": len(result.classes),
        "classes in the paper": PAPER_CLASSES,
        "seconds": min(seconds),
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    lines = [
        "| inner labels | limit | minimum | classes | largest | median | smallest | at or above the limit | merged | coarse images |",
        "| :--- | ---: | ---: | ---: | :--- | ---: | :--- | ---: | ---: | ---: |",
    ]
    for row in rows:
        lines.append(
            f"| {row['inner']} | {row['max class size']:,} | {row['min class size']} | {row['classes']} "
            f"| {row['largest']:,} ({row['largest class']}) | {row['median']:g} "
            f"| {row['smallest']:,} ({row['smallest class']}) | {row['at or above the limit']} | {row['merged']} "
            f"| {row['coarse images']:,} ({row['coarse images'] / row['images']:.1%}) |"
        )
    return lines


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limits", type=int, nargs="+", default=LIMITS)
    arguments = parser.parse_args()
    data = Path(os.environ.get("CUTIS_DATA", ROOT.parent / "shared" / "data"))
    taxonomy = shipped_taxonomy()
    counts = fitzpatrick_counts(data)
    rows = [
        facts(partition(taxonomy, counts, max_class_size=limit, min_class_size=limit // 4 if merge else 1, inner=inner))
        for inner, merge in (("coarse", False), ("by-share", False), ("by-share", True))
        for limit in arguments.limits
    ]
    large = timed(*synthetic(), limit=1000)
    write_json(RESULTS / "partition_table.json", {"fitzpatrick17k": rows, "synthetic": large})
    synthetic_line = (
        f"Synthetic tree of {large['leaves']:,} leaves ({large['nodes']:,} nodes) and {large['images']:,} images at a "
        f"limit of {large['max class size']:,}: {large['classes']} classes (the paper, on its own tree: {PAPER_CLASSES}) "
        f"in {large['seconds']:.3f} s."
    )
    lines = [
        f"Fitzpatrick17k: {rows[0]['images']:,} images at {len(counts)} nodes of the tree.",
        "",
        *table(rows),
        "",
        synthetic_line,
    ]
    write_text(RESULTS / "partition_table.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
