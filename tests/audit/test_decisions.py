"""Decisions of a person: kept, merged, and refused where they make no sense."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutis.audit.decisions import Decision, Decisions, not_in_manifest_note, read_decisions, write_decisions
from cutis.data import manifest_frame
from cutis.errors import AuditError

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
A, B, C = ("ham", "a"), ("ham", "b"), (None, "c")


def decision(a, b, same, *, hours=0):
    return Decision(a=a, b=b, same=same, decided_at=NOON + timedelta(hours=hours))


def entry(**changes):
    return {"a": ["ham", "a"], "b": ["ham", "b"], "same": True, "decided_at": "2026-01-31T12:00:00Z", **changes}


def written(folder, *entries, **changes):
    path = folder / "decisions.json"
    path.write_text(json.dumps({"format": 1, "decisions": list(entries), **changes}))
    return path


def test_decisions_come_back_as_they_were_written(tmp_path):
    decisions = Decisions(decisions=(decision(A, B, True), decision(B, C, False)))
    write_decisions(decisions, tmp_path / "d.json")
    assert read_decisions(tmp_path / "d.json") == decisions
    stored = json.loads((tmp_path / "d.json").read_text())
    assert stored["format"] == 1
    assert stored["decisions"][0] == entry()
    assert stored["decisions"][1]["b"] == [None, "c"]


def test_the_order_of_a_pair_does_not_count_but_its_source_does():
    decisions = Decisions(decisions=(decision(A, B, True), decision(C, B, False)))
    assert decisions.verdict_of(A, B) is decisions.verdict_of(B, A) is True
    assert decisions.verdict_of(B, C) is False
    assert decisions.verdict_of(A, C) is None
    assert decisions.verdict_of(("pad", "a"), B) is None


def test_of_several_decisions_about_a_pair_the_latest_stands():
    early, late = Decisions(decisions=(decision(A, B, True),)), Decisions(decisions=(decision(B, A, False, hours=1),))
    for merged in (early.merge(late), late.merge(early)):
        assert merged.verdict_of(A, B) is False
        assert len(merged.decisions) == 1


def test_the_same_decision_twice_is_one():
    assert len(Decisions(decisions=(decision(A, B, True), decision(B, A, True))).decisions) == 1


def test_a_contradiction_at_the_same_moment_is_refused_by_name(tmp_path):
    path = written(tmp_path, entry(), entry(same=False))
    with pytest.raises(AuditError, match=r"decisions.json: 1 pair is called both .*'a' \(ham\) and 'b' \(ham\)"):
        read_decisions(path)
    with pytest.raises(AuditError, match="both same and different"):
        Decisions(decisions=(decision(A, B, True),)).merge(Decisions(decisions=(decision(B, A, False),)))


def test_a_later_decision_settles_a_contradiction(tmp_path):
    path = written(tmp_path, entry(), entry(same=False), entry(same=False, decided_at="2026-02-01T12:00:00+01:00"))
    assert read_decisions(path).verdict_of(A, B) is False


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (entry(b=["ham", "a"]), r"decision 2: a pair of 'a' \(ham\) with itself"),
        (entry(who="me"), "decision 2, who: Extra inputs"),
        (entry(same="yes"), "decision 2, same: Input should be a valid boolean"),
        (entry(same=1), "decision 2, same: Input should be a valid boolean"),
        (entry(a="a"), "decision 2, a: Input should be a valid array"),
        (entry(a=["ham", "x", "y"]), "decision 2, a: Tuple should have at most 2 items"),
        (entry(decided_at="2026-01-31T12:00:00"), "decision 2, decided_at: .*timezone"),
        (entry(decided_at="soon"), "decision 2, decided_at"),
        ({"a": ["ham", "a"]}, "decision 2, b: Field required"),
    ],
)
def test_a_bad_entry_is_told_with_its_place(tmp_path, bad, told):
    path = written(tmp_path, entry(), bad)
    with pytest.raises(AuditError, match=told) as raised:
        read_decisions(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"format": 1,\n "decisions": [,]}', "line 2, column 16: is not JSON"),
        (b"", "line 1, column 1: is not JSON"),
        (b'{"format": 1, "decisions": [\xff]}', "is not UTF-8"),
        (b"[]", "the whole"),
        (b'{"format": 2, "decisions": []}', "format: Input should be 1"),
        (b'{"decision": []}', "decision: Extra inputs"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path, content, told):
    path = tmp_path / "d.json"
    path.write_bytes(content)
    with pytest.raises(AuditError, match=told) as raised:
        read_decisions(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(AuditError, match="cannot be read"):
            read_decisions(path)


def test_decisions_about_absent_images_are_counted_and_kept():
    manifest = manifest_frame([{"image_id": "a", "source": "ham"}, {"image_id": "c"}])
    decisions = Decisions(decisions=(decision(A, B, True), decision(A, C, False)))
    assert [each.b for each in decisions.not_in(manifest)] == [B]
    assert not_in_manifest_note(decisions, manifest).startswith("1 decision names images that the manifest does not")
    assert len(decisions.decisions) == 2
    assert not_in_manifest_note(Decisions(decisions=(decision(A, C, False),)), manifest) == ""


images = st.tuples(st.none() | st.text(max_size=2), st.text(min_size=1, max_size=2))


@given(st.lists(st.tuples(images, images, st.booleans()).filter(lambda each: each[0] != each[1]), max_size=12))
def test_whatever_is_decided_one_after_the_other_the_last_word_holds(words):
    decisions = Decisions(decisions=tuple(decision(a, b, same, hours=n) for n, (a, b, same) in enumerate(words)))
    last = {frozenset((a, b)): same for a, b, same in words}
    assert {frozenset((each.a, each.b)): each.same for each in decisions.decisions} == last
    assert Decisions.model_validate_json(decisions.model_dump_json()) == decisions
    assert all(decisions.verdict_of(b, a) == last[frozenset((a, b))] for a, b, _ in words)
