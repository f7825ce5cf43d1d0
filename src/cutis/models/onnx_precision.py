"""An ONNX network in half precision and in 8-bit integers, by ONNX Runtime's own tools.

int8 is static quantisation (Jacob 2018, arXiv:1712.05877) in the QDQ format: weights as signed bytes with a scale for
each output channel, activations as unsigned bytes whose ranges are those seen on training images. The first layers of
a mobile network bear it worst (few channels, each with a range of its own; Nagel 2019, arXiv:1906.04721), so as many
of the first convolutions stay in single precision as are needed. Pooling, normalisation, the patient's branch and the
head stay so always.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cutis.errors import BundleError

Feed = dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]

_QUANTISED = ("Conv", "Clip", "Relu", "Add", "MaxPool")
_STEP = 3  # convolutions of an inverted residual block: expand, depthwise, project


def write_half_precision(source: Path, path: Path) -> None:
    """Write a single-precision network in half precision; its inputs and outputs stay as they are."""
    import onnx  # noqa: PLC0415 - needed only to make the file
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415
    from onnxruntime.transformers.onnx_model import OnnxModel  # noqa: PLC0415

    model = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    OnnxModel(model).topological_sort()  # the casts of inputs are appended at the end
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_int8(
    source: Path,
    path: Path,
    feeds: Sequence[Feed],
    distance: Callable[[Path], float],
    *,
    limit: float,
) -> int:
    """Write a single-precision convolutional network in 8-bit integers.

    Args:
        source: the network in single precision.
        path: the file to write. Other files are written beside it while this runs.
        feeds: training images, as the network is fed: the ranges of activations are theirs.
        distance: how far a file's answers are from those of ``source``, on training images.
        limit: of that distance. Convolutions are left in single precision from the first on, three more at a time,
            until it is kept.

    Returns:
        How many convolutions are left in single precision.

    Raises:
        BundleError: the network has no convolutions to speak of, or half of them do not suffice.
    """
    import onnx  # noqa: PLC0415
    from onnxruntime.quantization import (  # noqa: PLC0415
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest: Iterator[Feed] = iter(feeds)

        def get_next(self) -> Feed | None:
            return next(self.rest, None)

    prepared, ranges = path.with_suffix(".prepared.onnx"), path.with_suffix(".ranges.json")
    with _quiet():
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        convolutions = sum(node.op_type == "Conv" for node in graph.node)
        if convolutions < 2 * _STEP:
            raise BundleError(
                f"int8 is for convolutional networks, and this one has {convolutions} convolutions",
                fix="Leave int8 out.",
            )
        after_patient = _downstream(graph, "patient")
        far: list[float] = []
        for left in range(0, convolutions // 2 + 1, _STEP):
            quantize_static(
                str(prepared),
                str(path),
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_QUANTISED),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[*_before_convolution(graph, left), *after_patient],
                calibration_cache_path=ranges,
            )
            far.append(distance(path))
            if far[-1] <= limit:
                prepared.unlink()
                ranges.unlink()
                return left
    told = ", ".join(f"{each:.2g}" for each in far)
    raise BundleError(
        f"int8 is too far from fp32 on training images: probabilities differ by a mean of {told} with none, "
        f"{_STEP}, … {_STEP * (len(far) - 1)} of the first convolutions left in fp32; the limit is {limit:g}",
        fix="Leave int8 out.",
    )


def _before_convolution(graph: Any, number: int) -> list[str]:
    """The names of the nodes that could be quantised and stand before convolution ``number``, from 0."""
    names: list[str] = []
    seen = 0
    for node in graph.node:
        if node.op_type == "Conv":
            if seen == number:
                break
            seen += 1
        if node.op_type in _QUANTISED:
            names.append(node.name)
    return names


def _downstream(graph: Any, name: str) -> list[str]:
    """The names of the nodes whose values depend on an input; nodes are in topological order."""
    reached, names = {name}, []
    for node in graph.node:
        if reached.intersection(node.input):
            reached.update(node.output)
            names.append(node.name)
    return names


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ONNX Runtime's advice on pre-processing, which was done, from the terminal."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
