"""What every DICOM object that cutis writes has in common: UIDs, the instance it belongs to, and its bytes.

UIDs are functions of what was read and of who answered (a UUID below ``2.25``, PS3.5 B.2): the same photograph answered
again by the same model is the same instance, so a report that is made twice is stored once.
"""

import hashlib
import io
import uuid

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID

from cutis.errors import ImageError

MANUFACTURER = "cutis"
DESCRIPTION = "Research, not for clinical use"
CODING_SCHEME = "99CUTIS"
"""Our own codes (PS3.16, 8.2: private designators begin with 99): nodes of the tree of diagnoses, and measures."""

_TYPE_2 = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
_TYPE_1 = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


def uid_of(*parts: str) -> str:
    """A UID that is a function of ``parts``."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def checked_source(header: Dataset, where: str) -> Dataset:
    """An instance as one that can be referred to: its UIDs must be there, and what may be empty is.

    Raises:
        ImageError: it lacks UIDs.
    """
    missing = [each for each in _TYPE_1 if not header.get(each) or not UID(str(header.get(each))).is_valid]
    if missing:
        raise ImageError(
            f"has no valid {', '.join(missing)}, so no DICOM object can refer to it",
            where=where,
            fix="Export it again, or ask for JSON or FHIR.",
        )
    source = Dataset()
    source.update(header)
    for each in _TYPE_2:
        if each not in source:
            setattr(source, each, "")
    return source


def coding_scheme_item() -> Dataset:
    """The item of the Coding Scheme Identification Sequence that says whose codes 99CUTIS are."""
    item = Dataset()
    item.CodingSchemeDesignator = CODING_SCHEME
    item.CodingSchemeName = "cutis: tree of skin diagnoses, and measures of a classifier"
    item.CodingSchemeResponsibleOrganization = "cutis"
    return item


def dicom_bytes(dataset: Dataset) -> bytes:
    """A data set as a DICOM file, with the file meta information that PS3.10 asks for."""
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()
