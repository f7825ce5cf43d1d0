"""What an evaluation needs of a manifest, read so that tens of millions of rows fit in memory.

:func:`cutis.data.read_manifest` holds every column, words as text. Here only those that figures and report need are
read, a million rows at a time, and words of which there are few are kept as numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from cutis.data import manifest_frame, read_manifest
from cutis.errors import ManifestError

_WORDS = (
    "source",
    "subset",
    "diagnosis",
    "diagnosis_node",
    "source_diagnosis",
    "diagnosis_confirm_type",
    "sex",
    "anatom_site",
    "fitzpatrick_skin_type",
    "image_type",
    "license",
    "split_rule",
)
_COLUMNS = ("image_id", "lesion_id", "patient_id", "group", "fold", "age_approx", "acquired_at", *_WORDS)
_ROWS_AT_ONCE = 1_000_000


def read_evaluated_manifest(*paths: str | Path, columns: Sequence[str] = ()) -> pl.DataFrame:
    """One or several manifests as one frame, without what no evaluation needs; for :func:`cutis.evaluation.evaluate`.

    Image paths are left out: :func:`image_paths` finds those of a few images. Columns of words are categorical. A
    Parquet file is read in parts; any other is read whole first.

    Args:
        paths: the manifests.
        columns: what is needed besides, e.g. a column that tells groups.

    Raises:
        ManifestError: as :func:`cutis.data.read_manifest`.
    """
    wanted = tuple(dict.fromkeys((*_COLUMNS, *columns)))
    if not paths:
        return read_manifest(*paths)
    frame = pl.concat([_read_one(Path(path), wanted) for path in paths], how="diagonal_relaxed")
    if frame["image_id"].n_unique() < len(frame):
        return read_manifest(*paths)  # which refuses them, in its words
    text = [each for each, dtype in frame.schema.items() if dtype == pl.String]
    empty = [each for each in text if frame[each].null_count() == len(frame)]
    return frame.with_columns(pl.col(empty).cast(pl.Categorical))


def image_paths(paths: Sequence[str | Path], image_ids: Sequence[str]) -> Mapping[str, str]:
    """The image files of a few images of manifests; those that have none are left out."""
    found: dict[str, str] = {}
    for path in map(Path, paths):
        table = pl.scan_parquet(path) if path.suffix.lower() == ".parquet" else read_manifest(path).lazy()
        if "image_path" in table.collect_schema():
            named = table.select(pl.col("image_id", "image_path").cast(pl.String))
            rows = named.filter(pl.col("image_id").is_in(list(image_ids))).drop_nulls().collect(engine="streaming")
            found |= {image_id: str(path.resolve().parent / image) for image_id, image in rows.iter_rows()}
    return found


def _read_one(path: Path, wanted: Sequence[str]) -> pl.DataFrame:
    if path.suffix.lower() != ".parquet" or not path.is_file() or not path.stat().st_size:
        return _compact(read_manifest(path), wanted)
    try:
        table = pl.scan_parquet(path)
        names = table.collect_schema().names()
        there = [each for each in wanted if each in names]
        rows = int(table.select(pl.len()).collect().item())
        if not rows or "image_id" not in there:
            return _compact(read_manifest(path), wanted)  # which refuses it, in its words
        parts = [
            _compact(manifest_frame(table.select(there).slice(start, _ROWS_AT_ONCE).collect()), wanted)
            for start in range(0, rows, _ROWS_AT_ONCE)
        ]
    except (ManifestError, pl.exceptions.PolarsError):
        return _compact(read_manifest(path), wanted)  # which names the row
    frame = pl.concat(parts, how="diagonal_relaxed")
    if frame["image_id"].null_count():
        return _compact(read_manifest(path), wanted)
    return frame


def _compact(frame: pl.DataFrame, wanted: Sequence[str]) -> pl.DataFrame:
    """The columns that are wanted and there, words as categories."""
    there = [each for each in wanted if each in frame.columns]
    return frame.select(pl.col(each).cast(pl.Categorical) if each in _WORDS else pl.col(each) for each in there)
