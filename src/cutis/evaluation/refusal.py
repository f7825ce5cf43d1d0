"""What it is worth to refuse strange images: accuracy of the rest, images of diagnoses that no class holds.

A model that answers only where it knows its ground trades coverage for accuracy. The curve of that trade is measured
twice, for the strangest and for the least sure images refused first, since a score of unfamiliarity is made to find
images of another kind, and a probability to find those that may be answered wrongly.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from cutis.evaluation.arrays import CELLS_AT_ONCE, Bools, Counts, Floats, Ints, Weights, ratio, sums_by
from cutis.evaluation.estimate import Estimate, Part, Resampled, resampled
from cutis.evaluation.groups import named_groups
from cutis.evaluation.metrics import predicted_class
from cutis.evaluation.ranked import interpolated
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
    """Weight of the images up to each of S consecutive distinct scores, and of those of them answered rightly.

    Both (S + 1)×R: the first row is what lies below.
    """

    images: Floats
    right: Floats


class RankedForRefusal:
    """Answers ranked by a score once, so that many weightings of them need no further sorting.

    Args:
        right: N, whether the answer was right.
        scores: N, finite; the largest are refused first. Images of equal score count as refused in a random order.
        images: the numbers of those that are ranked, 0 … N − 1; None for all.
    """

    def __init__(self, right: Bools, scores: Floats, images: Ints | None = None) -> None:
        of = np.arange(len(scores)) if images is None else images
        self._order = of[np.argsort(scores[of], kind="stable")]
        self._right = right[self._order].astype(np.float64)
        ranked = scores[self._order]
        self._starts = np.append(0, np.flatnonzero(np.diff(ranked)) + 1)

    def figures(self, weights: Weights, refused: Sequence[float]) -> tuple[Floats, Floats]:
        """Accuracy of what is left when S shares of the weight are refused, and the area under the risk-coverage curve.

        The area is the mean over k = 1 … N of the error among the k first; of images with equal scores, the mean over
        their orders. Weights are whole: as many copies of the image.

        Returns:
            R×S and R; NaN where nothing weighs.
        """
        columns, images = weights.shape[1], len(self._order)
        total = sums_by(np.zeros(images, dtype=np.uint8), 1, weights, images=self._order)[0]
        harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, total.max(initial=0) + 1)))
        left = (1 - np.asarray(refused))[:, None] * total
        right, area = np.zeros(left.shape), np.zeros(columns)
        for at in self._blocks(weights):
            place, column = np.nonzero((left >= at.images[0]) & (left < at.images[-1]))
            right[place, column] = interpolated(at.images, at.right, left[place, column], column)
            right = np.where(left >= at.images[-1], at.right[-1], right)
            area += _risk_coverage_area(at, harmonic)
        return ratio(right, left).T, ratio(area, total)

    def _blocks(self, weights: Weights) -> Iterator[Kept]:
        """The cumulated weights, from the smallest score to the largest, in one block or more."""
        columns = weights.shape[1]
        images, right = np.zeros((2, columns))
        most = max(1, CELLS_AT_ONCE // columns)
        for first in range(0, len(self._starts), most):
            starts = self._starts[first : first + most + 1]
            ends = starts[1:] if len(starts) > most else np.append(starts[1:], len(self._order))
            rows = slice(starts[0], ends[-1])
            step = np.repeat(np.arange(len(ends)), np.diff(np.append(starts[0], ends)))
            found = np.empty((2, len(ends) + 1, columns))
            found[:, 0] = images, right
            found[0, 1:] = sums_by(step, len(ends), weights, images=self._order[rows])
            found[1, 1:] = sums_by(step, len(ends), weights, self._right[rows], images=self._order[rows])
            found = np.cumsum(found, axis=1)
            images, right = found[:, -1]
            yield Kept(found[0], found[1])


def _risk_coverage_area(at: Kept, harmonic: Floats) -> Floats:
    """What these scores add to the area × the weight of all images, R; ``harmonic``: H(n) = 1 + … + 1/n from n = 0."""
    wrong = at.images - at.right
    tied = np.diff(at.images, axis=0)
    rate = np.divide(np.diff(wrong, axis=0), tied, out=np.zeros_like(tied), where=tied > 0)
    # Σ (wrong + rate j) / (before + j) over j = 1 … tied, in closed form.
    risen = np.diff(harmonic[at.images.astype(np.int64)], axis=0)
    rate *= at.images[:-1]
    area: Floats = wrong[-1] - wrong[0] + np.einsum("gr,gr->r", wrong[:-1] - rate, risen)
    return area


class Refusals:
    """The statistics of refusing for any weighting of the images, and the result they give."""

    def __init__(self, scored: ScoredImages) -> None:
        assert scored.unfamiliarity is not None
        self.known = ~np.isnan(scored.unfamiliarity)
        self.scored = scored
        self.right = predicted_class(scored.probabilities) == scored.truth
        self.beyond = scored.unfamiliarity > LIMIT
        unsure = one_minus_largest_probability(scored.probabilities)
        names, self.source = named_groups(scored.frame["source"].fill_null("(not named)"))
        present = sorted(name for place, name in enumerate(names) if (self.known & (self.source == place)).any())
        self.place: dict[str | None, int | None] = {None: None}
        if len(present) > 1:
            self.place |= {name: names.index(name) for name in present}
        self.sources = len(names)
        self.cell = (self.source.astype(np.int64) * 2 + self.known) * 4 + 2 * self.beyond + self.right
        self.ranked = {
            name: tuple(
                RankedForRefusal(self.right, scores, self.rows(name)) for scores in (scored.unfamiliarity, unsure)
            )
            for name in self.place
        }

    def rows(self, name: str | None) -> Ints:
        """The images of a source, or of all, whose unfamiliarity is known."""
        place = self.place[name]
        return np.flatnonzero(self.known if place is None else self.known & (self.source == place))

    def statistics(self, weights: Counts) -> dict[str, Floats]:
        """All statistics, r×…, of weights N×r."""
        found: dict[str, Floats] = {}
        shape = self.sources, 2, 2, 2, weights.shape[1]  # by source, known, beyond, right
        by_cell = sums_by(self.cell, 8 * self.sources, weights).reshape(shape)[:, 1]
        for name, place in self.place.items():
            for kind, ranked in zip(("strange", "unsure"), self.ranked[name], strict=True):
                accuracies, area = ranked.figures(weights, REFUSED)
                found[_key(name, f"{kind} accuracy")] = accuracies
                found[_key(name, f"{kind} area")] = area
            (wrong_within, right_within), (wrong_beyond, right_beyond) = (
                by_cell.sum(axis=0) if place is None else by_cell[place]
            )
            within, beyond = wrong_within + right_within, wrong_beyond + right_beyond
            found[_key(name, "error")] = ratio(wrong_within + wrong_beyond, within + beyond)
            found[_key(name, "beyond")] = ratio(beyond, within + beyond)
            found[_key(name, "accuracy beyond")] = ratio(right_beyond, beyond)
            found[_key(name, "accuracy within")] = ratio(right_within, within)
        return found

    def result(self, told: Resampled, *, resamples: int, seed: int) -> Unfamiliarity:
        """The section; ``resamples`` and ``seed`` are of the unseen diagnoses' own bootstrap."""
        unseen = self.scored.unseen
        return Unfamiliarity(
            not_known=int((~self.known).sum()),
            overall=self._refusal(None, told),
            by_source=[self._refusal(name, told) for name in self.place if name is not None],
            unseen=None if unseen is None else self._unseen(unseen, told.confidence, resamples, seed),
        )

    def _refusal(self, name: str | None, told: Resampled) -> Refusal:
        def curve(kind: str) -> RefusalCurve:
            return RefusalCurve(
                refused=list(REFUSED),
                accuracy=told.estimates(_key(name, f"{kind} accuracy")),
                area=told.estimate(_key(name, f"{kind} area")),
            )

        rows = self.rows(name)
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
        scored, known = self.scored, self.rows(None)
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
                familiar, unfamiliar, clusters=clusters, resamples=resamples, seed=seed, confidence=confidence
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
