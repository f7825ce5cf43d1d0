"""Known changes of view are found again; other lesions and smooth skin are refused. Area and colour of phantoms."""

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutis.data import PhantomView, draw_phantom, phantom_lesion
from cutis.follow_up import align, aligned, lesion_change

HEIGHT, WIDTH = 300, 400
CORNERS = np.array([[120, 80], [280, 80], [120, 220], [280, 220], [200, 150]], dtype=float)


def photograph(number: int, diagnosis: str = "mel", seed: int = 1, **view) -> np.ndarray:
    drawn = PhantomView(ita=35.0, seed=seed, width_mm=14.0, hairs=6, noise=0.01, **view)
    return draw_phantom(phantom_lesion(diagnosis, number), drawn, (HEIGHT, WIDTH)).image


def seen(pixels: np.ndarray, matrix: np.ndarray, light: float, cast: tuple[float, ...], seed: int) -> np.ndarray:
    """The photograph from elsewhere, in another light, with a camera's noise."""
    lit = np.clip(pixels * light * np.array(cast), 0, 255).astype(np.uint8)
    moved = cv2.warpAffine(lit, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    noise = np.random.default_rng(seed).normal(0, 3, moved.shape)
    return np.clip(moved + noise, 0, 255).astype(np.uint8)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    number=st.integers(0, 40),
    diagnosis=st.sampled_from(["mel", "nv", "bkl"]),
    rotation=st.floats(-45, 45),
    scale=st.floats(0.7, 1.4),
    shift=st.tuples(st.floats(-25, 25), st.floats(-25, 25)),
    light=st.floats(0.75, 1.2),
    cast=st.tuples(*[st.floats(0.92, 1.08)] * 3),
)
def test_a_known_similarity_is_found_again_or_refused_never_wrong(
    number, diagnosis, rotation, scale, shift, light, cast
):
    pixels = photograph(number, diagnosis)
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), rotation, scale)
    matrix[:, 2] += shift
    found = align(pixels, seen(pixels, matrix, light, cast, number))
    if found is None:
        return
    told = CORNERS @ found.matrix[:, :2].T + found.matrix[:, 2]
    assert np.linalg.norm(told - (CORNERS @ matrix[:, :2].T + matrix[:, 2]), axis=1).max() < 5
    assert found.scale == pytest.approx(scale, rel=0.03)
    assert found.rotation == pytest.approx(-rotation, abs=2)  # OpenCV's angles are counter-clockwise


def test_nearly_all_known_similarities_are_found():
    refused = 0
    rng = np.random.default_rng(4)
    for number in range(6):
        pixels = photograph(number, ("mel", "nv")[number % 2])
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), rng.uniform(-45, 45), rng.uniform(0.7, 1.4))
        refused += align(pixels, seen(pixels, matrix, 0.9, (1.0, 1.0, 1.0), number)) is None
    assert refused <= 1


def test_other_lesions_and_skin_without_marks_are_refused():
    pictures = [photograph(number, ("mel", "nv", "bcc", "df")[number % 4], seed=number) for number in range(4)]
    assert [k for k in range(3) if align(pictures[k], pictures[k + 1]) is not None] == []
    smooth = np.full((HEIGHT, WIDTH, 3), (215, 170, 150), dtype=np.uint8)
    assert align(smooth, smooth) is None
    spot = cv2.circle(smooth.copy(), (200, 150), 60, (90, 60, 50), -1, cv2.LINE_AA)
    other = cv2.ellipse(smooth.copy(), (180, 140), (70, 50), 30, 0, 360, (90, 60, 50), -1, cv2.LINE_AA)
    assert align(spot, other) is None
    assert align(pictures[0][:20, :20], pictures[1]) is None


def test_photographs_of_other_sizes_are_aligned_in_their_own_pixels():
    pixels = photograph(3)
    small = cv2.resize(pixels, (200, 150), interpolation=cv2.INTER_AREA)
    found = align(pixels, small)
    assert found is not None
    assert found.scale == pytest.approx(0.5, rel=0.01)
    moved = aligned(pixels, found.matrix, (150, 200))
    assert moved.shape == (150, 200, 4)
    inside = moved[20:130, 20:180]
    assert (inside[..., 3] == 255).all()
    assert np.abs(inside[..., :3].astype(float) - small[20:130, 20:180]).mean() < 4
    shifted = aligned(pixels, np.array([[1.0, 0, 100], [0, 1, 0]]), (300, 400))
    assert (shifted[:, :100, 3] == 0).all()  # it shows nothing there, and is not said to


def with_skin_marks(pixels: np.ndarray, keep_off: np.ndarray) -> np.ndarray:
    """Small spots on the skin, by which its scale can be told."""
    marked = pixels.copy()
    rng = np.random.default_rng(9)
    free = cv2.dilate(keep_off.astype(np.uint8), np.ones((41, 41))) == 0
    for _ in range(90):
        x, y = int(rng.integers(12, WIDTH - 12)), int(rng.integers(12, HEIGHT - 12))
        if free[y, x]:
            colour = [int(each) for each in marked[y, x] * rng.uniform(0.72, 0.85)]
            cv2.ellipse(marked, (x, y), (int(rng.integers(2, 5)), 2), int(rng.integers(180)), 0, 360, colour, -1)
    return marked


def test_growth_is_told_by_the_skin_around_and_not_scaled_away():
    lesion, view = phantom_lesion("mel", 6), PhantomView(ita=35.0, seed=1, width_mm=20.0)
    before = draw_phantom(lesion, view, (HEIGHT, WIDTH))
    centre = np.argwhere(before.mask > 0).mean(axis=0)[::-1]
    grow = cv2.getRotationMatrix2D(tuple(centre), 0, 1.2)
    large = cv2.warpAffine(before.image, grow, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    inside = cv2.GaussianBlur(cv2.warpAffine(before.mask, grow, (WIDTH, HEIGHT)), (0, 0), 4)[..., None] / 255
    larger = inside > 0.02
    after = (before.image * (1 - inside) + large * inside).astype(np.uint8)
    off = larger[..., 0] | (before.mask > 0)
    one, two = with_skin_marks(before.image, off), with_skin_marks(after, off)
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 20, 1.1)
    later = seen(two, matrix, 0.95, (1.0, 1.0, 1.0), 2)
    alignment = align(one, later)
    assert alignment is not None
    change = lesion_change(one, later, alignment)
    assert change.no_ratio == ""
    assert change.area_ratio == pytest.approx(1.44, rel=0.15)
    same = lesion_change(
        one, seen(one, matrix, 0.95, (1.0, 1.0, 1.0), 3), align(one, seen(one, matrix, 1, (1, 1, 1), 3))
    )
    assert same.area_ratio == pytest.approx(1.0, rel=0.1)
    assert same.now.from_(same.then) < 4


def test_no_ratio_is_told_where_it_would_rest_on_nothing():
    pixels = photograph(3)
    assert lesion_change(pixels, pixels, None).no_ratio == "not aligned"
    close = cv2.resize(pixels[90:210, 120:280], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    alignment = align(close, close)
    assert alignment is not None
    assert lesion_change(close, close, alignment).area_ratio is None
