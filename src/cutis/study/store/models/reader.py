"""A reader of a study."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cutis.database import UtcTime
from cutis.study.store.models.base import Base


class Reader(Base):
    """A reader: a number in the study, a pseudonym, a group, a number in it, and how far they are.

    Of an invitation and of a session only the SHA-256 is kept. A reader has at most one of each.
    """

    __tablename__ = "readers"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        UniqueConstraint("study_id", "name"),
        UniqueConstraint("study_id", "reader_group", "number_in_group"),
        UniqueConstraint("id", "study_id"),
        UniqueConstraint("invitation_sha256"),
        UniqueConstraint("session_sha256"),
        CheckConstraint("number >= 0 AND number_in_group >= 0", name="counts"),
        CheckConstraint("invitation_sha256 IS NULL OR length(invitation_sha256) = 64", name="invitation_is_hash"),
        CheckConstraint("session_sha256 IS NULL OR length(session_sha256) = 64", name="session_is_hash"),
        CheckConstraint("consented_at IS NULL OR joined_at IS NOT NULL", name="joined_before_consent"),
        CheckConstraint("instructed_at IS NULL OR consented_at IS NOT NULL", name="consent_before_instructions"),
        CheckConstraint("finished_at IS NULL OR instructed_at IS NOT NULL", name="instructions_before_finish"),
        CheckConstraint(
            "withdrawn_at IS NULL OR (invitation_sha256 IS NULL AND session_sha256 IS NULL)", name="withdrawn_is_out"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    reader_group: Mapped[str] = mapped_column(Text)
    number_in_group: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(UtcTime)
    invitation_sha256: Mapped[str | None] = mapped_column(String(64))
    session_sha256: Mapped[str | None] = mapped_column(String(64))
    joined_at: Mapped[datetime | None] = mapped_column(UtcTime)
    consented_at: Mapped[datetime | None] = mapped_column(UtcTime)
    instructed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcTime)
