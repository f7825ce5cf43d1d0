"""What ties images together, what does not, and what a person may change."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.audit.decisions import Decision, Decisions
from cutis.audit.fingerprints import Fingerprints
from cutis.audit.link_calibration import (
    TERMS,
    LinkThresholds,
    link_scores,
    read_link_thresholds,
)
from cutis.audit.links import MOST_OF_ONE_MOMENT, PAIRS_SCHEMA, find_links, link_groups
from cutis.audit.neighbours import CandidatePairs
from cutis.audit.verification import Verified
from cutis.data import manifest_frame
from cutis.errors import CutisError

SHIPPED = read_link_thresholds()
SURE = {"inliers": 60, "correlation": 0.9}
UNSURE = {"inliers": 0, "correlation": np.nan}


def images(*rows):
    """A manifest: each row an id and what else is known; source "one" unless told."""
    return manifest_frame([{"source": "one", "image_path": f"{row['image_id']}.jpg", **row} for row in rows])


def fingerprints(manifest, keys=None, taken=None):
    n = manifest["image_path"].is_not_null().sum()
    return Fingerprints(
        keys=keys or [f"{i:032x}" for i in range(n)],
        taken=taken or [None] * n,
        perceptual=np.zeros((n, 8), np.uint64),
        features=np.ones((n, 1), np.float32),
    )


def measured(*pairs):
    """Candidates and what was measured of them: each (a, b, measures)."""
    a, b = np.array([pair[:2] for pair in pairs], dtype=np.int64).reshape(-1, 2).T
    measures = [pair[2] for pair in pairs]
    inliers = np.array([each["inliers"] for each in measures], dtype=np.int32)
    correlation = np.array([each["correlation"] for each in measures], dtype=np.float32)
    same = np.where(np.isnan(correlation), np.nan, 1).astype(np.float32)
    close = ~np.isnan(correlation)
    candidates = CandidatePairs(
        a, b, np.where(close, 0.95, 0.3).astype(np.float32), np.where(close, 2, 30).astype(np.int16)
    )
    return candidates, Verified(inliers, correlation, same, same, 0 * same, np.zeros(len(a), dtype=bool))


def decided(*decisions):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return Decisions(
        decisions=tuple(
            Decision(a=("one", a), b=("one", b), same=same, decided_at=start + timedelta(days=day))
            for day, (a, b, same) in enumerate(decisions)
        )
    )


def audit(manifest, pairs=(), decisions=None, **known):
    prints = fingerprints(manifest, **known)
    links = find_links(manifest, prints, *measured(*pairs), SHIPPED, decisions)
    assert links.schema == PAIRS_SCHEMA
    return links, link_groups(manifest, prints, links)


def together(groups):
    """The groups as sets of image ids."""
    return {frozenset(ids) for ids in groups.group_by("group").agg("image_id")["image_id"]}


def test_pairs_are_judged_by_their_score():
    manifest = images(*({"image_id": each} for each in "abcdef"))
    suspected = next(
        measures
        for inliers in range(1, 60)
        for correlation in np.linspace(0, 1, 101)
        if SHIPPED.suspected
        <= link_scores(measured((0, 1, measures := {"inliers": inliers, "correlation": correlation}))[1], SHIPPED)[0]
        < SHIPPED.same
    )
    links, groups = audit(manifest, [(2, 3, suspected), (0, 1, SURE), (4, 5, UNSURE)])
    assert links["verdict"].to_list() == ["same", "suspected"]
    assert links["image_id_a"].to_list() == ["a", "c"]
    assert links["score"].is_sorted(descending=True)
    assert links["reasons"][0].to_list() == ["perceptual hash", "same features", "same structures"]
    assert together(groups) == {frozenset(each) for each in ("ab", "c", "d", "e", "f")}
    assert groups["reasons"].to_list() == [["near-copy"]] * 2 + [[]] * 4


def test_ids_tie_within_one_source_only():
    manifest = images(
        {"image_id": "a", "lesion_id": "1"},
        {"image_id": "b", "lesion_id": "1", "patient_id": "p"},
        {"image_id": "c", "lesion_id": "2", "patient_id": "p"},
        {"image_id": "d", "lesion_id": "1", "source": "two"},
        {"image_id": "e"},
        {"image_id": "f", "image_path": None, "lesion_id": "2"},
    )
    links, groups = audit(manifest)
    assert links.is_empty()
    assert together(groups) == {frozenset("abcf"), frozenset("d"), frozenset("e")}
    assert groups.row(1) == ("one", "b", f"{1:032x}", "one/a", 4, ["lesion_id", "patient_id"])
    assert groups.row(5) == ("one", "f", None, "one/a", 4, ["lesion_id"])


def test_copies_of_a_file_are_one_across_sources():
    manifest = images({"image_id": "a", "diagnosis_node": "nevus"}, {"image_id": "b", "source": "two"})
    links, groups = audit(manifest, [(0, 1, UNSURE)], keys=["k" * 32] * 2)
    row = links.row(0, named=True)
    assert (row["verdict"], row["score"], row["reasons"]) == ("same", 1.0, ["same file"])
    assert row["same_lesion"] is None
    assert groups["group"].to_list() == ["one/a"] * 2
    assert groups["reasons"].to_list() == [["same file"]] * 2


def test_what_is_known_of_a_pair():
    known = {"lesion_id": "1", "patient_id": "p", "diagnosis_node": "nevus"}
    for other, expected in (
        (known, (True, True, True)),
        ({"lesion_id": "2", "patient_id": "q", "diagnosis_node": "melanoma"}, (False, False, False)),
        ({}, (None, None, None)),
        ({"source": "two", "lesion_id": "1", "patient_id": "p"}, (None, None, None)),
        ({"diagnosis_node": "benign-melanocytic"}, (None, None, None)),  # less finely said
    ):
        links, _ = audit(images({"image_id": "a", **known}, {"image_id": "b", **other}), [(0, 1, SURE)])
        assert links.select("same_lesion", "same_patient", "same_diagnosis").row(0) == expected


def test_one_moment_ties_photographs_that_look_different():
    manifest = images({"image_id": "a"}, {"image_id": "b"}, {"image_id": "c"})
    links, groups = audit(manifest, [(0, 1, UNSURE), (0, 2, UNSURE)], taken=["m", "m", None])
    assert links.select("reasons", "verdict").rows() == [(["same moment"], "same")]
    assert groups["reasons"].to_list() == [["same moment"], ["same moment"], []]


def test_one_moment_of_two_patients_is_only_suspected():
    manifest = images({"image_id": "a", "patient_id": "p"}, {"image_id": "b", "patient_id": "q"})
    links, groups = audit(manifest, [(0, 1, UNSURE)], taken=["m", "m"])
    assert links["verdict"].to_list() == ["suspected"]
    assert groups["group_size"].to_list() == [1, 1]


def test_a_clock_that_stands_still_ties_nothing():
    n = MOST_OF_ONE_MOMENT + 1
    manifest = images(*({"image_id": f"i{i:02}"} for i in range(n)))
    links, groups = audit(manifest, [(0, 1, UNSURE)], taken=["m"] * n)
    assert links["verdict"].to_list() == ["suspected"]
    assert groups["group_size"].max() == 1


def test_a_person_joins_what_was_not_even_a_candidate():
    manifest = images({"image_id": "a"}, {"image_id": "b"}, {"image_id": "c"})
    links, groups = audit(manifest, decisions=decided(("a", "c", True), ("c", "gone", True)))
    row = links.row(0, named=True)
    assert len(links) == 1
    assert (row["verdict"], row["decided"], row["score"], row["inliers"]) == ("same", True, 1.0, None)
    assert row["reasons"] == ["decision"]
    assert together(groups) == {frozenset("ac"), frozenset("b")}
    assert groups["reasons"].to_list() == [["decision"], [], ["decision"]]


def test_a_person_parts_a_near_copy_but_no_id_and_no_file():
    manifest = images(
        {"image_id": "a"},
        {"image_id": "b"},
        {"image_id": "c", "lesion_id": "1"},
        {"image_id": "d", "lesion_id": "1"},
        {"image_id": "e"},
        {"image_id": "f"},
    )
    keys = [f"{i:032x}" for i in range(5)] + [f"{4:032x}"]
    said = decided(("b", "a", False), ("c", "d", False), ("e", "f", False))
    links, groups = audit(manifest, [(0, 1, SURE), (2, 3, SURE), (4, 5, UNSURE)], said, keys=keys)
    verdicts = {row[0]: row[1:] for row in links.select("image_id_a", "verdict", "decided").rows()}
    assert verdicts == {"a": ("different", True), "c": ("different", True), "e": ("same", False)}
    assert together(groups) == {frozenset(each) for each in ("a", "b", "cd", "ef")}


def test_a_decision_about_a_copy_holds_for_all_copies_and_the_latest_stands():
    manifest = images({"image_id": "a"}, {"image_id": "b"}, {"image_id": "c"})
    keys = ["k" * 32, "k" * 32, "x" * 32]
    pairs = [(0, 1, UNSURE), (0, 2, SURE)]
    _, parted = audit(manifest, pairs, decided(("a", "c", True), ("b", "c", False)), keys=keys)
    assert together(parted) == {frozenset("ab"), frozenset("c")}
    _, joined = audit(manifest, pairs, decided(("b", "c", False), ("a", "c", True)), keys=keys)
    assert together(joined) == {frozenset("abc")}


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_groups_are_components_in_whatever_order_the_rows_stand(data):
    n = 12
    number = st.one_of(st.none(), st.integers(0, 4))
    rows = [{"image_id": f"i{i:02}", "lesion_id": data.draw(number), "patient_id": data.draw(number)} for i in range(n)]
    for row in rows:
        row["lesion_id"] = None if row["lesion_id"] is None else str(row["lesion_id"])
        row["patient_id"] = None if row["patient_id"] is None else str(row["patient_id"])
    near = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=5))
    near = {(min(pair), max(pair)) for pair in near if pair[0] != pair[1]}
    _, groups = audit(images(*rows), [(*pair, SURE) for pair in near])

    # The same by the plainest way: merge until nothing changes.
    label = list(range(n))
    changed = True
    while changed:
        changed = False
        for i in range(n):
            for j in range(n):
                tied = (min(i, j), max(i, j)) in near or any(
                    rows[i][column] is not None and rows[i][column] == rows[j][column]
                    for column in ("lesion_id", "patient_id")
                )
                if tied and label[i] != label[j]:
                    label[i] = label[j] = min(label[i], label[j])
                    changed = True
    expected = {frozenset(rows[i]["image_id"] for i in range(n) if label[i] == each) for each in set(label)}
    assert together(groups) == expected

    order = data.draw(st.permutations(range(n)))
    place = {row: i for i, row in enumerate(order)}
    shuffled = [(*sorted((place[a], place[b])), SURE) for a, b in near]
    _, again = audit(images(*(rows[i] for i in order)), shuffled)
    columns = ["image_id", "group", "group_size", "reasons"]
    assert again.sort("image_id").select(columns).equals(groups.sort("image_id").select(columns))


def test_many_images_of_one_patient_take_no_time():
    manifest = images(*({"image_id": f"i{i:05}", "patient_id": "p"} for i in range(20_000)))
    _, groups = audit(manifest)
    assert groups["group_size"].unique().to_list() == [20_000]


def test_more_evidence_never_scores_less():
    steps = [
        (inliers, correlation) for inliers in (0, 4, 6, 10, 30, 100) for correlation in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    pairs = [(0, 1, {"inliers": inliers, "correlation": correlation}) for inliers, correlation in steps]
    scores = link_scores(measured(*pairs)[1], SHIPPED).reshape(6, 6)
    assert ((scores > 0) & (scores < 1)).all()
    assert (np.diff(scores[1:], axis=1) > 0).all()
    assert (np.diff(scores, axis=0) > 0).all()


def test_thresholds_files(tmp_path):
    assert 0 < SHIPPED.suspected < SHIPPED.same < 1
    assert "HAM10000" in SHIPPED.fitted_on
    content = 'same = 0.2\nsuspected = 0.5\nintercept = 0\nfitted_on = ""\n[weights]\n'
    content += "".join(f"{term} = 1\n" for term in TERMS)
    for text, problem in (
        (content, "suspected is above same"),
        (content.replace("same = 0.2", "same = 0.9").replace("fit = 1\n", ""), "weights must be"),
        ("same = ", "is not TOML"),
    ):
        (tmp_path / "t.toml").write_text(text)
        with pytest.raises(CutisError, match=problem):
            read_link_thresholds(tmp_path / "t.toml")
    with pytest.raises(CutisError, match="cannot be read"):
        read_link_thresholds(tmp_path / "none.toml")
    assert isinstance(SHIPPED, LinkThresholds)
    assert isinstance(SHIPPED.model_dump(), dict)


def test_an_empty_manifest():
    manifest = images({"image_id": "a"}).head(0)
    links, groups = audit(manifest)
    assert links.is_empty()
    assert groups.is_empty()
    assert groups.schema["reasons"] == pl.List(pl.String)
