"""Losses for an imbalanced problem whose labels may be coarser than its classes."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cutis.training.recipe import Loss


class LesionLoss:
    """The recipe's loss: cross entropy or focal, with logit adjustment, class weights and label smoothing.

    A target is the set of classes an image may belong to: one class, or, for an image labelled above the classes
    ("melanocytic nevus" where its kinds are told apart), all classes below its label. Its likelihood is the sum of
    their probabilities, the same sum over descendants that gives the probability of a coarse class (Esteva 2017).

    Args:
        loss: the recipe's rule.
        prior: share of each class among the images shown (K values that sum to 1; 0 for a class never shown).
    """

    def __init__(self, loss: Loss, prior: npt.NDArray[np.float64], device: torch.device) -> None:
        self._loss = loss
        shares = torch.tensor(prior, dtype=torch.float32, device=device)
        # A class that is never shown gets the least share there is, not −∞, which would make the loss NaN.
        shares = torch.where(shares > 0, shares, shares[shares > 0].min())
        self._shares = shares
        self._adjustment = loss.logit_adjustment * shares.log()
        weights = shares**-loss.class_weight_power
        self._weights = weights / (weights * shares).sum()

    def __call__(self, logits: Tensor, candidates: Tensor) -> Tensor:
        """Loss of each image, N.

        Args:
            logits: float N × K, unadjusted.
            candidates: bool N × K, the classes each image may belong to, one or more.
        """
        log_p = (logits.float() + self._adjustment).log_softmax(dim=1)
        log_likelihood = log_p.masked_fill(~candidates, -torch.inf).logsumexp(dim=1)
        terms = -log_likelihood
        if self._loss.name == "focal":
            # Lin 2017 (arXiv:1708.02002), equation 4: (1 − p)^γ · −log p
            terms = terms * (1 - log_likelihood.exp()) ** self._loss.focal_gamma
        shares = candidates * self._shares
        terms = terms * (shares * self._weights).sum(1) / shares.sum(1)
        smooth = self._loss.label_smoothing
        return terms * (1 - smooth) - smooth * (log_p * self._weights).mean(1) if smooth else terms
