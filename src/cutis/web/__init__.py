"""Pages in a browser: the clinic's and the API, lesions over time, reader studies, the image library.

Names are imported when first asked for: the clinic's server needs no database.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutis.web.api.keys import KeyFile
    from cutis.web.app import create_study_app
    from cutis.web.clinic.app import create_clinic_app
    from cutis.web.clinic.audit_log import AuditLog
    from cutis.web.clinic.journal import JsonLines
    from cutis.web.clinic.similar import SimilarCases
    from cutis.web.follow_up.room import follow_up_router
    from cutis.web.library.app import create_library_app
    from cutis.web.study.nurse import create_nurse_app

_HOMES = {
    "api.keys": ("KeyFile",),
    "app": ("create_study_app",),
    "clinic.app": ("create_clinic_app",),
    "clinic.audit_log": ("AuditLog",),
    "clinic.journal": ("JsonLines",),
    "clinic.similar": ("SimilarCases",),
    "follow_up.room": ("follow_up_router",),
    "library.app": ("create_library_app",),
    "study.nurse": ("create_nurse_app",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AuditLog",
    "JsonLines",
    "KeyFile",
    "SimilarCases",
    "create_clinic_app",
    "create_library_app",
    "create_nurse_app",
    "create_study_app",
    "follow_up_router",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"cutis.web.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cutis.web' has no attribute '{name}'")
