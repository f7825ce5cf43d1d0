"""Two photographs of one lesion are laid on each other, whatever was done to the second; others are not."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cutis.audit.alignment import align, find_keypoints
from cutis.audit.verification import verify_pairs
from cutis.data import draw_phantom, phantom_lesion, phantom_view
from cutis.errors import ImageError


def phantom(seed, diagnosis="nv", view=None, size=(150, 200)):
    return draw_phantom(phantom_lesion(diagnosis, seed), phantom_view(40, seed if view is None else view), size).image


def turned(image, degrees, zoom=1.0):
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def recompressed(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


CHANGES = {
    "mirrored": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "quarter turn": np.rot90,
    "cropped": lambda image: image[20:140, 10:170],
    "zoomed": lambda image: turned(image, 0, 1.6),
    "turned": lambda image: turned(image, 35),
    "recompressed": lambda image: recompressed(image, 40),
    "brighter": lambda image: cv2.convertScaleAbs(image, alpha=0.85, beta=30),
    "warmer": lambda image: np.clip(image * np.array([1.1, 1.0, 0.85]), 0, 255).astype(np.uint8),
    "enlarged": lambda image: cv2.resize(image, (640, 480), interpolation=cv2.INTER_CUBIC),
    "squashed": lambda image: cv2.resize(image, (180, 180), interpolation=cv2.INTER_AREA),
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 1.0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_copy_is_laid_on_its_original(change):
    original = phantom(3, "mel")
    found = align(find_keypoints(original), find_keypoints(np.ascontiguousarray(change(original))))
    assert found.inliers >= 8
    assert found.correlation > 0.6


def test_the_transform_is_the_one_that_was_made():
    original = phantom(5, "bkl")
    found = align(find_keypoints(original), find_keypoints(turned(original, -30, 1.3)))  # OpenCV turns to the left
    assert found.scale == pytest.approx(1.3, abs=0.03)
    assert found.rotation == pytest.approx(30, abs=1.5)
    assert not found.mirrored
    flipped = align(find_keypoints(original), find_keypoints(turned(original[:, ::-1].copy(), -30, 1.3)))
    assert flipped.mirrored
    assert flipped.scale == pytest.approx(1.3, abs=0.03)
    assert flipped.rotation == pytest.approx(30, abs=1.5)


def test_overlap_is_the_share_of_the_smaller_image():
    original = phantom(7, "mel")
    whole, part = find_keypoints(original), find_keypoints(np.ascontiguousarray(original[:, :120]))
    assert align(whole, part).overlap == pytest.approx(1, abs=0.03)
    left, right = (find_keypoints(np.ascontiguousarray(original[:, cut])) for cut in (slice(0, 150), slice(50, 200)))
    assert align(left, right).overlap == pytest.approx(2 / 3, abs=0.05)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 500), st.integers(501, 1000), st.sampled_from(["nv", "mel", "bkl", "bcc"]))
def test_two_lesions_are_not_laid_on_each_other(one, other, diagnosis):
    found = align(find_keypoints(phantom(one, diagnosis)), find_keypoints(phantom(other, diagnosis)))
    assert found.inliers < 6 or found.correlation < 0.4


def test_the_same_hairs_and_dark_corners_are_not_enough():
    overlay = np.full((150, 200, 3), 255, np.uint8)
    for start in range(0, 200, 25):
        cv2.line(overlay, (start, 0), (199 - start, 149), (60, 40, 30), 1, cv2.LINE_AA)
    rows, columns = np.mgrid[:150, :200]
    field = np.clip(1.6 - np.hypot(rows - 75, columns - 100) / 80, 0, 1)[..., None]

    def overlaid(image):
        return (np.minimum(image, overlay) * field).astype(np.uint8)

    pictures = [find_keypoints(overlaid(phantom(seed, "nv"))) for seed in range(20, 26)]
    corners_alone = [find_keypoints((phantom(seed, "nv") * field).astype(np.uint8)) for seed in range(20, 26)]
    for images, most in ((pictures, 0.75), (corners_alone, 0.4)):
        found = [align(a, b) for i, a in enumerate(images) for b in images[:i]]
        assert max(np.nan_to_num(each.correlation) for each in found) < most


def test_dark_skin_is_skin():
    original = (phantom(3, "mel") * 0.3).astype(np.uint8)
    assert np.median(cv2.cvtColor(original, cv2.COLOR_RGB2GRAY)) < 60
    found = align(find_keypoints(original), find_keypoints(turned(original, 35)))
    assert found.inliers >= 8
    assert found.correlation > 0.6


def test_smooth_images_have_nothing_to_lay():
    blank = find_keypoints(np.full((150, 200, 3), 180, np.uint8))
    found = align(blank, blank)
    assert found.inliers == 0
    assert np.isnan(found.correlation)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    first = phantom(1, "mel")
    images = [first, turned(first, 20, 1.2), phantom(2), first[:, ::-1], first]
    paths = [str(tmp_path / f"{i}.png") for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(np.ascontiguousarray(image)).save(path)
    return paths


def pairs(*which):
    a, b = np.array(which).T
    return a, b


def test_pairs_keep_their_order_and_either_side_may_come_first(files):
    there = verify_pairs(files, pairs((0, 1), (0, 2), (0, 3)))
    assert (there.correlation[[0, 2]] > 0.7).all()
    assert not there.correlation[1] > 0.4
    assert list(there.mirrored[[0, 2]]) == [False, True]
    back = verify_pairs(files, pairs((3, 0), (2, 0), (1, 0)))
    assert np.array_equal(back.inliers[::-1], there.inliers)
    assert np.array_equal(back.correlation[::-1], there.correlation, equal_nan=True)
    assert back.scale[2] == pytest.approx(1 / there.scale[0])
    assert back.rotation[2] == pytest.approx(-there.rotation[0])
    assert back.rotation[0] == pytest.approx(there.rotation[2])  # mirroring is its own way back


def test_what_is_known_is_not_looked_at_again(files, tmp_path):
    seen = []
    first = verify_pairs(files, pairs((0, 1), (0, 2)), progress=seen.append)
    assert sum(seen) == 2
    keys = [f"{i:032x}" for i in range(5)]
    with pytest.raises(ImageError, match=r"gone\.png"):
        verify_pairs([*files, str(tmp_path / "gone.png")], pairs((0, 5)))
    (tmp_path / "cache" / "audit-pairs-3" / "pairs.bin").open("ab").write(b"half a record")
    second = verify_pairs(files, pairs((0, 1), (0, 2), (1, 2)))
    assert np.array_equal(first.inliers, second.inliers[:2])
    before = (tmp_path / "cache" / "audit-pairs-3" / "pairs.bin").read_bytes()
    again = verify_pairs(files, pairs((1, 2), (4, 1)))  # image 4 is a copy of image 0
    assert again.inliers[0] == second.inliers[2]
    assert again.inliers[1] == second.inliers[0]
    assert (tmp_path / "cache" / "audit-pairs-3" / "pairs.bin").read_bytes() == before
    with pytest.raises(ImageError, match=r"damaged|not an image"):
        (tmp_path / "bad.png").write_bytes(b"no picture")
        verify_pairs([*files, str(tmp_path / "bad.png")], pairs((0, 5)), keys=[*keys, "f" * 32])


def test_no_pairs(files):
    none = np.zeros(0, dtype=np.int64)
    assert len(verify_pairs(files, (none, none)).inliers) == 0
