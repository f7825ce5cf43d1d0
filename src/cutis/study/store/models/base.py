"""What all tables of the store belong to."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from cutis.database import NAMES


class Base(DeclarativeBase):
    """The tables of the store."""

    metadata = MetaData(naming_convention=NAMES)
