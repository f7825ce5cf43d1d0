"""Recipes: everything that decides how a model is trained, as one validated value, read from TOML.

Named recipes ship with the package as ``training/recipes/NAME.toml``; ``--set key=value`` overrides single fields.
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cutis.errors import RecipeError
from cutis.models import Architecture, ImageSize

CalibrationKind = Literal["temperature", "vector", "isotonic"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Augmentation(_Part):
    """How a training image is varied. All amounts are the most that is drawn, uniformly, unless said otherwise."""

    flip: bool = True
    """Mirror left–right and up–down, each half of the time: a lesion has no handedness."""
    rotate: float = Field(180.0, ge=0, le=180)
    """Degrees to either side; margins are filled by reflection."""
    scale: tuple[float, float] = (0.8, 1.3)
    """Zoom, drawn log-uniformly; above 1 the lesion looks larger."""
    stretch: float = Field(0.1, ge=0, lt=1)
    """Change of aspect, as a share."""
    shift: float = Field(0.08, ge=0, lt=1)
    """Displacement as a share of the side."""
    brightness: float = Field(0.15, ge=0, lt=1)
    contrast: float = Field(0.15, ge=0, lt=1)
    saturation: float = Field(0.2, ge=0, lt=1)
    hue: float = Field(0.03, ge=0, le=0.5)
    """Turn of the colour circle; 0.5 is half of it."""
    erase: float = Field(0.0, ge=0, le=1)
    """Chance that a random rectangle (2–15 % of the area) is filled with grey (Zhong 2017, arXiv:1708.04896)."""
    mixup: float = Field(0.0, ge=0)
    """Beta parameter of mixup (Zhang 2017, arXiv:1710.09412); 0 for none."""
    drop_patient: float = Field(0.3, ge=0, le=1)
    """Chance that a patient field is hidden in training, so that the model also serves without it."""


class Loss(_Part):
    """The training loss and how it meets class imbalance."""

    name: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: float = Field(2.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    logit_adjustment: float = Field(1.0, ge=0)
    """τ of the logit-adjusted loss (Menon 2020, arXiv:2007.07314): logits + τ · log prior. 1 makes the bare logits
    those of a balanced problem, which is what balanced accuracy asks for."""
    class_weight_power: float = Field(0.0, ge=0, le=1)
    """Classes are weighted by frequency to the power of minus this; 1 is inverse frequency."""


class Sampling(_Part):
    """Which images an epoch shows."""

    balance: float = Field(0.0, ge=0, le=1)
    """Images are drawn with probability ∝ (class frequency)^−balance; 0 shows each once, 1 draws classes evenly."""
    epoch_images: int | None = Field(None, ge=1)
    """Images an epoch; None for as many as there are."""


class Optimiser(_Part):
    """The optimiser and its learning rates."""

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    backbone_factor: float = Field(0.5, ge=0, le=1)
    """Learning rate of the pretrained backbone as a share of the head's."""
    frozen_stages: int = Field(0, ge=0)
    """Stages of the backbone, from the input on, that keep their pretrained weights; the stem is the first. What they
    find (edges, colours) needs no learning, and every step is faster without their gradients."""
    weight_decay: float = Field(0.02, ge=0)
    batch_size: int = Field(32, ge=2)
    clip_norm: float = Field(2.0, gt=0)


class Schedule(_Part):
    """How long, and how the learning rate moves: linear warm-up, then half a cosine down to nothing."""

    epochs: int = Field(10, ge=1)
    warmup_epochs: float = Field(0.5, ge=0)
    stop_after: int | None = Field(None, ge=1)
    """Early stopping: epochs without a better balanced accuracy on validation; None trains to the end."""
    keep: Literal["last", "best"] = "last"
    """The weights that go into the bundle: of the last epoch, or of the best on validation."""


class Recipe(_Part):
    """All that decides how a model is trained."""

    name: str = "unnamed"
    description: str = ""
    classes: str = "ham7"
    """What is told apart, as :func:`cutis.taxonomy.class_set` reads it (``ham7``, ``partition:max=1000``,
    ``melanoma,nevus+other`` …), or ``"source"`` for the data set's own words."""
    model: Architecture = Architecture()
    weights: str = "imagenet"
    """``imagenet``, ``none`` or the path of a weights file."""
    image: ImageSize = ImageSize()
    augmentation: Augmentation = Augmentation()
    loss: Loss = Loss()
    sampling: Sampling = Sampling()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay a step of the exponential moving average of the weights that is kept; 0 for none."""
    precision: Literal["float32", "bfloat16"] = "float32"
    views: Literal[1, 2, 4] = 1
    """Test-time views, averaged: 1 as it is, 2 with its mirror image, 4 with both mirrors and the half-turn."""
    calibration: CalibrationKind = "temperature"
    """How logits become probabilities, fitted on validation images: one number, two a class, or a curve a class."""
    validation: float = Field(0.1, gt=0, lt=0.5)
    """Share of the lesions set aside for validation where the manifest has no ``val`` subset."""
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        low, high = self.augmentation.scale
        if not 0 < low <= high:
            raise ValueError("augmentation.scale must be two positive numbers, the smaller first")
        for name in ("decoded", "training", "inference"):
            if min(getattr(self.image, name)) < 32:
                raise ValueError(f"image.{name} must be at least 32 × 32 pixels")
        return self


def recipe_names() -> list[str]:
    """The recipes that ship with cutis."""
    return sorted(
        each.name.removesuffix(".toml")
        for each in resources.files("cutis.training").joinpath("recipes").iterdir()
        if each.name.endswith(".toml")
    )


def load_recipe(name_or_file: str | Path, overrides: list[str] | None = None) -> Recipe:
    """A recipe by name or TOML file, with single fields overridden.

    Args:
        name_or_file: one of :func:`recipe_names`, or a path that ends in ``.toml``.
        overrides: ``"section.key=value"`` each; the value is read as TOML (``3``, ``true``, ``[1, 2]``), else as text.

    Raises:
        RecipeError: no such recipe or file, not TOML, or a field is unknown or out of range.
    """
    where = str(name_or_file)
    if where.endswith(".toml"):
        path = Path(where)
        if not path.is_file():
            raise RecipeError("does not exist", where=where, fix=f"Name a file, or one of {', '.join(recipe_names())}.")
        text = path.read_text(encoding="utf-8", errors="replace")
    elif where in recipe_names():
        text = resources.files("cutis.training").joinpath("recipes", f"{where}.toml").read_text(encoding="utf-8")
    else:
        raise RecipeError(
            f"no recipe is called '{where}'", fix=f"Use one of {', '.join(recipe_names())}, or a .toml file."
        )
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"is not valid TOML ({error})", where=where, fix="Correct that line.") from error
    for override in overrides or []:
        _override(fields, override)
    return parse_recipe(fields, where)


def parse_recipe(fields: dict[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from its fields, as they stand in ``recipe.json``.

    Raises:
        RecipeError: a field is unknown or out of range.
    """
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        said = first["msg"].removeprefix("Value error, ")
        problem = f"'{field}': {said}{more}" if field else said + more
        raise RecipeError(problem, where=where, fix="See docs/training.md for the fields.") from error


def _override(fields: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set takes key=value, not '{override}'", fix="Write for example --set schedule.epochs=5.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        fields = fields.setdefault(section, {})
        if not isinstance(fields, dict):
            raise RecipeError(f"--set {key}: '{section}' is a value, not a section", fix="See docs/training.md.")
    fields[last] = value
