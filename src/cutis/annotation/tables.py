"""The tables of a library. Their names begin with ``annotation_``: a PostgreSQL database may hold other things."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cutis.database import NAMES, CanonicalJson, UtcTime


class Base(DeclarativeBase):
    """The tables of a library."""

    metadata = MetaData(naming_convention=NAMES)


class LibraryRow(Base):
    """The library itself: one row. ``key`` is random: it stands in every hash of the history."""

    __tablename__ = "annotation_library"
    __table_args__ = (CheckConstraint("id = 1", name="one"), CheckConstraint("iou > 0 AND iou <= 1", name="iou"))

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    blind: Mapped[bool]
    iou: Mapped[float] = mapped_column(Double)


class PersonRow(Base):
    """An annotator or the curator. Of an invitation and of a session only the SHA-256 is kept."""

    __tablename__ = "annotation_people"
    __table_args__ = (
        UniqueConstraint("name"),
        UniqueConstraint("invitation_sha256"),
        UniqueConstraint("session_sha256"),
        CheckConstraint("role IN ('annotator', 'curator')", name="role"),
        CheckConstraint("invitation_sha256 IS NULL OR length(invitation_sha256) = 64", name="invitation_is_hash"),
        CheckConstraint("session_sha256 IS NULL OR length(session_sha256) = 64", name="session_is_hash"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(9))
    invitation_sha256: Mapped[str | None] = mapped_column(String(64))
    session_sha256: Mapped[str | None] = mapped_column(String(64))


class ImageRow(Base):
    """An image: what its manifest says of it, which never changes, and what the annotations come to.

    ``id`` counts from 1 in the manifest's order. ``box`` is left, top, width, height in pixels of the upright image.
    ``cluster`` is the patient, else the lesion, else the image: images of one are not independent.
    """

    __tablename__ = "annotation_images"
    __table_args__ = (
        UniqueConstraint("image_id"),
        CheckConstraint("width > 0 AND height > 0", name="size"),
        CheckConstraint("state IN ('untouched', 'one', 'agreed', 'disagreed', 'adjudicated')", name="state"),
        Index(None, "node"),
        Index(None, "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[str] = mapped_column(Text)
    image_path: Mapped[str] = mapped_column(Text)
    width: Mapped[int]
    height: Mapped[int]
    source: Mapped[str | None] = mapped_column(Text)
    image_type: Mapped[str | None] = mapped_column(Text)
    node: Mapped[str | None] = mapped_column(Text)
    confirm_type: Mapped[str | None] = mapped_column(Text)
    box: Mapped[list[int] | None] = mapped_column(CanonicalJson)
    cluster: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(11))
    diagnosis_settled: Mapped[bool]
    settled_node: Mapped[str | None] = mapped_column(Text)
    settled_confirm_type: Mapped[str | None] = mapped_column(Text)
    quality: Mapped[int]


class KeptRow(Base):
    """The newest annotation of an image by a person; those before it stand in the history."""

    __tablename__ = "annotation_kept"
    __table_args__ = (CheckConstraint("version > 0", name="version"), Index(None, "person_id", "image_id"))

    image_id: Mapped[int] = mapped_column(ForeignKey("annotation_images.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("annotation_people.id"), primary_key=True)
    version: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcTime)
    node: Mapped[str | None] = mapped_column(Text)
    confirm_type: Mapped[str | None] = mapped_column(Text)
    quality: Mapped[int]
    content: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)
    rests_on: Mapped[dict[str, int] | None] = mapped_column(CanonicalJson)


class EventRow(Base):
    """A line of the history; appended, never changed or deleted (triggers, see the migration)."""

    __tablename__ = "annotation_events"
    __table_args__ = (
        CheckConstraint("sequence >= 0", name="sequence"),
        CheckConstraint("length(previous) = 64 AND length(hash) = 64", name="hashes"),
        Index(None, "image"),
    )

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcTime)
    person: Mapped[str | None] = mapped_column(Text)
    image: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
