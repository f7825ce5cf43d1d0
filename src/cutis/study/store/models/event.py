"""A line of the event log."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cutis.database import CanonicalJson, UtcTime
from cutis.study.store.models.base import Base


class Event(Base):
    """Something that happened; appended, never changed or deleted (triggers, see the migration).

    ``chain`` is a reader's number, or -1 for the study itself; ``sequence`` counts 0, 1, … in each chain.
    """

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint("chain >= -1 AND sequence >= 0", name="counts"),
        CheckConstraint("length(previous) = 64 AND length(hash) = 64", name="hashes"),
    )

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    chain: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTime)
    kind: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
