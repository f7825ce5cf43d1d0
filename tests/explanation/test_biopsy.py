import numpy as np
import pytest

from cutis.explanation.biopsy import BIOPSY_WARNING, SMOOTHING, UNCERTAIN_WITHIN, suggested_site

HEIGHT, WIDTH = 60, 80
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
LESION = (ROWS - 30) ** 2 + (COLUMNS - 40) ** 2 < 20**2


def bump(x, y, spread=6.0):
    return np.exp(-((ROWS - y) ** 2 + (COLUMNS - x) ** 2) / (2 * spread**2)).astype(np.float32)


def test_the_site_lies_where_both_maps_are_strong():
    told = suggested_site(bump(38, 30), bump(42, 30), LESION)
    assert told.site is not None
    assert (told.site.x, told.site.y) == (40, 30)  # half way between two equal bumps
    (one, _), (other, _) = told.site.maxima
    assert one < 40 < other
    assert told.site.apart == other - one == pytest.approx(4, abs=2)
    assert told.site.apart_share == pytest.approx(told.site.apart / 40, rel=0.02)
    assert told.agreement is not None
    assert told.agreement > 0.8
    assert told.warning == BIOPSY_WARNING
    assert f"{told.site.apart_share:.0%}" in told.reason


def test_the_area_of_uncertainty_holds_the_site_keeps_to_the_lesion_and_grows_with_flat_maps():
    shares = []
    for spread in (4.0, 8.0, 16.0):
        site = suggested_site(bump(50, 30, spread), bump(50, 30, spread), LESION).site
        assert site is not None
        assert site.uncertain[site.y, site.x]
        assert not (site.uncertain & ~LESION).any()
        assert site.uncertain.sum() / LESION.sum() == pytest.approx(site.uncertain_share)
        shares.append(site.uncertain_share)
        rows, columns = np.nonzero(site.uncertain)
        assert site.radius == np.hypot(rows - site.y, columns - site.x).max()
    assert shares == sorted(shares)
    narrow = suggested_site(bump(40, 30, 4.0), bump(40, 30, 4.0), LESION).site
    assert narrow is not None
    # A bump of 4 smoothed by 4, a tenth of the diameter; exp(-r²/2s²) falls to the share at this radius.
    spread = np.hypot(4.0, SMOOTHING * 40)
    assert narrow.radius == pytest.approx(spread * np.sqrt(-2 * np.log(UNCERTAIN_WITHIN)), abs=0.7)


def test_what_lies_outside_the_lesion_does_not_count():
    plain = suggested_site(bump(44, 26), bump(44, 26), LESION).site
    distraction = 10 * ~LESION * bump(5, 5, 30.0)
    site = suggested_site(bump(44, 26) + distraction, bump(44, 26) + distraction, LESION).site
    assert plain is not None
    assert site is not None
    assert (site.x, site.y) == (plain.x, plain.y)
    assert abs(site.x - 44) <= 1
    assert abs(site.y - 26) <= 1


def test_a_plateau_gives_a_pixel_near_its_middle():
    region = np.where((abs(ROWS - 30) <= 4) & (abs(COLUMNS - 40) <= 6), 1.0, 0.0).astype(np.float32)
    site = suggested_site(region, region, LESION).site
    assert site is not None
    assert (site.x, site.y) == (40, 30)


def test_no_site_without_a_lesion():
    for lesion in (None, np.zeros_like(LESION)):
        told = suggested_site(bump(40, 30), bump(40, 30), lesion)
        assert told.site is None
        assert told.agreement is None
        assert "No lesion" in told.reason


def test_no_site_where_the_methods_disagree():
    told = suggested_site(bump(28, 30), bump(52, 30), LESION)
    assert told.site is None
    assert "Grad-CAM and LIME do not agree" in told.reason
    assert told.agreement is not None
    assert told.agreement < 0
    assert told.warning == BIOPSY_WARNING


def test_no_site_where_a_method_finds_nothing_for_the_diagnosis_in_the_lesion():
    told = suggested_site(bump(40, 30), bump(40, 30) - 2, LESION)
    assert told.site is None
    assert "LIME finds nothing" in told.reason


def test_no_site_where_the_positive_parts_share_no_pixel():
    left, right = (np.float32((x == COLUMNS) & (ROWS == 30)) for x in (22, 58))  # further apart than smoothing reaches
    told = suggested_site(left, right, LESION, least_agreement=-1.0)
    assert told.site is None
    assert "do not agree" in told.reason


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        suggested_site(bump(40, 30), bump(40, 30)[:10], LESION)
