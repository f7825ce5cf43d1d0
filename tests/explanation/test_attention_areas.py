import numpy as np
import polars as pl
import pytest

from cutis.data import PhantomView, draw_phantom, phantom_lesion
from cutis.explanation.attention_areas import (
    AREAS,
    SHORTCUTS,
    ListingRule,
    attention_by_area,
    image_areas,
    shortcut_cases,
)

SIZE = (150, 200)


def photographed(**view):
    picture = draw_phantom(phantom_lesion("nv", seed=3), PhantomView(ita=40, width_mm=24, **view), SIZE)
    return picture.image, picture.mask > 0


def on(mask):
    return mask.astype(np.float32)


def share(table, area, column="attribution"):
    return table.filter(pl.col("area") == area)[column].item()


@pytest.mark.parametrize("view", [{}, {"hairs": 12}, {"dark_corners": 1.0}, {"ruler": True}])
@pytest.mark.parametrize("known", [True, False])
def test_every_pixel_lies_in_one_area(view, known):
    image, mask = photographed(**view)
    areas = image_areas(image, mask if known else None, (96, 128))
    assert list(areas) == list(AREAS)
    assert (np.sum(list(areas.values()), axis=0) == 1).all()
    assert areas["lesion"].shape == (96, 128)


def test_areas_are_found_where_they_are():
    image, mask = photographed(dark_corners=1.0, hairs=15)
    areas = image_areas(image, mask)
    assert np.array_equal(areas["lesion"], mask)
    assert areas["dark corner"][0, 0]
    assert areas["dark corner"][-1, -1]
    assert areas["hair"].any()
    assert not image_areas(*photographed())["dark corner"].any()
    assert image_areas(*photographed())["border"][0].all()


def test_a_ruler_is_found_at_its_edge_and_only_where_there_is_one():
    image, mask = photographed(ruler=True)
    found = image_areas(image, mask)["ruler"]
    assert found.any()
    assert np.nonzero(found)[0].mean() > 110  # the phantom's scale runs along the lower edge of 150 rows
    assert not image_areas(*photographed())["ruler"].any()


def test_shares_of_attribution_and_of_the_image_each_make_a_whole():
    image, mask = photographed(dark_corners=0.8)
    flat = np.ones(SIZE, np.float32)
    table = attention_by_area("a", image, {"flat": flat, "lesion": on(mask), "none": -flat}, mask)
    for method in ("flat", "lesion"):
        own = table.filter(pl.col("method") == method)
        assert own["attribution"].sum() == pytest.approx(1)
        assert own["area_share"].sum() == pytest.approx(1)
    lifts = table.filter(pl.col("method") == "flat", pl.col("area_share") > 0)["lift"]
    assert lifts.to_list() == pytest.approx([1.0] * len(lifts))
    assert share(table.filter(pl.col("method") == "lesion"), "lesion") == pytest.approx(1)
    assert table.filter(pl.col("method") == "none")["attribution"].null_count() == len(AREAS)
    assert set(table["lesion"]) == {"recorded"}
    assert set(attention_by_area("a", image, {"flat": flat})["lesion"]) == {"estimated"}


def test_a_case_is_listed_when_its_map_lies_on_the_corners_and_not_when_it_lies_on_the_lesion():
    image, mask = photographed(dark_corners=1.0)
    corner = on(image_areas(image, mask)["dark corner"])
    maps = {"shortcut": corner, "lesion": on(mask), "everywhere": np.ones(SIZE, np.float32)}
    listed = shortcut_cases(attention_by_area("a", image, maps, mask))
    assert listed.select("image_id", "method", "area").rows() == [("a", "shortcut", "dark corner")]
    assert listed["on_lesion"].item() == 0
    assert listed["lift"].item() == pytest.approx(1 / corner.mean())


@pytest.mark.parametrize(
    ("rule", "cases"),
    [
        (ListingRule(), 1),
        (ListingRule(outside=0.8), 0),
        (ListingRule(least=0.8), 0),
        (ListingRule(lift=30.0), 0),
    ],
)
def test_each_part_of_the_rule_can_keep_a_case_off_the_list(rule, cases):
    areas = {"lesion": (0.3, 0.3), "ink": (0.5, 0.02), "skin": (0.2, 0.68)}
    rows = [("a", "m", name, part, size, part / size, "recorded") for name, (part, size) in areas.items()]
    columns = ["image_id", "method", "area", "attribution", "area_share", "lift", "lesion"]
    table = pl.DataFrame(rows, schema=columns, orient="row")
    assert len(shortcut_cases(table, rule)) == cases
    assert len(shortcut_cases(table.with_columns(lesion=pl.lit("not found")), rule)) == 0


def test_the_most_striking_case_comes_first():
    image, mask = photographed(dark_corners=1.0)
    corner = on(image_areas(image, mask)["dark corner"])
    tables = [attention_by_area(str(n), image, {"m": corner + np.float32(0.03 * n)}, mask) for n in (2, 0, 1)]
    assert shortcut_cases(pl.concat(tables))["image_id"].to_list() == ["0", "1", "2"]
    assert set(SHORTCUTS) < set(AREAS)
