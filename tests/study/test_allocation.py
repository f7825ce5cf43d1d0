from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.study.allocation import allocate, case_sets, readers_in_block, repeated_cases, williams
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, StudyError, parse_design
from cutis.study.random_order import draw, random_order


def design(arms=2, reading="crossover", numbers=(12, 8), **more) -> StudyDesign:
    ids = [{"id": f"arm{each}", "aid": ["risk"] if each else []} for each in range(arms)]
    nodes = ["malignant-melanoma", "nevus", "wart"]
    return parse_design(
        {
            "title": "t",
            "instructions": "i",
            "consent": "c",
            "manifest": "m.csv",
            "seed": 5,
            "question": {"kind": "malignant"},
            "reading": reading,
            "arms": ids,
            **({"ai": "built-in"} if arms > 1 else {}),
            "cases": [{"node": node, "number": n} for node, n in zip(nodes, numbers, strict=False)],
            **more,
        }
    )


def cases_of(made: StudyDesign) -> list[StudyCase]:
    rows = [(k, "main", n) for k, each in enumerate(made.cases) for n in range(each.number)]
    rows += [(0, "training", n) for n in range(made.training_cases)]
    return [
        StudyCase(image_id=f"{part}-{k}-{n}", image_path="x.jpg", stratum=k, part=part, node=made.cases[k].node[0])
        for k, part, n in rows
    ]


@given(
    arms=st.integers(1, 4),
    reading=st.sampled_from(["one arm", "crossover", "sequential"]),
    different=st.booleans(),
    numbers=st.lists(st.integers(4, 9), min_size=1, max_size=3),
    training=st.integers(0, 3),
    repeated=st.integers(0, 4),
    distance=st.integers(1, 5),
    reader=st.integers(0, 40),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=150, deadline=None)
def test_every_reader_sees_each_case_as_the_design_says(
    arms, reading, different, numbers, training, repeated, distance, reader, seed
):
    arms = 2 if reading == "sequential" else max(arms, 2) if reading == "crossover" else arms
    case_set = "different" if different and reading == "crossover" else "same"
    room = sum(numbers) // (arms if case_set == "different" else 1) - distance
    made = design(
        arms,
        reading,
        numbers,
        case_sets=case_set,
        training_cases=training,
        repeated_cases=max(0, min(repeated, room)),
        repeat_distance=distance,
        seed=seed,
    )
    cases = cases_of(made)
    items = allocate(made, cases, reader, "expert")
    assert items == allocate(made, cases[::-1], reader, "expert")
    assert [each.position for each in items] == list(range(len(items)))
    assert [each.period for each in items] == sorted(each.period for each in items)
    assert {each.period for each in items} == set(range(made.periods))
    main = {each.image_id for each in cases if each.part == "main"}
    trained = {each.image_id for each in cases if each.part == "training"}
    seen = Counter()
    for period in range(made.periods):
        own = [each for each in items if each.period == period]
        assert len({each.arm for each in own}) == 1
        parts = [each.part for each in own]
        assert parts[:training] == ["training"] * training
        assert "training" not in parts[training:]
        assert {each.case for each in own[:training]} == trained
        first = {each.case: place for place, each in enumerate(own) if each.part == "main"}
        assert len(first) == parts.count("main")
        seen.update(list(first))
        again = [(each.case, place) for place, each in enumerate(own) if each.part == "repeat"]
        assert len(again) == len({case for case, _ in again}) == made.repeated_cases
        for case, place in again:
            between = {each.case for each in own[first[case] + 1 : place]} - {case}
            assert place > first[case]
            assert len(between) >= distance
    periods_of_case = 1 if case_set == "different" or reading != "crossover" else arms
    assert seen == Counter(dict.fromkeys(main, periods_of_case))
    arm_ids = tuple(each.id for each in made.arms)
    for each in items:
        assert each.steps == (arm_ids if reading == "sequential" else (each.arm,))
        assert each.arm == each.steps[-1]
    if reading == "crossover":
        assert Counter({each.period: each.arm for each in items}.values()) == Counter(arm_ids)


@pytest.mark.parametrize("arms", range(1, 9))
def test_a_williams_design_is_a_latin_square_in_which_each_arm_follows_each_other_equally_often(arms):
    rows = williams(arms)
    assert len(rows) == (arms if arms % 2 == 0 or arms == 1 else 2 * arms)
    for period in range(arms):
        assert set(Counter(row[period] for row in rows).values()) == {len(rows) // arms}
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(follows) == arms * (arms - 1)
    assert len(set(follows.values())) <= 1


@pytest.mark.parametrize(
    ("arms", "sets"), [(2, "same"), (3, "same"), (2, "different"), (3, "different"), (4, "different")]
)
@pytest.mark.parametrize("seed", [0, 7])
def test_a_block_of_readers_is_balanced_over_arms_periods_and_sets(arms, sets, seed):
    made = design(arms, numbers=(6, 7, 5), case_sets=sets, seed=seed)
    cases = cases_of(made)
    block = readers_in_block(made)
    for start in (0, block):
        met = Counter()
        for reader in range(start, start + block):
            met.update((each.period, each.arm, each.case) for each in allocate(made, cases, reader, "trainee"))
        # Every case is read equally often in every arm and every period.
        cells = arms * arms * made.number_of_cases
        assert len(met) == cells
        assert set(met.values()) == {block // arms // (arms if sets == "different" else 1)}


def test_after_each_round_of_sequences_arms_meet_the_sets_of_cases_equally_often():
    made = design(2, case_sets="different", numbers=(10, 10))
    cases = cases_of(made)
    for start in range(0, 12, 2):
        met = Counter((i.arm, i.case) for reader in (start, start + 1) for i in allocate(made, cases, reader, "expert"))
        assert len(met) == 2 * 20
        assert set(met.values()) == {1}


def test_parallel_groups_are_balanced_within_each_group_of_readers():
    made = design(3, "one arm")
    for group in made.readers_groups:
        arms = [allocate(made, cases_of(made), reader, group)[0].arm for reader in range(12)]
        assert all(sorted(arms[k : k + 3]) == ["arm0", "arm1", "arm2"] for k in range(0, 12, 3))
    first = {tuple(allocate(made, cases_of(made), r, g)[0].arm for r in range(12)) for g in made.readers_groups}
    assert len(first) > 1


def test_the_sets_of_cases_hold_each_diagnosis_alike():
    made = design(3, numbers=(10, 8, 9), case_sets="different")
    sets = case_sets(made, cases_of(made))
    assert sorted(map(len, sets)) == [9, 9, 9]
    for stratum in range(3):
        counts = [sum(each.startswith(f"main-{stratum}-") for each in own) for own in sets]
        assert max(counts) - min(counts) <= 1


def test_orders_differ_between_readers_groups_periods_and_seeds():
    made = design(2)
    cases = cases_of(made)
    orders = [
        tuple(each.case for each in allocate(m, cases, reader, group) if each.period == period)
        for m in (made, design(2, seed=6))
        for reader in (0, 1)
        for group in ("expert", "patient")
        for period in (0, 1)
    ]
    assert len(set(orders)) == len(orders)


def test_first_places_are_evenly_drawn():
    made = design(1, "one arm", numbers=(10,))
    first = Counter(allocate(made, cases_of(made), reader, "expert")[0].case for reader in range(1000))
    # χ² with 9 degrees of freedom: above 33.7 once in 10,000.
    assert sum((first[each.image_id] - 100) ** 2 / 100 for each in cases_of(made)) < 33.7


def test_repeated_cases_are_the_same_for_every_reader():
    made = design(1, "one arm", repeated_cases=5, repeat_distance=6)
    cases = cases_of(made)
    wanted = set(repeated_cases(made, cases))
    assert len(wanted) == 5
    for reader in range(5):
        assert {i.case for i in allocate(made, cases, reader) if i.part == "repeat"} == wanted


def test_the_order_is_a_promise_that_no_version_may_break():
    assert draw(1, "a") == 2914495724383353274
    assert random_order(["a", "b", "c", "d", "e"], 1, "order") == ["d", "b", "e", "c", "a"]
    assert draw("a", "bc") != draw("ab", "c")


def test_wrong_arguments_are_refused():
    made = design(2)
    with pytest.raises(StudyError, match="no reader -1"):
        allocate(made, cases_of(made), -1)
    with pytest.raises(StudyError, match="of the group 'nurse'"):
        allocate(made, cases_of(made), 0, "nurse")
    with pytest.raises(StudyError, match="19 cases and 0 training cases are given, the design asks for 20 and 0"):
        allocate(made, cases_of(made)[1:], 0)
