import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.data import PhantomView, draw_phantom, fit_image, network_input, phantom_lesion, read_image
from cutis.explanation.lesion_masks import estimated_lesion_mask, network_masks
from cutis.models import ImageSize


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(200, 90), (90, 200), (120, 160)])  # the first is turned by a quarter
def test_a_mask_lies_on_what_it_masked(tmp_path, aspect, shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    lesion = (rows - 0.4 * shape[0]) ** 2 + (columns - 0.6 * shape[1]) ** 2 < 25**2
    white = np.uint8(255) * lesion
    Image.fromarray(np.repeat(white[..., None], 3, axis=2)).save(tmp_path / "image.png")
    Image.fromarray(white).save(tmp_path / "mask.png")
    size = ImageSize(decoded=(60, 80), training=(48, 64), inference=(48, 64), aspect=aspect)
    seen = network_input(fit_image(read_image(tmp_path / "image.png"), 60, 80, aspect), 48, 64)[..., 0] > 127
    manifest = pl.DataFrame({"mask_path": [None, str(tmp_path / "mask.png")]})
    missing, mask = network_masks(manifest, size)
    assert missing is None
    assert mask is not None
    assert mask.any()
    assert np.array_equal(mask, seen)


def test_an_estimate_covers_a_phantoms_lesion_and_is_none_on_plain_skin():
    picture = draw_phantom(phantom_lesion("nv", seed=1), PhantomView(ita=40), (192, 256))
    found = estimated_lesion_mask(picture.image)
    assert found is not None
    truth = picture.mask > 0
    assert (found & truth).sum() / (found | truth).sum() > 0.6
    assert estimated_lesion_mask(np.full((192, 256, 3), 180, np.uint8)) is None
