"""One photograph's answer, as a clinic needs it, and the forms in which hospitals speak: DICOM, FHIR, a watched folder.

Names are imported when first asked for: a page that answers a photograph needs no DICOM.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutis.clinic.answer import Answer, Diagnosis, Patient, Photograph, answers, photograph

_HOMES = {
    "answer": ("Answer", "Diagnosis", "Patient", "Photograph", "answers", "photograph"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "Diagnosis",
    "Patient",
    "Photograph",
    "answers",
    "photograph",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"cutis.clinic.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cutis.clinic' has no attribute '{name}'")
