"""Predictions of corrupted images: decoded through the cache, corrupted on the fly, kept for a run that is resumed."""

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, overload

import polars as pl

from cutis.data import CORRUPTIONS, DecodedImages, Pixels, corrupt, decode_images, image_paths
from cutis.errors import BundleError
from cutis.evaluation import Predictions, read_predictions, write_predictions
from cutis.files import write_json
from cutis.models.bundle import Bundle
from cutis.models.onnx_network import OnnxBundle
from cutis.models.predict import calibrated_predictions, network_outputs, predict_manifest

Progress = Callable[[int], None]
KEY_FILE = "key.json"
"""Beside the kept predictions: what they are of."""


class CorruptedImages(Sequence[Pixels]):
    """N decoded images, each corrupted when it is asked for; see :func:`cutis.data.corrupt`."""

    def __init__(self, images: DecodedImages, corruption: str, strength: int, seed: int) -> None:
        self.images, self.corruption, self.strength, self.seed = images, corruption, strength, seed

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Pixels]: ...

    def __getitem__(self, index: int | slice) -> Pixels | Sequence[Pixels]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return corrupt(self.images[index], self.corruption, self.strength, self.seed)


def predict_corrupted(
    bundle: Bundle | OnnxBundle,
    manifest: pl.DataFrame,
    corruption: str,
    strength: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Predictions:
    """Class probabilities of every image of a manifest gone wrong.

    Images are corrupted at the size at which the bundle decodes them; calibration and what the model has seen of each
    image are as in :func:`cutis.models.predict_manifest`.

    Args:
        bundle: the model.
        manifest: N rows with whole image paths.
        corruption: one of :data:`cutis.data.CORRUPTIONS`.
        strength: 1 to 5.
        seed: of the corruption.
        progress: called with the number of images just finished.

    Raises:
        ImageError: there is no such corruption or strength, or images are missing or unreadable (all are named).
    """
    height, width = bundle.image.decoded
    images = decode_images(image_paths(manifest), height, width, bundle.image.aspect)
    corrupted = CorruptedImages(images, corruption, strength, seed)
    return calibrated_predictions(bundle, manifest, network_outputs(bundle, manifest, corrupted, images.keys, progress))


def predict_under_corruptions(
    bundle: Bundle | OnnxBundle,
    manifest: pl.DataFrame,
    folder: str | Path,
    *,
    corruptions: Sequence[str],
    strengths: Sequence[int],
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Predictions, dict[tuple[str, int], Predictions]]:
    """The clean predictions, and those of every corruption at every strength, each kept in a file once it is made.

    What the folder already holds of the same weights, calibration, images, seed and strengths is read instead of made
    again; what it holds of others is removed first.

    Args:
        bundle: the model, as loaded from its folder.
        manifest: N rows with whole image paths.
        folder: where ``clean.parquet``, ``blur-1.parquet``, … are kept.
        corruptions: names in :data:`cutis.data.CORRUPTIONS`.
        strengths: of 1 to 5.
        seed: of the corruptions.
        progress: called with the number of images just finished, N for predictions that are there already.

    Raises:
        ImageError: as :func:`predict_corrupted`.
        BundleError: the bundle was not loaded from a folder.
    """
    folder = Path(folder)
    _keep_only(folder, _key(bundle, manifest, seed))

    def kept(name: str, make: Callable[[], Predictions]) -> Predictions:
        path = folder / f"{name}.parquet"
        if path.exists():
            if progress:
                progress(len(manifest))
            return read_predictions(path)
        made = make()
        write_predictions(path, made)
        return made

    def of(corruption: str, strength: int) -> Predictions:
        return kept(
            f"{corruption}-{strength}",
            lambda: predict_corrupted(bundle, manifest, corruption, strength, seed, progress),
        )

    clean = kept("clean", lambda: predict_manifest(bundle, manifest, progress))
    return clean, {(name, strength): of(name, strength) for name in corruptions for strength in strengths}


def _key(bundle: Bundle | OnnxBundle, manifest: pl.DataFrame, seed: int) -> dict[str, Any]:
    """What predictions depend on, as JSON."""
    weights = bundle.about.get("weights_sha256")
    if weights is None:
        raise BundleError("its weights have no hash", where=bundle.name, fix="Save the bundle and load it again.")
    height, width = bundle.image.decoded
    keys = decode_images(image_paths(manifest), height, width, bundle.image.aspect).keys
    # With what the network is told of the patient, and with what is compared with its training record.
    told = ["source", "image_id", "lesion_id", "patient_id", "group", "age_approx", "sex", "anatom_site"]
    rows = manifest.select(told).with_columns(key=pl.Series(keys, dtype=pl.String)).write_csv()
    return {
        "format": 1,
        "weights_sha256": weights,
        "serves": bundle.about.get("serves"),
        "calibration": bundle.calibration.model_dump(mode="json"),
        "images": blake2b(rows.encode(), digest_size=16).hexdigest(),
        "seed": seed,
        "corruptions": {name: list(each.values) for name, each in CORRUPTIONS.items()},
    }


def _keep_only(folder: Path, key: dict[str, Any]) -> None:
    """Remove kept predictions unless they are of this key, and note the key."""
    path = folder / KEY_FILE
    key = json.loads(json.dumps(key))
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == key
    except (FileNotFoundError, ValueError):  # not begun yet, or no JSON: nothing is known of what is there
        same = False
    if same:
        return
    for name in ["clean", *(f"{corruption}-{strength}" for corruption in CORRUPTIONS for strength in range(1, 6))]:
        (folder / f"{name}.parquet").unlink(missing_ok=True)
    write_json(path, key)
