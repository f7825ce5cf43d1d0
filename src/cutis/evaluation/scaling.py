"""Maps from a model's logits to calibrated probabilities, fitted on validation images and stored with the model."""

from typing import Annotated, Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike
from pydantic import Field

from cutis.errors import PredictionsError, listed
from cutis.evaluation.arrays import Floats, Ints, checked_outputs
from cutis.evaluation.estimate import Part

Prior = Literal["uniform", "training"]

_STEEPEST = 20.0  # bounds of all fits: without one, separable validation images drive the fit to infinity


class TemperatureScaling(Part):
    """softmax(logits / temperature) (Guo 2017, section 4.2): keeps every ranking of classes."""

    kind: Literal["temperature"] = "temperature"
    temperature: float = Field(gt=0)

    def probabilities(self, logits: Floats) -> Floats:
        """N×K logits to N×K probabilities."""
        return np.asarray(scipy.special.softmax(logits / self.temperature, axis=1))


class VectorScaling(Part):
    """softmax(scale × logits + shift), one scale and shift a class (Guo 2017, section 4.2)."""

    kind: Literal["vector"] = "vector"
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def probabilities(self, logits: Floats) -> Floats:
        """N×K logits to N×K probabilities."""
        return np.asarray(scipy.special.softmax(logits * np.array(self.scale) + np.array(self.shift), axis=1))


class IsotonicScaling(Part):
    """Each class's softmax probability through a rising curve of its own, then divided by the row's sum.

    Zadrozny & Elkan 2002. ``said`` and ``meant`` hold a curve a class, linear between its points and level beyond
    them.
    """

    kind: Literal["isotonic"] = "isotonic"
    said: tuple[tuple[float, ...], ...]
    meant: tuple[tuple[float, ...], ...]

    def probabilities(self, logits: Floats) -> Floats:
        """N×K logits to N×K probabilities."""
        before = np.asarray(scipy.special.softmax(logits, axis=1))
        curves = zip(self.said, self.meant, strict=True)
        after = np.stack([np.interp(before[:, k], x, y) for k, (x, y) in enumerate(curves)], axis=1)
        return np.asarray(after / after.sum(axis=1, keepdims=True))


Scaling = Annotated[TemperatureScaling | VectorScaling | IsotonicScaling, Field(discriminator="kind")]
"""Any of the three, as ``calibration.json`` holds it: ``kind`` says which."""


def logits_of(probabilities: ArrayLike) -> Floats:
    """Logits that softmax turns into these N×K probabilities; one of 0 counts as 1e-12."""
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), 1e-12))


def fit_temperature_scaling(logits: ArrayLike, truth: ArrayLike, *, prior: Prior = "training") -> TemperatureScaling:
    """The temperature, 0.05 to 20, with the least negative log likelihood.

    Args:
        logits: N×K on images the model did not learn from.
        truth: N class numbers.
        prior: the class distribution the probabilities are meant for. For ``"uniform"`` every class weighs the same,
            for ``"training"`` every image.
    """
    numbers, values = checked_outputs(truth, logits)
    weights = _image_weights(numbers, values.shape[1], prior)

    def loss(log_temperature: float) -> float:
        return _loss(values / np.exp(log_temperature), numbers, weights)

    bound = float(np.log(_STEEPEST))
    best = scipy.optimize.minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-8})
    return TemperatureScaling(temperature=float(np.exp(best.x)))


def fit_vector_scaling(logits: ArrayLike, truth: ArrayLike, *, prior: Prior = "training") -> VectorScaling:
    """The scale (0.05 to 20) and shift (−20 to 20; 0 for the first class) of each class with the least loss.

    It has 2K − 1 numbers to fit: with few images of a class it overfits. The arguments are those of
    :func:`fit_temperature_scaling`.

    Raises:
        PredictionsError: a class has no image; its shift would be −∞.
    """
    numbers, values = checked_outputs(truth, logits)
    _all_classes_present(numbers, values.shape[1])
    weights = _image_weights(numbers, values.shape[1], prior)
    classes = values.shape[1]
    own = np.eye(classes)[numbers]

    def loss_and_slope(parameters: Floats) -> tuple[float, Floats]:
        scale, shift = parameters[:classes], parameters[classes:]
        moved = values * scale + shift
        miss = (scipy.special.softmax(moved, axis=1) - own) * weights[:, None]
        return _loss(moved, numbers, weights), np.concatenate([(miss * values).sum(axis=0), miss.sum(axis=0)])

    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    bounds = [(1 / _STEEPEST, _STEEPEST)] * classes + [(0.0, 0.0)] + [(-_STEEPEST, _STEEPEST)] * (classes - 1)
    best = scipy.optimize.minimize(
        loss_and_slope, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-12}
    )
    return VectorScaling(scale=tuple(best.x[:classes].tolist()), shift=tuple(best.x[classes:].tolist()))


def fit_isotonic_scaling(logits: ArrayLike, truth: ArrayLike, *, prior: Prior = "training") -> IsotonicScaling:
    """The rising curve of each class with the least squared error; the arguments of :func:`fit_temperature_scaling`.

    It follows every turn of the validation images and makes ties; take hundreds of images a class. A plain isotonic
    curve says never and always: here it stays 1 / (N + 2) off both, which N images cannot rule out (Laplace).

    Raises:
        PredictionsError: a class has no image; its curve would be flat.
    """
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - seconds to import, and not needed to predict

    numbers, values = checked_outputs(truth, logits)
    _all_classes_present(numbers, values.shape[1])
    weights = _image_weights(numbers, values.shape[1], prior)
    before = np.asarray(scipy.special.softmax(values, axis=1))
    said, meant, least = [], [], 1 / (len(numbers) + 2)
    for k in range(values.shape[1]):
        curve = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
        curve.fit(before[:, k], (numbers == k).astype(np.float64), sample_weight=weights)
        said.append(tuple(float(each) for each in curve.X_thresholds_))
        meant.append(tuple(float(each) for each in curve.y_thresholds_))
    return IsotonicScaling(said=tuple(said), meant=tuple(meant))


def _image_weights(numbers: Ints, classes: int, prior: Prior) -> Floats:
    counts = np.bincount(numbers, minlength=classes)
    weights = 1 / counts[numbers] if prior == "uniform" else np.ones(len(numbers))
    shares: Floats = weights / weights.sum()
    return shares


def _loss(logits: Floats, numbers: Ints, weights: Floats) -> float:
    return float(-(weights * scipy.special.log_softmax(logits, axis=1)[np.arange(len(numbers)), numbers]).sum())


def _all_classes_present(numbers: Ints, classes: int) -> None:
    absent = [str(k) for k in range(classes) if not (numbers == k).any()]
    if absent:
        raise PredictionsError(
            f"no image shows the classes numbered {listed(absent)}", fix="Fit a temperature, which needs no such image."
        )
