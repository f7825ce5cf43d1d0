"""The settled annotations as a manifest: the one the library was made from, with what was annotated in its place."""

from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from cutis.annotation.errors import AnnotationError
from cutis.annotation.library import Library
from cutis.annotation.settled_images import SettledImage, settled_images
from cutis.data import read_manifest, write_manifest, write_table
from cutis.taxonomy import shipped_taxonomy


class ExportedManifest(NamedTuple):
    """The files, and how many images have at least one value that was left empty."""

    manifest: Path
    left_empty: Path
    images: int
    with_empty: int


def annotated_manifest(library: Library, images: list[SettledImage]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The manifest with ``diagnosis_node``, ``diagnosis``, ``diagnosis_confirm_type`` and ``box_*`` as settled.

    What is not settled is empty, also where the library's manifest had a value. ``diagnosis`` is the node's own ISIC
    path, empty if it has none. Three columns come new: ``annotation_state``, ``annotation_quality`` (tags, separated
    by a semicolon) and ``annotation_note``.

    Returns:
        The manifest, and a table of what was left empty: ``image_id``, ``column``, ``reason``.

    Raises:
        AnnotationError: the library's manifest is another than it was.
    """
    manifest = read_manifest(library.manifest)
    if manifest["image_id"].to_list() != [each.image_id for each in images]:
        raise AnnotationError(
            "holds other images than the library", where=str(library.manifest), fix="Put it back from your back-up."
        )
    rows = [_values(each) for each in images]
    values = pl.DataFrame(rows, schema=_SCHEMA)
    empty = [told for each in images for told in _left_empty(each)]
    listed = pl.DataFrame(empty, schema={"image_id": pl.String, "column": pl.String, "reason": pl.String}, orient="row")
    return manifest.with_columns(values.get_columns()), listed


def export_manifest(library: Library, path: str | Path) -> ExportedManifest:
    """Write the settled manifest, and beside it ``NAME.left_empty.csv`` with what was left empty and why.

    Args:
        library: open.
        path: ends in .parquet or .csv.

    Raises:
        ManifestError: it ends in neither.
        AnnotationError: it is the library's own manifest, or that is another than it was.
    """
    path = Path(path)
    if path.resolve() == library.manifest:
        raise AnnotationError("is the library's own manifest", where=str(path), fix="Name another file.")
    images = settled_images(library)
    frame, empty = annotated_manifest(library, images)
    left = path.with_name(f"{path.stem}.left_empty.csv")
    write_manifest(frame, path)
    write_table(empty, left)
    return ExportedManifest(path, left, len(images), empty["image_id"].n_unique())


_SCHEMA: dict[str, Any] = {
    "diagnosis_node": pl.String(),
    "diagnosis": pl.String(),
    "diagnosis_confirm_type": pl.String(),
    **{f"box_{name}": pl.Int64() for name in ("left", "top", "width", "height")},
    "annotation_state": pl.String(),
    "annotation_quality": pl.String(),
    "annotation_note": pl.String(),
}


def _values(image: SettledImage) -> dict[str, Any]:
    said = image.annotation
    box = image.boxes[0] if len(image.boxes) == 1 else None
    return {
        "diagnosis_node": said.node,
        "diagnosis": shipped_taxonomy()[said.node].isic if said.node is not None else None,
        "diagnosis_confirm_type": said.confirm_type,
        **{f"box_{name}": box and getattr(box, name) for name in ("left", "top", "width", "height")},
        "annotation_state": image.state,
        "annotation_quality": ";".join(said.quality) or None,
        "annotation_note": said.note or None,
    }


_COLUMNS = {"diagnosis": "diagnosis_node", "confirmation": "diagnosis_confirm_type", "boxes": "box_*"}
_REASONS = {
    "untouched": "not annotated",
    "one": "annotated by one of the two",
    "disagreed": "the annotators disagree",
}


def _left_empty(image: SettledImage) -> list[tuple[str, str, str]]:
    told = [(image.image_id, _COLUMNS[each], _REASONS[image.state]) for each in image.open_parts]
    if "diagnosis" in image.settled and image.annotation.node is None:
        told.append((image.image_id, "diagnosis_node", "annotated, but no diagnosis was given"))
    if len(image.boxes) > 1:
        told.append((image.image_id, "box_*", f"{len(image.boxes)} boxes, a manifest holds one"))
    return told
