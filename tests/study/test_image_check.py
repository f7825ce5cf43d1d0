import polars as pl
import pytest
from PIL import Image

from cutis.data import manifest_frame
from cutis.study.cases import choose_cases
from cutis.study.design import StudyError, parse_design
from cutis.study.image_check import Mark, read_image_check, unfit_images, write_image_check

DESIGN = parse_design(
    {
        "title": "t",
        "instructions": "i",
        "consent": "c",
        "manifest": "m.csv",
        "seed": 8,
        "question": {"kind": "malignant"},
        "cases": [{"node": "malignant-melanoma", "number": 3}, {"node": "nevus", "number": 3}],
    }
)


@pytest.fixture
def manifest(tmp_path) -> pl.DataFrame:
    rows = []
    for k in range(10):
        node = "nevus" if k % 2 else "malignant-melanoma"
        path = tmp_path / f"{node}-{k}.jpg"
        picture = Image.new("RGB", (40, 30), (k, 90, 90))
        exif = picture.getexif()
        exif[0x010E] = f"a {node}"  # ImageDescription
        picture.save(path, exif=exif)
        rows.append({"image_id": f"{node}/{k}", "image_path": str(path), "diagnosis_node": node, "lesion_id": f"l{k}"})
    return manifest_frame(rows)


def test_the_sheet_and_the_images_tell_nothing_of_the_truth(manifest, tmp_path):
    cases = choose_cases(DESIGN, manifest).cases
    order = write_image_check(tmp_path / "check", DESIGN, cases)
    assert sorted(order) == sorted(each.image_id for each in cases)
    table = pl.read_csv(tmp_path / "check" / "sheet.csv")
    assert table.columns == ["code", "fit", "reason"]
    files = sorted((tmp_path / "check" / "images").iterdir())
    assert sorted(each.stem for each in files) == sorted(table["code"])
    everything = b"".join(each.read_bytes() for each in files) + (tmp_path / "check" / "sheet.csv").read_bytes()
    assert not any(word in everything.lower() for word in (b"melanoma", b"nevus", b"exif"))
    strata = {each.image_id: each.stratum for each in cases}
    assert [strata[each] for each in order] != sorted(strata[each] for each in order)


def test_unfit_cases_are_replaced_and_only_the_new_ones_are_checked_again(manifest, tmp_path):
    cases = choose_cases(DESIGN, manifest).cases
    order = write_image_check(tmp_path / "check", DESIGN, cases)
    sheet = pl.read_csv(tmp_path / "check" / "sheet.csv").with_columns(
        fit=pl.Series(["no"] + ["Yes"] * 5), reason=pl.Series(["blurred"] + [""] * 5)
    )
    sheet.write_csv(tmp_path / "filled.csv")
    marks = read_image_check(tmp_path / "filled.csv", DESIGN, cases)
    assert marks[order[0]] == Mark(fit=False, reason="blurred")
    assert unfit_images(marks) == [order[0]]
    again = choose_cases(DESIGN, manifest, unfit=unfit_images(marks)).cases
    new = write_image_check(tmp_path / "check", DESIGN, again, marked=marks)
    assert len(new) == 1
    assert new[0] not in order
    assert new[0].split("/")[0] == order[0].split("/")[0]
    assert write_image_check(tmp_path / "none", DESIGN, again, marked={*marks, *new}) == []
    assert not (tmp_path / "none").exists()


def test_a_sheet_that_is_not_filled_in_well_is_refused_with_all_its_rows(manifest, tmp_path):
    cases = choose_cases(DESIGN, manifest).cases
    write_image_check(tmp_path / "check", DESIGN, cases)
    codes = pl.read_csv(tmp_path / "check" / "sheet.csv")["code"].to_list()
    pl.DataFrame(
        {
            "code": [*codes[:3], codes[3], codes[3], "f00"],
            "fit": ["", "maybe", "no", "yes", "no", "yes"],
            "reason": [""] * 6,
        }
    ).write_csv(tmp_path / "filled.csv")
    with pytest.raises(StudyError) as problem:
        read_image_check(tmp_path / "filled.csv", DESIGN, cases)
    told = str(problem.value)
    assert "5 rows cannot be used" in told
    for each in (
        "fit is '', not yes or no",
        "fit is 'maybe'",
        "the reason is missing",
        "stands twice",
        "'f00' is no code",
    ):
        assert each in told
    pl.DataFrame({"code": codes}).write_csv(tmp_path / "filled.csv")
    with pytest.raises(StudyError, match="column 'fit' is missing"):
        read_image_check(tmp_path / "filled.csv", DESIGN, cases)
