"""A case as one reader is to see it."""

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cutis.study.store.models.base import Base


class Item(Base):
    """A case in a reader's order, from :func:`cutis.study.allocation.allocate`; made with the reader, never changed."""

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("reader_id", "position"),
        UniqueConstraint("id", "reader_id"),
        ForeignKeyConstraint(["reader_id", "study_id"], ["readers.id", "readers.study_id"]),
        ForeignKeyConstraint(["study_id", "case_id"], ["cases.study_id", "cases.case_id"]),
        CheckConstraint("part IN ('training', 'main', 'repeat')", name="part"),
        CheckConstraint("position >= 0 AND period >= 0", name="counts"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    reader_id: Mapped[int]
    study_id: Mapped[int]
    position: Mapped[int]
    period: Mapped[int]
    arm: Mapped[str] = mapped_column(Text)
    case_id: Mapped[str] = mapped_column(Text)
    part: Mapped[str] = mapped_column(String(8))
