"""Lesions followed over time: patients, their lesions, photographs and what models said of them, in a database.

By default cutis keeps nothing; this is an option of `cutis serve`. Every change stands in a hash-chained history that
holds no word about a patient, so that a patient's data can be erased and the history stays whole. Needs the extra
``study`` (a database). Names are imported when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutis.follow_up.change import AREA_SPREAD, LEAST_POINTS, Colour, LesionChange, lesion_change
    from cutis.follow_up.content import (
        IMAGE_TYPES,
        LONGEST_NOTE,
        STATUSES,
        LesionFacts,
        PatientFacts,
        PhotographFacts,
        checked_facts,
    )
    from cutis.follow_up.erasing import Erased, come_back, erase, erase_again
    from cutis.follow_up.errors import AccessError, ChainError, ConflictError, FollowUpError, StoreError
    from cutis.follow_up.exporting import ExportedManifest, export_manifest, export_patient, patient_record, patient_zip
    from cutis.follow_up.history import Change, Verified, patient_history, verify
    from cutis.follow_up.people import (
        LINK_DAYS,
        SESSION_DAYS,
        Person,
        Role,
        bar,
        invite,
        join,
        list_people,
        person_of,
        sign_out,
    )
    from cutis.follow_up.photographs import (
        Given,
        KeptAnswer,
        KeptPhotograph,
        ModelFacts,
        add_answer,
        add_photograph,
        change_photograph,
        jpeg_of,
        photograph_of,
        photographs_of,
        pixels_of,
    )
    from cutis.follow_up.picture import Picture, kept_picture
    from cutis.follow_up.records import (
        Lesion,
        ListedPatient,
        Patient,
        add_lesion,
        add_patient,
        change_lesion,
        change_patient,
        find_patients,
        lesion_of,
        lesions_of,
        next_label,
        patient_of,
    )
    from cutis.follow_up.registration import Alignment, align, aligned
    from cutis.follow_up.store import Store, create_store, opened_store

_HOMES = {
    "change": (
        "AREA_SPREAD",
        "LEAST_POINTS",
        "Colour",
        "LesionChange",
        "lesion_change",
    ),
    "content": (
        "IMAGE_TYPES",
        "LONGEST_NOTE",
        "STATUSES",
        "LesionFacts",
        "PatientFacts",
        "PhotographFacts",
        "checked_facts",
    ),
    "erasing": (
        "Erased",
        "come_back",
        "erase",
        "erase_again",
    ),
    "errors": (
        "AccessError",
        "ChainError",
        "ConflictError",
        "FollowUpError",
        "StoreError",
    ),
    "exporting": (
        "ExportedManifest",
        "export_manifest",
        "export_patient",
        "patient_record",
        "patient_zip",
    ),
    "history": (
        "Change",
        "Verified",
        "patient_history",
        "verify",
    ),
    "people": (
        "LINK_DAYS",
        "SESSION_DAYS",
        "Person",
        "Role",
        "bar",
        "invite",
        "join",
        "list_people",
        "person_of",
        "sign_out",
    ),
    "picture": (
        "Picture",
        "kept_picture",
    ),
    "photographs": (
        "Given",
        "KeptAnswer",
        "KeptPhotograph",
        "ModelFacts",
        "add_answer",
        "add_photograph",
        "change_photograph",
        "jpeg_of",
        "photograph_of",
        "photographs_of",
        "pixels_of",
    ),
    "records": (
        "Lesion",
        "ListedPatient",
        "Patient",
        "add_lesion",
        "add_patient",
        "change_lesion",
        "change_patient",
        "find_patients",
        "lesion_of",
        "lesions_of",
        "next_label",
        "patient_of",
    ),
    "registration": (
        "Alignment",
        "align",
        "aligned",
    ),
    "store": (
        "Store",
        "create_store",
        "opened_store",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AREA_SPREAD",
    "IMAGE_TYPES",
    "LEAST_POINTS",
    "LINK_DAYS",
    "LONGEST_NOTE",
    "SESSION_DAYS",
    "STATUSES",
    "AccessError",
    "Alignment",
    "ChainError",
    "Change",
    "Colour",
    "ConflictError",
    "Erased",
    "ExportedManifest",
    "FollowUpError",
    "Given",
    "KeptAnswer",
    "KeptPhotograph",
    "Lesion",
    "LesionChange",
    "LesionFacts",
    "ListedPatient",
    "ModelFacts",
    "Patient",
    "PatientFacts",
    "Person",
    "PhotographFacts",
    "Picture",
    "Role",
    "Store",
    "StoreError",
    "Verified",
    "add_answer",
    "add_lesion",
    "add_patient",
    "add_photograph",
    "align",
    "aligned",
    "bar",
    "change_lesion",
    "change_patient",
    "change_photograph",
    "checked_facts",
    "come_back",
    "create_store",
    "erase",
    "erase_again",
    "export_manifest",
    "export_patient",
    "find_patients",
    "invite",
    "join",
    "jpeg_of",
    "kept_picture",
    "lesion_change",
    "lesion_of",
    "lesions_of",
    "list_people",
    "next_label",
    "opened_store",
    "patient_history",
    "patient_of",
    "patient_record",
    "patient_zip",
    "person_of",
    "photograph_of",
    "photographs_of",
    "pixels_of",
    "sign_out",
    "verify",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"cutis.follow_up.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cutis.follow_up' has no attribute '{name}'")
