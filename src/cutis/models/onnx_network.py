"""A bundle's network as ``model.onnx``: made once from torch, then run by ONNX Runtime without it.

The file takes RGB in [0, 1] (``images``: float32 N × 3 × height × width) and, if the network takes any, patient codes
(``patient``: int64 N × F), and gives ``logits`` (float32 N × K) and ``features`` (float32 N × D, of the image alone;
files made before cutis scored unfamiliarity give none). Its weights are stored in half precision and computed with in
single precision.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cutis.data import DecodedImages, Pixels, network_input
from cutis.errors import BundleError
from cutis.files import replacing, write_json
from cutis.models.bundle import BundleFacts, read_facts, sha256

if TYPE_CHECKING:
    from cutis.models.bundle import Bundle

FILE = "model.onnx"
TOLERANCE = 1e-3
"""Largest difference of a probability from torch's that a ``model.onnx`` may have."""
UNFAMILIARITY_TOLERANCE = 0.05
"""The same of an unfamiliarity, which is 1 at its limit."""

_BATCH = 16
_OPSET = 18
_LEAST_HALVED = 1024  # elements; smaller tensors stay as they are


@dataclass(frozen=True, kw_only=True)
class OnnxBundle(BundleFacts):
    """A bundle whose network runs in ONNX Runtime; ``session`` is its inference session."""

    session: Any

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
            raise BundleError(f"'{FILE}' gives no features", fix="Make it anew with cutis.models.add_onnx.")
        names = ["logits", "features"] if read_features else ["logits"]
        logits = np.empty((len(images), len(self.classes.ids)))
        flips: list[tuple[int, ...]] = [(), (3,), (2,), (2, 3)]
        for start in range(0, len(images), _BATCH):
            stop = min(start + _BATCH, len(images))
            batch = np.stack([network_input(images[i], *self.image.inference) for i in range(start, stop)])
            pixels = batch.transpose(0, 3, 1, 2).astype(np.float32) / 255
            feed: dict[str, npt.NDArray[Any]] = {} if patient is None else {"patient": patient[start:stop]}
            answers = [
                self.session.run(names, feed | {"images": np.ascontiguousarray(np.flip(pixels, axes))})
                for axes in flips[: self.views]
            ]
            logits[start:stop] = np.mean([each[0] for each in answers], axis=0)
            if read_features:
                read_features(np.mean([each[1] for each in answers], axis=0))
            if progress:
                progress(stop - start)
        return logits


def load_onnx_bundle(folder: Path) -> OnnxBundle | None:
    """A bundle with its network in ONNX Runtime, or None if it holds no ``model.onnx``.

    Raises:
        BundleError: not a bundle, incomplete, or damaged.
    """
    facts = read_facts(folder)
    path = folder / FILE
    if not path.exists():
        return None
    if facts.about.get("onnx_sha256") != sha256(path):
        raise BundleError(f"'{FILE}' is damaged or of other weights", where=str(folder), fix="Copy the bundle again.")
    import onnxruntime  # noqa: PLC0415 - only where it is used

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    if facts.familiarity is not None and not gives_features(session):
        raise BundleError(
            f"'{FILE}' gives no features, which the bundle's score of unfamiliarity needs",
            where=str(folder),
            fix="Make it anew with cutis.models.add_onnx, or remove it: torch then answers.",
        )
    return OnnxBundle(**vars(facts), session=session)


def gives_features(session: Any) -> bool:
    """Whether a network gives features beside its logits."""
    return any(each.name == "features" for each in session.get_outputs())


def add_onnx(folder: Path, bundle: "Bundle") -> float:
    """Write ``model.onnx`` into a bundle's folder, checked against torch.

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
    path = folder / FILE
    with replacing(path) as temporary:
        batch = torch.export.Dim("batch")
        torch.onnx.export(
            LogitsAndFeatures().eval(),
            example,
            temporary,
            input_names=names,
            output_names=["logits", "features"],
            dynamic_shapes=tuple({0: batch} for _ in example),
            opset_version=_OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
        model = onnx.load(temporary)
        _store_in_half_precision(model)
        onnx.checker.check_model(model)
        onnx.save(model, temporary)
    about = bundle.about | {"onnx_sha256": sha256(path)}
    before = (folder / "bundle.json").read_bytes()
    write_json(folder / "bundle.json", about)
    difference, stranger = _differences(folder, bundle)
    if difference > TOLERANCE or stranger > UNFAMILIARITY_TOLERANCE:
        path.unlink()
        (folder / "bundle.json").write_bytes(before)
        what = f"by {difference:.1g}" if difference > TOLERANCE else f"in unfamiliarity by {stranger:.1g}"
        raise BundleError(f"'{FILE}' differs from torch {what}", where=str(folder), fix="Report it.")
    return difference


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
