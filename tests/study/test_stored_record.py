"""A study in a store as it is reported: what was answered, what was late, and whether the AI was right."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from cutis.study import (
    AiOutput,
    Answer,
    NamedProbability,
    StudyCase,
    StudyRecord,
    answer_counts,
    answer_times,
    parse_design,
    record_of_study,
    study_findings,
    time_difference,
)
from cutis.study.store import (
    AddedReader,
    Store,
    add_readers,
    answer,
    answers_table,
    confirm_instructions,
    consent,
    create_study,
    invite,
    join,
    open_store,
    show_next,
    shown_now,
    withdraw_reader,
)

START = datetime(2031, 3, 1, 9, 0, tzinfo=UTC)
NODES = ("malignant-melanoma", "basal-cell-carcinoma", "nevus", "dermatofibroma")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("store") / "study.db")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def record(store: Store) -> StudyRecord:
    """Four cases, first without and at once with an AI that takes every mole for a melanoma; three readers."""
    design = parse_design(
        {
            "title": "Four diagnoses",
            "instructions": "Say what it is.",
            "consent": "I take part.",
            "manifest": "cases.csv",
            "seed": 1,
            "ai": "net.csv",
            "seconds_per_case": 45,
            "reading": "sequential",
            "readers_groups": ["expert", "trainee"],
            "cases": [{"node": each, "number": 1} for each in NODES],
            "question": {"kind": "diagnosis", "choices": list(NODES)},
            "arms": [{"id": "unaided", "name": "Alone"}, {"id": "aided", "name": "With AI", "aid": ["differential"]}],
        }
    )
    cases = [
        StudyCase(image_id=f"c-{node}", image_path=f"{node}.png", stratum=place, part="main", node=node)
        for place, node in enumerate(NODES)
    ]
    shown = {each: "malignant-melanoma" if each == "nevus" else each for each in NODES}
    study = create_study(store, design, cases, START, ai={each.image_id: _said(shown[each.node]) for each in cases})
    groups = (("R1", "expert"), ("R2", "trainee"), ("R3", "trainee"))
    for reader, added in zip(groups, add_readers(store, study, groups, START), strict=True):
        _read(store, study, reader[0], added)
    return record_of_study(store, study, START + timedelta(hours=1))


def _said(node: str) -> AiOutput:
    named = NamedProbability(id=node, name=node, probability=0.9)
    return AiOutput(differential=(named,), above=None, risk=None, risk_probabilities=None, unfamiliar=None)


def _read(store: Store, study: int, name: str, added: AddedReader) -> None:
    """R1 is right, then believes the AI; R2 takes all for nevi and times out once; R3 withdraws after an answer."""
    now = START
    token = join(store, invite(store, added.id, now), now)
    consent(store, token, now)
    confirm_instructions(store, token, now)
    for step in range(8 if name != "R3" else 1):
        show_next(store, token, now)
        row = answers_table(store, study).filter(pl.col("reader") == name).row(-1, named=True)
        case = shown_now(store, token, now).case
        assert case is not None
        if name == "R2" and step == 7:
            now += timedelta(seconds=60)
            show = shown_now(store, token, now)
            assert show.case is None or show.case.key != case.key
            continue
        now += timedelta(seconds=10 if row["arm"] == "unaided" else 4)
        node = row["truth"] if name == "R1" else "nevus"
        if name == "R1" and row["arm"] == "aided" and node == "nevus":
            node = "malignant-melanoma"
        answer(store, token, case.key, Answer(choices=(node,)), now)
    if name == "R3":
        withdraw_reader(store, added.id, now)


def test_the_record_holds_what_a_table_of_readings_cannot(record: StudyRecord) -> None:
    assert record.readings.readers == ["R1", "R2"]
    assert [(each.id, each.title, each.aided) for each in record.arms] == [
        ("unaided", "Alone", False),
        ("aided", "With AI", True),
    ]
    assert record.group_names == ["expert", "trainee"]
    assert {each.reader: each.state for each in record.states}["R3"] == "withdrawn"
    assert record.closed is False
    assert record.notes == []
    assert record.options[record.right_options["c-nevus"]].lower().startswith(("nevus", "melanocytic"))


def test_the_ai_is_right_but_for_the_nevus(record: StudyRecord) -> None:
    assert record.ai_right == {f"c-{node}": node != "nevus" for node in NODES}
    (aid,) = study_findings(record, resamples=100).aid
    first = aid.switches[0]
    assert (first.reader, first.right_both, first.right_to_wrong) == ("R1", 3, 1)
    assert (first.right_before_wrong_aid, first.misled) == (1, 1)


def test_what_timed_out_is_counted_and_has_no_time(record: StudyRecord) -> None:
    rows = {(each.group, each.arm): each for each in answer_counts(record)}
    late = rows["trainee", "aided"]
    assert (late.readers, late.asked, late.answered, late.timed_out, late.open) == (1, 4, 3, 1, 0)
    assert rows["expert", "unaided"].answered == 4
    times = {(each.group, each.arm): each for each in answer_times(record)}
    assert (times[None, "unaided"].median, times[None, "aided"].answers) == (10, 7)
    apart = time_difference(record, "unaided", "aided")
    assert apart is not None
    assert (apart.seconds, apart.readers, apart.low) == (-6, 2, None)


def test_late_reads_are_missing_reads_of_u_statistics(record: StudyRecord) -> None:
    found = study_findings(record, resamples=100)
    assert found.choice.method == "u-statistics"
    assert found.confusions.by_reader["R1", "unaided"].trace() == 4
    assert found.confusions.by_arm["aided"].sum() == 7
    assert found.analyses[0].endpoint == "accuracy"


def test_the_report_of_it_tells_the_design_and_its_limits(record: StudyRecord, tmp_path: Path) -> None:
    from cutis.report import write_study_report

    found = study_findings(record, resamples=100)
    html = write_study_report(found, tmp_path, now=START).files[0].read_text(encoding="utf-8")
    for told in (
        "45 seconds for each answer",
        "1 case timed out",
        "what a second look alone would have changed",
        "1 reader withdrew",
        "Automation bias: where the AI shown was wrong, ",
        "2 finished and 1 withdrawn",
    ):
        assert told in html
