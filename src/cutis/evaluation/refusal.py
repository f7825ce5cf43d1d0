"""What it is worth to refuse strange images: accuracy of the rest, images of diagnoses that no class holds.

A model that answers only where it knows its ground trades coverage for accuracy. The curve of that trade is measured
twice, for the strangest and for the least sure images refused first, since a score of unfamiliarity is made to find
images of another kind, and a probability to find those that may be answered wrongly.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from cutis.evaluation.arrays import Bools, Floats, Ints, ratio
from cutis.evaluation.estimate import Estimate, Part, Resampled, resampled
from cutis.evaluation.metrics import predicted_class
from cutis.evaluation.scored import ScoredImages, UnseenImages, clusters_of
from cutis.evaluation.unfamiliarity import UnfamiliarityResult, one_minus_largest_probability, unfamiliarity_result

LIMIT = 1.0
"""The unfamiliarity beyond which a model warns: 95 % of its validation images keep it."""
REFUSED = tuple(n / 20 for n in range(20))
"""The shares of images refused at which accuracy is told."""


class RefusalCurve(Part):
    """Accuracy of the images that are left, by the share refused; ``area`` is the mean error over all coverages.

    The area under the risk-coverage curve (AURC; Geifman & El-Yaniv 2017, arXiv:1705.08500; Geifman 2019,
    arXiv:1805.08206): 0 is best; an order that says nothing has the error of all images.
    """

    refused: list[float]
    accuracy: list[Estimate]
    area: Estimate


class Refusal(Part):
    """Refusing images of one data set, or of all.

    Attributes:
        source: the data set; None for all.
        images: how many have an unfamiliarity.
        error: share answered wrongly.
        strangest_first: the curve when the strangest are refused first.
        least_sure_first: when those with the smallest largest probability are.
        beyond_images: how many are stranger than the limit of 1.
        beyond: their share.
        accuracy_beyond: of these.
        accuracy_within: of the others.
    """

    source: str | None
    images: int
    error: Estimate
    strangest_first: RefusalCurve
    least_sure_first: RefusalCurve
    beyond_images: int
    beyond: Estimate
    accuracy_beyond: Estimate
    accuracy_within: Estimate


class UnseenDiagnoses(Part):
    """Images of diagnoses that no class holds against the scored ones.

    Attributes:
        words: these images by word.
        by_unfamiliarity: how well the score tells them apart.
        by_probability: how well 1 − the largest probability would.
        beyond: share of these images that are stranger than the limit of 1.
    """

    words: dict[str, int]
    by_unfamiliarity: UnfamiliarityResult
    by_probability: UnfamiliarityResult
    beyond: Estimate


class Unfamiliarity(Part):
    """What the score of unfamiliarity is worth.

    Attributes:
        not_known: scored images without one, which have no part.
        overall: refusing images.
        by_source: the same in each data set, where there are several.
        unseen: None where no evaluated image shows a diagnosis outside the classes.
    """

    not_known: int
    overall: Refusal
    by_source: list[Refusal]
    unseen: UnseenDiagnoses | None


class Kept(NamedTuple):
    """Weight of the images up to each of G distinct scores, and of those of them answered rightly; (G + 1)×R each."""

    images: Floats
    right: Floats


class RankedForRefusal:
    """N answers ranked by a score once, so that many weightings of them need no further sorting.

    Args:
        right: N, whether the answer was right.
        scores: N, finite; the largest are refused first. Images of equal score count as refused in a random order.
    """

    def __init__(self, right: Bools, scores: Floats) -> None:
        self._order = np.argsort(scores, kind="stable")
        self._right = right[self._order].astype(np.float64)[:, None]
        ranked = scores[self._order]
        ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        self._ends: slice | Ints = slice(None) if len(ends) == len(ranked) else ends

    def kept(self, weights: Floats | None = None) -> Kept:
        """The cumulated weights; None is one weighting that counts each image once."""
        each = np.ones((len(self._order), 1)) if weights is None else weights[self._order]
        return Kept(self._cumulated(each), self._cumulated(each * self._right))

    def _cumulated(self, weights: Floats) -> Floats:
        found = np.zeros((len(weights) + 1, weights.shape[1]))
        np.cumsum(weights, axis=0, out=found[1:])
        return found if isinstance(self._ends, slice) else found[np.append(0, self._ends + 1)]


def accuracy_of_rest(at: Kept, refused: Sequence[float]) -> Floats:
    """Accuracy of what is left when S shares of the weight are refused: R×S; NaN where nothing weighs."""
    left = (1 - np.asarray(refused)) * at.images[-1][:, None]
    right = [np.interp(left[r], at.images[:, r], at.right[:, r]) for r in range(len(left))]
    return ratio(np.stack(right), left)


def risk_coverage_area(at: Kept) -> Floats:
    """The area under the risk-coverage curve, R. Weights are whole: as many copies of the image.

    Mean over k = 1 … N of the error among the k first; of images with equal scores, the mean over their orders.
    """
    wrong = at.images - at.right
    tied = np.diff(at.images, axis=0)
    rate = np.divide(np.diff(wrong, axis=0), tied, out=np.zeros_like(tied), where=tied > 0)
    # Σ (wrong + rate j) / (before + j) over j = 1 … tied, in closed form by harmonic numbers H(n) = 1 + … + 1/n.
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, at.images[-1].max(initial=0) + 1)))
    risen = np.diff(harmonic[at.images.astype(np.int64)], axis=0)
    rate *= at.images[:-1]
    return ratio(wrong[-1] + np.einsum("gr,gr->r", wrong[:-1] - rate, risen), at.images[-1])


class Refusals:
    """The statistics of refusing for any weighting of the images, and the result they give."""

    def __init__(self, scored: ScoredImages) -> None:
        assert scored.unfamiliarity is not None
        self.known = ~np.isnan(scored.unfamiliarity)
        self.scored = scored
        self.right = predicted_class(scored.probabilities) == scored.truth
        self.beyond = scored.unfamiliarity > LIMIT
        unsure = one_minus_largest_probability(scored.probabilities)
        source = scored.frame["source"].fill_null("(not named)").to_numpy()
        names = sorted(set(source[self.known]))
        self.rows: dict[str | None, Ints] = {None: np.flatnonzero(self.known)}
        if len(names) > 1:
            self.rows |= {name: np.flatnonzero(self.known & (source == name)) for name in names}
        self.ranked = {
            name: (
                RankedForRefusal(self.right[rows], scored.unfamiliarity[rows]),
                RankedForRefusal(self.right[rows], unsure[rows]),
            )
            for name, rows in self.rows.items()
        }

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        found: dict[str, Floats] = {}
        for name, rows in self.rows.items():
            each, right, beyond = weights[rows], self.right[rows], self.beyond[rows]
            for kind, ranked in zip(("strange", "unsure"), self.ranked[name], strict=True):
                at = ranked.kept(each)
                found[_key(name, f"{kind} accuracy")] = accuracy_of_rest(at, REFUSED)
                found[_key(name, f"{kind} area")] = risk_coverage_area(at)
            found[_key(name, "error")] = _share(each, ~right)
            found[_key(name, "beyond")] = _share(each, beyond)
            found[_key(name, "accuracy beyond")] = _share(each[beyond], right[beyond])
            found[_key(name, "accuracy within")] = _share(each[~beyond], right[~beyond])
        return found

    def result(self, told: Resampled, *, resamples: int, seed: int) -> Unfamiliarity:
        """The section; ``resamples`` and ``seed`` are of the unseen diagnoses' own bootstrap."""
        unseen = self.scored.unseen
        return Unfamiliarity(
            not_known=int((~self.known).sum()),
            overall=self._refusal(None, told),
            by_source=[self._refusal(name, told) for name in self.rows if name is not None],
            unseen=None if unseen is None else self._unseen(unseen, told.confidence, resamples, seed),
        )

    def _refusal(self, name: str | None, told: Resampled) -> Refusal:
        def curve(kind: str) -> RefusalCurve:
            return RefusalCurve(
                refused=list(REFUSED),
                accuracy=told.estimates(_key(name, f"{kind} accuracy")),
                area=told.estimate(_key(name, f"{kind} area")),
            )

        rows = self.rows[name]
        return Refusal(
            source=name,
            images=len(rows),
            error=told.estimate(_key(name, "error")),
            strangest_first=curve("strange"),
            least_sure_first=curve("unsure"),
            beyond_images=int(self.beyond[rows].sum()),
            beyond=told.estimate(_key(name, "beyond")),
            accuracy_beyond=told.estimate(_key(name, "accuracy beyond")),
            accuracy_within=told.estimate(_key(name, "accuracy within")),
        )

    def _unseen(self, unseen: UnseenImages, confidence: float, resamples: int, seed: int) -> UnseenDiagnoses:
        scored, known = self.scored, self.rows[None]
        assert scored.unfamiliarity is not None
        # One patient may have lesions of both kinds: images of one stay together.
        clusters = clusters_of(pl.concat([scored.frame[known], unseen.frame])).number
        beyond = unseen.unfamiliarity > LIMIT
        share = resampled(
            lambda weights: {"beyond": _share(weights, beyond)},
            clusters[len(known) :],
            resamples=resamples,
            seed=seed,
            confidence=confidence,
        )

        def told_apart(familiar: Floats, unfamiliar: Floats) -> UnfamiliarityResult:
            return unfamiliarity_result(
                familiar, unfamiliar, clusters=clusters.tolist(), resamples=resamples, seed=seed, confidence=confidence
            )

        node, word = unseen.frame["diagnosis_node"], unseen.frame["source_diagnosis"]
        words = word.fill_null(node).alias("word").value_counts().sort("count", "word", descending=[True, False])
        return UnseenDiagnoses(
            words=dict(words.iter_rows()),
            by_unfamiliarity=told_apart(scored.unfamiliarity[known], unseen.unfamiliarity),
            by_probability=told_apart(
                one_minus_largest_probability(scored.probabilities[known]),
                one_minus_largest_probability(unseen.probabilities),
            ),
            beyond=share.estimate("beyond"),
        )


def _key(source: str | None, figure: str) -> str:
    return f"unfamiliarity/{'' if source is None else source}/{figure}"


def _share(weights: Floats, hit: Bools) -> Floats:
    return ratio(hit.astype(np.float64) @ weights, weights.sum(axis=0))
