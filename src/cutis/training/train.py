"""From a manifest and a recipe to a model bundle."""

import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from cutis.data import DecodedImages, check_split, decode_images, image_paths, split
from cutis.errors import ManifestError, RecipeError, listed
from cutis.models import (
    Bundle,
    Calibration,
    LesionClassifier,
    Outputs,
    check_bundle_target,
    find_weights,
    keep_memory,
    patient_codes,
    predict_logits,
    save_bundle,
)
from cutis.taxonomy import ClassSet, Labels, class_labels, class_set, source_classes
from cutis.training.calibrate import calibrated, check_validation
from cutis.training.familiarity import Distances, kept_images, learnt_features
from cutis.training.journal import Journal
from cutis.training.loop import LabelledImages, Progress, train_model
from cutis.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingSet:
    """What a run learns from: the manifest's rows it uses, decoded, with labels and patient codes."""

    rows: pl.DataFrame
    images: DecodedImages
    labels: Labels
    patient: npt.NDArray[np.int64] | None
    classes: ClassSet

    def part(self, chosen: npt.NDArray[np.bool_]) -> LabelledImages:
        """The chosen rows as input of the loop."""
        index = np.flatnonzero(chosen)
        patient = self.patient[index] if self.patient is not None else None
        return LabelledImages(self.images.chosen(index), self.labels.label[index], self.labels.candidates, patient)


def train(
    manifest: pl.DataFrame,
    recipe: Recipe,
    folder: str | Path,
    *,
    resume: bool = False,
    about: dict[str, Any] | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Callable[[Progress], None] | None = None,
    decoding: Callable[[int], None] | None = None,
) -> Bundle:
    """Train a classifier and write its bundle.

    Trains on the manifest's ``train`` rows and measures each epoch on its ``val`` rows; ``test`` and ``excluded`` rows
    are never looked at. Without a ``val`` subset, ``recipe.validation`` of the groups is set aside.

    Args:
        manifest: as :func:`cutis.data.read_manifest` returns it.
        recipe: how to train.
        folder: the bundle's place. While training, ``FOLDER.run`` beside it holds the checkpoint, ``metrics.jsonl`` and
            TensorBoard's files; at the end they go into the bundle (``log/``) and the checkpoint is removed.
        resume: go on from the checkpoint in ``FOLDER.run``, if there is one. Without it, an interrupted run that lies
            there is an error: no hour of training is thrown away in silence.
        about: facts in words for the bundle (name, data, licence).
        checkpoint_seconds: longest time between two checkpoints.
        progress: told after every step.
        decoding: told the number of images just decoded.

    Raises:
        SplitError: one lesion, patient or group stands on both sides of the split.
        ManifestError: a subset or class is empty, or a diagnosis is in no class of the recipe.
        ImageError: unreadable images, all named, before any training.
        RecipeError, WeightsError: the recipe cannot be followed.
    """
    folder = Path(folder)
    check_bundle_target(folder)
    manifest = _with_validation(manifest, recipe)
    check_split(manifest)
    used = manifest.filter(pl.col("subset").is_in(["train", "val"]))
    return train_rows(
        used,
        (used["subset"] == "val").to_numpy(),
        recipe,
        folder,
        resume,
        about,
        checkpoint_seconds,
        progress,
        decoding,
    )


def _with_validation(manifest: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    subsets = set(manifest["subset"].drop_nulls())
    if "val" in subsets:
        if "train" not in subsets:
            raise ManifestError("the manifest has a val subset but no train", fix="Make both with `cutis split`.")
        return manifest
    if "train" in subsets:
        rest = manifest.filter(pl.col("subset") != "train")
        manifest = manifest.filter(pl.col("subset") == "train")
    elif subsets:
        raise ManifestError(f"the manifest has subsets ({listed(sorted(subsets))}) but no train", fix="Name one train.")
    else:
        rest = manifest.clear()
    by = [each for each in ("group", "lesion_id", "patient_id") if manifest[each].null_count() < len(manifest)]
    share = recipe.validation
    stratify = "source_diagnosis" if recipe.classes == "source" else "diagnosis"
    divided = split(
        manifest, by=by or ["image_id"], subsets={"train": 1 - share, "val": share}, seed=recipe.seed, stratify=stratify
    )
    return pl.concat([divided, rest], how="vertical_relaxed")


def _training_set(used: pl.DataFrame, recipe: Recipe, decoding: Callable[[int], None] | None) -> TrainingSet:
    nodes, words = used["diagnosis_node"].to_list(), used["source_diagnosis"].to_list()
    if recipe.classes == "source":
        classes = source_classes(words)
    else:
        classes = class_set(recipe.classes, Counter(each for each in nodes if each))
    labels = class_labels(classes, nodes, words)
    outside = labels.label < 0
    if outside.all():
        raise ManifestError(
            f"no image has a diagnosis of the class set '{classes.name}'",
            fix="Train with --set classes=source to use the data set's own words.",
        )
    if outside.any():
        told = sorted({str(words[row]) for row in np.flatnonzero(outside)})
        raise ManifestError(
            f"{int(outside.sum()):,} images have a diagnosis outside the classes '{classes.name}': {listed(told)}",
            fix="Take these rows out of the manifest, mark them subset=excluded, choose other classes, or add a class "
            f"for them: --set classes='{classes.name}+other'.",
        )
    height, width = recipe.image.decoded
    images = decode_images(image_paths(used), height, width, recipe.image.aspect, progress=decoding)
    patient = patient_codes(used, recipe.model.patient) if recipe.model.patient else None
    return TrainingSet(used, images, labels, patient, classes)


def train_rows(
    used: pl.DataFrame,
    held_out: npt.NDArray[np.bool_],
    recipe: Recipe,
    folder: Path,
    resume: bool,
    about: dict[str, Any] | None,
    checkpoint_seconds: float,
    progress: Callable[[Progress], None] | None,
    decoding: Callable[[int], None] | None,
) -> Bundle:
    """Train on the rows not held out, measure on those held out, and write the bundle; see :func:`train`."""
    keep_memory()
    data = _training_set(used, recipe, decoding)
    train_part, validation = data.part(~held_out), data.part(held_out)
    _check_classes(train_part.labels, data.classes)
    check_validation(data.rows.filter(pl.Series(held_out)), data.classes, recipe.calibration)
    run_folder = folder.with_name(f"{folder.name}.run")
    checkpoint_file = run_folder / "checkpoint.pt"
    if not resume and checkpoint_file.exists():
        raise RecipeError(
            "an interrupted run lies there",
            where=str(run_folder),
            fix="Add --resume to go on with it, or remove that folder to start again.",
        )
    fingerprint = _fingerprint(recipe, data, held_out)
    torch.manual_seed(recipe.seed)
    model = LesionClassifier(
        recipe.model,
        len(data.classes.ids),
        recipe.image.training,
        find_weights(recipe.model.backbone, recipe.weights),
    )
    with Journal(run_folder) as journal:

        def note(step: Progress) -> None:
            if step.epoch_record:
                journal.write(step.step, step.epoch_record)
            if progress:
                progress(step)

        trained = train_model(
            model,
            recipe,
            train_part,
            validation,
            checkpoint_file,
            fingerprint,
            checkpoint_seconds=checkpoint_seconds,
            report=note,
        )
    model.load_state_dict(trained.state)
    bundle = _finish(model, recipe, data, held_out, trained.seconds, (about or {}) | {"fingerprint": fingerprint})
    log = {f"log/{name}": run_folder / name for name in ("metrics.jsonl", "tensorboard")}
    save_bundle(bundle, folder, extra=log)
    # Only now: killed before, the run can still be resumed.
    _clear(run_folder)
    return bundle


def _clear(run_folder: Path) -> None:
    """Remove what a run left in its folder, and the folder unless something of the user's lies there."""
    (run_folder / "checkpoint.pt").unlink(missing_ok=True)
    (run_folder / "metrics.jsonl").unlink()
    shutil.rmtree(run_folder / "tensorboard")
    if not any(run_folder.iterdir()):
        run_folder.rmdir()


def _check_classes(labels: npt.NDArray[np.int64], classes: ClassSet) -> None:
    absent = [class_id for k, class_id in enumerate(classes.ids) if not (labels == k).any()]
    if absent:
        raise ManifestError(
            f"no training image shows {listed(absent)}",
            fix="Choose classes the data hold, or --set classes=source.",
        )


def _fingerprint(recipe: Recipe, data: TrainingSet, held_out: npt.NDArray[np.bool_]) -> str:
    digest = hashlib.sha256(json.dumps(recipe.model_dump(mode="json"), sort_keys=True).encode())
    for part in (data.rows["image_id"].to_list(), data.images.keys, data.labels.label.tolist(), held_out.tolist()):
        digest.update(json.dumps(part).encode())
    return digest.hexdigest()


def _finish(
    model: LesionClassifier,
    recipe: Recipe,
    data: TrainingSet,
    held_out: npt.NDArray[np.bool_],
    seconds: float,
    about: dict[str, Any],
) -> Bundle:
    """Put the bundle together, calibrated and measured on the validation images."""
    record = data.rows.with_columns(
        content_key=pl.Series(data.images.keys), role=pl.Series(np.where(held_out, "val", "train"))
    )
    facts = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "training_images": int((~held_out).sum()),
        "validation_images": int(held_out.sum()),
        "training_seconds": round(seconds),
        "peak_memory_gib": _peak_memory_gib(),
        "sources": sorted(set(data.rows["source"].drop_nulls())),
        "licenses": sorted(set(data.rows["license"].drop_nulls())),
        "torch": torch.__version__,
    }
    bundle = Bundle(
        model=model.eval(),
        classes=data.classes,
        recipe=recipe.model_dump(mode="json"),
        calibration=Calibration(),
        training_record=record,
        about={"name": recipe.name, **facts, **about},
    )
    kept = np.zeros(len(held_out), dtype=bool)
    kept[np.flatnonzero(~held_out)[kept_images(data.rows.filter(pl.Series(~held_out)))]] = True
    _, features = _outputs(model, data.part(kept), recipe)
    learnt = learnt_features(data.rows.filter(pl.Series(kept)), features)
    validation = data.part(held_out)
    logits, features = _outputs(model, validation, recipe)
    distances = None if learnt is None else Distances(learnt, learnt.neighbours.scores(features))
    rows = data.rows.filter(pl.Series(held_out))
    outputs = Outputs(logits, validation.images.keys, ["no"] * len(rows))
    return calibrated(bundle, rows, outputs, distances=distances)


def _outputs(
    model: LesionClassifier, images: LabelledImages, recipe: Recipe
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Logits and image features."""
    parts: list[npt.NDArray[np.float32]] = []
    logits = predict_logits(
        model,
        images.images,
        images.patient,
        recipe.image.inference,
        views=recipe.views,
        read_features=parts.append,
    )
    return logits, np.concatenate(parts)


def _peak_memory_gib() -> float | None:
    """The most memory this process has held, in GiB; None on Windows, which does not tell."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - Unix only

    unit = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 2)
