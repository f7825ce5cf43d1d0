"""One showing of a case to a reader, and the answer to it."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cutis.database import CanonicalJson, UtcTime
from cutis.study.store.models.base import Base

_ON_SCREEN = "shown_at IS NOT NULL AND left_at IS NULL"


class Step(Base):
    """A showing of an item in an arm; a sequential study has two for an item, the unaided one first.

    It goes one way: waiting (``shown_at`` empty), on screen, with an ``outcome`` (``answered`` or ``timed out``), left
    (``left_at``). A reader has one step on screen at most, and ``place`` counts their steps in order; triggers refuse
    to show one while an earlier one is not left, and to change one that is left (see the migration). ``key`` is
    random: pages and picture addresses name a step by it, and it tells nothing.

    ``sent_by`` is ``reader`` or ``time limit`` (the browser sent the answer when the time was up), as the browser tells
    it; empty in studies made before it was recorded. With a time limit, ``due_at`` is what the reader is told and
    ``accepted_until`` what counts.
    """

    __tablename__ = "steps"
    __table_args__ = (
        UniqueConstraint("item_id", "number"),
        UniqueConstraint("reader_id", "place"),
        UniqueConstraint("key"),
        ForeignKeyConstraint(["item_id", "reader_id"], ["items.id", "items.reader_id"]),
        CheckConstraint("number IN (0, 1) AND place >= 0", name="counts"),
        CheckConstraint("outcome IN ('answered', 'timed out')", name="outcome"),
        CheckConstraint("outcome IS NULL OR shown_at IS NOT NULL", name="shown_before_outcome"),
        CheckConstraint("left_at IS NULL OR outcome IS NOT NULL", name="outcome_before_left"),
        CheckConstraint(
            "(outcome IS NOT NULL AND outcome = 'answered') = (answered_at IS NOT NULL)", name="answered_has_time"
        ),
        CheckConstraint("(answered_at IS NOT NULL) = (answer IS NOT NULL)", name="answered_has_answer"),
        CheckConstraint("answered_at IS NULL OR answered_at >= shown_at", name="answered_after_shown"),
        CheckConstraint(
            "answered_at IS NULL OR accepted_until IS NULL OR answered_at <= accepted_until", name="answered_in_time"
        ),
        CheckConstraint("(due_at IS NULL) = (accepted_until IS NULL)", name="due_has_grace"),
        CheckConstraint("due_at IS NULL OR (shown_at IS NOT NULL AND due_at > shown_at)", name="due_after_shown"),
        CheckConstraint("due_at IS NULL OR accepted_until >= due_at", name="grace"),
        CheckConstraint(
            "outcome IS NULL OR outcome = 'answered' OR due_at IS NOT NULL", name="timed_out_only_with_limit"
        ),
        CheckConstraint("left_at IS NULL OR left_at >= shown_at", name="left_after_shown"),
        CheckConstraint(
            "sent_by IS NULL OR (sent_by IN ('reader', 'time limit') AND answer IS NOT NULL)", name="sent_by"
        ),
        Index(
            "uq_steps_one_on_screen",
            "reader_id",
            unique=True,
            sqlite_where=text(_ON_SCREEN),
            postgresql_where=text(_ON_SCREEN),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int]
    reader_id: Mapped[int]
    number: Mapped[int]
    place: Mapped[int]
    arm: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(String(22))
    shown_at: Mapped[datetime | None] = mapped_column(UtcTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    accepted_until: Mapped[datetime | None] = mapped_column(UtcTime)
    outcome: Mapped[str | None] = mapped_column(String(9))
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answer: Mapped[dict[str, Any] | None] = mapped_column(CanonicalJson)
    sent_by: Mapped[str | None] = mapped_column(String(10))
    left_at: Mapped[datetime | None] = mapped_column(UtcTime)
