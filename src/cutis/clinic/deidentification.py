"""De-identification of what is exported: DICOM PS3.15, Annex E, Basic Application Level Confidentiality Profile.

Which attribute is removed, emptied, replaced or given another UID is the standard's own table E.1-1, taken from the
package ``dicom-anonymizer`` (its edition of 2026c). The way through the data set is ours: that package leaves what the
table names inside sequences that it does not name, and draws UIDs at random. Here every level is walked, private
elements, curves and overlays go, and UIDs are a keyed function of the old ones, so that instances still refer to each
other. Where the table leaves a choice, an attribute is emptied (X/Z) or gets a dummy (X/D, Z/D, X/Z/D).

Pixels are not touched, but what a camera wrote beside them into a JPEG stream goes: EXIF with place and time, comments.
Content items of reports are kept only of cutis's own, which quote nothing of the patient.
"""

import hashlib
import hmac
import io
import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import pydicom
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes
from pydicom.tag import BaseTag

from cutis.clinic.dicom_identity import DESCRIPTION, MANUFACTURER, dicom_bytes
from cutis.errors import ImageError

_METHOD = "DICOM PS3.15 Annex E Basic Profile, table E.1-1 of 2026c"
_DUMMIES = {
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "AS": "000Y",
    "PN": "ANONYMOUS",
    "UR": "http://anonymous.invalid",
    "DS": "0",
    "IS": "0",
}
_NUMBERS = ("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV")
_BYTES = ("OB", "OW", "OF", "OD", "OL", "OV", "UN")
# Text of a report: kept where the report is ours, else there is no safe way to keep any of it.
_CONTENT_SEQUENCE = 0x0040A730
_META = (
    "SourceApplicationEntityTitle",
    "SendingApplicationEntityTitle",
    "ReceivingApplicationEntityTitle",
    "SourcePresentationAddress",
    "SendingPresentationAddress",
    "ReceivingPresentationAddress",
    "PrivateInformationCreatorUID",
    "PrivateInformation",
)
_JPEG_KEPT = (0xE0, 0xE2, 0xEE)  # of the application segments: JFIF, ICC profile, Adobe's colour transform


class Deidentified(NamedTuple):
    """A data set without identity, and ``notes``: sentences on what a person still has to check."""

    dataset: Dataset
    notes: tuple[str, ...]


def deidentified(dataset: Dataset, *, key: bytes | None = None) -> Deidentified:
    """A copy of an instance from which who the patient is, and who took part, is removed.

    Args:
        dataset: an image, or a report that cutis wrote; with its file meta information.
        key: secret from which new UIDs are made: with the same one, what referred to each other still does. Random when
            None, so that nobody can tie the copy to its original.

    Raises:
        ImageError: a report that others wrote: its text cannot be made safe by rule.
    """
    ours = str(dataset.get("Manufacturer", "")) == MANUFACTURER
    if "ContentSequence" in dataset and not ours:
        raise ImageError("is a report that others wrote; its text may name anybody", fix="De-identify images only.")
    secret = secrets.token_bytes(32) if key is None else key
    # Written and read again: in what is made in memory, one item may stand at several places.
    made = pydicom.dcmread(io.BytesIO(dicom_bytes(dataset)))
    _clean(made, secret, ours=ours)
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = _METHOD
    item = Dataset()
    code = codes.DCM.BasicApplicationConfidentialityProfile
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    made.DeidentificationMethodCodeSequence = [item]
    made.LongitudinalTemporalInformationModified = "REMOVED"
    if ours:
        made.SeriesDescription = DESCRIPTION  # the table removes what others may have written there
    if "PixelData" in made and made.file_meta.TransferSyntaxUID.is_encapsulated:
        count = int(made.get("NumberOfFrames") or 1)
        frames = [without_metadata(each) for each in generate_frames(made.PixelData, number_of_frames=count)]
        made.PixelData = encapsulate(frames)
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if keyword in made:
                delattr(made, keyword)
    made.preamble = b"\0" * 128
    for keyword in _META:
        if keyword in made.file_meta:
            delattr(made.file_meta, keyword)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return Deidentified(made, _notes(dataset))


def _notes(dataset: Dataset) -> tuple[str, ...]:
    if "PixelData" not in dataset:
        return ()
    notes = ["The picture itself is unchanged: a face, a tattoo or a room may tell who it is."]
    burned = str(dataset.get("BurnedInAnnotation", "")).upper()
    if burned == "YES":
        notes.append(
            "Burned In Annotation is YES: text in the picture may name the patient; blacken it before sharing."
        )
    elif burned != "NO":
        notes.append("Burned In Annotation is not given: look whether text in the picture names the patient.")
    return tuple(notes)


def without_metadata(stream: bytes) -> bytes:
    """A JPEG stream without the segments that a camera or a program fills: EXIF, XMP, comments; others as they are."""
    if not stream.startswith(b"\xff\xd8"):
        return stream
    kept, at = [stream[:2]], 2
    while at + 4 <= len(stream) and stream[at] == 0xFF and stream[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        marker = stream[at + 1]
        if marker != 0xFE and (not 0xE0 <= marker <= 0xEF or marker in _JPEG_KEPT):
            kept.append(stream[at:end])
        at = end
    return b"".join([*kept, stream[at:]])


def _clean(dataset: Dataset, secret: bytes, *, ours: bool) -> None:
    for element in list(dataset):
        action = "keep" if ours and element.tag == _CONTENT_SEQUENCE else _action(element.tag)
        if action == "X":
            del dataset[element.tag]
        elif action == "U" or (action == "U*" and element.VR == "UI"):
            _replace_uids(element, secret)
        elif action == "Z" or (action == "U*" and element.VR != "SQ"):
            element.value = [] if element.VR == "SQ" else None
        elif action == "D":
            _replace(element, secret)
        elif element.VR == "SQ":
            for item in element.value:
                _clean(item, secret, ours=ours)


def _replace(element: DataElement, secret: bytes) -> None:
    if element.VR == "SQ":
        element.value = []
    elif element.VR == "UI":
        _replace_uids(element, secret)
    elif element.VR in _NUMBERS:
        element.value = 0
    elif element.VR in _BYTES:
        element.value = b"\0\0"
    else:
        element.value = _DUMMIES.get(element.VR, "ANONYMOUS")


def _replace_uids(element: DataElement, secret: bytes) -> None:
    if isinstance(element.value, MultiValue):
        element.value = [_uid(str(each), secret) for each in element.value]
    elif element.value:
        element.value = _uid(str(element.value), secret)


def _uid(old: str, secret: bytes) -> str:
    digest = hmac.new(secret, old.encode(), hashlib.sha256).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def _action(tag: BaseTag) -> str:
    """``X`` remove, ``Z`` empty, ``D`` dummy, ``U`` another UID, ``U*`` that in sequences, ``keep``."""
    if tag.is_private:
        return "X"
    single, masked = _table()
    if tag in single:
        return single[tag]
    return next((action for (value, mask), action in masked.items() if tag & mask == value & mask), "keep")


@cache
def _table() -> tuple[Mapping[int, str], Mapping[tuple[int, int], str]]:
    single: dict[int, str] = {}
    masked: dict[tuple[int, int], str] = {}
    for action, tags in _listed():
        for group, element, *mask in tags:
            tag = group << 16 | element
            if mask:
                masked[tag, mask[0] << 16 | mask[1]] = action
            else:
                single[tag] = action
    return single, masked


def _listed() -> Iterator[tuple[str, Sequence[tuple[int, ...]]]]:
    # Of a choice the one that says least and still keeps an image valid: Z where an attribute may be of type 2.
    yield "X", table.X_TAGS
    yield "Z", table.X_Z_TAGS
    yield "Z", table.Z_TAGS
    yield "D", table.X_D_TAGS
    yield "D", table.X_Z_D_TAGS
    yield "D", table.Z_D_TAGS
    yield "D", table.D_TAGS
    yield "U", table.U_TAGS
    yield "U*", table.X_Z_U_STAR_TAGS
