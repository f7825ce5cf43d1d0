"""Measuring every image of a manifest once: on all cores, each file by its content, kept for the next run.

What is kept is a table, one row a file and its mask, by the hash of their contents: a renamed or copied image is not
measured again, a changed one is.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import polars as pl
from filelock import FileLock

from cutis.audit.workers import workers
from cutis.data import Pixels, cache_folder, content_key, read_image
from cutis.errors import ImageError, listed
from cutis.files import replacing

Measure = Callable[[Pixels, Pixels | None], Mapping[str, float]]
_CHUNK = 512
_WORTH_PROCESSES = 400


def measured(
    manifest: pl.DataFrame,
    measure: Measure,
    *,
    columns: list[str],
    cache: str,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """What ``measure`` says of each image of a manifest that has a file, in the manifest's order.

    Args:
        manifest: with whole paths. ``mask_path``, where given, is read as the lesion's mask.
        measure: from an image (uint8, height × width × 3) and its lesion mask (uint8, height × width, or None) to
            ``columns``; NaN means not defined.
        columns: names of what is measured.
        cache: name of the table in :func:`cutis.data.cache_folder`; it must tell the version of ``measure``.
        progress: called with the number of images just finished.

    Returns:
        ``source``, ``image_id`` and ``columns`` (Float64, null where not defined).

    Raises:
        ImageError: images or masks are missing or unreadable (all are named together), or the cache cannot be written.
    """
    rows = manifest.filter(pl.col("image_path").is_not_null())
    folder = cache_folder() / cache
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            f"the cache of the audit cannot be written ({error.strerror or error})",
            where=str(folder),
            fix="Free some space, or set CUTIS_CACHE to a folder with more.",
        ) from error
    with FileLock(folder / "lock"):
        return _measured_locked(rows, measure, columns, folder / "measures.parquet", progress)


def _measured_locked(
    rows: pl.DataFrame,
    measure: Measure,
    columns: list[str],
    path: Path,
    progress: Callable[[int], None] | None,
) -> pl.DataFrame:
    schema = pl.Schema({"key": pl.String(), **dict.fromkeys(columns, pl.Float64())})
    known = _read(path, schema)
    files = rows.select("image_path", "mask_path").rows()
    with ThreadPoolExecutor() as pool:
        hashed = list(pool.map(_key, files))
        bad = [each for _, each in hashed if each]
        keys = [key for key, _ in hashed]
        have = set(known["key"])
        new = {key: file for key, file in zip(keys, files, strict=True) if key and key not in have}
        if progress:
            progress(len(files) - len(new) - len(bad))
    items = list(new.items())
    with workers(enough=len(items) >= _WORTH_PROCESSES) as pool:
        for start in range(0, len(items), _CHUNK):
            chunk = items[start : start + _CHUNK]
            results = list(pool.map(partial(_measured_file, measure), [file for _, file in chunk]))
            bad += [each for each in results if isinstance(each, str)]
            found = [
                {"key": key, **each} for (key, _), each in zip(chunk, results, strict=True) if not isinstance(each, str)
            ]
            known = pl.concat(
                [known, pl.DataFrame(found, schema=schema).with_columns(pl.col(pl.Float64).fill_nan(None))]
            )
            with replacing(path) as temporary:
                known.write_parquet(temporary)
            if progress:
                progress(len(chunk))
    if bad:
        raise ImageError(
            f"{len(bad):,} of {len(files):,} images cannot be read: {listed(bad)}",
            fix="Replace them, or take their rows out of the manifest; `cutis data check` lists all.",
        )
    wanted = rows.select("source", "image_id").with_columns(pl.Series("key", keys, dtype=pl.String))
    return wanted.join(known, on="key", how="left", maintain_order="left").drop("key")


def _read(path: Path, schema: pl.Schema) -> pl.DataFrame:
    if not path.exists():
        return pl.DataFrame(schema=schema)
    try:
        return pl.read_parquet(path).select(schema.names())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ImageError(
            f"this cache is damaged ({str(error).splitlines()[0]})", where=str(path), fix="Delete it; it is made anew."
        ) from error


def _key(file: tuple[str, str | None]) -> tuple[str, str]:
    """The content of image and mask, hashed, or "" and the reason why it cannot be read."""
    key = ""
    for path in file:
        if path is not None:
            try:
                key += content_key(path)
            except OSError as error:
                missing = isinstance(error, FileNotFoundError)
                return "", f"{path}: {'does not exist' if missing else error.strerror or error}"
    return key, ""


def _measured_file(measure: Measure, file: tuple[str, str | None]) -> Mapping[str, float] | str:
    image_path, mask_path = file
    try:
        mask = None if mask_path is None else read_image(mask_path)[..., 0]
        return measure(read_image(image_path), mask)
    except ImageError as error:
        return f"{error.where}: {error.problem}"
