import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.data import check_images, fit_image, image_paths, read_image, read_photograph
from cutis.errors import ImageError


@pytest.fixture
def picture(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "lesion.jpg"
    Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(path, quality=95)
    return path


def test_a_photograph_is_read_upright(tmp_path):
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:20] = 255
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    upright = read_image(path)
    assert upright.shape == (60, 40, 3)
    assert upright[:, 30:].mean() > 240 > 15 > upright[:, :10].mean()


def test_transparency_is_shown_on_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png").min() == 255


def test_grey_palette_and_16_bit_images_become_rgb(tmp_path):
    Image.new("L", (8, 8), 100).save(tmp_path / "grey.png")
    Image.new("RGB", (8, 8), (10, 20, 30)).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(np.full((8, 8), 25700, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert (read_image(tmp_path / "grey.png") == 100).all()
    assert read_image(tmp_path / "palette.png").shape == (8, 8, 3)
    assert (read_image(tmp_path / "deep.png") == 100).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<html>404</html>", "is not an image"),
        (None, "truncated"),
    ],
)
def test_a_bad_file_is_named_with_its_reason(tmp_path, picture, content, reason):
    path = tmp_path / "bad.jpg"
    path.write_bytes(picture.read_bytes()[:-500] if content is None else content)
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(path)
    assert "bad.jpg" in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(150, 200), (200, 150), (37, 400), (64, 64)])
def test_an_image_of_any_shape_is_fitted_exactly(aspect, shape):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    assert fit_image(image, 96, 128, aspect).shape == (96, 128, 3)


def test_a_portrait_photograph_is_turned_not_squeezed():
    image = np.zeros((200, 150, 3), dtype=np.uint8)
    rows, columns = np.ogrid[:200, :150]
    image[(rows - 100) ** 2 + (columns - 75) ** 2 < 40**2] = 255  # a round lesion
    fitted = fit_image(image, 75, 100)[..., 0] > 128
    height, width = np.ptp(np.argwhere(fitted), axis=0) + 1
    assert abs(height - width) <= 1


def test_cropping_keeps_the_middle_and_padding_keeps_all():
    image = np.zeros((100, 300, 3), dtype=np.uint8)
    image[:, 100:200] = 255
    assert (fit_image(image, 50, 50, "crop") == 255).all()
    assert 0.2 < (fit_image(image, 60, 60, "pad") > 128).mean() < 0.5


def test_bad_and_misnamed_images_are_reported_together(tmp_path, picture):
    (tmp_path / "cut.jpg").write_bytes(picture.read_bytes()[:600])
    Image.new("RGB", (8, 8)).save(tmp_path / "png.jpg", format="PNG")
    manifest = pl.DataFrame(
        {
            "image_id": ["good", "cut", "gone", "png", "labels only"],
            "image_path": [
                str(picture),
                *[str(tmp_path / f"{name}.jpg") for name in ("cut", "gone", "png")],
                None,
            ],
        }
    )
    bad = {each.image_id: each.reason for each in check_images(manifest)}
    assert set(bad) == {"cut", "gone", "png"}
    assert "truncated" in bad["cut"]
    assert bad["gone"] == "does not exist"
    assert bad["png"] == "is named .jpg but holds PNG"


def test_rows_without_an_image_are_counted():
    manifest = pl.DataFrame({"image_id": ["a", "b"], "image_path": ["a.jpg", None]})
    with pytest.raises(ImageError, match="1 of 2 rows have no image file, the first is 'b'"):
        image_paths(manifest)


def test_what_is_sent_is_decoded_as_a_file_is(picture):
    sent = read_photograph(picture.read_bytes(), "lesion.jpg", most_pixels=10_000)
    assert (sent == read_image(picture)).all()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "PDF", "EPS", "ICO", "PPM"])
def test_no_decoder_but_those_of_photographs_is_tried_on_what_is_sent(kind):
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, kind)
    with pytest.raises(ImageError, match=r"x\.jpg: is no JPEG, PNG or WebP photograph"):
        read_photograph(content.getvalue(), "x.jpg", most_pixels=10_000)


def test_what_is_sent_is_not_decoded_when_it_has_too_many_pixels(picture, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("was decoded"))
    with pytest.raises(ImageError, match=r"has 80 × 60 pixels; at most 4,799 are read\. Scale it down"):
        read_photograph(picture.read_bytes(), "x.jpg", most_pixels=4_799)


def test_an_empty_and_a_truncated_photograph_are_told_apart(picture):
    with pytest.raises(ImageError, match="is empty"):
        read_photograph(b"", "x.jpg", most_pixels=10_000)
    with pytest.raises(ImageError, match="is truncated or damaged"):
        read_photograph(picture.read_bytes()[:-500], "x.jpg", most_pixels=10_000)
