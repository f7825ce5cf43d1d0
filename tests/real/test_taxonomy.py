"""The words of the real data sets are nodes of the tree, below the classes their authors gave them."""

from pathlib import Path

import polars as pl
import pytest

from cutis.taxonomy import shipped_taxonomy
from cutis.taxonomy.words import node_of_word, vocabulary


def column(folder: Path, pattern: str, name: str) -> pl.Series:
    found = sorted(folder.rglob(pattern))
    if not found:
        pytest.skip(f"no {pattern} in {folder}")
    return pl.concat([pl.read_csv(each, infer_schema=False)[name] for each in found])


def test_fitzpatrick17k_labels_stand_below_their_nine_and_three_way_class(real_data: Path) -> None:
    path = real_data / "fitzpatrick17k/fitzpatrick17k.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    tree = shipped_taxonomy()
    rows = pl.read_csv(path, infer_schema=False)
    classes = rows.select("label", "nine_partition_label", "three_partition_label").unique()
    assert set(classes["label"]) == set(vocabulary("fitzpatrick17k").words)
    assert len(rows) == 16_577
    assert len(classes) == 114
    for label, nine, three in classes.iter_rows():
        node = node_of_word("fitzpatrick17k", label)
        assert node is not None
        assert tree.path(node)[:2] == (tree.find(three), tree.find(nine)), label


@pytest.mark.parametrize(
    ("data_set", "pattern", "name"),
    [
        ("ham10000", "ham10000/HAM10000_metadata*", "dx"),
        ("pad-ufes-20", "pad_ufes_20/metadata.csv", "diagnostic"),
    ],
)
def test_every_word_of_the_column_is_known_and_every_known_word_occurs(
    real_data: Path, data_set: str, pattern: str, name: str
) -> None:
    assert set(column(real_data, pattern, name)) == set(vocabulary(data_set).words)


def test_isic_2017_and_2019_columns_are_known(real_data: Path) -> None:
    for data_set, pattern, ids in (
        ("isic2017", "isic2017/**/*GroundTruth*.csv", "image_id"),
        ("isic2019", "isic2019_labels/*GroundTruth*.csv", "image"),
    ):
        found = sorted(real_data.glob(pattern))
        if not found:
            pytest.skip(f"no {pattern}")
        words = set(pl.read_csv(found[0], infer_schema=False).columns) - {ids}
        known = set(vocabulary(data_set).words) | set(vocabulary(data_set).exceptions)
        assert words <= known
        assert known - words <= {"nevus"}  # ISIC 2017 gives no column to its third class
