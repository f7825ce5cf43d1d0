"""How far a library is."""

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from cutis.annotation.library import Library
from cutis.annotation.people import Person, people_in
from cutis.annotation.tables import ImageRow, KeptRow


class LibraryStatus(NamedTuple):
    """Counts of images: in all, by state, and by person how many they have annotated, or adjudicated."""

    images: int
    states: dict[str, int]
    people: tuple[tuple[Person, int], ...]


def library_status(library: Library) -> LibraryStatus:
    """How far everybody is. It tells no diagnosis."""

    def work(connection: Connection) -> LibraryStatus:
        states = dict.fromkeys(("untouched", "one", "disagreed", "agreed", "adjudicated"), 0)
        for state, count in connection.execute(select(ImageRow.state, func.count()).group_by(ImageRow.state)):
            states[state] = count
        done = {}
        for person, count in connection.execute(select(KeptRow.person_id, func.count()).group_by(KeptRow.person_id)):
            done[person] = count
        people = tuple((each, done.get(each.id, 0)) for each in people_in(connection))
        return LibraryStatus(sum(states.values()), states, people)

    return library.database.read(work)
