"""Photographs as a reader gets them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from cutis.errors import ImageError
from cutis.study.case_pictures import MOST_SIDE
from cutis.web import pictures
from cutis.web.pictures import Pictures, reader_jpeg


def gradient(height: int, width: int) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([rows * 255 // height, columns * 255 // width, rows * 0 + 90], 2).astype(np.uint8))


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_whatever_the_file_a_reader_gets_the_same_kind(tmp_path: Path) -> None:
    sizes = set()
    for name in ("a.png", "b.jpg", "c.tif", "d.webp"):
        gradient(60, 80).save(tmp_path / name)
        made = opened(reader_jpeg(tmp_path / name))
        sizes.add((made.format, made.mode, made.size, tuple(sorted(made.info))))
    assert len(sizes) == 1


def test_it_is_upright_and_tells_nothing_of_the_camera(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera of Dr Jo"
    gradient(60, 80).save(tmp_path / "turned.jpg", exif=exif, comment=b"melanoma")
    content = reader_jpeg(tmp_path / "turned.jpg")
    assert opened(content).size == (60, 80)
    assert b"Jo" not in content
    assert b"melanoma" not in content
    assert b"Exif" not in content


def test_pixels_are_kept(tmp_path: Path) -> None:
    gradient(60, 80).save(tmp_path / "a.png")
    made = np.asarray(opened(reader_jpeg(tmp_path / "a.png"))).astype(int)
    assert np.abs(made - np.asarray(gradient(60, 80))).max() <= 4


def test_a_large_photograph_is_scaled_and_a_small_one_is_not(tmp_path: Path) -> None:
    gradient(1000, 3000).save(tmp_path / "large.jpg")
    assert opened(reader_jpeg(tmp_path / "large.jpg")).size == (MOST_SIDE, MOST_SIDE // 3)


def test_a_profile_becomes_srgb(tmp_path: Path) -> None:
    # A profile under which a given red is another one in sRGB: LAB's, made a display's by Pillow, is not one, so a
    # plain sRGB profile has to give the same pixels.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gradient(60, 80).save(tmp_path / "profiled.png", icc_profile=srgb)
    gradient(60, 80).save(tmp_path / "plain.png")
    profiled, plain = (opened(reader_jpeg(tmp_path / name)) for name in ("profiled.png", "plain.png"))
    assert "icc_profile" not in profiled.info
    assert np.abs(np.asarray(profiled).astype(int) - np.asarray(plain)).max() <= 3
    gradient(60, 80).save(tmp_path / "damaged.png", icc_profile=b"no profile")
    assert opened(reader_jpeg(tmp_path / "damaged.png")).size == (80, 60)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    for name in ("a.jpg", "missing.jpg"):
        with pytest.raises(ImageError):
            Pictures().jpeg(tmp_path / name)


def test_they_are_made_once_and_forgotten_when_there_are_too_many(tmp_path: Path, monkeypatch) -> None:
    made = []
    monkeypatch.setattr(pictures, "reader_jpeg", lambda path: made.append(path.name) or b"a" * 40)
    monkeypatch.setattr(pictures, "KEPT_BYTES", 100)
    kept = Pictures()
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path in paths:
        path.write_bytes(b"x")
    for path in (paths[0], paths[0], paths[1], paths[0], paths[2], paths[0], paths[1]):
        assert len(kept.jpeg(path)) == 40
    assert made == ["a", "b", "c", "b"]
    paths[0].write_bytes(b"changed")
    kept.jpeg(paths[0])
    assert made[-1] == "a"
