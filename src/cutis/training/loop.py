"""The training loop: plain, deterministic by seed and step, resumable after any step."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from timm.models import group_parameters
from torch import Tensor

from cutis.data import DecodedImages, Pixels
from cutis.errors import RecipeError
from cutis.evaluation import balanced_accuracy, confusion_matrix, predicted_class
from cutis.models import (
    LesionClassifier,
    autocast,
    best_device,
    keep_depthwise_in_float32,
    predict_logits,
    to_input,
)
from cutis.training.augment import augment_image
from cutis.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cutis.training.losses import LesionLoss
from cutis.training.recipe import Augmentation, Recipe
from cutis.training.sampling import class_prior, epoch_order, sampled_prior

_COMING_BATCHES = 4


@dataclass(frozen=True)
class LabelledImages:
    """N images with their labels and patient codes (int64, N × F, or None if unused).

    Label g (int64, N) stands for the classes ``candidates[g]`` (bool, G × K). The first K labels are the classes
    themselves; the others are labels above them, each with the classes below it.
    """

    images: DecodedImages
    labels: npt.NDArray[np.int64]
    candidates: npt.NDArray[np.bool_]
    patient: npt.NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Progress:
    """Told after every step: where the run stands. ``epoch_record`` is set when an epoch has just ended."""

    step: int
    steps: int
    epoch: int
    images: int
    loss: float
    epoch_record: dict[str, float] | None = None


@dataclass(frozen=True)
class Trained:
    """What training gives: the weights to keep, figures an epoch, and the seconds it took in all runs together."""

    state: dict[str, Tensor]
    history: list[dict[str, float]]
    seconds: float


def train_model(
    model: LesionClassifier,
    recipe: Recipe,
    train: LabelledImages,
    validation: LabelledImages,
    checkpoint_file: Path,
    fingerprint: str,
    *,
    checkpoint_seconds: float = 60.0,
    report: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train a model by its recipe, from its checkpoint if there is one.

    Interrupted by Ctrl-C it finishes its step and writes a checkpoint before it raises KeyboardInterrupt; killed at any
    moment it loses at most ``checkpoint_seconds`` of work. Either way the resumed run ends with the same weights.

    Args:
        model: the network to train, changed in place.
        recipe: how.
        train: the images to learn from.
        validation: the images to measure each epoch on; may be empty.
        checkpoint_file: read at the start if it exists, and written as training goes.
        fingerprint: hash of recipe and data that a checkpoint must carry.
        checkpoint_seconds: longest time between two checkpoints.
        report: called after every step.
    """
    run = _Run(model, recipe, train, validation, fingerprint)
    run.restore(load_checkpoint(checkpoint_file, fingerprint))
    saved = time.monotonic()
    with _interrupt_noted() as interrupted:
        for batch in run.batches():
            loss = run.step_on(batch)
            record = run.end_epoch() if run.step % run.steps_per_epoch == 0 else None
            if report:
                report(Progress(run.step, run.steps, batch.epoch, len(batch.images), loss, record))
            if record or interrupted() or time.monotonic() - saved >= checkpoint_seconds:
                save_checkpoint(run.checkpoint(), checkpoint_file)
                saved = time.monotonic()
            if interrupted():
                raise KeyboardInterrupt
            if run.finished:
                break
    return Trained(run.state_to_keep(), run.history, run.seconds)


@contextmanager
def _interrupt_noted() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C instead of raising it, so that no step or validation is cut in two; a second one raises at once."""
    noted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted:
            signal.default_int_handler(number, frame)
        noted = True

    if threading.current_thread() is not threading.main_thread():  # only there can a handler be set
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class _Batch:
    epoch: int
    images: list[Pixels]
    candidates: Tensor
    patient: Tensor | None


class _Run:
    """One training run: its network, optimiser and moving average, and where it stands."""

    def __init__(
        self,
        model: LesionClassifier,
        recipe: Recipe,
        train: LabelledImages,
        validation: LabelledImages,
        fingerprint: str,
    ) -> None:
        self.device = best_device()
        if self.device.type == "cuda":
            torch.backends.cudnn.deterministic = True
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        if self.device.type == "cpu" and recipe.precision == "bfloat16":
            keep_depthwise_in_float32(self.model)
        self.recipe, self.train, self.validation, self.fingerprint = recipe, train, validation, fingerprint
        self.classes = model.head.out_features
        # An image labelled above the classes has no right or wrong answer among them.
        self.validation_labelled = validation.labels < self.classes
        self.frozen = _freeze(self.model, recipe.optimiser.frozen_stages)
        shown_labels = sampled_prior(train.labels, len(train.candidates), recipe.sampling)
        self.loss = LesionLoss(recipe.loss, class_prior(shown_labels, train.candidates), self.device)
        self.optimiser = _optimiser(self.model, recipe)
        shown = recipe.sampling.epoch_images or len(train)
        # A last batch of one image would break batch normalisation, so a remainder is left to the next epoch's shuffle.
        self.batch_size = min(recipe.optimiser.batch_size, shown)
        self.steps_per_epoch = shown // self.batch_size
        self.steps = self.steps_per_epoch * recipe.schedule.epochs
        self.step = 0
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()} if recipe.ema else {}
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_score, self.stale, self.seconds = -1.0, 0, 0.0
        self._losses: list[float] = []
        self._clock = time.monotonic()

    @property
    def finished(self) -> bool:
        patience = self.recipe.schedule.stop_after
        return self.step >= self.steps or (patience is not None and self.stale >= patience)

    def batches(self) -> Iterator[_Batch]:
        """The batches that are left, made in the background while the network works."""
        if self.finished:
            return
        with ThreadPoolExecutor() as pool:
            coming: list[Future[_Batch]] = []
            ahead = self.step
            order_epoch, order = -1, np.empty(0, dtype=np.int64)
            try:
                while ahead < self.steps or coming:
                    while ahead < self.steps and len(coming) < _COMING_BATCHES:
                        epoch, within = divmod(ahead, self.steps_per_epoch)
                        if epoch != order_epoch:
                            order = epoch_order(
                                self.train.labels,
                                len(self.train.candidates),
                                self.recipe.sampling,
                                self.recipe.seed,
                                epoch,
                            )
                            order_epoch = epoch
                        chosen = order[within * self.batch_size : (within + 1) * self.batch_size]
                        coming.append(pool.submit(self._make_batch, ahead, epoch, chosen))
                        ahead += 1
                    yield coming.pop(0).result()
            finally:
                for future in coming:
                    future.cancel()

    def _make_batch(self, step: int, epoch: int, chosen: npt.NDArray[np.int64]) -> _Batch:
        augmentation, (height, width) = self.recipe.augmentation, self.recipe.image.training
        rng = np.random.default_rng([self.recipe.seed, step, 3])
        images = [augment_image(self.train.images[int(i)], height, width, augmentation, rng) for i in chosen]
        candidates = torch.from_numpy(self.train.candidates[self.train.labels[chosen]])
        patient = None
        if self.train.patient is not None:
            patient = _hide_fields(self.train.patient[chosen], augmentation, rng)
        return _Batch(epoch, images, candidates, patient)

    def step_on(self, batch: _Batch) -> float:
        """One optimiser step; returns the batch's loss."""
        self._set_learning_rates()
        # Dropout and mixup draw from here: seeded by the step, nothing of the generator's state needs keeping.
        torch.manual_seed((self.recipe.seed << 32) + self.step)
        self.model.train()
        for module in self.frozen:  # batch statistics would move a layer that is to stay as it was pretrained
            module.eval()
        images, candidates = to_input(batch.images, self.device), batch.candidates.to(self.device)
        patient = batch.patient.to(self.device) if batch.patient is not None else None
        mixture = _draw_mixture(len(images), self.recipe.augmentation.mixup) if self.recipe.augmentation.mixup else None
        if mixture:
            images = images.lerp(images[mixture.other], 1 - mixture.share)
            # Codes cannot be mixed: the patient is the one whose image weighs more.
            patient = patient if patient is None or mixture.share >= 0.5 else patient[mixture.other]
        with autocast(self.recipe.precision, self.device):
            logits = self.model(images, patient)
            losses = self.loss(logits, candidates)
            if mixture:
                losses = losses.lerp(self.loss(logits, candidates[mixture.other]), 1 - mixture.share)
            loss = losses.mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optimiser.clip_norm)
        self.optimiser.step()
        self.step += 1
        self._follow_average()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise RecipeError(
                f"the loss became {value} at step {self.step}",
                fix="Lower optimiser.learning_rate and train again.",
            )
        self._losses.append(value)
        return value

    def end_epoch(self) -> dict[str, float]:
        """Measure on validation and note the epoch's figures."""
        epoch = self.step // self.steps_per_epoch
        record = {
            "epoch": float(epoch),
            "train_loss": float(np.mean(self._losses)) if self._losses else math.nan,
        }
        self._losses = []
        if self.validation_labelled.any():
            score = self._validation_score()
            record["val_balanced_accuracy"] = score
            if score > self.best_score:
                self.best_score, self.stale = score, 0
                if self.recipe.schedule.keep == "best":
                    self.best = {name: value.clone() for name, value in self._averaged_state().items()}
            else:
                self.stale += 1
        self._tick()
        record["seconds"] = self.seconds
        self.history.append(record)
        return record

    def _validation_score(self) -> float:
        raw = {name: value.clone() for name, value in self.model.state_dict().items()} if self.average else {}
        if self.average:
            self.model.load_state_dict(self.average)
        logits = predict_logits(
            self.model,
            self.validation.images,
            self.validation.patient,
            self.recipe.image.inference,
            precision=self.recipe.precision,
            device=self.device,
        )
        if raw:
            self.model.load_state_dict(raw)
        known = self.validation_labelled
        confusion = confusion_matrix(self.validation.labels[known], predicted_class(logits[known]), self.classes)
        return float(balanced_accuracy(confusion))

    def state_to_keep(self) -> dict[str, Tensor]:
        """The weights for the bundle: the best on validation if the recipe says so, else the last (averaged)."""
        return self.best or self._averaged_state()

    def _averaged_state(self) -> dict[str, Tensor]:
        return self.average or self.model.state_dict()

    def _follow_average(self) -> None:
        if not self.average:
            return
        # Early on the average must not remember the start: the decay grows with the steps (as in TensorFlow's EMA).
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            state = self.model.state_dict()
            floats = [name for name, value in state.items() if value.is_floating_point()]
            torch._foreach_lerp_([self.average[name] for name in floats], [state[name] for name in floats], 1 - decay)
            for name in state.keys() - set(floats):
                self.average[name].copy_(state[name])

    def _set_learning_rates(self) -> None:
        warmup = self.recipe.schedule.warmup_epochs * self.steps_per_epoch
        if self.step < warmup:
            share = (self.step + 1) / (warmup + 1)
        else:
            share = 0.5 * (1 + math.cos(math.pi * (self.step - warmup) / max(1, self.steps - warmup)))
        for group in self.optimiser.param_groups:
            group["lr"] = group["full_lr"] * share

    def _tick(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._clock
        self._clock = now

    def checkpoint(self) -> Checkpoint:
        self._tick()
        return Checkpoint(
            fingerprint=self.fingerprint,
            step=self.step,
            model=self.model.state_dict(),
            average=self.average,
            optimiser=self.optimiser.state_dict(),
            history=self.history,
            best=self.best,
            best_score=self.best_score,
            stale=self.stale,
            seconds=self.seconds,
        )

    def restore(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        self.model.load_state_dict(checkpoint.model)
        self.optimiser.load_state_dict(checkpoint.optimiser)
        self.average = {name: value.to(self.device) for name, value in checkpoint.average.items()}
        self.best = {name: value.to(self.device) for name, value in checkpoint.best.items()}
        self.step, self.history, self.seconds = checkpoint.step, checkpoint.history, checkpoint.seconds
        self.best_score, self.stale = checkpoint.best_score, checkpoint.stale


def _freeze(model: LesionClassifier, stages: int) -> list[torch.nn.Module]:
    """Take the backbone's first stages, as timm groups its layers, out of training; returns their modules."""
    if not stages:
        return []
    groups: dict[int, list[str]] = group_parameters(model.backbone, model.backbone.group_matcher(coarse=True))
    if stages > len(groups):
        raise RecipeError(
            f"optimiser.frozen_stages is {stages}, but backbone {model.architecture.backbone} has {len(groups)} stages",
            fix="Freeze fewer.",
        )
    names = {name for stage in sorted(groups)[:stages] for name in groups[stage]}
    for name, parameter in model.backbone.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
    return [
        module
        for module in model.backbone.modules()
        if (own := list(module.parameters())) and not any(parameter.requires_grad for parameter in own)
    ]


def _optimiser(model: LesionClassifier, recipe: Recipe) -> torch.optim.Optimizer:
    """Backbone and head at their own rates; biases and normalisation without weight decay, as is usual."""
    rule = recipe.optimiser
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        groups.setdefault((name.startswith("backbone."), parameter.ndim > 1), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": parameters,
            "full_lr": rule.learning_rate * (rule.backbone_factor if in_backbone else 1),
            "weight_decay": rule.weight_decay if decayed else 0.0,
        }
        for (in_backbone, decayed), parameters in groups.items()
    ]
    if rule.name == "sgd":
        return torch.optim.SGD(settings, lr=rule.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(settings, lr=rule.learning_rate)


def _hide_fields(codes: npt.NDArray[np.int64], augmentation: Augmentation, rng: np.random.Generator) -> Tensor:
    """Hide each field with the recipe's chance, and half as often all of a patient's: many images come without any."""
    hidden = rng.random(codes.shape) < augmentation.drop_patient
    hidden |= rng.random((len(codes), 1)) < augmentation.drop_patient / 2
    return torch.from_numpy(np.where(hidden, 0, codes))


class _Mixture(NamedTuple):
    """Each image of a batch is mixed with ``other``; its own share of the result is ``share``."""

    other: Tensor
    share: float


def _draw_mixture(images: int, beta: float) -> _Mixture:
    share = float(torch.distributions.Beta(beta, beta).sample())
    return _Mixture(torch.randperm(images), share)
