"""Splits: lesions and patients stay whole, classes keep their proportions, leaks are refused."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from cutis.data.manifest import check_manifest, manifest_frame
from cutis.data.splits import absent_classes, check_split, read_ids, split
from cutis.errors import ManifestError, SplitError

NEVUS = "Benign:Benign melanocytic proliferations:Nevus"
MELANOMA = "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma, NOS"
DF = "Benign:Benign soft tissue proliferations - Fibro-histiocytic:Dermatofibroma"


def lesions(n: int, seed: int = 0) -> pl.DataFrame:
    """``n`` lesions of one to four images, two lesions a patient, three classes of 70, 20 and 10 %."""
    random = np.random.default_rng(seed)
    classes = random.choice([NEVUS, MELANOMA, DF], n, p=[0.7, 0.2, 0.1])
    return manifest_frame(
        {
            "image_id": f"{lesion:04}-{view}",
            "lesion_id": f"L{lesion}",
            "patient_id": f"P{lesion // 2}",
            "diagnosis": classes[lesion],
            "acquired_at": datetime(2020, 1, 1) + timedelta(days=int(random.integers(1000))),
        }
        for lesion in range(n)
        for view in range(random.integers(1, 5))
    )


rows = st.lists(
    st.tuples(
        st.sampled_from([None, *"abcdefgh"]),
        st.sampled_from([None, *"uvwxyz"]),
        st.sampled_from([NEVUS, MELANOMA, None]),
    ),
    min_size=8,
    max_size=60,
)


def frame_of(values: list[tuple[str | None, str | None, str | None]]) -> pl.DataFrame:
    return manifest_frame(
        {
            "image_id": f"i{row:03}",
            "code": lesion,
            "site_code": patient,
            "diagnosis": diagnosis or NEVUS,
            "word": diagnosis,
        }
        for row, (lesion, patient, diagnosis) in enumerate([*values, ("own", "own", MELANOMA)])
    )


def joined(frame: pl.DataFrame, by: list[str]) -> list[set[str]]:
    """Connected components by plain union of sets: the outside reference."""
    parts: list[tuple[set[str], set[tuple[str, str]]]] = []
    for row in frame.to_dicts():
        ids, values = {row["image_id"]}, {(column, row[column]) for column in by if row[column] is not None}
        apart = []
        for other_ids, other_values in parts:
            if values & other_values:
                ids, values = ids | other_ids, values | other_values
            else:
                apart.append((other_ids, other_values))
        parts = [*apart, (ids, values)]
    return sorted((ids for ids, _ in parts), key=min)


@settings(max_examples=30, deadline=None)
@given(values=rows, seed=st.integers(0, 5))
def test_groups_are_the_connected_components_and_parts_never_cut_one(
    values: list[tuple[str | None, ...]], seed: int
) -> None:
    frame = frame_of(values)
    by = ["code", "site_code"]
    expected = joined(frame, by)
    if len(expected) < 3:
        with pytest.raises(SplitError, match=r"groups cannot be dealt to 3 parts"):
            split(frame, by=by, folds=3, seed=seed)
        return
    result = split(frame, by=by, folds=3, seed=seed)
    groups = result.group_by("group").agg("image_id", pl.col("fold").unique())
    assert sorted((set(each) for each in groups["image_id"]), key=min) == expected
    assert all(len(each) == 1 for each in groups["fold"])
    assert [min(each) for each in groups["image_id"]] == groups["group"].to_list()
    assert result["fold"].null_count() == 0
    assert set(result["fold"]) == {0, 1, 2}
    assert result["image_id"].to_list() == frame["image_id"].to_list()


@settings(max_examples=15, deadline=None)
@given(values=rows, seed=st.integers(0, 5), shuffle=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(values: list[tuple[str | None, ...]], seed: int, shuffle: int) -> None:
    frame = frame_of(values).with_columns(pl.col("code").fill_null("none-" + pl.col("image_id")))
    one = split(frame, by=["code"], subsets={"train": 0.5, "val": 0.5}, seed=seed)
    other = split(
        frame.sample(fraction=1, shuffle=True, seed=shuffle),
        by=["code"],
        subsets={"train": 0.5, "val": 0.5},
        seed=seed,
    )
    assert one.sort("image_id").equals(other.sort("image_id"))


@settings(max_examples=20, deadline=None)
@given(
    values=rows, tested=st.sets(st.integers(0, 7), min_size=1), seed=st.integers(0, 3)
)  # fmt: skip
def test_strict_excludes_exactly_what_shares_a_group_with_the_test_set(
    values: list[tuple[str | None, ...]], tested: set[int], seed: int
) -> None:
    frame = frame_of(values)
    by = ["code", "site_code"]
    ids = [f"i{row:03}" for row in tested]
    result = split(frame, by=by, test_ids=ids, strict=True, seed=seed)
    spoiled = set().union(*(each for each in joined(frame, by) if each & set(ids)))
    expected = ["test" if each in ids else "excluded" if each in spoiled else "train" for each in frame["image_id"]]
    assert result["subset"].to_list() == expected
    if spoiled != set(ids):
        with pytest.raises(SplitError, match=r"groups are in the test set and outside it .*Give --strict"):
            split(frame, by=by, test_ids=ids, seed=seed)


def test_rows_without_a_value_are_groups_of_their_own() -> None:
    frame = manifest_frame(
        {"image_id": f"i{n}", "lesion_id": "L" if n < 2 else None, "diagnosis": NEVUS} for n in range(6)
    )
    result = split(frame, by=["lesion_id"], folds=5)
    assert result["group"].to_list() == ["i0", "i0", "i2", "i3", "i4", "i5"]


@pytest.mark.parametrize("k", [3, 5, 10])
def test_folds_keep_proportions_at_least_as_well_as_scikit_learn(k: int) -> None:
    frame = lesions(600)
    result = split(frame, by=["patient_id"], folds=k)
    table = result.pivot("fold", index="diagnosis", values="image_id", aggregate_function="len").drop("diagnosis")
    ours = np.ptp(table.to_numpy(), axis=1)
    y, groups = frame["diagnosis"].to_numpy(), frame["patient_id"].to_numpy()
    reference = StratifiedGroupKFold(k, shuffle=True, random_state=0).split(y, y, groups)
    counts = [Counter(y[test]) for _, test in reference]
    theirs = {name: max(each[name] for each in counts) - min(each[name] for each in counts) for name in set(y)}
    assert ours.sum() <= sum(theirs.values())
    assert ours.max() <= 5


@settings(max_examples=8, deadline=None)
@given(train=st.sampled_from([0.5, 0.6, 0.7, 0.8]), seed=st.integers(0, 100))
def test_subsets_have_the_sizes_and_classes_asked_for(train: float, seed: int) -> None:
    frame = lesions(300, seed % 3)
    subsets = {"train": train, "val": 0.1, "test": 0.9 - train}
    result = split(frame, by=["lesion_id", "patient_id"], subsets=subsets, seed=seed)
    assert check_manifest(result) == []
    for name, fraction in subsets.items():
        part = result.filter(pl.col("subset") == name)
        assert len(part) == pytest.approx(fraction * len(frame), abs=4)
        for value, n in frame["diagnosis"].value_counts().iter_rows():
            assert (part["diagnosis"] == value).sum() == pytest.approx(fraction * n, abs=4)


def test_seeds_differ_and_repeat() -> None:
    frame = lesions(200)
    folds = [split(frame, by=["patient_id"], folds=4, seed=seed)["fold"].to_list() for seed in (0, 0, 1)]
    assert folds[0] == folds[1] != folds[2]


def test_any_column_can_be_stratified_and_kept_together() -> None:
    frame = lesions(60).with_columns(pl.Series("clinic", [f"c{n % 7}" for n in range(len(lesions(60)))]))
    frame = frame.with_columns(
        pl.lit(None, dtype=pl.String).alias("lesion_id"), pl.lit(None, dtype=pl.String).alias("patient_id")
    )
    result = split(frame, by=["clinic"], folds=3, stratify="clinic")
    assert result.group_by("clinic").agg(pl.col("fold").n_unique())["fold"].to_list() == [1] * 7
    assert "by clinic; stratified by clinic; seed 0" in result["split_rule"][0]


class TestTestIds:
    def test_the_rest_can_be_divided(self) -> None:
        frame = lesions(100)
        ids = frame.filter(pl.col("patient_id").is_in(["P3", "P4"]))["image_id"].to_list()
        result = split(frame, by=["patient_id"], test_ids=ids, subsets={"train": 0.8, "val": 0.2}, folds=4)
        assert result.filter(pl.col("subset") == "test")["image_id"].to_list() == ids
        val = (result["subset"] == "val").sum()
        assert val == pytest.approx(0.2 * (len(frame) - len(ids)), abs=4)
        assert result.filter(pl.col("subset") == "test")["fold"].null_count() == len(ids)
        assert result.filter(pl.col("subset") != "test")["fold"].null_count() == 0

    def test_a_test_set_that_is_there_stays(self) -> None:
        frame = lesions(100)
        ids = frame["image_id"].head(30).to_list()
        first = split(frame, by=["patient_id"], test_ids=ids, strict=True)
        again = split(first, by=["patient_id"], folds=3)
        assert again["subset"].to_list() == first["subset"].to_list()
        assert again.filter(pl.col("subset").is_in(["test", "excluded"]))["fold"].drop_nulls().is_empty()
        fresh = split(first, by=["patient_id"], subsets={"train": 0.5, "test": 0.5})
        assert (fresh["subset"] == "test").sum() == pytest.approx(len(frame) / 2, abs=4)

    def test_the_offending_groups_are_named_by_what_they_share(self) -> None:
        frame = lesions(100).filter(pl.col("image_id").str.ends_with("-0") | pl.col("image_id").str.ends_with("-1"))
        ids = frame.filter(pl.col("lesion_id").is_in([f"L{n}" for n in range(0, 40, 2)]))["image_id"].to_list()
        with pytest.raises(SplitError) as raised:
            split(frame, by=["patient_id"], test_ids=ids)
        assert "20 groups are in the test set and outside it" in str(raised.value)
        assert "patient_id 'P0', patient_id 'P1'" in str(raised.value)
        assert str(raised.value).count("patient_id") == 10
        assert "and 10 more" in str(raised.value)

    def test_ids_that_are_not_in_the_manifest_are_refused(self) -> None:
        with pytest.raises(SplitError, match="2 of 3 test ids are not in the manifest: x, y"):
            split(lesions(9), by=["lesion_id"], test_ids=["0001-0", "x", "y"])


class TestByTime:
    def test_nothing_in_train_is_newer_than_the_cut(self) -> None:
        frame = lesions(200)
        result = split(frame, by=["lesion_id", "patient_id"], by_time=0.8)
        newest = result.group_by("group").agg(pl.col("acquired_at").max(), pl.col("subset").unique())
        assert all(len(each) == 1 for each in newest["subset"])
        train, test = (
            newest.filter(pl.col("subset").list.first() == each)["acquired_at"] for each in ("train", "test")
        )
        assert train.max() < test.min()  # type: ignore[operator]
        assert (result["subset"] == "train").sum() == pytest.approx(0.8 * len(frame), abs=8)

    def test_one_moment_stays_on_one_side(self) -> None:
        days = [1, 1, 1, 1, 1, 2, 2, 2, 3, 3]
        frame = manifest_frame(
            {
                "image_id": f"i{n}",
                "lesion_id": f"L{n}",
                "diagnosis": NEVUS,
                "acquired_at": datetime(2020, 1, day),
            }
            for n, day in enumerate(days)
        )
        result = split(frame, by=["lesion_id"], by_time=0.6)
        assert result["subset"].to_list() == ["train"] * 5 + ["test"] * 5
        assert split(frame, by=["lesion_id"], by_time=0.9)["subset"].to_list() == ["train"] * 8 + ["test"] * 2

    def test_undated_rows_and_single_dates_are_refused(self) -> None:
        frame = lesions(30)
        undated = frame.with_columns(pl.when(pl.col("image_id") != "0002-0").then("acquired_at"))
        with pytest.raises(SplitError, match="1 rows have no acquired_at: 0002-0"):
            split(undated, by=["lesion_id"], by_time=0.9)
        with pytest.raises(SplitError, match="the same date"):
            split(
                frame.with_columns(acquired_at=datetime(2020, 1, 1)),
                by=["lesion_id", "patient_id"],
                by_time=0.9,
            )


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"by": [], "folds": 3}, "no column named to keep together"),
            ({}, "nothing asked for"),
            ({"folds": 1}, "1 folds asked for"),
            ({"subsets": {"train": 0.5, "val": 0.4}}, "sum to 0.9"),
            ({"subsets": {"train": 1.2, "val": -0.2}}, "positive fractions"),
            ({"subsets": {"train": 0.5, "holdout": 0.5}}, "subset holdout is not known"),
            ({"by_time": 1.5}, "--by-time is 1.5"),
            ({"by_time": 0.9, "subsets": {"train": 0.5, "test": 0.5}}, "two test sets"),
            ({"by_time": 0.9, "test_ids": ["0001-0"]}, "two test sets"),
            ({"test_ids": ["0001-0"], "subsets": {"train": 0.5, "test": 0.5}}, "two test sets"),
            ({"folds": 500}, "groups cannot be dealt to 500 parts"),
            ({"subsets": {"train": 0.999, "val": 0.001}}, "a part of 0% stays empty"),
        ],
    )
    def test_arguments_that_make_no_sense(self, arguments: dict[str, object], told: str) -> None:
        with pytest.raises(SplitError, match=told):
            split(lesions(20), **{"by": ["lesion_id", "patient_id"]} | arguments)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "arguments", [{"by": ["nonesuch"]}, {"by": ["mask_path"]}, {"by": ["lesion_id"], "stratify": "sex"}]
    )
    def test_columns_that_are_missing_or_empty(self, arguments: dict[str, object]) -> None:
        with pytest.raises(ManifestError, match=r"is missing|holds no value"):
            split(lesions(20), folds=3, **arguments)  # type: ignore[arg-type]

    def test_patients_that_the_manifest_names_may_not_be_torn(self) -> None:
        with pytest.raises(SplitError, match=r"values of patient_id stand on both sides .*'P\d+' \(fold"):
            split(lesions(100), by=["lesion_id"], folds=3)


class TestCheckSplit:
    def test_a_sound_split_passes(self) -> None:
        frame = split(
            lesions(100),
            by=["lesion_id", "patient_id"],
            subsets={"train": 0.6, "val": 0.2, "test": 0.2},
            folds=3,
        )
        check_split(frame)
        check_split(frame, ["patient_id"])
        check_split(lesions(10))

    def test_a_torn_lesion_is_named_with_its_sides(self) -> None:
        frame = manifest_frame(
            {"image_id": f"i{n}", "lesion_id": f"L{n // 2}", "subset": name}
            for n, name in enumerate(["train", "test", "train", "excluded", "train", None, "val", "test"])
        )
        with pytest.raises(
            SplitError,
            match=r"2 values of lesion_id .*'L0' \(subset test and train\), 'L3' \(subset test and val\)",
        ):
            check_split(frame)
        with pytest.raises(ManifestError, match="patient_id holds no value"):
            check_split(frame, ["patient_id"])

    def test_torn_folds_are_refused(self) -> None:
        frame = manifest_frame({"image_id": f"i{n}", "patient_id": "P", "fold": n} for n in range(2))
        with pytest.raises(SplitError, match=r"'P' \(fold 0 and 1\)"):
            check_split(frame)


def test_absent_classes_are_told() -> None:
    frame = lesions(100).with_columns(
        diagnosis=pl.when(pl.col("lesion_id") == "L7").then(pl.lit("Benign")).otherwise("diagnosis")
    )
    result = split(frame, by=["lesion_id", "patient_id"], folds=3)
    lines = absent_classes(result)
    assert len(lines) == 1
    assert lines[0].startswith("'Benign' (")
    assert all(
        str(fold) in lines[0].partition("fold")[2]
        for fold in {0, 1, 2} - {result.filter(pl.col("lesion_id") == "L7")["fold"][0]}
    )
    assert absent_classes(split(lesions(100), by=["lesion_id", "patient_id"], folds=3)) == []


class TestReadIds:
    def test_tables_and_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("fold,image_id\n1, x \n2,y\n3,\n")
        (tmp_path / "b.txt").write_text("x\n\ny\n")
        (tmp_path / "c.tsv").write_text("image\tn\nx\t1\ny\t2\n")
        assert (
            read_ids(tmp_path / "a.csv") == read_ids(tmp_path / "b.txt") == read_ids(tmp_path / "c.tsv") == ["x", "y"]
        )

    def test_what_is_no_list_of_ids_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("x\ny\n")
        (tmp_path / "b.txt").write_text("\n")
        for path, told in (
            ("a.csv", "'image_id' is missing"),
            ("b.txt", "no image ids"),
            ("c.txt", "cannot be read"),
            ("c.csv", "does not"),
        ):
            with pytest.raises(ManifestError, match=told):
                read_ids(tmp_path / path)
