"""One photograph's answer, as a clinic needs it, and the forms in which hospitals speak: DICOM, FHIR, a watched folder.

Names are imported when first asked for: a page that answers a photograph needs no DICOM.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutis.clinic.answer import (
        MOST_PIXELS,
        SENT,
        Answer,
        Diagnosis,
        Patient,
        Photograph,
        answers,
        class_risks,
        photograph,
    )
    from cutis.clinic.deidentification import Deidentified, deidentified
    from cutis.clinic.dicom_identity import dicom_bytes
    from cutis.clinic.dicom_mark import is_dicom
    from cutis.clinic.dicom_pictures import dicom_overlay, dicom_picture, dicom_segmentation, source_of
    from cutis.clinic.dicom_reading import DicomPhotograph, DicomSource, dicom_photograph
    from cutis.clinic.dicom_structured_report import dicom_report, report_probabilities
    from cutis.clinic.fhir import fhir_bundle
    from cutis.clinic.watch import Watched, watch_folder
    from cutis.clinic.watch_results import photograph_results
    from cutis.clinic.wording import STATEMENT, model_version, sentences

_HOMES = {
    "answer": (
        "MOST_PIXELS",
        "SENT",
        "Answer",
        "Diagnosis",
        "Patient",
        "Photograph",
        "answers",
        "class_risks",
        "photograph",
    ),
    "deidentification": (
        "Deidentified",
        "deidentified",
    ),
    "dicom_identity": ("dicom_bytes",),
    "dicom_mark": ("is_dicom",),
    "dicom_pictures": (
        "dicom_overlay",
        "dicom_picture",
        "dicom_segmentation",
        "source_of",
    ),
    "dicom_reading": (
        "DicomPhotograph",
        "DicomSource",
        "dicom_photograph",
    ),
    "dicom_structured_report": (
        "dicom_report",
        "report_probabilities",
    ),
    "fhir": ("fhir_bundle",),
    "watch": (
        "Watched",
        "watch_folder",
    ),
    "watch_results": ("photograph_results",),
    "wording": (
        "STATEMENT",
        "model_version",
        "sentences",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "MOST_PIXELS",
    "SENT",
    "STATEMENT",
    "Answer",
    "Deidentified",
    "Diagnosis",
    "DicomPhotograph",
    "DicomSource",
    "Patient",
    "Photograph",
    "Watched",
    "answers",
    "class_risks",
    "deidentified",
    "dicom_bytes",
    "dicom_overlay",
    "dicom_photograph",
    "dicom_picture",
    "dicom_report",
    "dicom_segmentation",
    "fhir_bundle",
    "is_dicom",
    "model_version",
    "photograph",
    "photograph_results",
    "report_probabilities",
    "sentences",
    "source_of",
    "watch_folder",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"cutis.clinic.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cutis.clinic' has no attribute '{name}'")
