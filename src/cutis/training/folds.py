"""Cross-validation: one bundle a fold, one after the other or several at a time, and predictions out of fold."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import torch

from cutis.data import check_split, decode_images, image_paths
from cutis.errors import ManifestError, RecipeError
from cutis.evaluation import Predictions, write_predictions
from cutis.models import Bundle, Calibration, check_bundle_target, load_bundle, predict_manifest
from cutis.training.loop import Progress
from cutis.training.recipe import Recipe, parse_recipe
from cutis.training.train import train_rows


def train_folds(
    manifest: pl.DataFrame,
    recipe: Recipe,
    folder: str | Path,
    *,
    resume: bool = False,
    checkpoint_seconds: float = 60.0,
    progress: Callable[[Progress], None] | None = None,
    decoding: Callable[[int], None] | None = None,
    fold_begins: Callable[[int, int], None] | None = None,
    jobs: int = 1,
) -> Predictions:
    """Cross-validate: train one bundle a fold, and predict each image with the one that has not seen its group.

    Writes ``FOLDER/fold0`` … (bundles) and ``FOLDER/predictions.parquet`` (out of fold). With ``resume``, finished
    folds are kept.

    Args:
        manifest: with a ``fold`` column made by ``cutis split --folds``.
        recipe: how to train each.
        folder: where the bundles go.
        resume: keep finished folds and go on from the checkpoint of the one that was cut off.
        checkpoint_seconds: longest time between two checkpoints.
        progress: told after every step.
        decoding: told the number of images just decoded.
        fold_begins: told the fold and the number of folds.
        jobs: folds trained at a time, each in a process of its own with its share of the cores or, where there are
            GPUs, on one of them in turn. ``progress`` and ``decoding`` are told nothing of these.

    Raises:
        As :func:`train`; ManifestError when there are no folds; RecipeError when ``jobs`` is below 1.
    """
    folder = Path(folder)
    used = manifest.filter(pl.col("fold").is_not_null())
    folds = sorted(used["fold"].unique().to_list())
    if len(folds) < 2:
        raise ManifestError("the manifest has no folds", fix="Make them with `cutis split M --folds 5 -o M2`.")
    if jobs < 1:
        raise RecipeError(f"{jobs} folds at a time asked for", fix="Ask for 1 or more.")
    for fold in folds:
        check_bundle_target(folder / f"fold{fold}")
    check_split(used)
    parts = []
    # The held-out fold is measured, never used to choose: the loop keeps the last weights.
    schedule = recipe.schedule.model_copy(update={"keep": "last", "stop_after": None})
    recipe = recipe.model_copy(update={"schedule": schedule})
    if jobs > 1:
        waiting = [fold for fold in folds if not (resume and (folder / f"fold{fold}" / "bundle.json").exists())]
        _train_at_once(used, recipe, folder, waiting, jobs, resume, checkpoint_seconds)
        resume = True
    for fold in folds:
        place = folder / f"fold{fold}"
        held_out = (used["fold"] == fold).to_numpy()
        if fold_begins:
            fold_begins(fold, len(folds))
        if resume and (place / "bundle.json").exists():
            bundle = load_bundle(place)
            _check_same(bundle, recipe, used.filter(pl.Series(~held_out)), place)
        else:
            bundle = train_rows(
                used,
                held_out,
                recipe,
                place,
                resume,
                {"fold": fold},
                checkpoint_seconds,
                progress,
                decoding,
            )
        # Its calibration was fitted on this very fold, so it is left out here.
        bundle = replace(bundle, calibration=Calibration())
        out_of_fold = used.filter(pl.Series(held_out))
        parts.append(predict_manifest(bundle, out_of_fold))
    strange = [part.unfamiliarity for part in parts if part.unfamiliarity is not None]
    predictions = Predictions(
        [image_id for part in parts for image_id in part.image_ids],
        np.concatenate([part.probabilities for part in parts]),
        parts[0].classes,
        # Each image was its own fold's validation image: measured, but never learnt from.
        ["no"] * sum(len(part.image_ids) for part in parts),
        unfamiliarity=np.concatenate(strange) if len(strange) == len(parts) else None,
    )
    write_predictions(folder / "predictions.parquet", predictions)
    return predictions


def _train_at_once(
    used: pl.DataFrame,
    recipe: Recipe,
    folder: Path,
    folds: list[int],
    jobs: int,
    resume: bool,
    checkpoint_seconds: float,
) -> None:
    """Train folds in processes of their own; what one raises is raised here, when the others are done."""
    height, width = recipe.image.decoded
    decode_images(image_paths(used), height, width, recipe.image.aspect)  # once, and not once a process
    jobs = min(jobs, len(folds))
    if not jobs:
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Spawned, not forked: a forked process inherits torch's threads in an unknown state.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        started = [
            pool.submit(_train_fold, used, fold, recipe, folder, resume, checkpoint_seconds, threads, place)
            for place, fold in enumerate(folds)
        ]
        for each in started:
            each.result()


def _train_fold(
    used: pl.DataFrame,
    fold: int,
    recipe: Recipe,
    folder: Path,
    resume: bool,
    checkpoint_seconds: float,
    threads: int,
    place: int,
) -> None:
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.cuda.set_device(place % torch.cuda.device_count())
    held_out = (used["fold"] == fold).to_numpy()
    where = folder / f"fold{fold}"
    train_rows(used, held_out, recipe, where, resume, {"fold": fold}, checkpoint_seconds, None, None)


def _check_same(bundle: Bundle, recipe: Recipe, learnt: pl.DataFrame, place: Path) -> None:
    """Raise RecipeError unless a finished fold was trained by this recipe on these images."""
    seen = bundle.training_record.filter(pl.col("role") == "train")["image_id"]
    # Parsed, a recipe of an earlier cutis has the fields that were added since, at defaults that mean what it did.
    if parse_recipe(bundle.recipe) != recipe or set(seen) != set(learnt["image_id"]):
        raise RecipeError(
            "the finished fold is of another recipe or other data",
            where=str(place),
            fix="Resume with the same manifest and recipe, or remove the folder to start again.",
        )
