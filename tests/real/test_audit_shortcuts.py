"""What is known of the real data sets is found: their labels' slips and their shortcuts."""

from pathlib import Path

import polars as pl
import pytest

from cutis.audit.label_trouble import label_trouble
from cutis.audit.shortcuts import ShortcutResult, shortcut_check
from cutis.data import source

NO_PAIRS = pl.DataFrame(
    schema=dict.fromkeys(["source_a", "image_id_a", "source_b", "image_id_b", "verdict"], pl.String)
)


def frame(real_data: Path, name: str, folder: str) -> pl.DataFrame:
    if not (real_data / folder).is_dir():
        pytest.skip(f"no {real_data / folder}")
    return source(name).import_from(real_data / folder).frame


def aucs(result: ShortcutResult) -> dict[str, float]:
    return {each.name: each.macro_auc.value or 0.0 for each in result.shortcuts}


def without_images(manifest: pl.DataFrame) -> pl.DataFrame:
    return manifest.with_columns(pl.lit(None, pl.String).alias("image_path"))


def test_ham10000s_way_of_confirmation_gives_the_diagnosis_away(real_data: Path) -> None:
    manifest = frame(real_data, "ham10000", "ham10000")
    result = shortcut_check(without_images(manifest), resamples=100)
    assert [each.name for each in result.warnings] == ["diagnosis_confirm_type"]
    found = {each.name: each for each in result.shortcuts}["diagnosis_confirm_type"]
    assert found.macro_auc.value == pytest.approx(0.776, abs=0.01)
    # Follow-up is used for nevi only: every nevus so confirmed ranks above all else.
    nevus = next(each for each in found.classes if each.id == "nevus")
    assert nevus.auc.low is not None
    assert nevus.auc.low > 0.75
    assert label_trouble(manifest, NO_PAIRS).is_empty()


def test_isic2017s_image_numbers_give_the_diagnosis_away(real_data: Path) -> None:
    result = shortcut_check(without_images(frame(real_data, "isic2017", "isic2017")), resamples=100)
    assert aucs(result)["number in image_id"] == pytest.approx(0.80, abs=0.02)
    assert "number in image_id" in [each.name for each in result.warnings]


def test_pads_form_was_filled_in_where_a_biopsy_was_taken(real_data: Path) -> None:
    result = shortcut_check(without_images(frame(real_data, "pad-ufes-20", "pad_ufes_20")), resamples=100)
    found = aucs(result)
    assert found["biopsed"] == pytest.approx(0.75, abs=0.02)
    assert found["sex"] < 0.56  # where it is recorded it says little; that it is recorded says much
    assert found["whether sex, fitzpatrick_skin_type, smoke and 8 more are recorded"] > 0.69


@pytest.mark.slow
def test_ham10000s_border_and_thumbnail(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path))
    manifest = frame(real_data, "ham10000", "ham10000").sample(2_000, seed=0)
    result = shortcut_check(manifest, resamples=100)
    found = aucs(result)
    assert 0.65 < found["image border"] < found["thumbnail"] < 0.9
    assert "image border" in [each.name for each in result.warnings]
