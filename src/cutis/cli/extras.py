"""What a verb says when the extra that it needs is not installed: one line with the command, not a missing module."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from cutis.errors import CutisError

_WEB = ("fastapi", "uvicorn", "multipart", "python_multipart", "prometheus_client", "markdown_it")
_MODULES = {
    "web": _WEB,
    "study": (*_WEB, "sqlalchemy", "alembic", "psycopg", "openpyxl"),
    "dicom": ("pydicom", "highdicom", "dicomanonymizer", "gdcm"),
}
"""The modules of each extra, as they are imported."""


@contextmanager
def needs_extra(name: Literal["web", "study", "dicom"], what: str) -> Iterator[None]:
    """Tell in a line that the extra is not installed.

    Args:
        name: the extra.
        what: what needs it, e.g. ``"reader studies need"``.

    Raises:
        CutisError: it is not.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _MODULES[name]:
            raise
        raise CutisError(
            f"{what} the package '{error.name}', which is not installed", fix=f"Run: pip install 'cutis[{name}]'"
        ) from error
