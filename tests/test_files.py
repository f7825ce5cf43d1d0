import json
import math

import pytest

from cutis.errors import CutisError
from cutis.files import replacing, replacing_folder, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "result.json"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), replacing(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_folder_leaves_the_old_folder_and_no_litter(tmp_path):
    target = tmp_path / "bundle"
    with replacing_folder(target) as temporary:
        (temporary / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing_folder(target) as temporary:
        (temporary / "a").write_text("new")
        raise KeyboardInterrupt
    assert (target / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_folder_takes_the_place_of_the_old_one_whole(tmp_path):
    target = tmp_path / "bundle"
    for name in ("a", "b"):
        with replacing_folder(target) as temporary:
            (temporary / name).write_text(name)
    assert [each.name for each in target.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_told_in_one_line_and_nothing_is_written(tmp_path):
    target = tmp_path / "result.bin"
    with (
        pytest.raises(CutisError, match="cannot be written .*space left on the disk"),
        replacing(target) as temporary,
    ):
        # /dev/full answers every write with "no space left on device"
        with open("/dev/full", "wb") as full:
            full.write(b"x" * 10_000)
        temporary.write_bytes(b"never")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_kept(tmp_path):
    target = tmp_path / "bundle"
    target.write_text("mine")
    with pytest.raises(CutisError, match="is a file"), replacing_folder(target):
        pass
    assert target.read_text() == "mine"


def test_nan_becomes_null_because_json_has_none(tmp_path):
    write_json(tmp_path / "x.json", {"auc": math.nan, "all": [1.0, math.nan], "n": 3})
    assert json.loads((tmp_path / "x.json").read_text()) == {"auc": None, "all": [1.0, None], "n": 3}
