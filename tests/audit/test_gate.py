"""What stands on both sides, by ids or by what was found in the images."""

from typing import Any

import polars as pl
import pytest

from cutis.audit.gate import split_leaks
from cutis.evaluation import leaks_in_words


def _groups(*rows: dict[str, Any]) -> pl.DataFrame:
    """One row an image, in a group of its own unless told otherwise."""
    blank = {
        "source": "clinic",
        "lesion_id": None,
        "patient_id": None,
        "subset": None,
        "fold": None,
        "against": False,
    }
    rows_ = [blank | {"group": row["image_id"]} | row for row in rows]
    schema = {
        "source": pl.String, "image_id": pl.String, "group": pl.String, "lesion_id": pl.String,
        "patient_id": pl.String, "subset": pl.String, "fold": pl.Int64, "against": pl.Boolean,
    }  # fmt: skip
    return pl.DataFrame([{name: row[name] for name in schema} for row in rows_], schema=schema)


def _pairs(*rows: tuple[str, str, list[str], str]) -> pl.DataFrame:
    return pl.DataFrame(
        [("clinic", a, "clinic", b, reasons, verdict, "decision" in reasons) for a, b, reasons, verdict in rows],
        schema={
            "source_a": pl.String, "image_id_a": pl.String, "source_b": pl.String, "image_id_b": pl.String,
            "reasons": pl.List(pl.String), "verdict": pl.String, "decided": pl.Boolean,
        },
        orient="row",
    )  # fmt: skip


def test_a_split_whose_groups_are_whole_has_no_leak():
    groups = _groups(
        {"image_id": "a", "group": "g", "subset": "train"},
        {"image_id": "b", "group": "g", "subset": "train"},
        {"image_id": "c", "subset": "test"},
    )
    assert split_leaks(groups, _pairs(("a", "b", ["same structures"], "same"))) == []


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["same file"], "same file"),
        (["same moment", "perceptual hash"], "same moment"),
        (["perceptual hash", "same structures"], "near-copy"),
        (["same structures", "decision"], "decision"),
    ],
)
def test_a_pair_found_in_the_images_names_its_plainest_evidence(reasons, kind):
    groups = _groups(
        {"image_id": "a", "group": "g", "subset": "test"}, {"image_id": "b", "group": "g", "subset": "train"}
    )
    [leak] = split_leaks(groups, _pairs(("a", "b", reasons, "same")))
    assert (leak.kind, leak.images, leak.sides) == (kind, ["b", "a"], ["train", "test"])
    assert leak.told == f"b (train) and a (test): {kind}"


def test_a_shared_lesion_or_patient_is_named():
    groups = _groups(
        {"image_id": "a", "group": "g", "subset": "train", "lesion_id": "L1", "patient_id": "P"},
        {"image_id": "b", "group": "g", "subset": "val", "lesion_id": "L1", "patient_id": "P"},
        {"image_id": "c", "group": "h", "subset": "train", "patient_id": "Q"},
        {"image_id": "d", "group": "h", "subset": "test", "patient_id": "Q"},
    )
    leaks = split_leaks(groups, _pairs())
    assert [(leak.kind, leak.images) for leak in leaks] == [("lesion_id", ["a", "b"]), ("patient_id", ["c", "d"])]
    assert "lesion_id 'L1'" in leaks[0].told
    assert leaks_in_words(leaks) == "1 by lesion_id, 1 by patient_id"


def test_the_same_id_in_two_data_sets_is_no_leak():
    groups = _groups(
        {"image_id": "a", "subset": "train", "lesion_id": "1"},
        {"image_id": "b", "subset": "test", "lesion_id": "1", "source": "elsewhere"},
    )
    assert split_leaks(groups, _pairs()) == []


def test_a_group_torn_only_through_an_excluded_image_is_told():
    groups = _groups(
        {"image_id": "a", "group": "g", "subset": "train"},
        {"image_id": "b", "group": "g", "subset": "excluded"},
        {"image_id": "c", "group": "g", "subset": "test"},
    )
    pairs = _pairs(("a", "b", ["same structures"], "same"), ("b", "c", ["same structures"], "same"))
    [leak] = split_leaks(groups, pairs)
    assert (leak.kind, leak.images) == ("linked through others", ["a", "c"])


def test_folds_are_sides_too():
    groups = _groups({"image_id": "a", "group": "g", "fold": 0}, {"image_id": "b", "group": "g", "fold": 2})
    [leak] = split_leaks(groups, _pairs(("a", "b", ["same structures"], "same")))
    assert leak.sides == ["fold 0", "fold 2"]


def test_what_was_compared_with_keeps_its_side_whatever_the_manifest_says():
    groups = _groups(
        {"image_id": "new", "group": "g", "subset": "test"},
        {"image_id": "old", "group": "g", "subset": "train", "against": True},
    )
    pairs = _pairs(("new", "old", ["same file"], "same"))
    manifest = groups.filter(~pl.col("against")).select("source", "image_id", "fold", subset=pl.lit(None, pl.String))
    [leak] = split_leaks(groups, pairs, manifest)
    assert (leak.images, leak.sides) == (["old", "new"], ["train", "test"])


def test_the_split_of_today_counts_and_not_that_of_the_audit():
    groups = _groups(
        {"image_id": "a", "group": "g", "subset": "train"}, {"image_id": "b", "group": "g", "subset": "test"}
    )
    pairs = _pairs(("a", "b", ["same structures"], "same"))
    mended = groups.select("source", "image_id", "fold", subset=pl.lit("train"))
    assert split_leaks(groups, pairs)
    assert split_leaks(groups, pairs, mended) == []


def test_a_suspected_pair_is_no_evidence():
    groups = _groups({"image_id": "a", "subset": "train"}, {"image_id": "b", "subset": "test"})
    assert split_leaks(groups, _pairs(("a", "b", ["same structures"], "suspected"))) == []


def test_what_is_no_longer_in_the_manifest_may_have_been_learned_but_is_no_test():
    groups = _groups(
        {"image_id": "a", "group": "g", "subset": "train"}, {"image_id": "b", "group": "g", "subset": "test"}
    )
    pairs = _pairs(("a", "b", ["same file"], "same"))
    columns = groups.select("source", "image_id", "subset", "fold")
    assert len(split_leaks(groups, pairs, columns.filter(pl.col("image_id") == "b"))) == 1
    assert split_leaks(groups, pairs, columns.filter(pl.col("image_id") == "a")) == []
