"""A bundle's network for ONNX Runtime: made once from torch, then run without it.

``bundle.json`` says under ``serves`` which file answers; where it does not, ``model.onnx`` does.

A file takes RGB in [0, 1] (``images``: float32 N × 3 × height × width) and, if the network takes any, patient codes
(``patient``: int64 N × F), and gives ``logits`` (float32 N × K) and ``features`` (float32 N × D, of the image alone;
files made before cutis scored unfamiliarity give none). The weights of ``model.onnx`` are stored in half precision and
computed with in single precision.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutis.data import DecodedImages, Pixels, network_input
from cutis.errors import BundleError
from cutis.files import replacing, write_json
from cutis.models.architecture import ImageSize
from cutis.models.bundle import BundleFacts, read_facts, sha256

if TYPE_CHECKING:
    from cutis.models.bundle import Bundle

FILE = "model.onnx"
TOLERANCE = 1e-3
"""Largest difference of a probability from torch's that a ``model.onnx`` may have."""
UNFAMILIARITY_TOLERANCE = 0.05
"""The same of an unfamiliarity, which is 1 at its limit."""

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""What a network's numbers are computed with, the most exact first."""

_BATCH = 16
_OPSET = 18
_LEAST_HALVED = 1024  # elements; smaller tensors stay as they are
_VIEWS = (np.s_[:], np.s_[:, :, ::-1], np.s_[:, ::-1], np.s_[:, ::-1, ::-1])  # of N × height × width × 3
_DRAWN = 2  # pictures
_OTHER_PROCESSOR = 0.02


class Served(BaseModel):
    """What ``bundle.json`` says under ``serves``: the file that answers, and its answers to :func:`drawn_images`.

    ``logits`` tells a processor that computes otherwise than the one on which the file was found good: on x86
    processors with AVX2 and no VNNI, sums of 8-bit products can overflow.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(pattern=r"^[\w-][\w.-]*\.onnx$")
    precision: Precision
    sha256: str
    logits: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class OnnxBundle(BundleFacts):
    """A bundle whose network runs in ONNX Runtime.

    Attributes:
        session: the inference session.
        file: the file in the bundle's folder that it runs.
        precision: what it computes with.
    """

    session: Any
    file: str = FILE
    precision: Precision = "fp32"

    def logits(
        self,
        images: Sequence[Pixels] | DecodedImages,
        patient: npt.NDArray[np.int64] | None,
        progress: Callable[[int], None] | None = None,
        read_features: Callable[[npt.NDArray[np.float32]], None] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Logits of N decoded images, averaged over the bundle's views: float64, N × K. See ``predict_logits``.

        Raises:
            BundleError: features are to be read and the file gives none.
        """
        if read_features and not gives_features(self.session):
            raise BundleError(f"'{self.file}' gives no features", fix="Make it anew with cutis.models.add_onnx.")
        names = ["logits", "features"] if read_features else ["logits"]
        logits = np.empty((len(images), len(self.classes.ids)))
        views = _VIEWS[: self.views]
        at_once = _BATCH // len(views)
        for start in range(0, len(images), at_once):
            stop = min(start + at_once, len(images))
            batch = np.stack([network_input(images[i], *self.image.inference) for i in range(start, stop)])
            feed = network_feed(
                np.concatenate([batch[view] for view in views]),
                None if patient is None else np.tile(patient[start:stop], (len(views), 1)),
            )
            answers = [
                each.reshape(len(views), stop - start, -1).mean(axis=0) for each in self.session.run(names, feed)
            ]
            logits[start:stop] = answers[0]
            if read_features:
                read_features(answers[1])
            if progress:
                progress(stop - start)
        return logits


def network_feed(
    pixels: npt.NDArray[np.uint8], patient: npt.NDArray[np.int64] | None
) -> dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]:
    """What a session is fed: pixels N × height × width × 3 at the network's size, patient codes N × F or None."""
    images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)
    images /= 255
    return {"images": images} if patient is None else {"images": images, "patient": patient}


def load_onnx_bundle(folder: Path, threads: int | None = None) -> OnnxBundle | None:
    """A bundle with its network in ONNX Runtime: the file that its ``bundle.json`` says serves, else ``model.onnx``.

    Args:
        folder: the bundle's folder.
        threads: that one run of the network uses; None: one a core.

    Returns:
        None if nothing is said to serve and there is no ``model.onnx``.

    Raises:
        BundleError: not a bundle, incomplete, or damaged; or this processor computes other answers with the file than
            the one it was checked on.
    """
    facts = read_facts(folder)
    served = _served(facts, folder)
    name = FILE if served is None else served.file
    path = folder / name
    if not path.exists():
        if served is None:
            return None
        raise BundleError(
            f"'{name}' is missing, and bundle.json says that it serves", where=str(folder), fix="Copy the bundle again."
        )
    if (facts.about.get("onnx_sha256") if served is None else served.sha256) != sha256(path):
        raise BundleError(f"'{name}' is damaged or of other weights", where=str(folder), fix="Copy the bundle again.")
    bundle = OnnxBundle(
        **vars(facts),
        session=open_session(path, threads),
        file=name,
        precision="fp32" if served is None else served.precision,
    )
    if facts.familiarity is not None and not gives_features(bundle.session):
        raise BundleError(
            f"'{name}' gives no features, which the bundle's score of unfamiliarity needs",
            where=str(folder),
            fix="Make it anew with cutis.models.add_onnx, or remove it: torch then answers.",
        )
    if served is not None:
        _check_processor(bundle, served, folder)
    return bundle


def open_session(path: Path, threads: int | None = None) -> Any:
    """An inference session of ONNX Runtime on the CPU; ``threads`` as for :func:`load_onnx_bundle`."""
    import onnxruntime  # noqa: PLC0415 - only where it is used

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    # Without it, sums of 8-bit products overflow on x86 processors that have AVX2 and no VNNI: wrong answers.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def drawn_images(image: ImageSize) -> list[Pixels]:
    """Two pictures of coloured clouds at the decoded size, the same on every machine."""
    rng = np.random.default_rng(0)
    height, width = image.decoded
    coarse = rng.integers(0, 256, (_DRAWN, 6, 8, 3), dtype=np.uint8)
    return [np.repeat(np.repeat(each, -(-height // 6), 0), -(-width // 8), 1)[:height, :width] for each in coarse]


def drawn_logits(bundle: OnnxBundle) -> npt.NDArray[np.float64]:
    """The network's logits for :func:`drawn_images`, nothing known of the patient."""
    fields = len(bundle.architecture.patient)
    codes = np.zeros((_DRAWN, fields), dtype=np.int64) if fields else None
    return bundle.logits(drawn_images(bundle.image), codes)


def _served(facts: BundleFacts, folder: Path) -> Served | None:
    told = facts.about.get("serves")
    try:
        return None if told is None else Served.model_validate(told)
    except ValidationError as error:
        where = ".".join(str(each) for each in error.errors()[0]["loc"])
        raise BundleError(
            f"bundle.json does not say rightly what serves ({where or 'the whole'}: {error.errors()[0]['msg']})",
            where=str(folder),
            fix="Export the bundle again.",
        ) from error


def _check_processor(bundle: OnnxBundle, served: Served, folder: Path) -> None:
    """Raise BundleError if the network's answers here are not those it was exported with."""
    ours, expected = drawn_logits(bundle), np.array(served.logits, dtype=np.float64)
    if ours.shape == expected.shape:
        scaled = bundle.calibration
        difference = float(np.abs(scaled.probabilities(ours) - scaled.probabilities(expected)).max())
        if difference <= _OTHER_PROCESSOR:
            return
        what = f"a probability that differs by {difference:.2g} from the one it was exported with"
    else:
        what = "answers of another shape"
    raise BundleError(
        f"on this processor '{served.file}' ({served.precision}) gives {what}",
        where=str(folder),
        fix="Export the bundle on this machine with `cutis export`, or serve fp32.",
    )


def gives_features(session: Any) -> bool:
    """Whether a network gives features beside its logits."""
    return any(each.name == "features" for each in session.get_outputs())


def add_onnx(folder: Path, bundle: "Bundle") -> float:
    """Write ``model.onnx`` into a bundle's folder, checked against torch; it is what serves from then on.

    Args:
        folder: the bundle's folder.
        bundle: the bundle as loaded from there.

    Returns:
        The largest difference of a probability from torch's, over random images.

    Raises:
        BundleError: the difference is above :data:`TOLERANCE`, or that of an unfamiliarity above its own; nothing is
            left behind.
    """
    import onnx  # noqa: PLC0415 - needed only to make the file, never to run it

    path = folder / FILE
    with replacing(path) as temporary:
        export_network(bundle, temporary)
        model = onnx.load(temporary)
        _store_in_half_precision(model)
        onnx.checker.check_model(model)
        onnx.save(model, temporary)
    about = {key: value for key, value in bundle.about.items() if key != "serves"} | {"onnx_sha256": sha256(path)}
    before = (folder / "bundle.json").read_bytes()
    write_json(folder / "bundle.json", about)
    difference, stranger = _differences(folder, bundle)
    if difference > TOLERANCE or stranger > UNFAMILIARITY_TOLERANCE:
        path.unlink()
        (folder / "bundle.json").write_bytes(before)
        what = f"by {difference:.1g}" if difference > TOLERANCE else f"in unfamiliarity by {stranger:.1g}"
        raise BundleError(f"'{FILE}' differs from torch {what}", where=str(folder), fix="Report it.")
    return difference


def export_network(bundle: "Bundle", path: Path) -> None:
    """Write a bundle's network from torch as an ONNX file in single precision, any number of images at a time."""
    import torch  # noqa: PLC0415

    class LogitsAndFeatures(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = bundle.model

        def forward(
            self, images: torch.Tensor, patient: torch.Tensor | None = None
        ) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.model.features(images, patient)
            return self.model.head(features), features[:, : self.model.image_width]

    height, width = bundle.image.inference
    fields = len(bundle.architecture.patient)
    example: tuple[torch.Tensor, ...] = (torch.rand(2, 3, height, width),)
    names = ["images"]
    if fields:
        example += (torch.zeros(2, fields, dtype=torch.int64),)
        names.append("patient")
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "# The axis name: batch will not be used", UserWarning)
        torch.onnx.export(
            LogitsAndFeatures().eval(),
            example,
            path,
            input_names=names,
            output_names=["logits", "features"],
            dynamic_shapes=tuple({0: batch} for _ in example),
            opset_version=_OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _store_in_half_precision(model: Any) -> None:
    """Keep large float32 weights as float16, each followed by a Cast back, which ONNX Runtime folds when loading."""
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < _LEAST_HALVED:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)


def _differences(folder: Path, bundle: "Bundle") -> tuple[float, float]:
    """The largest difference of a probability and of an unfamiliarity (0 where there is none) over random images."""
    from cutis.models.inference import predict_logits  # noqa: PLC0415 - imports torch

    rng = np.random.default_rng(0)
    height, width = bundle.image.decoded
    images = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(5)]
    fields = len(bundle.architecture.patient)
    codes = rng.integers(0, 3, (5, fields)) if fields else None
    quick = load_onnx_bundle(folder)
    assert quick is not None
    features: list[npt.NDArray[np.float32]] = []
    ours = quick.logits(images, codes, read_features=features.append)
    torchs = predict_logits(
        bundle.model, images, codes, bundle.image.inference, views=bundle.views, read_features=features.append
    )
    probability = np.abs(quick.calibration.probabilities(ours) - bundle.calibration.probabilities(torchs)).max()
    if bundle.familiarity is None:
        return float(probability), 0.0
    scores = [bundle.familiarity.scores(each) for each in features]
    return float(probability), float(np.abs(scores[0] - scores[1]).max())
