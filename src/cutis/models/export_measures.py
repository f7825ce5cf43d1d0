"""What a network in another precision gives away and gains: its answers beside torch's, and the time of one image."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cutis.data import fit_image, read_image
from cutis.evaluation import (
    Estimate,
    balanced_accuracy,
    clustered_bootstrap,
    confusion_matrix,
    percentile_interval,
    predicted_class,
)
from cutis.models.export_result import Agreement, Timing
from cutis.models.onnx_network import OnnxBundle

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_WARM = 10  # images before the clock counts


class Answers:
    """A network's answers to validation images: N × K probabilities, N unfamiliarities or None."""

    def __init__(self, probabilities: Floats, unfamiliarity: Floats | None) -> None:
        self.probabilities, self.unfamiliarity = probabilities, unfamiliarity


class ValidationImages:
    """What answers to N validation images are measured against.

    Args:
        truth: N class numbers, those of images of no single class whatever.
        known: N, whether an image is of one class; the others count for differences alone.
        clusters: N, whose image each is: patients, lesions or images are resampled whole.
        resamples: of the bootstrap.
    """

    def __init__(self, truth: Ints, known: npt.NDArray[np.bool_], clusters: Ints, resamples: int) -> None:
        self._truth, self._known, self._clusters = truth[known], known, clusters[known]
        self._resamples = resamples

    def balanced_accuracy(self, answers: Answers) -> Estimate:
        """With its 95 % interval over resampled cases."""
        return self._estimate([answers], lambda values: values[0])

    def agreement(self, answers: Answers, torchs: Answers) -> Agreement:
        """How far answers are from torch's."""
        difference = np.abs(answers.probabilities - torchs.probabilities)
        same = predicted_class(answers.probabilities) == predicted_class(torchs.probabilities)
        strange = None
        if answers.unfamiliarity is not None and torchs.unfamiliarity is not None:
            strange = np.abs(answers.unfamiliarity - torchs.unfamiliarity)
        return Agreement(
            largest_difference=float(difference.max()),
            mean_difference=float(difference.mean()),
            same_first_diagnosis=float(same.mean()),
            balanced_accuracy=self.balanced_accuracy(answers),
            change=self._estimate([answers, torchs], lambda values: values[0] - values[1]),
            largest_unfamiliarity_difference=None if strange is None else float(strange.max()),
            mean_unfamiliarity_difference=None if strange is None else float(strange.mean()),
        )

    def _estimate(self, answers: Sequence[Answers], figure: Callable[[list[Floats]], Floats]) -> Estimate:
        predicted = [predicted_class(each.probabilities[self._known]) for each in answers]
        classes = answers[0].probabilities.shape[1]

        def statistics(weights: Floats) -> dict[str, Floats]:
            of_each = [balanced_accuracy(confusion_matrix(self._truth, each, classes, weights)) for each in predicted]
            return {"figure": figure(of_each)}

        value = float(statistics(np.ones((len(self._truth), 1)))["figure"][0])
        spread = clustered_bootstrap(statistics, self._clusters, resamples=self._resamples)["figure"]
        low, high = (float(end) for end in percentile_interval(spread))
        return Estimate(value=value, low=low, high=high)


def timed(bundle: OnnxBundle, paths: Sequence[str | Path], *, images: int, views: int, threads: int) -> Timing:
    """Time single images from their files, as many as asked, the files from the first on again and again.

    Args:
        bundle: the model; it runs with the threads it was opened with.
        paths: image files, one or more.
        images: how many are timed.
        views: mirror images that the network sees of each.
        threads: that the bundle was opened with, to be told.
    """
    once = replace(bundle, recipe=bundle.recipe | {"views": views})
    fields = len(once.architecture.patient)
    codes = np.zeros((1, fields), dtype=np.int64) if fields else None
    height, width = once.image.decoded
    clock, shapes = np.empty((images, 4)), np.empty((images, 2))
    for number in range(-_WARM, images):
        path = paths[number % len(paths)]
        started = time.perf_counter()
        picture = read_image(path)
        decoded = time.perf_counter()
        fitted = fit_image(picture, height, width, once.image.aspect)
        resized = time.perf_counter()
        once.logits([fitted], codes)
        if number >= 0:
            clock[number] = started, decoded, resized, time.perf_counter()
            shapes[number] = picture.shape[:2]
    parts = 1000 * np.diff(clock, axis=1)
    whole = parts.sum(axis=1)
    rows, columns = np.median(shapes, axis=0)
    decode, resize, network = (float(each) for each in np.median(parts, axis=0))
    return Timing(
        views=views,
        images=images,
        threads=threads,
        photograph=(int(rows), int(columns)),
        p50=float(np.quantile(whole, 0.5)),
        p99=float(np.quantile(whole, 0.99)),
        decode=decode,
        resize=resize,
        network=network,
    )


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """This machine in words: its processor, its cores, its system."""
    name = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.exists():
        lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {cores()} cores, {platform.system()}"
