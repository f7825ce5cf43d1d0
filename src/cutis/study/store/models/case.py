"""A case of a study, with its truth."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cutis.database import CanonicalJson
from cutis.study.store.models.base import Base


class Case(Base):
    """An image, its truth, what is known of the patient and what the AI says of it.

    A :class:`cutis.study.StudyCase`, in its order (``place``), with the :class:`cutis.study.AiOutput` of it and where
    its heatmap lies. None of it leaves the store but by :func:`cutis.study.store.shown_now`, the pictures and the
    exports.
    """

    __tablename__ = "cases"
    __table_args__ = (
        UniqueConstraint("study_id", "place"),
        CheckConstraint("part IN ('training', 'main')", name="part"),
        CheckConstraint("place >= 0 AND stratum >= 0", name="counts"),
    )

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(Text, primary_key=True)
    place: Mapped[int]
    part: Mapped[str] = mapped_column(String(8))
    stratum: Mapped[int]
    image_path: Mapped[str] = mapped_column(Text)
    truth: Mapped[str] = mapped_column(Text)
    age: Mapped[int | None]
    sex: Mapped[str | None] = mapped_column(Text)
    site: Mapped[str | None] = mapped_column(Text)
    ai_output: Mapped[dict[str, Any] | None] = mapped_column(CanonicalJson)
    heatmap_path: Mapped[str | None] = mapped_column(Text)
