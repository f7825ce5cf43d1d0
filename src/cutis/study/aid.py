"""What an aid does to binary answers: which it turns from wrong to right, and which from right to wrong.

The comparison that generalises to readers and cases is :func:`cutis.study.analyze` on sensitivity, specificity or
accuracy. Beside it stands here a marginal logistic model (generalised estimating equation with working independence)
whose standard error allows for readers and for cases at once. The logistic model with random readers and cases is
:func:`cutis.study.aided_mixed_model`.
"""

from typing import NamedTuple

import numpy as np
import scipy

from cutis.evaluation import mcnemar_test
from cutis.study.readings import Bools, Floats, Readings, ReadingsError


class Switches(NamedTuple):
    """Answers of one reader (or, together, of all) without and with the aid.

    ``p`` is McNemar's exact test, for one reader alone: answers of several readers on one case are not independent.
    The last two, None where the aid's own answers are not known, tell of wrong aid: how many answers were given with
    it that had been right before, and how many of them turned wrong (automation bias).
    """

    reader: str | None
    answers: int
    right_both: int
    wrong_both: int
    wrong_to_right: int
    right_to_wrong: int
    p: float | None
    right_before_wrong_aid: int | None
    misled: int | None


class OddsRatio(NamedTuple):
    """Odds of a right answer with the aid over those without; t-interval with readers − 1 degrees of freedom."""

    odds_ratio: float
    low: float
    high: float
    p: float
    right_without: float
    right_with: float


def switches(
    readings: Readings, unaided: str, aided: str, *, threshold: float | None = None, system: str | None = None
) -> list[Switches]:
    """Answers that changed with the aid: one row a reader, and the last for all together.

    Args:
        readings: of both modalities; only cases that a reader answered in both count.
        unaided: the modality without the aid.
        aided: the modality with it.
        threshold: a rating this high or higher calls the case diseased; None: answers must be 0 and 1.
        system: the aid itself, a reader whose own answers (in any modality) tell where the aid was wrong.

    Raises:
        ReadingsError: there is no such modality or reader, a threshold is missing, or no case was answered in both.
    """
    right, names, aid_right = right_answers(readings, unaided, aided, threshold, system)
    rows = []
    for j, reader in enumerate(names):
        both = ~np.isnan(right[:, j]).any(axis=0)
        before, after = right[0, j, both] == 1, right[1, j, both] == 1
        test = mcnemar_test(before, after)
        rows.append(_counted(reader, before, after, None if aid_right is None else aid_right[both], test.p))
    if not any(row.answers for row in rows):
        raise ReadingsError(f"no case was answered in '{unaided}' and '{aided}'", fix="Check the modalities.")
    together = Switches(
        None,
        sum(row.answers for row in rows),
        sum(row.right_both for row in rows),
        sum(row.wrong_both for row in rows),
        sum(row.wrong_to_right for row in rows),
        sum(row.right_to_wrong for row in rows),
        None,
        None if aid_right is None else sum(row.right_before_wrong_aid or 0 for row in rows),
        None if aid_right is None else sum(row.misled or 0 for row in rows),
    )
    return [*rows, together]


def aided_odds_ratio(
    readings: Readings, unaided: str, aided: str, *, threshold: float | None = None, confidence: float = 0.95
) -> OddsRatio:
    """Odds ratio of a right answer with the aid: logit P(right) = β₀ + β₁·aided, with a two-way robust variance.

    The variance of β₁ is that clustered by reader plus that clustered by case less that of both together (Miglioretti
    & Heagerty 2007; Cameron, Gelbach & Miller 2011), the first with the factor J/(J−1); never less than either alone.

    Args:
        readings: of two readers or more; answers may be missing.
        unaided: the modality without the aid.
        aided: the modality with it.
        threshold: as :func:`switches`.
        confidence: of the interval.

    Returns:
        NaN figures where all answers of a modality are right, or all wrong.

    Raises:
        ReadingsError: there is no such modality, one reader only, or a threshold is missing.
    """
    right, names, _ = right_answers(readings, unaided, aided, threshold, None)
    if len(names) < 2:
        raise ReadingsError("there is one reader only", fix="Give two or more.")
    made = ~np.isnan(right)
    count = made.sum(axis=(1, 2))
    share = np.where(made, right, 0.0).sum(axis=(1, 2)) / count
    if ((share == 0) | (share == 1)).any():
        nan = float("nan")
        return OddsRatio(nan, nan, nan, nan, float(share[0]), float(share[1]))
    weight = np.array([-1.0, 1.0]) / (count * share * (1 - share))
    added = np.where(made, (right - share[:, None, None]) * weight[:, None, None], 0.0)  # influence of each answer
    readers = len(names)
    by_reader = readers / (readers - 1) * float((added.sum(axis=(0, 2)) ** 2).sum())
    by_case = float((added.sum(axis=(0, 1)) ** 2).sum())
    by_both = float((added.sum(axis=0) ** 2).sum())
    # The difference can be negative by chance; each clustering alone is then the safer figure.
    variance = max(by_reader + by_case - by_both, by_reader, by_case)
    slope = float(np.diff(np.log(share / (1 - share)))[0])
    quantiles = scipy.stats.t(readers - 1)
    half = float(quantiles.ppf((1 + confidence) / 2)) * variance**0.5
    p = float(2 * quantiles.sf(abs(slope) / variance**0.5))
    ends = np.exp([slope, slope - half, slope + half])
    return OddsRatio(float(ends[0]), float(ends[1]), float(ends[2]), p, float(share[0]), float(share[1]))


def right_answers(
    readings: Readings, unaided: str, aided: str, threshold: float | None, system: str | None
) -> tuple[Floats, list[str], Bools | None]:
    """2×J×K: 1 right, 0 wrong, NaN not answered; the readers; and K, whether the aid was right."""
    if threshold is None and not readings.binary:
        raise ReadingsError("there are ratings other than 0 and 1", fix="Give a threshold.")
    limit = 1.0 if threshold is None else threshold
    grid = readings.grid()
    for modality in (unaided, aided):
        if modality not in grid.modalities:
            raise ReadingsError(f"there is no modality '{modality}'", fix=f"There are {', '.join(grid.modalities)}.")
    right = np.where(grid.read, (grid.rating >= limit) == grid.positive, np.nan)
    kept = [j for j, reader in enumerate(grid.readers) if reader != system]
    aid: Bools | None = None
    if system is not None:
        if system not in grid.readers:
            raise ReadingsError(f"there is no reader '{system}'", fix=f"There are {', '.join(grid.readers[:20])}.")
        own = right[:, grid.readers.index(system)]  # I×K
        read = ~np.isnan(own)
        if (read.sum(axis=0) != 1).any():
            raise ReadingsError(
                f"'{system}' must have answered every case once", fix="Give its answers in one modality, for all cases."
            )
        aid = np.where(read, own, 0.0).sum(axis=0) == 1
    places = [grid.modalities.index(unaided), grid.modalities.index(aided)]
    chosen = right[places][:, kept]
    answered: Bools = np.logical_or.reduce(~np.isnan(chosen), axis=(0, 2))
    return chosen[:, answered], [grid.readers[j] for j, some in zip(kept, answered, strict=True) if some], aid


def _counted(reader: str, before: Bools, after: Bools, aid_right: Bools | None, p: float) -> Switches:
    wrong_aid = None if aid_right is None else ~aid_right & before
    return Switches(
        reader,
        len(before),
        int((before & after).sum()),
        int((~before & ~after).sum()),
        int((~before & after).sum()),
        int((before & ~after).sum()),
        p,
        None if wrong_aid is None else int(wrong_aid.sum()),
        None if wrong_aid is None else int((wrong_aid & ~after).sum()),
    )
