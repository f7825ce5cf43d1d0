"""Views of phantom lesions: skin of a wanted tone, the lesion, the light, the lens, and what lies on top."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cutis.data.phantom.canvas import Plane, smooth_noise
from cutis.data.phantom.lesion import Painted, PhantomLesion, paint_lesion

DERMOSCOPIC = "dermoscopic"
CLINICAL = "clinical: close-up"

ITA_RANGES: dict[str, tuple[float, float]] = {
    "I": (55.0, 70.0),
    "II": (41.0, 55.0),
    "III": (28.0, 41.0),
    "IV": (10.0, 28.0),
    "V": (-30.0, 10.0),
    "VI": (-60.0, -30.0),
}
"""Degrees of the individual typology angle by Fitzpatrick type. Cut-offs: Chardon 1991
(doi:10.1111/j.1467-2494.1991.tb00561.x), Del Bino 2013 (doi:10.1111/bjd.12529): above 55 very light, 41–55
light, 28–41 intermediate, 10–28 tan, −30–10 brown, else dark. The outer ends are where phantoms stop."""


@dataclass(frozen=True)
class PhantomView:
    """How one photograph is taken; ``PhantomView(ita=30)`` is evenly lit, sharp and clean.

    Attributes:
        ita: individual typology angle of the skin, degrees.
        seed: of the skin's texture, the hairs' places and the noise.
        image_type: ``DERMOSCOPIC`` or ``CLINICAL``.
        width_mm: how much skin the image's width shows.
        rotation: of the lesion, degrees counter-clockwise.
        shift: of the lesion's centre to the right and down, in image widths and heights.
        redness: a* of the skin.
        exposure: factor on everything.
        gradient: of the light, from one side to the other, 0–1.
        gradient_angle: where the light comes from, degrees clockwise from the right.
        cast: factors on red, green and blue.
        dark_corners: 0 none, 1 the round field of a dermoscope that does not fill the image.
        hairs: how many; ``light_hair`` makes them pale.
        ruler: a scale with millimetre ticks along the lower edge.
        bubbles: how many bubbles in the contact gel.
        blur: sigma of the lens, in pixels of an image 150 high.
        noise: standard deviation of the sensor, 0–1.
    """

    ita: float
    seed: int = 0
    image_type: str = DERMOSCOPIC
    width_mm: float = 18.0
    rotation: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    redness: float = 10.0
    exposure: float = 1.0
    gradient: float = 0.0
    gradient_angle: float = 0.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    dark_corners: float = 0.0
    hairs: int = 0
    light_hair: bool = False
    ruler: bool = False
    bubbles: int = 0
    blur: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class PhantomImage:
    """One picture and the truth about it: all of the same height and width, masks 0 or 255."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    mask: NDArray[np.uint8]  # (H, W) the lesion
    structures: dict[str, NDArray[np.uint8]]  # (H, W) where each structure lies


def phantom_view(ita: float, seed: int, *, clinical: bool = False) -> PhantomView:
    """A view as it may happen: turned, off the centre, unevenly lit, with hairs, ruler, bubbles, noise.

    Args:
        ita: the skin's, degrees.
        seed: 0 or above; the same seed gives the same view.
        clinical: a smartphone's photograph instead of a dermoscope's: more skin, worse light, no gel.
    """
    rng = np.random.default_rng((seed, 1))
    reach = 0.14 if clinical else 0.09
    hairy = rng.random() < 0.35
    warmth = rng.normal(0, 0.08 if clinical else 0.05)  # indoor lamps to northern sky
    cast = np.array([1 + warmth, 1, 1 - warmth]) + rng.normal(0, 0.015, 3)
    return PhantomView(
        ita=ita,
        seed=seed,
        image_type=CLINICAL if clinical else DERMOSCOPIC,
        width_mm=rng.uniform(28, 46) if clinical else rng.uniform(12.5, 19),
        rotation=rng.uniform(0, 360),
        shift=(rng.uniform(-reach, reach), rng.uniform(-reach, reach)),
        redness=rng.uniform(8, 15),
        exposure=rng.uniform(0.8, 1.25) if clinical else rng.uniform(0.98, 1.28),
        gradient=rng.uniform(0.1, 0.5) if clinical else rng.uniform(0, 0.16),
        gradient_angle=rng.uniform(0, 360),
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        dark_corners=rng.uniform(0.3, 1) if not clinical and rng.random() < 0.3 else 0.0,
        hairs=int(rng.integers(3, 22)) if hairy else 0,
        light_hair=bool(rng.random() < 0.25),
        ruler=bool(rng.random() < (0.08 if clinical else 0.15)),
        bubbles=int(rng.integers(2, 9)) if not clinical and rng.random() < 0.2 else 0,
        blur=rng.uniform(0.4, 1.3) if clinical else rng.uniform(0.3, 0.8),
        noise=rng.uniform(0.008, 0.025) if clinical else rng.uniform(0.004, 0.014),
    )


def draw_phantom(lesion: PhantomLesion, view: PhantomView, size: tuple[int, int] = (150, 200)) -> PhantomImage:
    """Photograph a phantom lesion.

    Args:
        lesion: what is seen.
        view: how.
        size: the picture's height and width in pixels.
    """
    return draw_painted(paint_lesion(lesion, canvas_radius(size)), lesion.diameter_mm, view, size)


def canvas_radius(size: tuple[int, int]) -> int:
    """How finely a lesion must be painted for pictures of this (height, width)."""
    return max(24, round(0.4 * size[0]))


def draw_painted(painted: Painted, diameter_mm: float, view: PhantomView, size: tuple[int, int]) -> PhantomImage:
    """As :func:`draw_phantom`, from a painted lesion: paint once, photograph often."""
    height, width = size
    rng = np.random.default_rng((view.seed, 2))
    pixels_per_mm = width / view.width_mm
    matrix, zoom = _onto_image(painted, diameter_mm * pixels_per_mm / 2, view, size)
    picture = _skin(view, size, rng)
    picture = picture * _warp(painted.transmitted, matrix, zoom, size, 1.0) + _warp(
        painted.reflected, matrix, zoom, size, 0.0
    )
    picture = _hairs(picture, view, rng)
    picture *= _light(view, size)[..., None] * np.asarray(view.cast, np.float32)
    picture = _bubbles(picture, view, rng)
    if view.ruler:
        picture = _ruler(picture, pixels_per_mm)
    if view.dark_corners:
        picture *= _round_field(view, size, rng)[..., None]
    if view.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), view.blur * height / 150)
    if view.noise:
        picture += np.float32(view.noise) * rng.standard_normal(picture.shape, np.float32)
    image = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    structures = {name: _warp_mask(where, matrix, size) for name, where in painted.structures.items()}
    return PhantomImage(image, _warp_mask(painted.mask, matrix, size), structures)


def skin_colour(ita: float, redness: float = 10.0) -> NDArray[np.float32]:
    """Skin of this individual typology angle as sRGB, three values 0–1.

    ITA = arctan((L* − 50) / b*) (Chardon 1991), so L* and b* lie on the ray of that angle from (50, 0); how
    far out is chosen so that b* stays near what is measured on people, about 9–18.
    """
    distance = 17 + 7 * (ita / 60) ** 2
    angle = np.deg2rad(ita)
    lab = np.array([[[50 + distance * np.sin(angle), redness, distance * np.cos(angle)]]], np.float32)
    colour: NDArray[np.float32] = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0, 0], 0, 1)
    return colour


def typology_angle(pixels: NDArray[np.uint8]) -> float:
    """The individual typology angle, in degrees, of the median colour of sRGB ``pixels`` (N, 3)."""
    median = np.median(pixels.reshape(-1, 3), axis=0).astype(np.float32) / np.float32(255)
    lightness, _, yellowness = cv2.cvtColor(median[None, None], cv2.COLOR_RGB2LAB)[0, 0]
    return float(np.rad2deg(np.arctan2(lightness - 50, yellowness)))


def fitzpatrick_of(ita: float) -> str:
    """The Fitzpatrick type whose range holds this angle; a limit belongs to the darker type."""
    for skin_type, (low, _) in ITA_RANGES.items():
        if ita > low:
            return skin_type
    return "VI"


def _skin(view: PhantomView, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Skin with its mottling, furrows and follicles; its median colour is that of the wanted tone."""
    height, _ = size
    clinical = view.image_type == CLINICAL
    mottled = smooth_noise(rng, size, 5)
    texture = 0.018 * smooth_noise(rng, size, 28, octaves=2)
    if clinical:  # at a distance the furrows show as a fine relief lit from one side
        relief = smooth_noise(rng, size, 40, octaves=2)
        texture = texture + 0.035 * cv2.filter2D(relief, -1, np.array([[-1, 0, 0], [0, 0, 0], [0, 0, 1]], np.float32))
    else:
        furrow = np.abs(smooth_noise(rng, size, 14, octaves=1))
        texture = texture - 0.03 * np.clip(0.25 - furrow, 0, 1) / 0.25
    red = np.float32(0.02) * mottled
    tone = np.stack([1 + texture + red * 0.3, 1 + texture - red, 1 + texture - red], axis=-1).astype(np.float32)
    tone /= np.median(tone.reshape(-1, 3)[:: max(1, height // 50)], axis=0)
    skin: NDArray[np.float32] = tone * skin_colour(view.ita, view.redness)
    return skin


def _onto_image(
    painted: Painted, radius: float, view: PhantomView, size: tuple[int, int]
) -> tuple[NDArray[np.float64], float]:
    """The affine map from canvas to image, and its zoom; ``radius`` is the lesion's, in image pixels."""
    height, width = size
    zoom = radius / painted.radius
    middle = (painted.mask.shape[0] - 1) / 2
    matrix: NDArray[np.float64] = cv2.getRotationMatrix2D((middle, middle), view.rotation, zoom)
    matrix[0, 2] += (width - 1) / 2 + view.shift[0] * width - middle
    matrix[1, 2] += (height - 1) / 2 + view.shift[1] * height - middle
    return matrix, zoom


def _warp(
    layer: NDArray[np.float32],
    matrix: NDArray[np.float64],
    zoom: float,
    size: tuple[int, int],
    outside: float,
) -> NDArray[np.float32]:
    if zoom < 0.75:  # else fine lines would alias
        layer = cv2.GaussianBlur(layer, (0, 0), 0.35 / zoom)
    warped: NDArray[np.float32] = cv2.warpAffine(
        layer, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderValue=(outside,) * 3
    )
    return warped


def _warp_mask(mask: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    soft = cv2.warpAffine(mask, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderValue=0)
    hard: NDArray[np.uint8] = (soft > 127).astype(np.uint8) * np.uint8(255)
    return hard


def _light(view: PhantomView, size: tuple[int, int]) -> Plane:
    height, width = size
    angle = np.deg2rad(view.gradient_angle)
    along = np.linspace(-1, 1, width)[None] * np.cos(angle) + np.linspace(-1, 1, height)[:, None] * np.sin(angle)
    light: Plane = (view.exposure * (1 + 0.5 * view.gradient * along / 1.2)).astype(np.float32)
    return light


def _hairs(picture: NDArray[np.float32], view: PhantomView, rng: np.random.Generator) -> NDArray[np.float32]:
    if not view.hairs:
        return picture
    height, width = picture.shape[:2]
    step = np.linspace(0, 1, 14)[:, None]
    direction = rng.uniform(0, np.pi)
    plane = np.zeros((height, width), np.uint8)
    for _ in range(view.hairs):
        angle = direction + rng.normal(0, 0.45)
        along = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.2, 0.75) * height
        middle = rng.uniform(-0.05, 1.05, 2) * (width, height)
        bend = np.array([-along[1], along[0]]) * rng.normal(0, 0.35)
        curve = (
            (1 - step) ** 2 * (middle - along) + 2 * step * (1 - step) * (middle + bend) + step**2 * (middle + along)
        )
        thick = max(1, round(height / 150 * rng.uniform(0.6, 1.7)))
        strength = int(rng.integers(150, 256))
        cv2.polylines(plane, [np.round(curve * 16).astype(np.int32)], False, strength, thick, cv2.LINE_AA, 4)
    cover = plane.astype(np.float32)[..., None] / np.float32(255) * np.float32(0.6 if view.light_hair else 0.85)
    colour = np.array((0.93, 0.88, 0.78) if view.light_hair else (0.13, 0.09, 0.07), np.float32)
    hairy: NDArray[np.float32] = picture * (1 - cover) + cover * colour
    return hairy


def _bubbles(picture: NDArray[np.float32], view: PhantomView, rng: np.random.Generator) -> NDArray[np.float32]:
    """Bubbles in the gel: a bright ring, a darker one within, and the lamp's glint."""
    if not view.bubbles:
        return picture
    height, width = picture.shape[:2]
    glow = np.zeros((height, width), np.uint8)
    shade = np.zeros((height, width), np.uint8)
    for _ in range(view.bubbles):
        column, row = rng.uniform(0, 1, 2) * (width, height) * 16
        radius = height * 16 * rng.uniform(0.012, 0.06)
        centre = (round(column), round(row))
        cv2.circle(shade, centre, round(radius * 0.86), 255, 1, cv2.LINE_AA, 4)
        cv2.circle(glow, centre, round(radius), 255, 1, cv2.LINE_AA, 4)
        glint = (round(column - radius * 0.4), round(row - radius * 0.4))
        cv2.circle(glow, glint, round(max(radius * 0.18, 8)), 255, cv2.FILLED, cv2.LINE_AA, 4)
    dark = shade.astype(np.float32)[..., None] * np.float32(0.35 / 255)
    bright = glow.astype(np.float32)[..., None] * np.float32(0.6 / 255)
    bubbly: NDArray[np.float32] = picture * (1 - dark) * (1 - bright) + bright
    return bubbly


def _ruler(picture: NDArray[np.float32], pixels_per_mm: float) -> NDArray[np.float32]:
    """Millimetre ticks along the lower edge, every fifth longer and numbered."""
    height, width = picture.shape[:2]
    ink = np.zeros((height, width), np.uint8)
    for millimetre in range(int(width / pixels_per_mm) + 1):
        column = round((millimetre + 0.5) * pixels_per_mm)
        fifth = millimetre % 5 == 0
        top = height - 1 - round(height * (0.055 if fifth else 0.03))
        cv2.line(ink, (column, height - 1), (column, top), 255, max(1, height // 150), cv2.LINE_AA)
        if fifth:
            place = (column + 2, height - 1 - round(height * 0.035))
            cv2.putText(ink, str(millimetre), place, cv2.FONT_HERSHEY_PLAIN, height / 230, 255, 1, cv2.LINE_AA)
    ruled: NDArray[np.float32] = picture * (1 - ink.astype(np.float32)[..., None] * np.float32(0.85 / 255))
    return ruled


def _round_field(view: PhantomView, size: tuple[int, int], rng: np.random.Generator) -> Plane:
    height, width = size
    column, row = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    off = rng.normal(0, 0.02, 2) * width
    from_middle = np.hypot(column - width / 2 - off[0], row - height / 2 - off[1])
    radius = width * (0.66 - 0.14 * view.dark_corners)
    field: Plane = np.clip((radius - from_middle) / (0.035 * width) + 0.5, 0.03, 1).astype(np.float32)
    return field
