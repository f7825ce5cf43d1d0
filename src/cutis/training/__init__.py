"""Training: recipes, the loop, and the way from a manifest to a model bundle."""

from cutis.training.calibrate import calibrate
from cutis.training.folds import train_folds
from cutis.training.loop import Progress
from cutis.training.recipe import Recipe, load_recipe, parse_recipe, recipe_names
from cutis.training.train import train

__all__ = [
    "Progress",
    "Recipe",
    "calibrate",
    "load_recipe",
    "parse_recipe",
    "recipe_names",
    "train",
    "train_folds",
]
