import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cutis.errors import BundleError
from cutis.models import OnnxBundle, add_onnx, fastest_bundle, load_bundle, load_onnx_bundle, predict_files, save_bundle


@pytest.fixture
def folder(tmp_path, bundle):
    """A saved bundle with a model.onnx."""
    save_bundle(bundle, tmp_path / "b")
    assert add_onnx(tmp_path / "b", load_bundle(tmp_path / "b")) < 1e-3
    return tmp_path / "b"


def test_it_answers_as_torch_does_for_any_number_of_images(folder, tmp_path):
    rng = np.random.default_rng(1)
    paths = []
    for n in range(18):  # more than one batch
        paths.append(tmp_path / f"{n}.png")
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(paths[-1])
    patient = {"age_approx": 61}
    quick, full = load_onnx_bundle(folder), load_bundle(folder)
    assert isinstance(fastest_bundle(folder), OnnxBundle)
    for chosen in (paths, paths[:1]):
        np.testing.assert_allclose(
            predict_files(quick, chosen, patient).probabilities,
            predict_files(full, chosen, patient).probabilities,
            atol=1e-3,
        )


def test_a_bundle_without_it_is_loaded_in_torch(tmp_path, bundle):
    save_bundle(bundle, tmp_path / "b")
    assert load_onnx_bundle(tmp_path / "b") is None
    assert not isinstance(fastest_bundle(tmp_path / "b"), OnnxBundle)


def test_a_damaged_file_is_refused(folder):
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-10])
    with pytest.raises(BundleError, match="'model.onnx' is damaged"):
        load_onnx_bundle(folder)


def test_predicting_with_it_imports_no_torch(folder, tmp_path):
    """Torch takes seconds to import; a cold answer must not wait for it."""
    Image.new("RGB", (80, 60)).save(tmp_path / "x.png")
    program = (
        "import sys\n"
        "from cutis.models import fastest_bundle, predict_files\n"
        f"predict_files(fastest_bundle({str(folder)!r}), [{str(tmp_path / 'x.png')!r}])\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
