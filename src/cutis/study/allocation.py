"""Who reads what, in which arm and order: balanced over readers, random within, and the same when made again.

Arms follow a Williams design (Williams 1949): over its sequences each arm stands equally often in each period and,
in a crossover study, right after each other arm. Sequences are given out in blocks within a group of readers, each
once a block in random order, so that every whole block is balanced. Where the cases of the periods differ, the set of
cases goes round from block to block.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, StudyError
from cutis.study.random_order import draw, random_order

Part = Literal["training", "main", "repeat"]


class Item(NamedTuple):
    """One showing of a case to a reader.

    ``position``: 0, 1, …, the order in which this reader sees them, through all periods. ``period``: 0, 1, …; only a
    crossover study has several. ``arm``: the arm of its last step. ``case``: its image id. ``steps``: the arms in which
    it is answered, one after the other: one, or in a sequential study two.
    """

    position: int
    period: int
    arm: str
    case: str
    part: Part
    steps: tuple[str, ...]


def allocate(design: StudyDesign, cases: Sequence[StudyCase], reader_number: int, group: str = "") -> list[Item]:
    """Everything one reader is shown.

    Args:
        design: the study's.
        cases: all of the study, as :func:`cutis.study.choose_cases` gives them.
        reader_number: 0, 1, … within the reader's group, given out without gaps: balance rests on it.
        group: the reader's.

    Raises:
        StudyError: the number is negative, there is no such group, or the cases are not the design's.
    """
    if reader_number < 0 or (group and group not in design.readers_groups):
        raise StudyError(
            f"there is no reader {reader_number} of the group '{group}'",
            fix=f"Count from 0; the groups are {', '.join(design.readers_groups)}.",
        )
    main = [each for each in cases if each.part == "main"]
    training = [each.image_id for each in cases if each.part == "training"]
    if len(main) != design.number_of_cases or len(training) != design.training_cases:
        raise StudyError(
            f"{len(main)} cases and {len(training)} training cases are given, the design asks for "
            f"{design.number_of_cases} and {design.training_cases}",
            fix="Give the cases chosen by this design.",
        )
    sequence, first_set = _sequence(design, reader_number, group)
    sets = case_sets(design, main)
    repeated = set(repeated_cases(design, main))
    items: list[Item] = []
    for period, arm in enumerate(sequence):
        own = sets[(first_set + period) % len(sets)]
        words = (design.seed, group, reader_number, period)
        steps = tuple(each.id for each in design.arms) if design.reading == "sequential" else (arm,)
        shown: list[tuple[str, Part]] = [(each, "training") for each in random_order(training, "training", *words)]
        shown += _main_order(own, repeated & set(own), design.repeat_distance, words)
        items += [
            Item(len(items) + place, period, steps[-1], case, part, steps) for place, (case, part) in enumerate(shown)
        ]
    return items


def readers_in_block(design: StudyDesign) -> int:
    """After how many readers of a group every arm, period and set of cases is balanced exactly."""
    if design.reading == "sequential":
        return 1
    if design.reading == "one arm":
        return len(design.arms)
    return len(williams(len(design.arms))) * (len(design.arms) if design.case_sets == "different" else 1)


def williams(arms: int) -> list[tuple[int, ...]]:
    """Sequences of 0 … arms−1, each number once in each period, and each ordered pair of neighbours equally often.

    There are ``arms`` sequences for an even number and twice as many for an odd one (Williams 1949).
    """
    first = [0]
    for step in range(1, arms):  # 0, 1, n−1, 2, n−2, …
        first.append((step + 1) // 2 if step % 2 else arms - step // 2)
    square = [tuple((each + shift) % arms for each in first) for shift in range(arms)]
    return square if arms % 2 == 0 or arms == 1 else square + [row[::-1] for row in square]


def case_sets(design: StudyDesign, main: Sequence[StudyCase]) -> list[list[str]]:
    """The cases that are read together: one set, or as many as periods, each with its share of every stratum."""
    if design.case_sets == "same":
        return [[each.image_id for each in main]]
    sets: list[list[str]] = [[] for _ in design.arms]
    dealt = draw(design.seed, "first set") % len(sets)
    for stratum in sorted({each.stratum for each in main}):
        own = [each.image_id for each in main if each.stratum == stratum]
        for case in random_order(own, design.seed, "sets"):
            sets[dealt % len(sets)].append(case)
            dealt += 1
    return sets


def repeated_cases(design: StudyDesign, main: Sequence[StudyCase]) -> list[str]:
    """The cases that are shown twice in each period: in every set of cases so many, the same for every reader."""
    return [
        case
        for own in case_sets(design, main)
        for case in random_order(own, design.seed, "repeated")[: design.repeated_cases]
    ]


def _sequence(design: StudyDesign, reader_number: int, group: str) -> tuple[tuple[str, ...], int]:
    """The arm of each period, and which set of cases the first one has."""
    ids = [each.id for each in design.arms]
    if design.reading == "sequential":
        return (ids[-1],), 0
    crossover = design.reading == "crossover"
    sequences = williams(len(ids)) if crossover else [(each,) for each in range(len(ids))]
    block, place = divmod(reader_number, len(sequences))
    chosen = sequences[random_order(range(len(sequences)), design.seed, "sequences", group, block)[place]]
    # Within a block all readers start with the same set, so that each set meets each arm equally often; over as many
    # blocks as sets each set stands in each period, too.
    turn, within = divmod(block, len(ids))
    first_set = random_order(range(len(ids)), design.seed, "sets of cases", group, turn)[within]
    return tuple(ids[each] for each in chosen), first_set if crossover else 0


def _main_order(
    cases: Sequence[str], repeated: set[str], distance: int, words: tuple[str | int, ...]
) -> list[tuple[str, Part]]:
    """A random order in which a repeat follows its first showing after at least so many other cases.

    First showings of repeated cases are drawn among the places that leave room for it; a repeat goes behind a place
    drawn among those far enough.
    """
    early = len(cases) - distance
    places = set(random_order(range(early), "places", *words)[: len(repeated)]) if repeated else set()
    twice = iter(random_order(repeated, "twice", *words))
    once = iter(random_order((each for each in cases if each not in repeated), "once", *words))
    order = [next(twice) if place in places else next(once) for place in range(len(cases))]
    again: dict[int, list[str]] = {}
    for place in sorted(places):
        behind = place + distance + draw("behind", *words, order[place]) % (len(cases) - distance - place)
        again.setdefault(behind, []).append(order[place])
    shown: list[tuple[str, Part]] = []
    for place, case in enumerate(order):
        shown.append((case, "main"))
        shown += [(each, "repeat") for each in random_order(again.get(place, []), "again", *words)]
    return shown
