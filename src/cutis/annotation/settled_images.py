"""What every image of a library has come to, for export."""

from typing import NamedTuple

from sqlalchemy import Connection, select

from cutis.annotation.content import Annotation, Box, Size
from cutis.annotation.library import Library
from cutis.annotation.people import people_in
from cutis.annotation.saving import Kept, annotation_from, settled
from cutis.annotation.settlement import PARTS, Part, State
from cutis.annotation.tables import ImageRow, KeptRow

LESION = "lesion"
"""What a box is called whose image has no settled diagnosis."""


class SettledImage(NamedTuple):
    """An image with what stands. ``annotation`` holds nothing in the parts that are not ``settled``."""

    image_id: str
    file_name: str
    size: Size
    state: State
    settled: tuple[Part, ...]
    annotation: Annotation

    @property
    def open_parts(self) -> tuple[Part, ...]:
        """What is left empty."""
        return tuple(each for each in PARTS if each not in self.settled)

    @property
    def label(self) -> str:
        """What its boxes are called: the diagnosis, or :data:`LESION`."""
        return self.annotation.node or LESION

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Its boxes, if they are settled."""
        return self.annotation.boxes


def settled_images(library: Library) -> list[SettledImage]:
    """All images in the manifest's order."""

    def work(connection: Connection) -> list[SettledImage]:
        people = {each.id: each for each in people_in(connection)}
        kept: dict[int, list[Kept]] = {}
        for row in connection.execute(select(KeptRow).order_by(KeptRow.person_id).with_only_columns(*_KEPT)):
            annotation = annotation_from(row.content)
            kept.setdefault(row.image_id, []).append(
                Kept(people[row.person_id], row.version, row.at, annotation, row.rests_on)
            )
        images = []
        for row in connection.execute(select(*_IMAGE).order_by(ImageRow.id)):
            stand = settled(kept.get(row.id, []), library.iou)
            name = row.image_path.replace("\\", "/").rpartition("/")[2]
            size = Size(row.width, row.height)
            images.append(SettledImage(row.image_id, name, size, stand.state, stand.settled, stand.annotation))
        return images

    return library.database.read(work)


_KEPT = (KeptRow.image_id, KeptRow.person_id, KeptRow.version, KeptRow.at, KeptRow.content, KeptRow.rests_on)
_IMAGE = (ImageRow.id, ImageRow.image_id, ImageRow.image_path, ImageRow.width, ImageRow.height)
