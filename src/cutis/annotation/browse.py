"""Looking through a library: filters, pages, neighbours, counts by diagnosis. An annotator sees no one else's work."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, case, func, literal, null, select

from cutis.annotation.content import quality_bits
from cutis.annotation.library import Library
from cutis.annotation.people import Person
from cutis.annotation.settlement import State
from cutis.annotation.tables import ImageRow, KeptRow
from cutis.taxonomy import shipped_taxonomy

NO_DIAGNOSIS = "none"
"""In place of a node: images without a diagnosis."""

Progress = Literal["", "to do", "done", "untouched", "one", "agreed", "disagreed", "adjudicated"]
"""``to do`` and ``done``: by the asking annotator, for the curator by the curator; the others are the curator's."""


class Filters(NamedTuple):
    """Which images are meant; an empty field means all. ``node``: it and all below it, or :data:`NO_DIAGNOSIS`."""

    node: str = ""
    source: str = ""
    confirm_type: str = ""
    image_type: str = ""
    quality: str = ""
    progress: Progress = ""


class ShownImage(NamedTuple):
    """An image in the grid. ``node``: what the asking person takes it for: see :func:`images_page`."""

    id: int
    image_id: str
    node: str | None
    state: State | None
    done: bool


class ImagesPage(NamedTuple):
    """A page of images. ``number`` counts from 1; ``total``: images that fit the filters."""

    images: tuple[ShownImage, ...]
    number: int
    pages: int
    total: int


class Place(NamedTuple):
    """Where an image stands among those that fit the filters; ``number`` from 1, 0 if it is not one of them."""

    before: int | None
    after: int | None
    number: int
    total: int


def images_page(library: Library, person: Person, filters: Filters, number: int, size: int = 60) -> ImagesPage:
    """A page of the images that fit, in the manifest's order.

    An image's diagnosis is, for an annotator, their own, else the manifest's unless the library is blind; for the
    curator what was adjudicated or agreed on, else the manifest's. Confirmation and quality alike.

    Args:
        library: open.
        person: who asks.
        filters: which images.
        number: of the page, from 1; one that is too large gives the last page.
        size: images a page.
    """

    def work(connection: Connection) -> ImagesPage:
        seen = _Seen(library, person, filters)
        total: int = connection.execute(seen.wanted(func.count())).scalar_one()
        pages = max(1, -(-total // size))
        at = min(max(1, number), pages)
        # The place of the page is found first; only its own images are then looked up with all that is shown of them.
        ids = list(
            connection.execute(
                seen.wanted(ImageRow.id).order_by(ImageRow.id).offset((at - 1) * size).limit(size)
            ).scalars()
        )
        rows = connection.execute(
            seen.joined(
                ImageRow.id, ImageRow.image_id, seen.node.label("seen"), ImageRow.state, seen.done.label("done")
            )
            .where(ImageRow.id.in_(ids))
            .order_by(ImageRow.id)
        )
        curates = person.role == "curator"
        shown = tuple(
            ShownImage(image, name, node, state if curates else None, bool(done))
            for image, name, node, state, done in rows
        )
        return ImagesPage(shown, at, pages, total)

    return library.database.read(work)


def place_of(library: Library, person: Person, filters: Filters, image: int) -> Place:
    """The neighbours of an image among those that fit, whether or not it does itself."""

    def work(connection: Connection) -> Place:
        seen = _Seen(library, person, filters)

        def one(value: ColumnElement[Any], *more: ColumnElement[bool]) -> Any:
            return connection.execute(seen.wanted(value).where(*more)).scalar_one()

        before = one(func.max(ImageRow.id), ImageRow.id < image)
        after = one(func.min(ImageRow.id), ImageRow.id > image)
        itself = one(func.count(), ImageRow.id == image)
        number = one(func.count(), ImageRow.id <= image) if itself else 0
        return Place(before, after, number, one(func.count()))

    return library.database.read(work)


def diagnosis_counts(library: Library, person: Person, filters: Filters) -> dict[str, int]:
    """How many images each node has with all below it; nodes without images are left out.

    The filters count, but for their ``node``. :data:`NO_DIAGNOSIS` counts images without one.
    """
    seen = _Seen(library, person, filters._replace(node=""))
    rows = library.database.read(
        lambda connection: connection.execute(
            seen.wanted(seen.node.label("seen"), func.count(), joined=True).group_by(seen.node)
        ).all()
    )
    taxonomy = shipped_taxonomy()
    counts: Counter[str] = Counter()
    for node, count in rows:
        for each in taxonomy.path(node) if node is not None and node in taxonomy else (node or NO_DIAGNOSIS,):
            counts[each] += count
    return dict(counts)


def facets(library: Library) -> dict[str, list[str]]:
    """The values that there are of ``source`` and ``image_type``, in order."""

    def work(connection: Connection) -> dict[str, list[str]]:
        columns: Mapping[str, Any] = {"source": ImageRow.source, "image_type": ImageRow.image_type}
        return {
            name: list(connection.execute(select(each).where(each.is_not(None)).distinct().order_by(each)).scalars())
            for name, each in columns.items()
        }

    return library.database.read(work)


class _Seen:
    """What a person sees of the images that fit filters, as parts of queries.

    Nothing of another annotator's work can be asked for by an annotator.
    """

    def __init__(self, library: Library, person: Person, filters: Filters) -> None:
        curates = person.role == "curator"
        hidden = library.blind and not curates
        given_node: Any = null() if hidden else ImageRow.node
        given_confirm: Any = null() if hidden else ImageRow.confirm_type
        self._mine = and_(KeptRow.image_id == ImageRow.id, KeptRow.person_id == person.id)
        self.done = KeptRow.image_id.is_not(None)
        self.node: ColumnElement[str | None]
        confirm: ColumnElement[str | None]
        quality: Any
        if curates:
            self.node = case((ImageRow.diagnosis_settled, ImageRow.settled_node), else_=given_node)
            confirm = func.coalesce(ImageRow.settled_confirm_type, given_confirm)
            quality = ImageRow.quality
        else:
            self.node = case((self.done, KeptRow.node), else_=given_node)
            confirm = case((self.done, KeptRow.confirm_type), else_=given_confirm)
            quality = func.coalesce(KeptRow.quality, literal(0))
        # Joining a hundred thousand rows takes longer than anything else here.
        self._needs_mine = filters.progress in ("to do", "done") or (
            not curates and bool(filters.node or filters.confirm_type or filters.quality)
        )
        self._curates = curates
        self._where: list[ColumnElement[bool]] = []
        if filters.node == NO_DIAGNOSIS:
            self._where.append(self.node.is_(None))
        elif filters.node:
            taxonomy = shipped_taxonomy()
            below = taxonomy.descendants(filters.node) if filters.node in taxonomy else (filters.node,)
            self._where.append(self.node.in_(below))
        if filters.source:
            self._where.append(ImageRow.source == filters.source)
        if filters.image_type:
            self._where.append(ImageRow.image_type == filters.image_type)
        if filters.confirm_type:
            self._where.append(confirm == filters.confirm_type)
        if filters.quality:
            self._where.append(quality.bitwise_and(quality_bits([filters.quality])) != 0)
        if filters.progress in ("to do", "done"):
            self._where.append(self.done if filters.progress == "done" else ~self.done)
        elif filters.progress:
            self._where.append(ImageRow.state == filters.progress if curates else literal(value=False))

    def joined(self, *columns: Any) -> Select[Any]:
        """A query of all images, each with the person's own annotation if there is one."""
        both: FromClause = ImageRow.__table__.outerjoin(KeptRow.__table__, self._mine)
        return select(*columns).select_from(both)

    def wanted(self, *columns: Any, joined: bool = False) -> Select[Any]:
        """A query of the images that fit; ``joined``: the columns need the person's own annotation."""
        needed = self._needs_mine or (joined and not self._curates)
        query = self.joined(*columns) if needed else select(*columns).select_from(ImageRow)
        return query.where(*self._where)
