"""Losses for an imbalanced problem."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from cutis.training.recipe import Loss


class LesionLoss:
    """The recipe's loss: cross entropy or focal, with logit adjustment, class weights and label smoothing.

    Args:
        loss: the recipe's rule.
        prior: share of each class among the images shown (K values that sum to 1; 0 for a class never shown).
    """

    def __init__(self, loss: Loss, prior: npt.NDArray[np.float64], device: torch.device) -> None:
        self._loss = loss
        shares = torch.tensor(prior, dtype=torch.float32, device=device)
        # A class that is never shown gets the least share there is, not −∞, which would make the loss NaN.
        shares = torch.where(shares > 0, shares, shares[shares > 0].min())
        self._adjustment = loss.logit_adjustment * shares.log()
        weights = shares**-loss.class_weight_power
        self._weights = weights / (weights * shares).sum()

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss over the batch.

        Args:
            logits: float N × K, unadjusted.
            targets: float N × K, a distribution over classes a row (one-hot, or a mixture after mixup).
        """
        log_p = F.log_softmax(logits.float() + self._adjustment, dim=1)
        smooth = self._loss.label_smoothing
        targets = targets * (1 - smooth) + smooth / logits.shape[1]
        terms = -targets * log_p
        if self._loss.name == "focal":
            # Lin 2017 (arXiv:1708.02002), equation 4: (1 − p)^γ · −log p
            terms = terms * (1 - log_p.exp()) ** self._loss.focal_gamma
        return (terms * self._weights).sum(1).mean()
