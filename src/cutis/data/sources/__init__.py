"""Public data sets as manifests, one file a data set."""

from cutis.data.sources import class_folders, column_map, ham10000, isic, isic2017, pad_ufes_20
from cutis.data.sources.contract import Imported, Source
from cutis.errors import ManifestError

SOURCES: dict[str, Source] = {
    each.name: each
    for each in (
        ham10000.SOURCE,
        isic.SOURCE,
        isic2017.SOURCE,
        pad_ufes_20.SOURCE,
        class_folders.SOURCE,
        column_map.SOURCE,
    )
}
"""Every source by name."""


def source(name: str) -> Source:
    """The source of this name.

    Raises:
        ManifestError: no source has this name; the message lists those there are.
    """
    if name not in SOURCES:
        raise ManifestError(f"no source is called '{name}'", fix=f"Use one of {', '.join(SOURCES)}.")
    return SOURCES[name]


__all__ = ["SOURCES", "Imported", "Source", "source"]
