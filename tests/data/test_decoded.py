import numpy as np
import pytest
from PIL import Image

from cutis.data import decode_images, decoded, fit_image, read_image
from cutis.errors import ImageError


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for n in range(5):
        path = tmp_path / f"{n}.png"
        Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(path)
        paths.append(str(path))
    return paths


def test_the_cache_gives_what_decoding_gives(tmp_path, pictures):
    images = decode_images(pictures, 24, 32, folder=tmp_path / "cache")
    assert len(images) == 5
    for n, path in enumerate(pictures):
        np.testing.assert_array_equal(images[n], fit_image(read_image(path), 24, 32))


def test_a_second_run_decodes_nothing(tmp_path, pictures, monkeypatch):
    first = decode_images(pictures, 24, 32, folder=tmp_path / "cache")
    monkeypatch.setattr(decoded, "read_image", lambda path: pytest.fail("decoded again"))
    second = decode_images(list(reversed(pictures)), 24, 32, folder=tmp_path / "cache")
    np.testing.assert_array_equal(first[0], second[4])


def test_the_same_content_under_two_names_is_kept_once(tmp_path, pictures):
    copy = tmp_path / "copy.png"
    copy.write_bytes((tmp_path / "0.png").read_bytes())
    images = decode_images([*pictures, str(copy)], 24, 32, folder=tmp_path / "cache")
    assert images.keys[0] == images.keys[5]
    assert (tmp_path / "cache" / "24x32-stretch" / "pixels.u8").stat().st_size == 5 * 24 * 32 * 3


def test_a_changed_file_is_decoded_anew(tmp_path, pictures):
    before = decode_images(pictures, 24, 32, folder=tmp_path / "cache")[0].copy()
    Image.new("RGB", (40, 30), "red").save(pictures[0])
    after = decode_images(pictures, 24, 32, folder=tmp_path / "cache")[0]
    assert not np.array_equal(before, after)
    assert (after == [255, 0, 0]).all()


def test_rows_that_a_crash_left_without_keys_are_overwritten(tmp_path, pictures):
    cache = tmp_path / "cache"
    decode_images(pictures[:3], 24, 32, folder=cache)
    home = cache / "24x32-stretch"
    with (home / "pixels.u8").open("ab") as out:
        out.write(b"\x07" * 1000)  # killed between writing pixels and their key
    with (home / "keys.txt").open("a") as out:
        out.write("0123")  # or within the key
    images = decode_images(pictures, 24, 32, folder=cache)
    for n, path in enumerate(pictures):
        np.testing.assert_array_equal(images[n], fit_image(read_image(path), 24, 32))


def test_all_bad_images_are_named_together(tmp_path, pictures):
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:100])
    wanted = [*pictures, str(tmp_path / "cut.png"), str(tmp_path / "gone.png")]
    with pytest.raises(ImageError, match="2 of 7 images cannot be read") as caught:
        decode_images(wanted, 24, 32, folder=tmp_path / "cache")
    assert "cut.png" in str(caught.value)
    assert "gone.png: does not exist" in str(caught.value)


def test_a_cache_that_cannot_be_written_says_so(tmp_path, pictures):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImageError, match="cache of decoded images cannot be written.*CUTIS_CACHE"):
        decode_images(pictures, 24, 32, folder=tmp_path / "file" / "cache")


def test_no_images_are_no_error(tmp_path):
    assert len(decode_images([], 24, 32, folder=tmp_path / "cache")) == 0
