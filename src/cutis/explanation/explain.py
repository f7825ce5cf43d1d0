"""Explaining a bundle's answers: every image of a manifest by every method that is asked for, a batch at a time."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.data import DecodedImages, Pixels, decode_images, image_paths, network_input
from cutis.errors import CutisError, PredictionsError
from cutis.evaluation import Predictions
from cutis.explanation.methods import METHODS, Method
from cutis.models import Bundle, patient_codes, predict_manifest

if TYPE_CHECKING:  # a method's name can be refused without torch, whose import takes seconds
    from cutis.explanation.target import Target

ALL = "all"


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why one image was answered as it was, by one or several methods.

    Attributes:
        image_id: of the manifest.
        pixels: uint8, h × w × 3: what the network saw, at its inference size.
        target: what is explained: a class, or a node of the tree that holds several.
        probability: of the target, calibrated, averaged over the bundle's views: as ``cutis predict`` tells it.
        answer: the id of the most probable class.
        maps: by the method's name, float32, h × w.
    """

    image_id: str
    pixels: Pixels
    target: "Target"
    probability: float
    answer: str
    maps: dict[str, npt.NDArray[np.float32]]


def explanation_methods(names: Sequence[str]) -> list[Method]:
    """The methods of these names, each once, in the order named; ``"all"`` names every method there is.

    Raises:
        CutisError: no method is called so; the nearest are suggested.
    """
    wanted = [name for each in names for name in (METHODS if each == ALL else [each])]
    unknown = [each for each in wanted if each not in METHODS]
    if unknown or not wanted:
        near = difflib.get_close_matches(unknown[0].lower(), METHODS, n=1) if unknown else []
        told = f"Did you mean '{near[0]}'? There are" if near else "There are"
        problem = f"no method is called '{unknown[0]}'" if unknown else "no method is named"
        raise CutisError(problem, fix=f"{told} {', '.join(METHODS)}, and '{ALL}' for each of them.")
    return [METHODS[name] for name in dict.fromkeys(wanted)]


def explain_images(
    bundle: Bundle,
    manifest: pl.DataFrame,
    *,
    methods: Sequence[str],
    node: str | None = None,
    images: Sequence[Pixels] | DecodedImages | None = None,
    predictions: Predictions | None = None,
    batch_size: int = 16,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Explanation]:
    """Explain every image of a manifest, in its order, a batch in memory at a time.

    What is explained is one view, the image as it is; probability and answer are those of :func:`predict_manifest`,
    which averages over the bundle's views. Arguments are checked, and images read, when this is called; the work is
    done as the explanations are asked for.

    Args:
        bundle: the model, in torch.
        manifest: N rows; patient metadata is used where the model takes any.
        methods: names of :data:`METHODS`, or ``"all"``.
        node: a class, or a node of the tree that holds whole classes; None explains each image's most probable class.
        images: the N images, decoded to the bundle's size; through the cache of decoded images when None.
        predictions: of these N rows by this bundle; made when None.
        batch_size: images at a time.
        seed: of the methods that draw at random.
        progress: called with the number of maps just made; there are N × methods.

    Raises:
        CutisError: an unknown method.
        PredictionsError: images, predictions and manifest are not of the same rows.
        TaxonomyError: an unknown node, or one that holds no whole class.
        ImageError: rows without an image, or unreadable images (named together).
    """
    from cutis.explanation.target import explained_target  # noqa: PLC0415 - imports torch

    chosen = explanation_methods(methods)
    classes = bundle.classes
    named = None if node is None else explained_target(classes, node)
    if images is None:
        height, width = bundle.image.decoded
        images = decode_images(image_paths(manifest), height, width, bundle.image.aspect)
    if predictions is None:
        predictions = predict_manifest(bundle, manifest)
    ids = manifest["image_id"].to_list()
    if predictions.image_ids != ids or len(images) != len(ids):
        raise PredictionsError("images, predictions and manifest are not of the same rows", fix="Give those of one.")
    answers = [classes.ids[int(k)] for k in predictions.probabilities.argmax(axis=1)]
    of_class = {each: explained_target(classes, each) for each in dict.fromkeys(answers)}
    targets = [named or of_class[each] for each in answers]
    fields = bundle.architecture.patient
    codes = patient_codes(manifest, fields) if fields else None
    batches = _explained(
        bundle, chosen, images, targets, codes, batch_size=batch_size, seed=seed, progress=progress or (lambda _: None)
    )
    return (
        Explanation(
            image_id=ids[row],
            pixels=pixels,
            target=targets[row],
            probability=float(predictions.probabilities[row, targets[row].inside].sum()),
            answer=answers[row],
            maps=maps,
        )
        for row, (pixels, maps) in enumerate(batches)
    )


def _explained(
    bundle: Bundle,
    methods: list[Method],
    images: Sequence[Pixels] | DecodedImages,
    targets: "list[Target]",
    codes: npt.NDArray[np.int64] | None,
    *,
    batch_size: int,
    seed: int,
    progress: Callable[[int], None],
) -> Iterator[tuple[Pixels, dict[str, npt.NDArray[np.float32]]]]:
    """What the network saw of each image, and its maps by method."""
    import torch  # noqa: PLC0415

    from cutis.explanation.target import TargetScore  # noqa: PLC0415
    from cutis.models import best_device, to_input  # noqa: PLC0415

    device = best_device()
    model = bundle.model.to(device).eval()
    size = bundle.image.inference
    for start in range(0, len(images), batch_size):
        rows = range(start, min(start + batch_size, len(images)))
        pixels = [network_input(images[row], *size) for row in rows]
        patient = None if codes is None else torch.from_numpy(codes[rows.start : rows.stop]).to(device)
        score = TargetScore(model, targets[rows.start : rows.stop], patient)
        batch = to_input(pixels, device)
        maps = {}
        for method in methods:
            maps[method.name] = method.attribute(score, batch, seed=seed, progress=progress)
        for place, seen in enumerate(pixels):
            yield seen, {name: each[place] for name, each in maps.items()}
