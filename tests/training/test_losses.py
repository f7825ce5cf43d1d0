import numpy as np
import torch
from torch.nn import functional as F

from cutis.training.losses import LesionLoss
from cutis.training.recipe import Loss

PRIOR = np.array([0.7, 0.2, 0.1])
LOGITS = torch.tensor([[2.0, -1.0, 0.3], [0.1, 0.2, 0.3], [-1.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
LABELS = torch.tensor([0, 2, 1, 0])
ONE_HOT = F.one_hot(LABELS, 3).bool()


def loss(**fields):
    return LesionLoss(Loss(logit_adjustment=0.0, **fields), PRIOR, torch.device("cpu"))


def test_plain_cross_entropy_is_torchs():
    torch.testing.assert_close(loss()(LOGITS, ONE_HOT).mean(), F.cross_entropy(LOGITS, LABELS))


def test_label_smoothing_is_torchs():
    expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
    torch.testing.assert_close(loss(label_smoothing=0.1)(LOGITS, ONE_HOT).mean(), expected)


def test_class_weights_are_inverse_frequency_with_mean_one_under_the_prior():
    weights = torch.tensor(1 / PRIOR / 3, dtype=torch.float32)
    expected = (F.cross_entropy(LOGITS, LABELS, reduction="none") * weights[LABELS]).mean()
    torch.testing.assert_close(loss(class_weight_power=1.0)(LOGITS, ONE_HOT).mean(), expected)


def test_focal_loss_without_focus_is_cross_entropy_and_with_it_follows_its_equation():
    torch.testing.assert_close(
        loss(name="focal", focal_gamma=0.0)(LOGITS, ONE_HOT).mean(), F.cross_entropy(LOGITS, LABELS)
    )
    p = F.softmax(LOGITS, 1)[torch.arange(4), LABELS]
    torch.testing.assert_close(
        loss(name="focal", focal_gamma=2.0)(LOGITS, ONE_HOT).mean(), (-((1 - p) ** 2) * p.log()).mean()
    )


def test_the_logit_adjusted_optimum_is_the_balanced_posterior():
    """Menon 2020, section 4: trained with τ = 1, bare logits estimate p(y|x) under equal class frequencies."""
    adjusted = LesionLoss(Loss(logit_adjustment=1.0), PRIOR, torch.device("cpu"))
    likelihood = np.array([0.2, 0.5, 0.9])  # p(x | y) of one kind of image
    posterior = torch.tensor(likelihood * PRIOR / (likelihood * PRIOR).sum(), dtype=torch.float32)
    logits = torch.zeros(1, 3, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=100)

    def closure():
        optimiser.zero_grad()
        value = (posterior * adjusted(logits.expand(3, 3), torch.eye(3, dtype=torch.bool))).sum()
        value.backward()
        return value

    optimiser.step(closure)
    np.testing.assert_allclose(F.softmax(logits, 1).detach()[0], likelihood / likelihood.sum(), atol=1e-3)


def test_a_class_never_shown_does_not_make_the_loss_infinite():
    shown = LesionLoss(Loss(class_weight_power=0.5), np.array([0.9, 0.1, 0.0]), torch.device("cpu"))
    assert torch.isfinite(shown(LOGITS, ONE_HOT)).all()


def test_a_label_above_the_classes_is_as_likely_as_the_classes_below_it_together():
    below = torch.tensor([[True, False, True]] * 4)
    p = F.softmax(LOGITS, 1)
    torch.testing.assert_close(loss()(LOGITS, below), -(p[:, 0] + p[:, 2]).log())


def test_a_label_above_all_classes_says_nothing():
    everything = torch.ones(4, 3, dtype=torch.bool)
    logits = LOGITS.clone().requires_grad_()
    value = LesionLoss(Loss(), PRIOR, torch.device("cpu"))(logits, everything)
    value.sum().backward()
    torch.testing.assert_close(value, torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(logits.grad, torch.zeros(4, 3), atol=1e-6, rtol=0)
