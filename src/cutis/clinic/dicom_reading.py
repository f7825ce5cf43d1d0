"""A photograph that comes as DICOM: its pixels, what it says of the patient, and the instance it is.

Read are the classes in which photographs of skin are kept (``PHOTOGRAPH_CLASSES``). What is wrong or missing in the
patient's elements makes no photograph unreadable: it is left out, and ``notes`` say so.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import NamedTuple

from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID

from cutis.clinic.answer import MOST_PIXELS, Patient, Photograph
from cutis.clinic.dicom_file import damage_told, read_dicom, value_of
from cutis.clinic.dicom_pixels import dicom_pixels, frame_count
from cutis.data import content_key
from cutis.errors import ImageError

PHOTOGRAPH_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VL Photographic Image",
    "1.2.840.10008.5.1.4.1.1.77.1.7": "Dermoscopic Photography Image",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture Image",
    "1.2.840.10008.5.1.4.1.1.7.2": "Multi-frame Grayscale Byte Secondary Capture Image",
    "1.2.840.10008.5.1.4.1.1.7.3": "Multi-frame Grayscale Word Secondary Capture Image",
    "1.2.840.10008.5.1.4.1.1.7.4": "Multi-frame True Color Secondary Capture Image",
}
"""SOP classes that are read as photographs; a radiograph or a slide is none, however well it decodes."""

_AGE = re.compile(r"(\d{3})([DWMY])")
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}
_SEXES = {"M": "male", "F": "female"}
_OLDEST = 120


class DicomSource(NamedTuple):
    """The instance a photograph is from.

    ``header`` is its data set without pixels and private elements: it identifies the patient. ``frame`` counts from 1.
    ``notes`` are sentences on what was left out or has to be known; they quote no value of a patient's element.
    """

    header: Dataset
    frame: int
    frames: int
    notes: tuple[str, ...]

    def uid(self, keyword: str) -> str | None:
        """``StudyInstanceUID``, ``SeriesInstanceUID``, ``SOPInstanceUID`` or ``SOPClassUID``, where it is given."""
        found = value_of(self.header, keyword)
        return None if found is None else str(found)


class DicomPhotograph(NamedTuple):
    """What one DICOM file gives."""

    photograph: Photograph
    patient: Patient
    source: DicomSource


def dicom_photograph(
    content: bytes, name: str, *, frame: int | None = None, most_pixels: int = MOST_PIXELS
) -> DicomPhotograph:
    """Read a photograph from a DICOM file.

    Args:
        content: the whole file.
        name: what it is called, in the answer and in errors.
        frame: which frame, from 1; needed where there are several.
        most_pixels: rows times columns that are decoded at most; checked before decoding.

    Raises:
        ImageError: no DICOM file, no photograph, damaged, too large, or several frames and none named.
    """
    dataset = read_dicom(content, name)
    sop_class = UID(str(value_of(dataset, "SOPClassUID") or ""), validation_mode=IGNORE)
    if sop_class not in PHOTOGRAPH_CLASSES:
        what = (
            "of no said kind"
            if not sop_class
            else "of a private kind"
            if sop_class.is_private
            else f"'{sop_class.name}'"
        )
        raise ImageError(
            f"is {what}, not a photograph", where=name, fix="Name a VL Photographic, Dermoscopic or Secondary Capture."
        )
    pixels = dicom_pixels(dataset, name, frame, most_pixels=most_pixels)
    patient, notes = _patient(dataset)
    if str(value_of(dataset, "BurnedInAnnotation") or "").upper() == "YES":
        notes.append("Burned In Annotation is YES: text in the picture may name the patient.")
    with damage_told(name):
        header = _header(dataset)
    source = DicomSource(header, frame or 1, frame_count(dataset), tuple(notes))
    return DicomPhotograph(Photograph(name, pixels, content_key(content)), patient, source)


def _header(dataset: Dataset) -> Dataset:
    header = Dataset()
    for element in dataset:  # reads every element: what cannot be read is told now, not when a report is written
        if element.tag.group % 2 == 0 and element.keyword not in ("PixelData", "EncapsulatedPixelDataValueTotalLength"):
            header.add(element)
    header.file_meta = dataset.file_meta
    return header


def _patient(dataset: Dataset) -> tuple[Patient, list[str]]:
    notes: list[str] = []
    sex = str(value_of(dataset, "PatientSex") or "").strip().upper()
    if sex and sex not in (*_SEXES, "O"):
        notes.append("Patient's Sex is none of M, F and O; left out.")
    return Patient(age=_age(dataset, notes), sex=_SEXES.get(sex), site=_site(dataset, notes), skin_type=None), notes


def _age(dataset: Dataset, notes: list[str]) -> int | None:
    """Whole years: Patient's Age, else from birth to the day of the study (never to today)."""
    told = value_of(dataset, "PatientAge")
    if told is not None:
        found = _AGE.fullmatch(str(told).strip())
        years = int(int(found[1]) / _PER_YEAR[found[2]]) if found else None
        if years is None or years > _OLDEST:
            notes.append("Patient's Age is not of the form 061Y, or over 120 years; left out.")
            return None
        return years
    birth = value_of(dataset, "PatientBirthDate")
    days = (value_of(dataset, each) for each in ("AcquisitionDate", "ContentDate", "StudyDate"))
    day = next((each for each in days if each is not None), None)
    if birth is None or day is None:
        return None
    born, taken = _date(str(birth)), _date(str(day))
    if born is None or taken is None or not born <= taken or taken.year - born.year > _OLDEST:
        notes.append("Patient's Birth Date and the day of the study give no age; left out.")
        return None
    return taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip().replace(".", ""))
    except ValueError:
        return None


def _site(dataset: Dataset, notes: list[str]) -> str | None:
    """The ISIC path of the Anatomic Region; one without a code, or that is no place of the skin, is left out."""
    for item in value_of(dataset, "AnatomicRegionSequence") or ():
        value, scheme = value_of(item, "CodeValue"), value_of(item, "CodingSchemeDesignator")
        if value is None or scheme is None:
            continue
        site = site_of_code(str(value), str(scheme))
        if site is None:
            notes.append(f"Anatomic Region ({value}, {scheme}) has no place among the ISIC archive's; left out.")
        return site
    return None


def site_of_code(value: str, scheme: str) -> str | None:
    """The ISIC archive's path for a code of an anatomic region, or None.

    Args:
        value: e.g. ``"43067004"``; SNOMED's older codes such as ``"T-02102"`` count as what DICOM maps them to.
        scheme: ``SCT``, ``SRT``, ``SNM3`` or ``99SDM``, or ``DCM`` or ``FMA``.
    """
    path = _sites().get(f"{scheme}:{value}")
    if path is not None or scheme not in ("SRT", "SNM3", "99SDM"):
        return path
    older = Code(value, "SRT", "")
    return next((path for each, path in _sites().items() if Code(each[4:], each[:3], "") == older), None)


@cache
def _sites() -> Mapping[str, str]:
    text = resources.files("cutis.clinic").joinpath("dicom_sites.toml").read_text(encoding="utf-8")
    return {code: path for path, codes in tomllib.loads(text).items() for code in codes}
