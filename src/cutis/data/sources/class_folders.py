"""Class-per-folder: one's own images sorted into folders named by diagnosis."""

from pathlib import Path

import polars as pl

from cutis.data.sources.contract import Imported, Source
from cutis.data.sources.folders import DataFolder, is_image
from cutis.data.sources.words import diagnosis_of, unmapped_note
from cutis.errors import ManifestError, listed

PARTS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def read(root: Path) -> Imported:
    """Read ``root/<class>/*`` or ``root/<train, val, test>/<class>/*``.

    The image id is the path below ``root`` without suffix, for ``benign/1.jpg`` and ``malignant/1.jpg`` are
    two images.

    Raises:
        ManifestError: there is no class folder with images, or two files of a folder differ only in suffix.
    """
    folder = DataFolder.scan(root)
    files = [each for each in folder.files if is_image(each)]
    tops = {each.relative_to(root).parts[0] for each in files if each.parent != root}
    has_parts = bool(tops) and all(each.lower() in PARTS for each in tops)
    depth = 1 if has_parts else 0
    sorted_in = [each for each in files if len(each.relative_to(root).parts) > depth + 1]
    if not sorted_in:
        raise ManifestError(
            "holds no class folders with images",
            where=str(root),
            fix="Put the images into one folder a diagnosis, e.g. photos/melanoma/1.jpg.",
        )
    frame = pl.DataFrame(
        [_row(each, root, depth) for each in sorted_in],
        schema=dict.fromkeys(
            ("image_id", "image_path", "diagnosis_node", "diagnosis", "source_diagnosis", "subset"), pl.String
        ),
        orient="row",
    )
    _no_twins(frame)
    loose = [each.name for each in files if len(each.relative_to(root).parts) <= depth + 1]
    words = {each: "" for each in frame["source_diagnosis"].unique() if diagnosis_of(each)}
    notes = [f"{len(loose):,} images lie outside the class folders and are left out: {listed(loose)}"] if loose else []
    notes += unmapped_note(frame, "source_diagnosis", "class folders", "source_diagnosis", words)
    return Imported(frame, tuple(notes))


def _row(path: Path, root: Path, depth: int) -> tuple[str | None, ...]:
    below = path.relative_to(root)
    word = below.parts[depth]
    subset = PARTS[below.parts[0].lower()] if depth else None
    node, isic = diagnosis_of(word) or (None, None)
    return below.with_suffix("").as_posix(), str(path), node, isic, word, subset


def _no_twins(frame: pl.DataFrame) -> None:
    twins = frame.filter(pl.col("image_id").is_duplicated()).sort("image_id", "image_path")
    if len(twins):
        pairs = [
            " and ".join(paths)
            for paths in twins.group_by("image_id", maintain_order=True).agg("image_path")["image_path"]
        ]
        raise ManifestError(
            f"{len(pairs):,} images have more than one file: {listed(pairs, 3)}",
            fix="Keep one file an image.",
        )


SOURCE = Source(
    name="folder",
    title="Class-per-folder",
    expects="a folder with one folder a diagnosis, below train, val and test folders if you like",
    license="",
    citation="",
    url="",
    read=read,
)
