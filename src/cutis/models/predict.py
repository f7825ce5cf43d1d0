"""Predictions of a bundle for a manifest or for single photographs, with what the model had already seen of each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.data import (
    DecodedImages,
    Pixels,
    content_key,
    decode_images,
    fit_image,
    image_paths,
    manifest_frame,
    read_image,
)
from cutis.errors import ImageError, listed
from cutis.evaluation import Predictions
from cutis.models.bundle import Bundle, BundleFacts, default_bundle_folder, load_bundle
from cutis.models.onnx_network import OnnxBundle, load_onnx_bundle
from cutis.models.patient import patient_codes


class Outputs(NamedTuple):
    """What a network gave for N images, before calibration.

    ``logits`` is float64, N × K; ``keys`` are the hashes of the files' contents, as :func:`cutis.data.content_key`
    makes them; ``seen`` says what the model was trained or validated on of each, as ``Predictions.seen`` does;
    ``unfamiliarity`` (float64, N) how strange each is to the network, None where the bundle cannot say.
    """

    logits: npt.NDArray[np.float64]
    keys: list[str]
    seen: list[str | None]
    unfamiliarity: npt.NDArray[np.float64] | None = None


def manifest_outputs(
    bundle: Bundle | OnnxBundle,
    manifest: pl.DataFrame,
    progress: Callable[[int], None] | None = None,
    read_features: Callable[[npt.NDArray[np.float32]], None] | None = None,
) -> Outputs:
    """Logits of every image of a manifest, decoded through the cache: what calibration is fitted on.

    Args:
        bundle: the model.
        manifest: N rows with whole image paths; patient metadata is used where the model takes any.
        progress: called with the number of images just finished.
        read_features: called with the image features of some rows at a time, in the manifest's order, averaged over the
            bundle's views: float32, n × D.

    Raises:
        ImageError: rows without an image, or unreadable images (named together, before any work).
        BundleError: features are to be read and the bundle's ``model.onnx`` gives none.
    """
    height, width = bundle.image.decoded
    images = decode_images(image_paths(manifest), height, width, bundle.image.aspect)
    return network_outputs(bundle, manifest, images, images.keys, progress, read_features)


def predict_manifest(
    bundle: Bundle | OnnxBundle, manifest: pl.DataFrame, progress: Callable[[int], None] | None = None
) -> Predictions:
    """Class probabilities of every image of a manifest; arguments and errors are those of :func:`manifest_outputs`."""
    return calibrated_predictions(bundle, manifest, manifest_outputs(bundle, manifest, progress))


def photograph_alone(path: str | Path) -> tuple[Pixels, Mapping[str, object]]:
    """A photograph, which says nothing of the patient."""
    return read_image(path), {}


def predict_files(
    bundle: Bundle | OnnxBundle,
    paths: Sequence[str | Path],
    patient: Mapping[str, object] | None = None,
    read: Callable[[str | Path], tuple[Pixels, Mapping[str, object]]] = photograph_alone,
) -> Predictions:
    """Class probabilities of single photographs; nothing is cached or kept.

    Args:
        bundle: the model.
        paths: image files; the file's name is the image's id.
        patient: what is known of the patient, as manifest columns, e.g. ``{"age_approx": 61, "sex": "male"}``.
        read: how a file becomes pixels and what it says of the patient itself, in the same columns; for files that
            are more than a photograph, such as DICOM. What ``patient`` says stands above that.

    Raises:
        ImageError: unreadable images, all named together, or two of one name.
    """
    height, width = bundle.image.decoded
    given = {column: value for column, value in (patient or {}).items() if value is not None}
    images, known, bad = [], [], []
    for path in paths:
        try:
            pixels, own = read(path)
        except ImageError as error:
            if len(paths) == 1:
                raise
            bad.append(f"{path}: {error.problem}")
            continue
        images.append(fit_image(pixels, height, width, bundle.image.aspect))
        known.append({**own, **given})
    if bad:
        raise ImageError(f"{len(bad):,} of {len(paths):,} images cannot be read: {listed(bad)}", fix="Replace them.")
    ids = [Path(path).name for path in paths]
    doubled = sorted({each for each in ids if ids.count(each) > 1})
    if doubled:
        raise ImageError(f"several files are called {listed(doubled)}", fix="Predict them apart, or make a manifest.")
    manifest = manifest_frame([{"image_id": image_id, **each} for image_id, each in zip(ids, known, strict=True)])
    return calibrated_predictions(
        bundle, manifest, network_outputs(bundle, manifest, images, [content_key(path) for path in paths], None)
    )


def fastest_bundle(folder: str | Path | None = None) -> Bundle | OnnxBundle:
    """The bundle in the form that answers soonest: for ONNX Runtime if it holds a network for it, else in torch.

    Importing torch takes seconds, ONNX Runtime a tenth of one; their probabilities agree to 0.001 (checked when
    ``model.onnx`` is made; another precision answers only where ``bundle.json`` says that it serves). ``None`` names
    the model that comes with cutis.

    Raises:
        BundleError: not a bundle, incomplete or damaged.
    """
    place = Path(folder) if folder is not None else default_bundle_folder()
    return load_onnx_bundle(place) or load_bundle(place)


def network_outputs(
    bundle: Bundle | OnnxBundle,
    manifest: pl.DataFrame,
    images: Sequence[Pixels] | DecodedImages,
    keys: list[str],
    progress: Callable[[int], None] | None,
    read_features: Callable[[npt.NDArray[np.float32]], None] | None = None,
) -> Outputs:
    """What a bundle's network gives for decoded images; ``read_features`` is called with the features of each batch."""
    fields = bundle.architecture.patient
    codes = patient_codes(manifest, fields) if fields else None
    familiarity = bundle.familiarity
    strange: list[npt.NDArray[np.float64]] = []

    def read(features: npt.NDArray[np.float32]) -> None:
        if familiarity is not None:
            strange.append(familiarity.scores(features))
        if read_features:
            read_features(features)

    reading = read if familiarity is not None or read_features else None
    if isinstance(bundle, OnnxBundle):
        logits = bundle.logits(images, codes, progress, reading)
    else:
        from cutis.models.inference import keep_memory, predict_logits  # noqa: PLC0415 - imports torch

        keep_memory()
        logits = predict_logits(
            bundle.model,
            images,
            codes,
            bundle.image.inference,
            views=bundle.views,
            progress=progress,
            read_features=reading,
        )
    unfamiliarity = np.concatenate(strange) if strange else None
    return Outputs(logits, keys, _seen(bundle, manifest, keys), unfamiliarity)


def calibrated_predictions(bundle: BundleFacts, manifest: pl.DataFrame, outputs: Outputs) -> Predictions:
    """A bundle's probabilities from its network's outputs for the rows of a manifest."""
    probabilities = bundle.calibration.probabilities(outputs.logits)
    return Predictions(
        manifest["image_id"].to_list(),
        probabilities,
        bundle.classes,
        outputs.seen,
        unfamiliarity=outputs.unfamiliarity,
    )


def _seen(bundle: BundleFacts, manifest: pl.DataFrame, keys: list[str]) -> list[str | None]:
    """What of each row the model was trained or validated on: nearest first, image, lesion, group, patient."""
    record = bundle.training_record
    # Of a record of thousands only what is asked for becomes Python's: a server asks for a row at a time.
    same_image = set(record.filter(pl.col("content_key").is_in(keys))["content_key"])
    seen: list[str | None] = ["image" if key in same_image else "no" for key in keys]
    # Ids of two data sets may coincide by chance, so an id counts only together with its source.
    for what, column in (
        ("image", "image_id"),
        ("lesion", "lesion_id"),
        ("group", "group"),
        ("patient", "patient_id"),
    ):
        asked = manifest[column].drop_nulls().unique()
        if asked.is_empty():
            continue
        known = set(record.filter(pl.col(column).is_in(asked.implode())).select("source", column).iter_rows())
        for row, pair in enumerate(manifest.select("source", column).iter_rows()):
            if seen[row] == "no" and pair in known:
                seen[row] = what
    return seen
