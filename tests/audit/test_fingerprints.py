import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.audit import fingerprints
from cutis.audit.fingerprints import (
    FEATURE_WIDTH,
    camera_and_moment,
    fingerprint_images,
    perceptual_hashes,
    views_of,
)
from cutis.data import content_key, make_phantoms, read_image
from cutis.errors import ImageError


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return make_phantoms(tmp_path_factory.mktemp("phantoms"), patients=6, planted_duplicates=0).head(16)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def known(phantoms, cache):
    return fingerprint_images(phantoms, folder=cache)


def of_files(paths):
    return pl.DataFrame({"image_id": [str(n) for n in range(len(paths))], "image_path": [str(path) for path in paths]})


def bits(a, b):
    return int(a ^ b).bit_count()


def orientations(image):
    return [np.rot90(each, turns) for each in (image, image[:, ::-1]) for turns in range(4)]


def test_what_comes_back(phantoms, known):
    n = len(phantoms)
    assert known.keys == [content_key(path) for path in phantoms["image_path"]]
    assert known.taken == [None] * n
    assert known.perceptual.shape == (n, 8)
    assert known.perceptual.dtype == np.uint64
    assert known.features.shape == (n, FEATURE_WIDTH)
    assert known.features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(known.features, axis=1), 1, atol=1e-5)


def test_a_second_run_reads_no_image(phantoms, cache, known, monkeypatch):
    monkeypatch.setattr(fingerprints, "read_image", lambda path: pytest.fail("read again"))
    monkeypatch.setattr(fingerprints, "FeatureNetwork", lambda: pytest.fail("computed again"))
    done = []
    again = fingerprint_images(phantoms.reverse(), folder=cache, progress=done.append)
    assert sum(done) == len(phantoms)
    np.testing.assert_array_equal(again.features, known.features[::-1])
    np.testing.assert_array_equal(again.perceptual, known.perceptual[::-1])


class CountingNetwork:
    """In the network's place where its answers do not matter."""

    seen = 0

    def pooled(self, views):
        CountingNetwork.seen += len(views)
        return views.reshape(len(views), -1)[:, :FEATURE_WIDTH].astype(np.float32)


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(fingerprints, "FeatureNetwork", CountingNetwork)
    monkeypatch.setattr(CountingNetwork, "seen", 0)
    return CountingNetwork


def test_rows_without_an_image_are_passed_over_and_a_copied_file_is_computed_once(phantoms, tmp_path, counting):
    path = phantoms["image_path"][0]
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(Path(path).read_bytes())
    done = []
    manifest = pl.DataFrame({"image_id": ["a", "b", "c"], "image_path": [path, None, str(copy)]})
    found = fingerprint_images(manifest, folder=tmp_path / "cache", progress=done.append)
    assert found.keys[0] == found.keys[1]
    assert len(found.keys) == sum(done) == 2
    assert counting.seen == 1


@pytest.mark.parametrize("manifest", [of_files([]), pl.DataFrame({"image_id": ["a"]})])
def test_no_image_at_all(tmp_path, manifest):
    found = fingerprint_images(manifest.with_columns(pl.lit("x").alias("source")), folder=tmp_path)
    assert found.keys == found.taken == []
    assert found.perceptual.shape == (0, 8)
    assert found.features.shape == (0, FEATURE_WIDTH)


@pytest.mark.parametrize("cut", [1, 20, 33, 34, 40, 100])
def test_what_a_killed_run_left_is_completed(phantoms, tmp_path, counting, cut):
    path = str(tmp_path / "camera.jpg")
    photographed(path)
    manifest = of_files([*phantoms["image_path"].head(3), path])
    whole = fingerprint_images(manifest, folder=tmp_path / "cache")
    home = tmp_path / "cache" / fingerprints._CACHE
    text = (home / "images.txt").read_bytes()
    (home / "images.txt").write_bytes(text[: len(text) - cut])
    with (home / "records.bin").open("ab") as records:
        records.write(b"\7" * 1000)
    again = fingerprint_images(manifest, folder=tmp_path / "cache")
    assert again.taken == whole.taken == [None, None, None, "Canon|EOS|2017:05:03 10:11:12.34"]
    np.testing.assert_allclose(again.features, whole.features, atol=1e-5)
    assert (home / "images.txt").read_bytes() == text
    assert (home / "records.bin").stat().st_size == 4 * fingerprints._RECORD.itemsize


def test_unreadable_images_are_named_together(phantoms, tmp_path, counting):
    (tmp_path / "text.jpg").write_text("no image")
    whole = Path(phantoms["image_path"][0]).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    manifest = of_files([*phantoms["image_path"], tmp_path / "text.jpg", tmp_path / "cut.jpg"])
    with pytest.raises(ImageError, match=rf"2 of {len(manifest)} images cannot be read.*text\.jpg.*cut\.jpg"):
        fingerprint_images(manifest, folder=tmp_path / "cache")


def test_missing_images_are_named_before_any_work(tmp_path, monkeypatch, phantoms):
    monkeypatch.setattr(fingerprints, "read_image", lambda path: pytest.fail("work began"))
    with pytest.raises(ImageError, match=r"2 of 3 images cannot be read.*one\.jpg: does not exist.*two\.jpg"):
        fingerprint_images(of_files([phantoms["image_path"][0], "one.jpg", "two.jpg"]), folder=tmp_path)


def photographed(path, **changed):
    exif = Image.Exif()
    tags = {"make": "Canon", "model": "EOS", "moment": "2017:05:03 10:11:12", "fraction": "34"} | changed
    exif[0x010F], exif[0x0110] = tags["make"], tags["model"]
    original = exif.get_ifd(0x8769)
    original[0x9003], original[0x9291] = tags["moment"], tags["fraction"]
    Image.new("RGB", (20, 20), "white").save(path, exif=exif)


@pytest.mark.parametrize(
    ("changed", "taken"),
    [
        ({}, "Canon|EOS|2017:05:03 10:11:12.34"),
        ({"fraction": ""}, "Canon|EOS|2017:05:03 10:11:12"),
        ({"make": "  "}, "|EOS|2017:05:03 10:11:12.34"),
        ({"model": "A\n|B"}, "Canon|A B|2017:05:03 10:11:12.34"),
        ({"make": "", "model": ""}, None),
        ({"moment": "0000:00:00 00:00:00"}, None),
        ({"moment": "    :  :     :  :  "}, None),
        ({"moment": "2000:01:01 00:00:00"}, None),
    ],
)
def test_camera_and_moment(tmp_path, changed, taken):
    photographed(tmp_path / "a.jpg", **changed)
    assert camera_and_moment(tmp_path / "a.jpg") == taken


def test_no_camera_in_a_stripped_file(phantoms):
    assert camera_and_moment(phantoms["image_path"][0]) is None


def test_the_hashes_of_all_orientations_come_from_one(phantoms):
    for path in phantoms["image_path"].head(4):
        image = read_image(path)
        expected = [int(perceptual_hashes(each)[0]) for each in orientations(image)]
        assert all(bits(a, b) <= 1 for a, b in zip(perceptual_hashes(image).tolist(), expected, strict=True))
        assert len(set(expected)) == 8


def test_the_hash_survives_recompression_scaling_and_brightness(phantoms, tmp_path):
    for path in phantoms["image_path"]:
        image = read_image(path)
        Image.fromarray(image).save(tmp_path / "q30.jpg", quality=30)
        half = np.asarray(Image.fromarray(image).resize((100, 75), Image.Resampling.BOX))
        brighter = np.clip(image * 1.1 + 5, 0, 255).astype(np.uint8)
        first = int(perceptual_hashes(image)[0])
        for other in (read_image(tmp_path / "q30.jpg"), half, brighter):
            assert bits(first, int(perceptual_hashes(other)[0])) <= 7


def test_blank_images_have_one_hash():
    hashes = [perceptual_hashes(np.full((30, 50, 3), grey, dtype=np.uint8)) for grey in (0, 77, 255)]
    assert (np.stack(hashes) == hashes[0][0]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 3), (500, 4)])
def test_images_of_any_shape(shape):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    assert views_of(image).shape == (2, 96, 96, 3)
    assert perceptual_hashes(image).shape == (8,)


def test_features_know_an_image_turned_and_a_close_up_among_others(phantoms, known, tmp_path):
    changed, of = [], []
    for n in range(0, len(phantoms), 4):
        image = read_image(phantoms["image_path"][n])
        height, width = image.shape[:2]
        close = image[height // 6 : -(height // 6), width // 6 : -(width // 6)]
        for each in (*orientations(image)[1:], close):
            changed.append(tmp_path / f"{len(changed)}.png")
            Image.fromarray(np.ascontiguousarray(each)).save(changed[-1])
            of.append(n)
    found = fingerprint_images(of_files(changed), folder=tmp_path / "cache")
    similarity = found.features @ known.features.T
    assert (similarity.argmax(axis=1) == of).all()
    own = similarity[np.arange(len(of)), of].reshape(-1, 8)
    assert own[:, :7].min() > 0.5  # orientations; cosines of unlike images are around 0


def test_importing_the_audit_imports_no_torch():
    code = "import sys, cutis.audit.neighbours, cutis.audit.fingerprints; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
