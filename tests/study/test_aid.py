"""What an aid changes: counts by hand, the odds ratio against statsmodels' robust logistic model."""

import numpy as np
import polars as pl
import pytest
import scipy

from cutis.study import ReadingsError, aided_odds_ratio, check_readings, switches


def readings(rows):
    return check_readings(pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row"))


def test_switches_and_automation_bias_by_hand():
    # Cases 1 to 4 have truth 1, 0, 1, 0. The aid says 0, 0, 1, 1: wrong on 1 and 4.
    truth = [1, 0, 1, 0]
    answers = {
        ("R", "unaided"): [1, 1, 0, 0],
        ("R", "aided"): [0, 0, 1, 0],
        ("S", "unaided"): [1, 0, 1, 0],
        ("S", "aided"): [1, 0, 1, 1],
        ("AI", "alone"): [0, 0, 1, 1],
    }
    rows = [(r, m, str(k), truth[k], given[k]) for (r, m), given in answers.items() for k in range(4)]
    r, s, together = switches(readings(rows), "unaided", "aided", system="AI")
    assert (r.reader, r.right_both, r.wrong_both, r.wrong_to_right, r.right_to_wrong) == ("R", 1, 0, 2, 1)
    assert (s.reader, s.right_both, s.wrong_both, s.wrong_to_right, s.right_to_wrong) == ("S", 3, 0, 0, 1)
    assert r.p == pytest.approx(1.0)
    assert (r.right_before_wrong_aid, r.misled) == (2, 1)
    assert (together.reader, together.answers, together.right_before_wrong_aid, together.misled) == (None, 8, 4, 2)
    without = switches(readings([row for row in rows if row[0] != "AI"]), "unaided", "aided")
    assert without[-1].misled is None
    with pytest.raises(ReadingsError, match="must have answered every case once"):
        switches(readings(rows[:-1]), "unaided", "aided", system="AI")
    with pytest.raises(ReadingsError, match="no modality 'blind'"):
        switches(readings(rows), "blind", "aided")


def test_ratings_need_a_threshold():
    rows = [(r, m, str(k), k % 2, 10 * k) for r in "AB" for m in ("u", "a") for k in range(6)]
    with pytest.raises(ReadingsError, match="Give a threshold"):
        switches(readings(rows), "u", "a")
    assert switches(readings(rows), "u", "a", threshold=25)[0].answers == 6


def test_the_odds_ratio_is_statsmodels_with_two_way_clusters():
    api = pytest.importorskip("statsmodels.api")
    generator = np.random.default_rng(2)
    # The aid helps some readers more, and on some cases more: else one clustering alone would be the larger figure.
    hard, eased = generator.normal(0, 1, (2, 80))
    skill, gain = generator.normal(0, 0.5, 8), generator.normal(0.6, 0.8, 8)
    rows, y, x, groups = [], [], [], []
    for j in range(8):
        for k in range(80):
            for aided in (0, 1):
                right = generator.random() < 1 / (
                    1 + np.exp(-(0.5 + skill[j] + hard[k] + aided * (gain[j] + 2 * eased[k])))
                )
                truth = k % 2
                rows.append((str(j), ("u", "a")[aided], str(k), truth, truth if right else 1 - truth))
                y.append(int(right))
                x.append(aided)
                groups.append((j, k))
    result = aided_odds_ratio(readings(rows), "u", "a")
    fit = api.Logit(np.array(y), api.add_constant(np.array(x, dtype=float))).fit(disp=0)
    assert result.odds_ratio == pytest.approx(np.exp(fit.params[1]))

    def clustered(by):
        model = api.Logit(np.array(y), api.add_constant(np.array(x, dtype=float)))
        settings = {"groups": by, "use_correction": False}
        return model.fit(disp=0, cov_type="cluster", cov_kwds=settings).bse[1] ** 2

    j, k = np.array(groups).T
    variance = 8 / 7 * clustered(j) + clustered(k) - clustered(j * 1000 + k)
    half = (np.log(result.high) - np.log(result.low)) / 2
    assert half / scipy.stats.t.ppf(0.975, 7) == pytest.approx(variance**0.5, rel=1e-4)
    assert result.right_with > result.right_without
