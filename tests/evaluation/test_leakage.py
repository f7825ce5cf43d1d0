"""What a report must say of leaks, and when there is none to be made."""

import polars as pl
import pytest

from cutis.errors import LeakError
from cutis.evaluation import AuditFindings, Leak, leaks_in_words
from cutis.evaluation.leakage import leakage


def _leak(kind="near-copy", sides=("train", "test")):
    return Leak(kind=kind, images=["a", "b"], sides=list(sides), told=f"a ({sides[0]}) and b ({sides[1]}): {kind}")


def _audit(*leaks, images=("b", "c")):
    return AuditFindings(pl.DataFrame({"source": "s", "image_id": list(images)}), list(leaks), "compared yesterday")


EVALUATED = pl.DataFrame({"source": "s", "image_id": ["b", "c", "d"]})


def test_a_leak_found_by_the_audit_stops_the_evaluation_and_names_it():
    with pytest.raises(LeakError, match=r"1 groups .* \(1 by near-copy\): a \(train\) and b \(test\): near-copy"):
        leakage(EVALUATED, [], _audit(_leak()), subset="test", allowed=None)


def test_a_leak_that_is_allowed_is_told_with_its_reason():
    told = leakage(EVALUATED, [_leak("seen in training")], _audit(_leak()), subset="test", allowed="to show its size")
    assert (told.leaks, told.allowed) == (2, "to show its size")
    assert told.by_kind == {"seen in training": 1, "near-copy": 1}


def test_between_train_and_val_there_is_no_leak_into_the_test_set():
    audit = _audit(_leak(sides=("train", "val")))
    assert leakage(EVALUATED, [], audit, subset="test", allowed=None).leaks == 0
    with pytest.raises(LeakError):
        leakage(EVALUATED, [], audit, subset="val", allowed=None)


def test_how_much_was_audited_is_counted():
    told = leakage(EVALUATED, [], _audit(), subset=None, allowed=None)
    assert (told.audited, told.not_audited, told.audit) == (2, 1, "compared yesterday")
    without = leakage(EVALUATED, [], None, subset=None, allowed="nothing to allow")
    assert (without.audited, without.audit, without.allowed) == (0, None, None)


def test_images_of_no_named_data_set_are_counted_as_audited():
    nameless = EVALUATED.with_columns(source=pl.lit(None, dtype=pl.String))
    audit = AuditFindings(images=nameless.select("source", "image_id"), leaks=[], told="compared yesterday")
    told = leakage(nameless, [], audit, subset=None, allowed=None)
    assert (told.audited, told.not_audited) == (len(nameless), 0)


def test_kinds_are_counted_in_words():
    assert leaks_in_words([_leak(), _leak("same file"), _leak()]) == "2 by near-copy, 1 by same file"
