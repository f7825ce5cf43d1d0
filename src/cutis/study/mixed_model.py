"""Odds of a right answer with and without an aid: a logistic mixed model with crossed random readers and cases.

    logit P(right) = β₀ + β₁ aided + r(reader) + c(case),   r ~ N(0, σ_r²),  c ~ N(0, σ_c²)

fitted by maximum likelihood with Laplace's approximation of the integral over r and c, as ``glmer`` of lme4 does
(Bates, Mächler, Bolker & Walker 2015, J Stat Softw 67(1)); standard errors from the Hessian of the deviance. The odds
ratio is for one reader on one case, so it lies farther from 1 than that of :func:`cutis.study.aided_odds_ratio`, which
is for the mean over readers and cases.

GPBoost fits the same model and agrees with this file to its own tolerance (see the tests). It is not used: it brings
pandas, optuna and 24 MB of machine code for one function. statsmodels has crossed effects by variational Bayes only,
whose intervals are too short.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from cutis.study.aid import right_answers
from cutis.study.readings import Floats, Readings, ReadingsError

_Codes = NDArray[np.int64]
_STEP = 2e-3  # of the differences that make the Hessian; the deviance is exact to about 1e-11 of itself
_AT_ZERO = 1e-3  # a standard deviation below this is told as 0


class MixedOddsRatio(NamedTuple):
    """Odds of a right answer with the aid over those without, for one reader on one case; Wald's interval and test.

    Attributes:
        odds_ratio: exp(β₁).
        low: of the interval.
        high: likewise.
        p: two-sided, of no effect. Without ``aid_sd`` it takes the aid's effect to be the same for every reader.
        reader_sd: standard deviation of readers, in log odds; 0 where readers differ no more than by chance.
        case_sd: of cases.
        aid_sd: of the aid's effect over readers; None where it was not let vary.
        answers: how many there are.
        readers: who gave them.
        cases: on which.
        deviance: −2 log likelihood by Laplace's approximation.
    """

    odds_ratio: float
    low: float
    high: float
    p: float
    reader_sd: float
    case_sd: float
    aid_sd: float | None
    answers: int
    readers: int
    cases: int
    deviance: float


class MixedFit(NamedTuple):
    """A fitted model: fixed effects p with standard errors, standard deviations of cases and of each reader term."""

    effects: Floats
    errors: Floats
    case_sd: float
    reader_sds: Floats
    deviance: float


def aided_mixed_model(
    readings: Readings,
    unaided: str,
    aided: str,
    *,
    threshold: float | None = None,
    aid_by_reader: bool = False,
    confidence: float = 0.95,
) -> MixedOddsRatio:
    """Fit the model to the answers of two modalities.

    Args:
        readings: of two readers and two cases or more; answers may be missing.
        unaided: the modality without the aid.
        aided: the modality with it.
        threshold: a rating this high or higher calls the case diseased; None: answers must be 0 and 1.
        aid_by_reader: let the aid's effect vary over readers, too: a random slope, not correlated with the intercept
            (aided is coded ±½). For a result that is to hold for other readers; needs several of them.
        confidence: of the interval, between 0 and 1.

    Raises:
        ReadingsError: there is no such modality, one reader or one case only, or a threshold is missing; all answers of
            a modality are right, or all wrong; no case or no reader was answered both rightly and wrongly; the fit did
            not converge.
    """
    if not 0 < confidence < 1:
        raise ReadingsError(f"the confidence is {confidence:g}, not between 0 and 1", fix="Give e.g. 0.95.")
    right, names, _ = right_answers(readings, unaided, aided, threshold, None)
    modality, reader, case = np.nonzero(~np.isnan(right))
    y = right[modality, reader, case]
    if len(names) < 2 or right.shape[2] < 2:
        what = "reader" if len(names) < 2 else "case"
        raise ReadingsError(
            f"there is one {what} only: a model of readers and cases needs more", fix="Give two or more."
        )
    _check_separation(y, {unaided: modality == 0, aided: modality == 1}, {"reader": reader, "case": case})
    x = modality - 0.5
    terms = np.stack([np.ones_like(x), x])[: 2 if aid_by_reader else 1]
    fit = fit_crossed(y, np.stack([np.ones_like(x), x], axis=1), case, reader, terms)
    half = float(scipy.stats.norm.ppf((1 + confidence) / 2)) * fit.errors[1]
    slope = float(fit.effects[1])
    return MixedOddsRatio(
        odds_ratio=float(np.exp(slope)),
        low=float(np.exp(slope - half)),
        high=float(np.exp(slope + half)),
        p=float(2 * scipy.stats.norm.sf(abs(slope) / fit.errors[1])),
        reader_sd=float(fit.reader_sds[0]),
        case_sd=fit.case_sd,
        aid_sd=float(fit.reader_sds[1]) if aid_by_reader else None,
        answers=len(y),
        readers=len(names),
        cases=right.shape[2],
        deviance=fit.deviance,
    )


def fit_crossed(y: Floats, x: Floats, case: _Codes, reader: _Codes, terms: Floats) -> MixedFit:
    """A logistic model with a random intercept of cases and random terms of readers, not correlated with each other.

    Args:
        y: N answers, 0 or 1.
        x: N×p, the fixed effects' columns.
        case: N, 0 to K−1.
        reader: N, 0 to J−1.
        terms: T×N, what each random effect of readers is multiplied with; ones for an intercept.

    Raises:
        ReadingsError: the fit did not converge.
    """
    model = _Crossed(y, x, case, reader, terms)
    start = np.concatenate([np.full(1 + len(terms), 0.5), _without_random(y, x)])
    # The deviance is the same for −σ as for σ and smooth between, so that no bound is needed.
    found = scipy.optimize.minimize(model.deviance, start, jac=model.slope, method="BFGS", options={"gtol": 1e-5})
    at = found.x
    free = np.ones(len(at), dtype=bool)
    free[: 1 + len(terms)] = np.abs(at[: 1 + len(terms)]) > _AT_ZERO
    curvature = _hessian(model.deviance, at)[np.ix_(free, free)] / 2
    slope = model.slope(at)[free] / 2
    values = np.linalg.eigvalsh(curvature)
    # What another step would lower the deviance by: unlike the slope it has a scale.
    if values[0] <= 1e-8 * values[-1] or not slope @ np.linalg.solve(curvature, slope) < 1e-3:
        raise ReadingsError(
            f"the mixed model did not converge after {found.nit} steps: the answers are too few, or too much the same",
            fix="Use the marginal model (aided_odds_ratio).",
        )
    covariance = np.linalg.inv(curvature)
    errors = np.sqrt(np.diag(covariance))[-x.shape[1] :]
    sds = np.where(free, np.abs(at), 0.0)[: 1 + len(terms)]
    return MixedFit(at[1 + len(terms) :], errors, float(sds[0]), sds[1:], float(model.deviance(at)))


class _Crossed:
    """The deviance of the model as a function of (σ of cases, σ of reader terms, fixed effects).

    Random effects are scaled to variance 1. Each answer has one case, so the cases' part of the penalised Hessian is
    diagonal, and they are eliminated: what is left to be factored has the readers' terms alone.
    """

    def __init__(self, y: Floats, x: Floats, case: _Codes, reader: _Codes, terms: Floats) -> None:
        self.y, self.x, self.case, self.terms = y, x, case, terms
        self.cases, readers = int(case.max()) + 1, int(reader.max()) + 1
        self.readers, self.size = readers, readers * len(terms)
        self.columns = reader + readers * np.arange(len(terms))[:, None]  # T×N: an answer's place among reader effects
        self.cells = case * self.size + self.columns  # T×N: in the K × reader effects part
        self.pairs = self.columns[:, None] * self.size + self.columns[None]  # T×T×N
        self.mode = np.zeros(self.cases + self.size)

    def deviance(self, at: Floats) -> float:
        """−2 log likelihood at a point."""
        count = 1 + len(self.terms)
        case_sd, scaled = at[0], self.terms * at[1:count, None]
        fixed = self.x @ at[count:]
        mode = self.mode
        height, eta = self._height(mode, fixed, case_sd, scaled)
        for _ in range(100):
            step, log_determinant = self._newton(mode, eta, case_sd, scaled)
            share, better = 1.0, self._height(mode + step, fixed, case_sd, scaled)
            while better[0] < height and share > 1e-6:
                share /= 2
                better = self._height(mode + share * step, fixed, case_sd, scaled)
            gain = better[0] - height
            if gain < 0:
                break  # at the top, as far as it can be told
            mode = mode + share * step
            height, eta = better
            if gain <= 1e-12 * abs(height):
                break
        _, log_determinant = self._newton(mode, eta, case_sd, scaled)
        self.mode = mode  # from where the next search starts
        return float(log_determinant - 2 * height)

    def slope(self, at: Floats) -> Floats:
        """The deviance's slope, by differences."""
        return np.array([self._difference(at, k) for k in range(len(at))])

    def _difference(self, at: Floats, k: int) -> float:
        step = np.zeros_like(at)
        step[k] = 1e-5
        return (self.deviance(at + step) - self.deviance(at - step)) / 2e-5

    def _height(self, mode: Floats, fixed: Floats, case_sd: float, scaled: Floats) -> tuple[float, Floats]:
        """Log density of the answers and of random effects ``mode``, but for a constant; and the N log odds."""
        eta = fixed + case_sd * mode[self.case] + (scaled * mode[self.cases + self.columns]).sum(axis=0)
        return float(self.y @ eta - np.logaddexp(0, eta).sum() - mode @ mode / 2), eta

    def _newton(self, mode: Floats, eta: Floats, case_sd: float, scaled: Floats) -> tuple[Floats, float]:
        """Newton's step of the random effects, and the log determinant of their negative Hessian."""
        chance = scipy.special.expit(eta)
        weight, left = chance * (1 - chance), self.y - chance
        pull = np.bincount(self.columns.ravel(), (scaled * left).ravel(), self.size) - mode[self.cases :]
        of_case = case_sd * np.bincount(self.case, left, self.cases) - mode[: self.cases]
        diagonal = 1 + case_sd**2 * np.bincount(self.case, weight, self.cases)
        cross = np.bincount(self.cells.ravel(), (case_sd * scaled * weight).ravel(), self.cases * self.size)
        cross = cross.reshape(self.cases, self.size)
        products = scaled[:, None] * scaled[None] * weight
        own = np.bincount(self.pairs.ravel(), products.ravel(), self.size**2).reshape(self.size, self.size)
        eliminated = cross / diagonal[:, None]
        lower = np.linalg.cholesky(np.eye(self.size) + own - cross.T @ eliminated)
        of_readers = scipy.linalg.cho_solve((lower, True), pull - eliminated.T @ of_case)
        step = np.concatenate([of_case / diagonal - eliminated @ of_readers, of_readers])
        return step, float(np.log(diagonal).sum() + 2 * np.log(np.diag(lower)).sum())


def _without_random(y: Floats, x: Floats) -> Floats:
    """The fixed effects of the model without random ones, to start from."""
    effects = np.zeros(x.shape[1])
    for _ in range(8):
        chance = scipy.special.expit(x @ effects)
        weight = np.maximum(chance * (1 - chance), 1e-6)
        effects = effects + np.linalg.lstsq((x * weight[:, None]).T @ x, x.T @ (y - chance), rcond=None)[0]
    return effects


def _hessian(function: Callable[[Floats], float], at: Floats) -> Floats:
    steps = _STEP * np.eye(len(at))
    found = np.empty((len(at), len(at)))
    for a in range(len(at)):
        for b in range(a + 1):
            corners = [(s, t, function(at + s * steps[a] + t * steps[b])) for s in (1, -1) for t in (1, -1)]
            found[a, b] = found[b, a] = sum(s * t * value for s, t, value in corners) / (4 * _STEP**2)
    return found


def _check_separation(y: Floats, modalities: dict[str, NDArray[np.bool_]], factors: dict[str, _Codes]) -> None:
    for name, rows in modalities.items():
        if not rows.any():
            raise ReadingsError(f"there is no answer in '{name}'", fix="Check the modalities.")
        if y[rows].min() == y[rows].max():
            which = "right" if y[rows][0] else "wrong"
            raise ReadingsError(
                f"all answers in '{name}' are {which}: no odds ratio can be estimated",
                fix="Tell the counts, or take more cases.",
            )
    for name, codes in factors.items():
        if not (np.isin(codes[y == 1], codes[y == 0])).any():
            raise ReadingsError(
                f"no {name} has both right and wrong answers: the differences of {name}s would be without end",
                fix="Tell the counts, or take more cases.",
            )
