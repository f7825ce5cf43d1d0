"""The mixed logistic model against lme4, against exact integration, and where it must refuse."""

import numpy as np
import polars as pl
import pytest
import scipy

from cutis.study import ReadingsError, aided_mixed_model, aided_odds_ratio, check_readings
from cutis.study.mixed_model import fit_crossed

# lme4's data `cbpp` (Lesnoff 2004): cases of pleuropneumonia among so many animals, by herd and period of the year.
SIZE = [
    [14, 12, 9, 5],
    [22, 18, 21],
    [22, 16, 16, 20],
    [10, 10, 9, 6],
    [18, 25, 24, 4],
    [17, 17, 18, 20],
    [16, 10, 9, 5],
    [34],
    [9, 6, 8, 6],
    [22, 22, 18, 22],
    [25, 27, 22, 22],
    [10, 8, 6, 5],
    [21, 24, 19, 23],
    [19, 2, 3, 2],
    [19, 15, 15, 15],
]
HERDS = [
    [2, 3, 4, 0],
    [3, 1, 1],
    [8, 2, 0, 2],
    [2, 0, 2, 0],
    [5, 0, 0, 1],
    [3, 0, 0, 1],
    [8, 1, 3, 0],
    [12],
    [2, 0, 0, 0],
    [1, 1, 0, 2],
    [0, 5, 3, 1],
    [2, 1, 0, 0],
    [1, 2, 0, 0],
    [11, 0, 0, 0],
    [1, 1, 1, 0],
]


def test_one_random_factor_is_lme4s_published_fit_of_cbpp():
    rows = [
        (float(k < ill), period, herd)
        for herd, (counts, sizes) in enumerate(zip(HERDS, SIZE, strict=True))
        for period, (ill, size) in enumerate(zip(counts, sizes, strict=True))
        for k in range(size)
    ]
    y, period, herd = np.array(rows).T
    assert (len(y), y.sum()) == (842, 99)
    x = np.stack([np.ones_like(y), *(period == k for k in (1, 2, 3))], axis=1).astype(float)
    herd = herd.astype(int)
    fit = fit_crossed(y, x, herd, np.zeros_like(herd), np.empty((0, len(y))))
    # glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), binomial): lme4 1.1, Hessian errors
    np.testing.assert_allclose(fit.effects, [-1.398532044, -0.9923158803, -1.128664147, -1.580315598], rtol=3e-5)
    np.testing.assert_allclose(fit.errors, [0.2324732548, 0.3066413264, 0.3266372, 0.4274], rtol=1e-4)
    assert fit.case_sd == pytest.approx(0.64226, abs=1e-4)
    # Its deviance, 184.0527, is of counts: the binomial coefficients are in it.
    counts = [(ill, size) for herd in zip(HERDS, SIZE, strict=True) for ill, size in zip(*herd, strict=True)]
    ways = sum(np.log(scipy.special.comb(size, ill)) for ill, size in counts)
    assert fit.deviance - 2 * ways == pytest.approx(184.0527, abs=2e-4)


def simulated(readers, cases, seed, *, effect=0.8, by_reader=0.0, missing=0.0):
    """Answers by the model itself, with SDs 0.6 of readers and 1.2 of cases."""
    generator = np.random.default_rng(seed)
    skill, gain = generator.normal(0, 0.6, readers), generator.normal(effect, by_reader, readers)
    ease = generator.normal(0, 1.2, cases)
    rows = []
    for j in range(readers):
        for k in range(cases):
            for m in (0, 1):
                chance = 1 / (1 + np.exp(-(0.6 + skill[j] + ease[k] + (m - 0.5) * gain[j])))
                right, there = generator.random() < chance, generator.random() >= missing
                if there:
                    rows.append((f"R{j}", ("unaided", "aided")[m], f"c{k}", k % 2, k % 2 if right else 1 - k % 2))
    return check_readings(pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row"))


def exact_deviance(right, effects, reader_sd, case_sd, nodes=11):
    """−2 log likelihood of 2×J×K answers, by Gauss-Hermite quadrature over all readers at once and each case."""
    readers = right.shape[1]
    at, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    grid = np.stack(np.meshgrid(*[at] * readers, indexing="ij"), axis=-1).reshape(-1, readers)
    mass = np.prod(np.stack(np.meshgrid(*[weight] * readers, indexing="ij"), axis=-1).reshape(-1, readers), axis=1)
    eta = effects[0] + np.array([-0.5, 0.5])[:, None] * effects[1] + reader_sd * grid[:, None, :]  # G×2×J
    total = np.zeros(len(grid))
    for k in range(right.shape[2]):
        sign = 2 * right[:, :, k] - 1
        log_chance = -np.logaddexp(0, -sign * (eta[:, None] + case_sd * at[:, None, None])).sum(axis=(2, 3))  # G×nodes
        total += scipy.special.logsumexp(log_chance, b=weight, axis=1)
    return -2 * scipy.special.logsumexp(total, b=mass)


def test_crossed_effects_are_near_the_exact_maximum_of_likelihood():
    readings = simulated(2, 40, seed=3)
    fit = aided_mixed_model(readings, "unaided", "aided")
    grid = readings.grid(first_modality="unaided")
    right = (grid.rating == grid.positive).astype(float)

    def deviance(at):
        return exact_deviance(right, at[:2], at[2], at[3])

    best = scipy.optimize.minimize(deviance, [0.5, 0.8, 0.5, 1.0], method="BFGS", options={"gtol": 1e-2})
    # Laplace's approximation shrinks variances a little with two or four answers a case; the effect hardly.
    assert np.log(fit.odds_ratio) == pytest.approx(best.x[1], abs=0.06)
    assert fit.case_sd == pytest.approx(abs(best.x[3]), rel=0.25)
    assert fit.deviance == pytest.approx(best.fun, rel=0.02)


def test_crossed_effects_agree_with_gpboost():
    # The same answers fitted by GPBoost 1.8.0 (Laplace, Cholesky).
    readings = simulated(8, 80, seed=2, by_reader=0.9, missing=0.1)
    one = aided_mixed_model(readings, "unaided", "aided")
    two = aided_mixed_model(readings, "unaided", "aided", aid_by_reader=True)
    assert (one.answers, one.readers, one.cases) == (len(readings.frame), 8, 80)
    assert GPBOOST["one"] == pytest.approx((np.log(one.odds_ratio), one.reader_sd, one.case_sd), abs=2e-4)
    assert GPBOOST["two"] == pytest.approx((np.log(two.odds_ratio), two.reader_sd, two.case_sd, two.aid_sd), abs=2e-4)
    assert one.deviance == pytest.approx(GPBOOST["deviances"][0], abs=1e-4)
    assert two.deviance == pytest.approx(GPBOOST["deviances"][1], abs=1e-4)
    assert two.deviance <= one.deviance
    assert one.aid_sd is None


GPBOOST = {
    "one": (0.63644518, 0.60867577, 1.18250841),
    "two": (0.62907951, 0.60551752, 1.2105959, 0.70104509),
    "deviances": (1378.9987625, 1365.0498598),
}


def test_the_odds_ratio_of_one_reader_on_one_case_is_farther_from_1_than_that_of_the_mean():
    readings = simulated(6, 60, seed=5)
    mixed, marginal = aided_mixed_model(readings, "unaided", "aided"), aided_odds_ratio(readings, "unaided", "aided")
    assert 1 < marginal.odds_ratio < mixed.odds_ratio
    assert mixed.low < mixed.odds_ratio < mixed.high
    assert mixed.p == pytest.approx(2 * scipy.stats.norm.sf(_z(mixed)))
    turned = aided_mixed_model(readings, "aided", "unaided")
    assert turned.odds_ratio == pytest.approx(1 / mixed.odds_ratio, rel=1e-4)
    assert turned.p == pytest.approx(mixed.p, rel=1e-3)
    wide = aided_mixed_model(readings, "unaided", "aided", confidence=0.99)
    assert wide.low < mixed.low < mixed.high < wide.high


def _z(told):
    return np.log(told.odds_ratio) / ((np.log(told.high) - np.log(told.low)) / 2 / scipy.stats.norm.ppf(0.975))


def test_readers_who_do_not_differ_have_an_sd_of_0():
    generator = np.random.default_rng(8)
    rows = []
    for k in range(40):
        for m in ("unaided", "aided"):
            rights = generator.permutation([1, 1, 1, 0])  # every case is as hard, and no reader is better by much
            rows += [(f"R{j}", m, f"c{k}", k % 2, k % 2 if rights[j] else 1 - k % 2) for j in range(4)]
    table = pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row")
    told = aided_mixed_model(check_readings(table), "unaided", "aided")
    assert (told.case_sd, told.odds_ratio) == (0, pytest.approx(1, abs=1e-6))


def test_what_cannot_be_fitted_is_refused():
    readings = simulated(3, 20, seed=2)
    frame = readings.frame
    truth = pl.col("truth").cast(pl.Float64)
    with pytest.raises(ReadingsError, match="one reader only"):
        aided_mixed_model(readings.only(readers=["R0"]), "unaided", "aided")
    all_right = frame.with_columns(
        rating=pl.when(pl.col("modality") == "aided").then(truth).otherwise(pl.col("rating"))
    )
    with pytest.raises(ReadingsError, match="all answers in 'aided' are right"):
        aided_mixed_model(check_readings(all_right), "unaided", "aided")
    by_case = pl.col("case").is_in([f"c{k}" for k in range(9)])
    always = frame.with_columns(rating=pl.when(by_case).then(truth).otherwise(1 - truth))
    with pytest.raises(ReadingsError, match="no case has both right and wrong answers"):
        aided_mixed_model(check_readings(always), "unaided", "aided")
    by_reader = frame.with_columns(rating=pl.when(pl.col("reader") == "R0").then(truth).otherwise(1 - truth))
    with pytest.raises(ReadingsError, match="no reader has both right and wrong answers"):
        aided_mixed_model(check_readings(by_reader), "unaided", "aided")
    with pytest.raises(ReadingsError, match="no modality 'blind'"):
        aided_mixed_model(readings, "blind", "aided")
    with pytest.raises(ReadingsError, match="not between 0 and 1"):
        aided_mixed_model(readings, "unaided", "aided", confidence=95)
