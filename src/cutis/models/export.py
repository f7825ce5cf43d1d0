"""A bundle with its network in several precisions, each measured beside torch, one of them chosen to serve.

Ranges for int8 come from training images, the figures from validation images: the bundle's training record says which
these are, whatever else stands in a manifest. No test image is looked at.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from cutis.data import network_input
from cutis.errors import BundleError, CutisError, ManifestError
from cutis.evaluation import Estimate, clusters_of, decimal
from cutis.files import replacing_folder, write_json, write_text
from cutis.models.bundle import Bundle, check_bundle_target, default_bundle_folder, load_bundle, sha256
from cutis.models.export_images import Rows, training_rows, validation_rows
from cutis.models.export_measures import Answers, ValidationImages, cores, machine, timed
from cutis.models.export_page import export_page
from cutis.models.export_result import CalibrationImages, Export, Parity
from cutis.models.onnx_network import (
    PRECISIONS,
    OnnxBundle,
    Precision,
    Served,
    drawn_logits,
    export_network,
    network_feed,
    open_session,
)
from cutis.models.onnx_precision import Feed, write_half_precision, write_int8
from cutis.models.patient import patient_codes
from cutis.models.predict import network_outputs
from cutis.taxonomy import class_labels

Stages = Callable[[str, int], Callable[[int], None]]

EXPORT_FILE, EXPORT_PAGE = "export.json", "EXPORT.md"
LARGEST_DIFFERENCE = 0.1
"""Of a probability from torch's, that what serves may have unless another limit is named."""
MEAN_DIFFERENCE = 0.002
"""Of a probability from fp32's on training images: until int8 keeps it, more convolutions stay in fp32."""
TIMED_IMAGES = 200

_COMPARED = 96  # of the calibration images, by which it is decided how many convolutions stay in fp32
_FED = 8  # at a time: calibration keeps the whole network's activations
_RESAMPLES = 2000


def export_onnx(
    folder: str | Path | None,
    output: str | Path,
    manifest: pl.DataFrame,
    *,
    precisions: Sequence[Precision] = PRECISIONS,
    calibrate_on: pl.DataFrame | None = None,
    serve: Precision | None = None,
    limit: float = LARGEST_DIFFERENCE,
    despite: bool = False,
    threads: int | None = None,
    timed_images: int = TIMED_IMAGES,
    progress: Stages | None = None,
) -> Export:
    """Write a copy of a bundle with its network for ONNX Runtime in several precisions, whole or not at all.

    Args:
        folder: the bundle; None: the model that comes with cutis.
        output: the folder to write: the bundle, ``model.fp32.onnx`` …, ``export.json`` and ``EXPORT.md``.
        manifest: rows with whole image paths; those that the bundle was validated on are compared.
        precisions: which to make.
        calibrate_on: training images for int8, all of them; None: the training images of ``manifest``.
        serve: which answers from this folder from then on; None: what answers from a bundle that was never exported,
            ``model.onnx`` or torch.
        limit: the largest difference of a probability from torch's that what serves may have, 0 to 1.
        despite: serve it all the same.
        threads: that the network's runs use; None: one a core.
        timed_images: how many single images are timed.
        progress: called with the name of each stage and its number of images, gives what is called with those done.

    Returns:
        The figures. Where ``serve`` is refused, ``not_served`` says why, and the folder serves as if nothing had been
        asked for.

    Raises:
        BundleError: no bundle, something else is at ``output``, int8 cannot be had.
        ManifestError: no validation or training images, or images that are not what they must be.
        LeakError: an image counts as validation image that the model learnt from.
        ImageError: unreadable images, named together.
        CutisError: a package is missing, or the folder cannot be written.
    """
    _check_packages()
    precisions = [each for each in PRECISIONS if each in precisions]
    if serve is not None and serve not in precisions:
        raise CutisError(f"{serve} is to serve and is not among what is made", fix="Add it to the precisions.")
    source = Path(folder) if folder is not None else default_bundle_folder()
    _check_target(source, Path(output))
    stage = progress or (lambda _name, _total: lambda _done: None)
    bundle = load_bundle(source)
    validation = validation_rows(bundle, manifest)
    training = training_rows(bundle, manifest, calibrate_on) if "int8" in precisions else None
    with replacing_folder(output) as temporary:
        return _export(
            bundle,
            source,
            temporary,
            precisions,
            validation,
            training,
            serve=serve,
            limit=limit,
            despite=despite,
            threads=threads or cores(),
            timed_images=timed_images,
            stage=stage,
        )


def _export(
    bundle: Bundle,
    source: Path,
    folder: Path,
    precisions: Sequence[Precision],
    validation: Rows,
    training: Rows | None,
    *,
    serve: Precision | None,
    limit: float,
    despite: bool,
    threads: int,
    timed_images: int,
    stage: Stages,
) -> Export:
    _copy_bundle(source, folder)
    frame, label = validation.frame, _labels(bundle, validation.frame)
    known = (label >= 0) & (label < len(bundle.classes.ids))
    if not known.any():
        raise ManifestError(
            f"none of {len(frame):,} validation images is of one of the model's classes", fix="Name others with --on."
        )
    clusters = clusters_of(frame)
    against = ValidationImages(label, known, clusters.number, _RESAMPLES)
    torchs = _answers(bundle, validation, stage("torch", len(frame)))
    made = _networks(bundle, folder, precisions, training, threads)
    parities: list[Parity] = []
    quick: dict[Precision, OnnxBundle] = {}
    for precision in precisions:
        quick[precision] = _opened(bundle, folder / file_of(precision), precision, threads)
        path = folder / file_of(precision)
        answers = _answers(quick[precision], validation, stage(precision, len(frame)))
        timings = [
            timed(quick[precision], validation.paths, images=timed_images, views=views, threads=threads)
            for views in dict.fromkeys((bundle.views, 1))
        ]
        parities.append(
            Parity(
                precision=precision,
                file=path.name,
                sha256=sha256(path),
                bytes=path.stat().st_size,
                convolutions_in_fp32=made[precision],
                timings=tuple(timings),
                **dict(against.agreement(answers, torchs)),
            )
        )
    before = against.balanced_accuracy(torchs)
    spoken = [] if serve is None else objections(next(p for p in parities if p.precision == serve), before, limit)
    serving = serve if serve is not None and (despite or not spoken) else None
    about = {key: value for key, value in bundle.about.items() if key != "serves"}
    if serving is not None:
        path = folder / file_of(serving)
        logits = tuple(tuple(round(float(each), 6) for each in row) for row in drawn_logits(quick[serving]))
        served = Served(file=path.name, precision=serving, sha256=sha256(path), logits=logits)
        about["serves"] = served.model_dump(mode="json")
    write_json(folder / "bundle.json", about)
    told = Export(
        model=bundle.name,
        weights_sha256=bundle.about["weights_sha256"],
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        cutis=metadata.version("cutis"),
        onnxruntime=metadata.version("onnxruntime"),
        machine=machine(),
        images=len(frame),
        labelled_images=int(known.sum()),
        cases=clusters.kinds,
        balanced_accuracy=before,
        calibration=None if training is None else _calibration_images(training),
        precisions=tuple(parities),
        limit=limit,
        serves=file_of(serving) if serving else "model.onnx" if (folder / "model.onnx").exists() else "torch",
        not_served=() if serving else tuple(spoken),
        served_despite=tuple(spoken) if serving else (),
    )
    write_json(folder / EXPORT_FILE, told.model_dump(mode="json"))
    write_text(folder / EXPORT_PAGE, export_page(told))
    return told


def file_of(precision: Precision) -> str:
    """The file's name in an export's folder."""
    return f"model.{precision}.onnx"


def objections(parity: Parity, torchs: Estimate, limit: float) -> list[str]:
    """What speaks against serving a file: it differs too much, or answers worse than chance explains."""
    found = []
    if parity.largest_difference > limit:
        found.append(f"its largest difference of a probability, {parity.largest_difference:.4f}, is above {limit:g}")
    value = parity.balanced_accuracy.value
    if value is not None and torchs.low is not None and value < torchs.low:
        found.append(
            f"its balanced accuracy, {decimal(value)}, is below the interval of fp32, "
            f"{decimal(torchs.low)} to {decimal(torchs.high)}"
        )
    return found


def _networks(
    bundle: Bundle, folder: Path, precisions: Sequence[Precision], training: Rows | None, threads: int
) -> dict[Precision, int | None]:
    """Write the network in each precision; the value is how many convolutions of int8 stay in fp32."""
    single = folder / file_of("fp32")
    export_network(bundle, single)
    made: dict[Precision, int | None] = {"fp32": None}
    if "fp16" in precisions:
        write_half_precision(single, folder / file_of("fp16"))
        made["fp16"] = None
    if "int8" in precisions:
        assert training is not None
        some = training.images.chosen(np.arange(min(_COMPARED, len(training.images))))
        codes = _codes(bundle, training.frame[: len(some)])
        expected = _opened(bundle, single, "fp32", threads).logits(some, codes)
        scaled = bundle.calibration.probabilities

        def distance(path: Path) -> float:
            logits = _opened(bundle, path, "int8", threads).logits(some, codes)
            return float(np.abs(scaled(logits) - scaled(expected)).mean())

        feeds = _feeds(bundle, training)
        made["int8"] = write_int8(single, folder / file_of("int8"), feeds, distance, limit=MEAN_DIFFERENCE)
    if "fp32" not in precisions:
        single.unlink()
    return made


def _feeds(bundle: Bundle, rows: Rows) -> list[Feed]:
    codes = _codes(bundle, rows.frame)
    feeds: list[Feed] = []
    for start in range(0, len(rows.images), _FED):
        stop = min(start + _FED, len(rows.images))
        pixels = np.stack([network_input(rows.images[i], *bundle.image.inference) for i in range(start, stop)])
        feeds.append(network_feed(pixels, None if codes is None else codes[start:stop]))
    return feeds


def _opened(bundle: Bundle, path: Path, precision: Precision, threads: int) -> OnnxBundle:
    facts = {name: value for name, value in vars(bundle).items() if name != "model"}
    return OnnxBundle(**facts, session=open_session(path, threads), file=path.name, precision=precision)


def _answers(bundle: Bundle | OnnxBundle, rows: Rows, progress: Callable[[int], None]) -> Answers:
    outputs = network_outputs(bundle, rows.frame, rows.images, rows.images.keys, progress)
    return Answers(bundle.calibration.probabilities(outputs.logits), outputs.unfamiliarity)


def _codes(bundle: Bundle, frame: pl.DataFrame) -> npt.NDArray[np.int64] | None:
    fields = bundle.architecture.patient
    return patient_codes(frame, fields) if fields else None


def _labels(bundle: Bundle, frame: pl.DataFrame) -> npt.NDArray[np.int64]:
    nodes, words = frame["diagnosis_node"].to_list(), frame["source_diagnosis"].to_list()
    return class_labels(bundle.classes, nodes, words).label


def _calibration_images(rows: Rows) -> CalibrationImages:
    counts = rows.frame["source_diagnosis"].fill_null("not recorded").value_counts(sort=True)
    return CalibrationImages(images=len(rows.frame), diagnoses=dict(counts.iter_rows()))


def _check_packages() -> None:
    missing = [each for each in ("onnx", "onnxscript") if find_spec(each) is None]
    if missing:
        raise CutisError(
            f"an export needs the package {' and '.join(missing)}", fix="Run `pip install 'cutis[export]'`."
        )


def _check_target(source: Path, output: Path) -> None:
    check_bundle_target(output)
    if output.resolve().is_relative_to(source.resolve()) and output.resolve() != source.resolve():
        raise BundleError("lies within the bundle", where=str(output), fix="Name a folder outside it with -o.")


def _copy_bundle(source: Path, folder: Path) -> None:
    """Copy a bundle without what an earlier export added to it."""
    earlier = {file_of(each) for each in PRECISIONS} | {EXPORT_FILE, EXPORT_PAGE}
    for each in source.iterdir():
        if each.is_dir():
            shutil.copytree(each, folder / each.name)
        elif each.name not in earlier:
            shutil.copyfile(each, folder / each.name)
