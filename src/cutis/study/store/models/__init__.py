"""The tables of the store."""

from cutis.study.store.models.base import Base
from cutis.study.store.models.case import Case
from cutis.study.store.models.event import Event
from cutis.study.store.models.item import Item
from cutis.study.store.models.reader import Reader
from cutis.study.store.models.step import Step
from cutis.study.store.models.study import Study

__all__ = ["Base", "Case", "Event", "Item", "Reader", "Step", "Study"]
