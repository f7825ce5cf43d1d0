"""The tables of a follow-up. Their names begin with ``follow_up_``: a PostgreSQL database may hold other things.

What is said of a patient stands in five tables, from which it can be erased: patients, lesions, photographs, answers
and versions. The history (events) holds random ids and salted hashes only, so nothing of it need ever be erased.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, LargeBinary, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cutis.database import NAMES, CanonicalJson, UtcTime


class Base(DeclarativeBase):
    """The tables of a follow-up."""

    metadata = MetaData(naming_convention=NAMES)


class StoreRow(Base):
    """The follow-up itself: one row. ``key`` is random: it stands in every hash of the history."""

    __tablename__ = "follow_up_store"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class PersonRow(Base):
    """A clinician or a curator. ``barred``: may not enter any more. Of an invitation only the SHA-256 is kept."""

    __tablename__ = "follow_up_people"
    __table_args__ = (
        UniqueConstraint("name"),
        UniqueConstraint("invitation_sha256"),
        CheckConstraint("role IN ('clinician', 'curator')", name="role"),
        CheckConstraint("invitation_sha256 IS NULL OR length(invitation_sha256) = 64", name="invitation_is_hash"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(9))
    barred: Mapped[bool]
    invitation_sha256: Mapped[str | None] = mapped_column(String(64))
    invited_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SessionRow(Base):
    """A browser in which a person is signed in; a person may have several. Of its token only the SHA-256 is kept."""

    __tablename__ = "follow_up_sessions"
    __table_args__ = (CheckConstraint("length(sha256) = 64", name="is_hash"), Index(None, "person_id"))

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("follow_up_people.id"))
    began_at: Mapped[datetime] = mapped_column(UtcTime)


class PatientRow(Base):
    """A patient: the clinic's own number or a pseudonym, never a name. ``uid`` is random and all that history knows.

    ``research``: whether the patient has agreed that the photographs are used for research.
    """

    __tablename__ = "follow_up_patients"
    __table_args__ = (UniqueConstraint("number"), CheckConstraint("version > 0", name="version"))

    uid: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[int]
    number: Mapped[str] = mapped_column(Text)
    birth_year: Mapped[int | None]
    sex: Mapped[str | None] = mapped_column(Text)
    skin_type: Mapped[str | None] = mapped_column(Text)
    research: Mapped[bool]


class LesionRow(Base):
    """A lesion of a patient. ``across`` and ``down``: its place on the drawing of ``side``, in thousandths of it."""

    __tablename__ = "follow_up_lesions"
    __table_args__ = (
        UniqueConstraint("patient_uid", "label"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("side IN ('front', 'back')", name="side"),
        CheckConstraint("across BETWEEN 0 AND 1000 AND down BETWEEN 0 AND 1000", name="place"),
        CheckConstraint("status IN ('watched', 'removed', 'closed')", name="status"),
    )

    uid: Mapped[str] = mapped_column(String(32), primary_key=True)
    patient_uid: Mapped[str] = mapped_column(ForeignKey("follow_up_patients.uid"))
    version: Mapped[int]
    label: Mapped[str] = mapped_column(Text)
    side: Mapped[str] = mapped_column(String(5))
    across: Mapped[int]
    down: Mapped[int]
    site: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(7))
    node: Mapped[str | None] = mapped_column(Text)


class PhotographRow(Base):
    """A photograph of a lesion, pixels and nothing else. ``sha256`` is of ``jpeg``; ``small`` is shown in lists."""

    __tablename__ = "follow_up_photographs"
    __table_args__ = (
        UniqueConstraint("lesion_uid", "sha256"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("width > 0 AND height > 0", name="size"),
    )

    uid: Mapped[str] = mapped_column(String(32), primary_key=True)
    lesion_uid: Mapped[str] = mapped_column(ForeignKey("follow_up_lesions.uid"))
    version: Mapped[int]
    taken_on: Mapped[date] = mapped_column(Date)
    image_type: Mapped[str] = mapped_column(Text)
    added_at: Mapped[datetime] = mapped_column(UtcTime)
    added_by: Mapped[str] = mapped_column(Text)
    width: Mapped[int]
    height: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)
    small: Mapped[bytes] = mapped_column(LargeBinary)


class AnswerRow(Base):
    """What a model said of a photograph; never changed. Another model's answer is another row."""

    __tablename__ = "follow_up_answers"
    __table_args__ = (Index(None, "photograph_uid"), CheckConstraint("version > 0", name="version"))

    uid: Mapped[str] = mapped_column(String(32), primary_key=True)
    photograph_uid: Mapped[str] = mapped_column(ForeignKey("follow_up_photographs.uid"))
    version: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcTime)
    model: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)
    given: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)
    answer: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)


class VersionRow(Base):
    """A version of what is kept of a subject. The history holds the SHA-256 of ``salt`` and ``content`` together."""

    __tablename__ = "follow_up_versions"
    __table_args__ = (
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("length(salt) = 64", name="salt"),
    )

    subject: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    salt: Mapped[str] = mapped_column(String(64))
    content: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)


class EventRow(Base):
    """A line of the history; appended, never changed or deleted (triggers, see the migration)."""

    __tablename__ = "follow_up_events"
    __table_args__ = (
        CheckConstraint("sequence >= 0", name="sequence"),
        CheckConstraint("length(previous) = 64 AND length(hash) = 64", name="hashes"),
        Index(None, "subject"),
    )

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcTime)
    person: Mapped[str | None] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
