"""What a study's report is made of: sections of blocks, which the page and the PDF show in their own ways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cutis.report.drawing import Figure
from cutis.report.report_table import ReportTable


@dataclass(frozen=True)
class Paragraph:
    """Sentences; ``quiet`` ones explain."""

    kind: ClassVar[str] = "paragraph"
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Heading:
    """Within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Items:
    """A list."""

    kind: ClassVar[str] = "items"
    texts: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Names with what is said of each."""

    kind: ClassVar[str] = "facts"
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Note:
    """What must not be passed over; ``tone`` is ``""``, ``warn`` or ``shout``."""

    kind: ClassVar[str] = "note"
    title: str
    texts: Sequence[str]
    tone: str = ""


@dataclass(frozen=True)
class Tiles:
    """The figures that matter most: (name, value, interval or what it is)."""

    kind: ClassVar[str] = "tiles"
    rows: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Tabled:
    """A table."""

    kind: ClassVar[str] = "table"
    table: ReportTable


@dataclass(frozen=True)
class Pictured:
    """Figures side by side, each with its name, and what their marks mean: (mark, meaning), mark an SVG drawing."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[tuple[str, Figure]]
    marks: Sequence[tuple[Figure, str]] = ()
    side: str = "half"
    """``half`` the width of the page, ``whole``, or ``small``."""


@dataclass(frozen=True)
class Pasted:
    """Text to be taken over into a paper, and numbered sources."""

    kind: ClassVar[str] = "pasted"
    texts: Sequence[str]


Block = Paragraph | Heading | Items | Facts | Note | Tiles | Tabled | Pictured | Pasted


@dataclass(frozen=True)
class Section:
    """A part of the report with its heading; ``anchor`` is its address in the page."""

    anchor: str
    title: str
    blocks: Sequence[Block]
