"""The store of reader studies: what is asked of whom, what was answered, and the rules, in SQLite or PostgreSQL.

A reader acts by the token of their session (:func:`join`), and sees :func:`shown_now`; the study nurse acts by ids.
The clock is the server's: every function that depends on it takes ``now``.
"""

from cutis.study.store.answering import Acknowledgement, GivenAnswer, SentBy, answer, answer_together
from cutis.study.store.course import (
    close_overdue,
    close_study,
    pause_study,
    record_look,
    resume_study,
    seal,
    withdraw_reader,
)
from cutis.study.store.database import Store, open_store
from cutis.study.store.errors import AccessError, AnswerKeptError, ChainError, NotNowError, StoreError
from cutis.study.store.events import STUDY_CHAIN, LoggedEvent
from cutis.study.store.export import answered_steps, answers_table, study_readings, write_answers
from cutis.study.store.invitations import invite, invite_elsewhere, join
from cutis.study.store.page import (
    Coming,
    Page,
    Progress,
    ShownAid,
    ShownCase,
    ShownFeedback,
    heatmap,
    picture,
    shown_now,
)
from cutis.study.store.progress import ReaderProgress, progress
from cutis.study.store.session import (
    confirm_instructions,
    consent,
    move_on,
    note,
    pause,
    resume,
    show_next,
    sign_out,
    withdraw,
)
from cutis.study.store.steps import GRACE
from cutis.study.store.studies import AddedReader, StudyInfo, add_readers, create_study, list_studies, study_design
from cutis.study.store.verification import (
    Verified,
    read_events,
    verify_chain,
    verify_events_file,
    write_events,
)

__all__ = [
    "GRACE",
    "STUDY_CHAIN",
    "AccessError",
    "Acknowledgement",
    "AddedReader",
    "AnswerKeptError",
    "ChainError",
    "Coming",
    "GivenAnswer",
    "LoggedEvent",
    "NotNowError",
    "Page",
    "Progress",
    "ReaderProgress",
    "SentBy",
    "ShownAid",
    "ShownCase",
    "ShownFeedback",
    "Store",
    "StoreError",
    "StudyInfo",
    "Verified",
    "add_readers",
    "answer",
    "answer_together",
    "answered_steps",
    "answers_table",
    "close_overdue",
    "close_study",
    "confirm_instructions",
    "consent",
    "create_study",
    "heatmap",
    "invite",
    "invite_elsewhere",
    "join",
    "list_studies",
    "move_on",
    "note",
    "open_store",
    "pause",
    "pause_study",
    "picture",
    "progress",
    "read_events",
    "record_look",
    "resume",
    "resume_study",
    "seal",
    "show_next",
    "shown_now",
    "sign_out",
    "study_design",
    "study_readings",
    "verify_chain",
    "verify_events_file",
    "withdraw",
    "withdraw_reader",
    "write_answers",
    "write_events",
]
