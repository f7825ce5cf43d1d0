"""Pages in a browser: those of reader studies, for the reader and for the study nurse."""

from cutis.web.app import create_study_app
from cutis.web.study.nurse import create_nurse_app

__all__ = ["create_nurse_app", "create_study_app"]
