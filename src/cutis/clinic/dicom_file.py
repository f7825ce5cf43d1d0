"""DICOM files as bytes: parsing them with every bound checked before it is needed.

What others write is parsed by pydicom. It tells damage by a dozen kinds of exception, most of them only when a value is
looked at; here each becomes one :class:`cutis.errors.ImageError`.
"""

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pydicom
from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID, AllTransferSyntaxes, DeflatedExplicitVRLittleEndian, MPEGTransferSyntaxes

from cutis.clinic.dicom_mark import MARK, PREAMBLE, is_dicom
from cutis.errors import ImageError

MOST_BYTES = 512 * 2**20
"""Of a deflated data set once it is inflated."""

_FIX = "Export it again."


def read_dicom(content: bytes, where: str, *, most_bytes: int = MOST_BYTES) -> Dataset:
    """Parse a DICOM file, without decoding its pixels.

    Args:
        content: the whole file. Data sets without the file format's preamble are not guessed at.
        where: what the file is called in an error.
        most_bytes: to which a deflated data set may inflate.

    Raises:
        ImageError: empty, no DICOM file, truncated or damaged, a video, or of an unknown transfer syntax.
    """
    if not content:
        raise ImageError("is empty", where=where, fix="Replace the file.")
    if not is_dicom(content):
        raise ImageError("is no DICOM file: 'DICM' is not where the standard puts it", where=where, fix=_FIX)
    with damage_told(where):
        file = io.BytesIO(content)
        file.seek(PREAMBLE + len(MARK))
        # The file meta information is always explicit and little endian (PS3.10, 7.1), whatever follows it.
        meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
        syntax = UID(str(meta.get("TransferSyntaxUID") or ""), validation_mode=IGNORE)
    if not syntax:
        raise ImageError("does not say in which transfer syntax it is written", where=where, fix=_FIX)
    if syntax in MPEGTransferSyntaxes:
        raise ImageError(f"is a video ({syntax.name})", where=where, fix="Export single pictures.")
    if syntax not in AllTransferSyntaxes:
        raise ImageError("is written in a transfer syntax that is not read", where=where, fix=_FIX)
    with damage_told(where):
        if syntax == DeflatedExplicitVRLittleEndian:
            _check_inflated(content[file.tell() :], where, most_bytes)
        return pydicom.dcmread(io.BytesIO(content))


def _check_inflated(deflated: bytes, where: str, most_bytes: int) -> None:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    inflating.decompress(deflated, most_bytes)
    if inflating.unconsumed_tail:
        raise ImageError(f"inflates to more than {most_bytes:,} bytes", where=where, fix="Export it uncompressed.")


@contextmanager
def damage_told(where: str, what: str = "is truncated or damaged") -> Iterator[None]:
    """Whatever a library raises on what others wrote becomes one ImageError; its warnings, which quote values, go."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except Exception as error:
        # pydicom and the decoders tell damage by any of a dozen types.
        # Only the kind is told: a library's message may quote a value, and a value may name the patient.
        raise ImageError(f"{what} ({type(error).__name__})", where=where, fix="Replace the file.") from error


def value_of(dataset: Dataset, keyword: str) -> Any:
    """An element's value; None where it is missing, empty or cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - a wrong element counts as missing; those that must be there are checked for
        return None
    return None if value is None or value == "" or (isinstance(value, list) and not value) else value
