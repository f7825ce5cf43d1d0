"""Values as numbers of the distinct ones."""

import polars as pl
import pytest

from cutis.evaluation.groups import named_groups, numbered


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_values_are_numbered_as_they_first_appear_and_a_missing_one_too(dtype):
    values, number = numbered(pl.Series("x", ["b", None, "a", "b", None], dtype=dtype))
    assert values.to_list() == ["b", None, "a"]
    assert number.tolist() == [0, 1, 2, 0, 1]
    assert number.dtype.itemsize == 1
    assert named_groups(pl.Series(["b", "a"], dtype=dtype)).names == ["b", "a"]


def test_many_distinct_values_have_larger_numbers():
    _, number = numbered(pl.Series(range(1000)))
    assert number.tolist() == list(range(1000))
    assert len(numbered(pl.Series(range(256)))[0]) == 256
    assert numbered(pl.Series(range(256)))[1].tolist() == list(range(256))
