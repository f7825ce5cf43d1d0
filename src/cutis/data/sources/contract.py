"""What a source is: a public data set, what it looks like on disk, and the function that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cutis.data.manifest import manifest_frame
from cutis.errors import ManifestError


@dataclass(frozen=True)
class Imported:
    """A data set read into a manifest.

    ``notes`` tell, one plain line each, what a user has to know about the rows: images that are not there,
    words that no ISIC value fits, values left out and why.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data set in its public form.

    ``read`` takes the data set's folder (or file) and the options named in ``options``, and returns a frame
    with the manifest's columns. Where that frame has no column ``source``, ``license`` or ``attribution``, it
    gets ``name``, ``license`` and ``citation``; ``license`` and ``citation`` may be empty (a user's own
    images).
    """

    name: str
    title: str
    expects: str
    license: str
    citation: str
    url: str
    read: Callable[..., Imported]
    options: tuple[str, ...] = ()

    def import_from(self, path: str | Path, **options: Any) -> Imported:
        """Read the data set at ``path``.

        Raises:
            ManifestError: ``path`` is not there, does not hold what the source expects, or an option is not
                one of its own.
        """
        unknown = [each for each in options if each not in self.options]
        if unknown:
            takes = f"It takes --{', --'.join(self.options)}." if self.options else "It takes no options."
            raise ManifestError(f"source '{self.name}' does not take --{', --'.join(unknown)}", fix=takes)
        path = Path(path)
        if not path.exists():
            raise ManifestError("does not exist", where=str(path), fix=f"{self.title} is read from {self.expects}.")
        imported = self.read(path.resolve(), **options)
        constant = {
            "source": self.name,
            "license": self.license or None,
            "attribution": self.citation or None,
        }
        frame = imported.frame.with_columns(
            pl.lit(value, dtype=pl.String).alias(column)
            for column, value in constant.items()
            if column not in imported.frame.columns
        )
        return Imported(manifest_frame(frame), imported.notes)
