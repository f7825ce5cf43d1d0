import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cutis.training.losses import LesionLoss
from cutis.training.recipe import Loss

PRIOR = np.array([0.7, 0.2, 0.1])
LOGITS = torch.tensor([[2.0, -1.0, 0.3], [0.1, 0.2, 0.3], [-1.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
LABELS = torch.tensor([0, 2, 1, 0])
ONE_HOT = F.one_hot(LABELS, 3).float()


def loss(**fields):
    return LesionLoss(Loss(logit_adjustment=0.0, **fields), PRIOR, torch.device("cpu"))


def test_plain_cross_entropy_is_torchs():
    torch.testing.assert_close(loss()(LOGITS, ONE_HOT), F.cross_entropy(LOGITS, LABELS))


def test_label_smoothing_is_torchs():
    expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
    torch.testing.assert_close(loss(label_smoothing=0.1)(LOGITS, ONE_HOT), expected)


def test_class_weights_are_inverse_frequency_with_mean_one_under_the_prior():
    weights = torch.tensor(1 / PRIOR / 3, dtype=torch.float32)
    expected = (F.cross_entropy(LOGITS, LABELS, reduction="none") * weights[LABELS]).mean()
    torch.testing.assert_close(loss(class_weight_power=1.0)(LOGITS, ONE_HOT), expected)


def test_focal_loss_without_focus_is_cross_entropy_and_with_it_follows_its_equation():
    torch.testing.assert_close(loss(name="focal", focal_gamma=0.0)(LOGITS, ONE_HOT), F.cross_entropy(LOGITS, LABELS))
    p = F.softmax(LOGITS, 1)[torch.arange(4), LABELS]
    torch.testing.assert_close(loss(name="focal", focal_gamma=2.0)(LOGITS, ONE_HOT), (-((1 - p) ** 2) * p.log()).mean())


def test_the_logit_adjusted_optimum_is_the_balanced_posterior():
    """Menon 2020, section 4: trained with τ = 1, bare logits estimate p(y|x) under equal class frequencies."""
    adjusted = LesionLoss(Loss(logit_adjustment=1.0), PRIOR, torch.device("cpu"))
    likelihood = np.array([0.2, 0.5, 0.9])  # p(x | y) of one kind of image
    posterior = torch.tensor(likelihood * PRIOR / (likelihood * PRIOR).sum(), dtype=torch.float32)
    logits = torch.zeros(1, 3, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=100)

    def closure():
        optimiser.zero_grad()
        value = adjusted(logits, posterior[None])
        value.backward()
        return value

    optimiser.step(closure)
    np.testing.assert_allclose(F.softmax(logits, 1).detach()[0], likelihood / likelihood.sum(), atol=1e-3)


def test_a_class_never_shown_does_not_make_the_loss_infinite():
    shown = LesionLoss(Loss(class_weight_power=0.5), np.array([0.9, 0.1, 0.0]), torch.device("cpu"))
    assert torch.isfinite(shown(LOGITS, ONE_HOT))


def test_a_mixture_of_targets_is_the_mixture_of_losses():
    value = loss()
    mixed = value(LOGITS, 0.3 * ONE_HOT + 0.7 * ONE_HOT.flip(0))
    assert float(mixed) == pytest.approx(
        float(0.3 * value(LOGITS, ONE_HOT) + 0.7 * value(LOGITS, ONE_HOT.flip(0))), rel=1e-5
    )
