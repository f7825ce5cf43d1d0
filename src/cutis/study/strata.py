"""What of a manifest a case is drawn from: strata by diagnosis, and units of which one image at most is drawn."""

import numpy as np
import polars as pl

from cutis.errors import listed
from cutis.study.design import Stratum, StudyDesign, StudyError
from cutis.taxonomy import shipped_taxonomy


def units_of(manifest: pl.DataFrame, one_image_per: str) -> list[str]:
    """Each row's unit, of which one image at most is chosen, named by the first of its image ids."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    ids = manifest["image_id"].to_list()
    columns = {"patient": ("patient_id", "lesion_id", "group"), "lesion": ("lesion_id",), "image": ()}[one_image_per]
    node: dict[tuple[str, str | None, str], int] = {}
    ends: list[tuple[int, int]] = []
    for column in columns:
        for row, (source, name) in enumerate(manifest.select("source", column).iter_rows()):
            if name is not None:
                ends.append((row, node.setdefault((column, source, name), len(ids) + len(node))))
    if not ends:
        return ids
    size = len(ids) + len(node)
    graph = coo_array((np.ones(len(ends)), tuple(np.array(ends).T)), shape=(size, size))
    component = connected_components(graph, directed=False)[1][: len(ids)].tolist()
    name_of: dict[int, str] = {}
    for number, image_id in sorted(zip(component, ids, strict=True), key=lambda each: each[1]):
        name_of.setdefault(number, image_id)
    return [name_of[each] for each in component]


def strata_of(design: StudyDesign, manifest: pl.DataFrame) -> list[list[int]]:
    """Each row's strata: those whose filter it passes and whose node is nearest above its diagnosis."""
    taxonomy = shipped_taxonomy()
    passes = [_passes(stratum, manifest, place) for place, stratum in enumerate(design.cases, 1)]
    depth: dict[tuple[str, int], int] = {}
    for node in manifest["diagnosis_node"].drop_nulls().unique():
        path = taxonomy.path(node)
        for number, stratum in enumerate(design.cases):
            depth[node, number] = max((path.index(each) + 1 for each in stratum.node if each in path), default=0)
    found = []
    for row, node in enumerate(manifest["diagnosis_node"]):
        fits = {k: depth.get((node, k), 0) for k in range(len(design.cases)) if passes[k][row]}
        deepest = max(fits.values(), default=0)
        found.append([k for k, deep in fits.items() if deep == deepest and deep])
    return found


def _passes(stratum: Stratum, manifest: pl.DataFrame, place: int) -> list[bool]:
    passed = pl.Series([True] * len(manifest))
    for column, values in stratum.where.items():
        if column not in manifest.columns:
            raise StudyError(
                f"the manifest has no column '{column}' (there are: {listed(manifest.columns, 40)})",
                where=f"[[cases]] {place}, where",
                fix="Name another.",
            )
        passed &= manifest[column].cast(pl.String).is_in(list(values)).fill_null(value=False)
    return passed.to_list()
