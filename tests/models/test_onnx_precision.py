"""Networks in other precisions: known networks whose answers are computed by hand."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from cutis.errors import BundleError
from cutis.models.onnx_precision import write_half_precision, write_int8


def network(path, convolutions, rng):
    """A chain of 1 × 1 convolutions with ReLU6, then the mean over the picture: easily computed with numpy."""
    weights = [rng.normal(0, 0.5, (8, 8 if n else 3, 1, 1)).astype(np.float32) for n in range(convolutions)]
    initial = [numpy_helper.from_array(each, f"w{n}") for n, each in enumerate(weights)]
    initial += [numpy_helper.from_array(np.float32(each), name) for name, each in (("zero", 0), ("six", 6))]
    initial.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    nodes, name = [], "images"
    for n in range(convolutions):
        nodes.append(helper.make_node("Conv", [name, f"w{n}"], [f"c{n}"], name=f"conv{n}", kernel_shape=[1, 1]))
        nodes.append(helper.make_node("Clip", [f"c{n}", "zero", "six"], [f"r{n}"], name=f"clip{n}"))
        name = f"r{n}"
    nodes.append(helper.make_node("ReduceMean", [name, "axes"], ["logits"], name="pool", keepdims=0))
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 8])],
        initial,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return weights


def by_hand(weights, images):
    x = images
    for each in weights:
        x = np.clip(np.einsum("oi,nihw->nohw", each[:, :, 0, 0], x), 0, 6)
    return x.mean(axis=(2, 3))


def run(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"images": images})[0]


@pytest.fixture
def images():
    return np.random.default_rng(1).random((16, 3, 8, 8), dtype=np.float32)


def test_half_precision_is_half_the_size_and_close(tmp_path, images):
    weights = network(tmp_path / "a.onnx", 6, np.random.default_rng(0))
    write_half_precision(tmp_path / "a.onnx", tmp_path / "h.onnx")
    expected = by_hand(weights, images)
    np.testing.assert_allclose(run(tmp_path / "a.onnx", images), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run(tmp_path / "h.onnx", images), expected, rtol=1e-2, atol=1e-2)
    kept = {each.data_type for each in onnx.load(tmp_path / "h.onnx").graph.initializer if len(each.dims) == 4}
    assert kept == {TensorProto.FLOAT16}


def test_int8_holds_bytes_and_is_close(tmp_path, images):
    weights = network(tmp_path / "a.onnx", 9, np.random.default_rng(0))
    left = write_int8(tmp_path / "a.onnx", tmp_path / "q.onnx", [{"images": images}], lambda _: 0.0, limit=0.1)
    assert left == 0
    expected = by_hand(weights, images)
    error = np.abs(run(tmp_path / "q.onnx", images) - expected).max()
    assert 0 < error < 0.05 * expected.max()
    graph = onnx.load(tmp_path / "q.onnx").graph
    assert sum(each.data_type == TensorProto.INT8 and len(each.dims) == 4 for each in graph.initializer) == 9
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.onnx", "q.onnx"]


def test_as_many_first_convolutions_stay_in_float_as_are_needed(tmp_path, images):
    network(tmp_path / "a.onnx", 12, np.random.default_rng(0))
    seen = iter([0.9, 0.5, 0.01])
    left = write_int8(tmp_path / "a.onnx", tmp_path / "q.onnx", [{"images": images}], lambda _: next(seen), limit=0.1)
    assert left == 6
    floats = {
        each.name for each in onnx.load(tmp_path / "q.onnx").graph.initializer if each.data_type == TensorProto.FLOAT
    }
    assert {f"w{n}" for n in range(6)} <= floats
    assert not {f"w{n}" for n in range(6, 12)} & floats


def test_int8_that_is_never_close_is_refused(tmp_path, images):
    network(tmp_path / "a.onnx", 6, np.random.default_rng(0))
    with pytest.raises(BundleError, match=r"int8 is too far from fp32 on training images: .* 0\.9, 0\.9 "):
        write_int8(tmp_path / "a.onnx", tmp_path / "q.onnx", [{"images": images}], lambda _: 0.9, limit=0.1)


def test_int8_is_for_convolutional_networks(tmp_path, images):
    network(tmp_path / "a.onnx", 2, np.random.default_rng(0))
    with pytest.raises(BundleError, match="this one has 2 convolutions"):
        write_int8(tmp_path / "a.onnx", tmp_path / "q.onnx", [{"images": images}], lambda _: 0.0, limit=0.1)
