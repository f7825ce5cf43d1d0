"""What a class of other diseases saves, and what it costs (Han 2018: training with them as negatives)."""

import numpy as np

from cutis.evaluation.arrays import Bools, Counts, Floats, ratio, sums_by
from cutis.evaluation.clinical import malignant_flags
from cutis.evaluation.estimate import Estimate, Part, Resampled
from cutis.evaluation.metrics import predicted_class
from cutis.evaluation.scored import ScoredImages
from cutis.taxonomy import ClassSet


class OtherDiseases(Part):
    """Images of other diseases, answered with and without the class for them.

    *Without* is the most probable of the named classes: the same model with the class struck out, not one trained
    without it. All figures on malignancy are None where no named class is known to be malignant.

    Attributes:
        id: the class.
        images: how many show another disease.
        called_other: share of them that were called so.
        malignant_without: how many would be called malignant without the class.
        malignant_with: how many are called malignant all the same.
        false_alarms_saved: the difference.
        share_without: share of the images called malignant without.
        share_with: with.
        share_saved: the difference.
        cancers: how many images show a malignant named class.
        cancers_called_other: how many of them are called other: what the class costs.
        sensitivity_lost: share of the cancers that are called malignant without the class and not with it.
    """

    id: str
    images: int
    called_other: Estimate
    malignant_without: int | None
    malignant_with: int | None
    false_alarms_saved: int | None
    share_without: Estimate | None
    share_with: Estimate | None
    share_saved: Estimate | None
    cancers: int | None
    cancers_called_other: int | None
    sensitivity_lost: Estimate | None


class RestClass:
    """The statistics of the class of other diseases for any weighting, and the result they give."""

    def __init__(self, scored: ScoredImages, classes: ClassSet) -> None:
        self.rest = next(k for k, each in enumerate(classes.classes) if each.rest)
        self.id, self.malignant = classes.ids[self.rest], malignant_flags(classes)
        named = scored.probabilities.copy()
        named[:, self.rest] = -1.0
        answers = predicted_class(scored.probabilities)
        self.other: Bools = scored.truth == self.rest
        self.cancer: Bools = self.malignant[scored.truth]
        self.called_other: Bools = answers == self.rest
        self.with_it: Bools = self.malignant[answers]
        self.without: Bools = self.malignant[predicted_class(named)]
        # Which of these five hold of an image, in one number.
        facts = (self.other, self.cancer, self.called_other, self.with_it, self.without)
        self.cell = sum((np.uint8(1 << n) * each for n, each in enumerate(facts)), np.zeros(len(self.other), np.uint8))

    def statistics(self, weights: Counts) -> dict[str, Floats]:
        """All statistics, r, of weights N×r."""
        by_cell = sums_by(self.cell, 32, weights)
        other, cancer, called, with_it, without = ((np.arange(32) >> n & 1).astype(bool) for n in range(5))

        def share(hits: Bools, rows: Bools) -> Floats:
            return ratio(by_cell[hits & rows].sum(axis=0), by_cell[rows].sum(axis=0))

        of_other, still = share(without, other), share(with_it, other)
        return {
            "other/called": share(called, other),
            "other/without": of_other,
            "other/with": still,
            "other/saved": of_other - still,
            "other/lost": share(without & ~with_it, cancer),
        }

    def result(self, told: Resampled) -> OtherDiseases:
        """The section."""
        known = bool(self.malignant.any())
        without, with_it = int((self.without & self.other).sum()), int((self.with_it & self.other).sum())
        return OtherDiseases(
            id=self.id,
            images=int(self.other.sum()),
            called_other=told.estimate("other/called"),
            malignant_without=without if known else None,
            malignant_with=with_it if known else None,
            false_alarms_saved=without - with_it if known else None,
            share_without=told.estimate("other/without") if known else None,
            share_with=told.estimate("other/with") if known else None,
            share_saved=told.estimate("other/saved") if known else None,
            cancers=int(self.cancer.sum()) if known else None,
            cancers_called_other=int((self.cancer & self.called_other).sum()) if known else None,
            sensitivity_lost=told.estimate("other/lost") if known else None,
        )
