"""A reader study."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cutis.database import CanonicalJson, UtcTime
from cutis.study.store.models.base import Base


class Study(Base):
    """A study: its design is fixed when it is created.

    ``key`` is random: it stands in every hash of the event log, so that no event fits into another study.
    After ``closed_at`` nothing is answered any more. While ``paused_at`` is given no new case is shown.
    """

    __tablename__ = "studies"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("closed_at IS NULL OR closed_at >= created_at", name="closed_after_created"),
        CheckConstraint("paused_at IS NULL OR paused_at >= created_at", name="paused_after_created"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(Text)
    design: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcTime)
